//! Conditions, and what a member has of them.

use rust_decimal::Decimal;

use crate::domain::rules::model::Condition;

/// What facts within a window amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    pub amount: Decimal,
    pub orders: i64,
    pub points: i64,
    /// Of one order.
    pub largest: Decimal,
}

/// What a condition measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Amount,
    Orders,
    OrderAmount,
    Points,
}

impl Measure {
    pub fn word(self) -> &'static str {
        match self {
            Measure::Amount => "amount",
            Measure::Orders => "orders",
            Measure::OrderAmount => "order_amount",
            Measure::Points => "points",
        }
    }
}

/// A part of a condition that is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    pub measure: Measure,
    pub have: Decimal,
    pub need: Decimal,
}

impl Unmet {
    pub fn missing(&self) -> Decimal {
        self.need.saturating_sub(self.have)
    }
}

impl Measures {
    pub fn of_order(amount: Decimal, goods: bool) -> Self {
        Measures {
            amount,
            orders: goods.into(),
            largest: amount.max(Decimal::ZERO),
            ..Measures::default()
        }
    }

    pub fn of_points(points: i64) -> Self {
        Measures {
            points,
            ..Measures::default()
        }
    }

    /// Both together.
    pub fn and(self, other: Measures) -> Self {
        Measures {
            amount: self.amount.saturating_add(other.amount),
            orders: self.orders.saturating_add(other.orders),
            points: self.points.saturating_add(other.points),
            largest: self.largest.max(other.largest),
        }
    }

    pub fn add(&mut self, amount: Decimal, orders: i64) {
        self.amount = self.amount.saturating_add(amount);
        self.orders = self.orders.saturating_add(orders);
    }

    /// Whether all parts of a condition hold.
    pub fn meet(&self, condition: &Condition) -> bool {
        self.parts(condition).all(|part| part.have >= part.need)
    }

    /// The parts of a condition that do not hold.
    pub fn unmet(&self, condition: &Condition) -> Vec<Unmet> {
        self.parts(condition)
            .filter(|part| part.have < part.need)
            .collect()
    }

    fn parts(&self, condition: &Condition) -> impl Iterator<Item = Unmet> {
        let Condition {
            amount,
            orders,
            order_amount,
            points,
        } = *condition;
        let parts = [
            (Measure::Amount, self.amount, amount),
            (Measure::Orders, self.orders.into(), orders.map(Decimal::from)),
            (Measure::OrderAmount, self.largest, order_amount),
            (Measure::Points, self.points.into(), points.map(Decimal::from)),
        ];
        let part = |(measure, have, need): (_, _, Option<Decimal>)| {
            Some(Unmet {
                measure,
                have,
                need: need?,
            })
        };
        parts.into_iter().filter_map(part)
    }
}
