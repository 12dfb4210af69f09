//! Facts into their messages and back.

use rust_decimal::Decimal;

use super::StateError;
use super::messages::*;
use crate::domain::instant::Instant;
use crate::domain::order::Issued;
use crate::domain::order::facts::{Customer, Delivery, Line, Refund, Snapshot, Told};

impl From<&Told> for ToldV1 {
    fn from(told: &Told) -> Self {
        Self {
            at: told.at.0,
            told_after: told.time.0.wrapping_sub(told.at.0),
            event_id: told.event_id.clone(),
            traceparent: told.traceparent.clone(),
        }
    }
}

impl From<ToldV1> for Told {
    fn from(read: ToldV1) -> Self {
        Self {
            at: Instant(read.at),
            time: Instant(read.at.wrapping_add(read.told_after)),
            event_id: read.event_id,
            traceparent: read.traceparent,
        }
    }
}

impl From<Decimal> for AmountV1 {
    fn from(amount: Decimal) -> Self {
        // The reader of events lets no more than 18 digits in.
        let units = i64::try_from(amount.mantissa()).unwrap_or(i64::MAX);
        Self {
            units,
            scale: amount.scale(),
        }
    }
}

impl From<AmountV1> for Decimal {
    fn from(read: AmountV1) -> Self {
        Decimal::new(read.units, read.scale.min(Decimal::MAX_SCALE))
    }
}

/// A plain zero is not written.
fn unless_zero(amount: Decimal) -> Option<AmountV1> {
    (!amount.is_zero() || amount.scale() > 0).then(|| AmountV1::from(amount))
}

fn or_zero(read: Option<AmountV1>) -> Decimal {
    read.map_or(Decimal::ZERO, Decimal::from)
}

impl From<&Refund> for RefundV1 {
    fn from(refund: &Refund) -> Self {
        let line = |(id, quantity): &(String, u32)| RefundLineV1 {
            id: id.clone(),
            quantity: *quantity,
        };
        Self {
            id: refund.id.clone(),
            time: refund.time.0,
            event_id: refund.event_id.clone(),
            lines: refund.lines.iter().map(line).collect(),
            amount: refund.amount.map(AmountV1::from),
            no_take_back: !refund.take_back,
            no_return: !refund.return_redeemed,
            after_issue: refund.after_issue,
        }
    }
}

impl From<RefundV1> for Refund {
    fn from(read: RefundV1) -> Self {
        Self {
            id: read.id,
            time: Instant(read.time),
            event_id: read.event_id,
            lines: read
                .lines
                .into_iter()
                .map(|line| (line.id, line.quantity))
                .collect(),
            amount: read.amount.map(Decimal::from),
            take_back: !read.no_take_back,
            return_redeemed: !read.no_return,
            after_issue: read.after_issue,
        }
    }
}

impl From<&Snapshot> for SnapshotV1 {
    fn from(snapshot: &Snapshot) -> Self {
        let customer = snapshot.customer.as_ref();
        Self {
            revision: snapshot.revision,
            event_id: snapshot.event_id.clone(),
            created_at: snapshot.created_at.map(|at| at.0),
            channel: snapshot.channel.clone(),
            currency: snapshot.currency.clone(),
            customer_id: customer.map(|customer| customer.id.clone()),
            logged_in: customer.is_some_and(|customer| customer.logged_in),
            tier: customer.and_then(|customer| customer.tier.clone()),
            lines: snapshot.lines.iter().map(LineV1::from).collect(),
            subtotal: unless_zero(snapshot.subtotal),
            discount_total: unless_zero(snapshot.discount_total),
            store_credit: unless_zero(snapshot.store_credit),
            shipping_total: unless_zero(snapshot.shipping_total),
            tax_total: unless_zero(snapshot.tax_total),
            surcharge_total: unless_zero(snapshot.surcharge_total),
            points_redeemed: snapshot.points_redeemed,
            points_redeemed_amount: unless_zero(snapshot.points_redeemed_amount),
            delivery: match snapshot.delivery {
                Delivery::Home => 0,
                Delivery::Pickup => 1,
                Delivery::None => 2,
            },
            test: snapshot.test,
        }
    }
}

impl TryFrom<SnapshotV1> for Snapshot {
    type Error = StateError;

    fn try_from(read: SnapshotV1) -> Result<Self, StateError> {
        let (logged_in, tier) = (read.logged_in, read.tier);
        Ok(Self {
            revision: read.revision,
            event_id: read.event_id,
            created_at: read.created_at.map(Instant),
            channel: read.channel,
            currency: read.currency,
            customer: read.customer_id.map(|id| Customer { id, logged_in, tier }),
            lines: read.lines.into_iter().map(Line::from).collect(),
            subtotal: or_zero(read.subtotal),
            discount_total: or_zero(read.discount_total),
            store_credit: or_zero(read.store_credit),
            shipping_total: or_zero(read.shipping_total),
            tax_total: or_zero(read.tax_total),
            surcharge_total: or_zero(read.surcharge_total),
            points_redeemed: read.points_redeemed,
            points_redeemed_amount: or_zero(read.points_redeemed_amount),
            delivery: match read.delivery {
                0 => Delivery::Home,
                1 => Delivery::Pickup,
                2 => Delivery::None,
                _ => return Err(StateError::Field("delivery")),
            },
            test: read.test,
        })
    }
}

impl From<&Line> for LineV1 {
    fn from(line: &Line) -> Self {
        Self {
            id: line.id.clone(),
            quantity: line.quantity,
            unit_price: unless_zero(line.unit_price),
            discount_total: unless_zero(line.discount_total),
        }
    }
}

impl From<LineV1> for Line {
    fn from(read: LineV1) -> Self {
        Self {
            id: read.id,
            quantity: read.quantity,
            unit_price: or_zero(read.unit_price),
            discount_total: or_zero(read.discount_total),
        }
    }
}

impl From<&Issued> for IssuedV1 {
    fn from(issued: &Issued) -> Self {
        Self {
            at: issued.at.0,
            member_id: issued.member_id.clone(),
            tier: issued.tier.clone(),
            points: issued.points,
            kept: issued.kept,
            parts: issued.parts,
        }
    }
}

impl From<IssuedV1> for Issued {
    fn from(read: IssuedV1) -> Self {
        Self {
            at: Instant(read.at),
            member_id: read.member_id,
            tier: read.tier,
            points: read.points,
            kept: read.kept,
            parts: read.parts,
        }
    }
}
