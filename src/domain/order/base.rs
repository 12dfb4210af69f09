//! The amount that earns, and what refunds take off it.

use rust_decimal::Decimal;

use super::facts::{Refund, Snapshot};
use crate::domain::money::Ratio;
use crate::domain::rules::model::Base;

/// An exact amount and the digits it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseAmount {
    pub amount: Ratio,
    scale: u32,
}

impl BaseAmount {
    pub fn to_decimal(self) -> Decimal {
        self.amount.to_decimal(self.scale)
    }
}

/// What is left to earn on after these refunds. They come off the goods alone.
pub fn base_amount<'a>(
    snapshot: &Snapshot,
    base: &Base,
    refunds: impl Iterator<Item = &'a Refund>,
) -> BaseAmount {
    let mut goods = goods_base(snapshot, base);
    let mut extras = Sum::default();
    extras.add_if(base.include_shipping, snapshot.shipping_total);
    extras.add_if(base.include_tax, snapshot.tax_total);
    extras.add_if(base.include_surcharge, snapshot.surcharge_total);
    let back = Returned::of(snapshot, refunds);
    let mut left = Ratio::from(goods.total);
    if back.any() && left.is_positive() {
        left = left.minus(back.worth(left)).max(Ratio::ZERO);
        goods.scale = goods.scale.max(back.scale);
    }
    BaseAmount {
        amount: left.plus(Ratio::from(extras.total)).max(Ratio::ZERO),
        scale: goods.scale.max(extras.scale),
    }
}

/// The part of the goods that these refunds gave back, from 0 to 1.
pub fn returned_share<'a>(
    snapshot: &Snapshot,
    base: &Base,
    refunds: impl Iterator<Item = &'a Refund>,
) -> Ratio {
    let back = Returned::of(snapshot, refunds);
    let goods = Ratio::from(goods_base(snapshot, base).total);
    if !goods.is_positive() {
        // Nothing was paid for the goods: whatever is paid back is all of it.
        return if back.amount > Decimal::ZERO {
            Ratio::ONE
        } else {
            back.lines_share()
        };
    }
    back.worth(goods).over(goods).min(Ratio::ONE)
}

fn goods_base(snapshot: &Snapshot, base: &Base) -> Sum {
    let mut goods = Sum::default();
    goods.add_if(true, snapshot.subtotal);
    goods.add_if(base.subtract_discounts, -snapshot.discount_total);
    for line in &snapshot.lines {
        goods.add_if(base.subtract_discounts, -line.discount_total);
    }
    goods.add_if(base.subtract_store_credit, -snapshot.store_credit);
    goods.add_if(base.subtract_points_redeemed, -snapshot.points_redeemed_amount);
    goods
}

/// What came back, as list prices of lines and as amounts.
struct Returned {
    lines: Decimal,
    all_lines: Decimal,
    amount: Decimal,
    scale: u32,
}

impl Returned {
    fn of<'a>(snapshot: &Snapshot, refunds: impl Iterator<Item = &'a Refund>) -> Self {
        let mut back = Returned {
            lines: Decimal::ZERO,
            all_lines: Decimal::ZERO,
            amount: Decimal::ZERO,
            scale: 0,
        };
        let mut quantities = vec![];
        for refund in refunds {
            if refund.lines.is_empty() {
                let amount = refund.amount.unwrap_or_default();
                back.amount = sum(back.amount, amount);
                back.scale = back.scale.max(amount.scale());
                continue;
            }
            quantities.resize(snapshot.lines.len(), 0u32);
            for (id, quantity) in &refund.lines {
                if let Some(at) = snapshot.lines.iter().position(|line| line.id == *id) {
                    quantities[at] = quantities[at]
                        .saturating_add(*quantity)
                        .min(snapshot.lines[at].quantity);
                }
            }
        }
        if !quantities.is_empty() {
            for (line, came_back) in snapshot.lines.iter().zip(quantities) {
                back.all_lines = sum(back.all_lines, price(line.unit_price, line.quantity));
                back.lines = sum(back.lines, price(line.unit_price, came_back));
                back.scale = back.scale.max(line.unit_price.scale());
            }
        }
        back
    }

    fn any(&self) -> bool {
        self.lines > Decimal::ZERO || self.amount > Decimal::ZERO
    }

    fn lines_share(&self) -> Ratio {
        Ratio::from(self.lines).over(Ratio::from(self.all_lines))
    }

    /// Of the goods, in money.
    fn worth(&self, goods: Ratio) -> Ratio {
        let lines = goods
            .times(Ratio::from(self.lines))
            .over(Ratio::from(self.all_lines));
        lines.plus(Ratio::from(self.amount))
    }
}

#[derive(Default)]
struct Sum {
    total: Decimal,
    scale: u32,
}

impl Sum {
    fn add_if(&mut self, counts: bool, amount: Decimal) {
        if counts {
            self.total = sum(self.total, amount);
            self.scale = self.scale.max(amount.scale());
        }
    }
}

fn sum(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::MAX)
}

fn price(unit: Decimal, quantity: u32) -> Decimal {
    unit.checked_mul(Decimal::from(quantity)).unwrap_or(Decimal::MAX)
}
