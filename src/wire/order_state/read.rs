//! An order out of its message.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::StateError;
use super::messages::*;
use crate::domain::instant::Instant;
use crate::domain::order::facts::{Cancelled, Customer, Delivery, Facts, Line, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Issued, Order, Progress, Promised};
use crate::domain::reason::Reason;

impl TryFrom<OrderV1> for Order {
    type Error = StateError;

    fn try_from(read: OrderV1) -> Result<Self, StateError> {
        let cancelled = |read: CancelledV1| {
            Ok(Cancelled {
                told: read.told.ok_or(StateError::Field("cancelled"))?.into(),
                take_back: !read.no_take_back,
                return_redeemed: !read.no_return,
                after_issue: read.after_issue,
            })
        };
        let reason = |number| Reason::of_number(number).ok_or(StateError::Field("withheld"));
        let progress = match (read.deferred_since, read.issued, read.withheld) {
            (Some(since), None, None) => Progress::Deferred {
                since: Instant(since),
            },
            (None, Some(issued), None) => Progress::Issued(issued.into()),
            (None, None, Some(number)) => Progress::Withheld(reason(number)?),
            (None, None, None) => Progress::Open,
            _ => return Err(StateError::Field("progress")),
        };
        Ok(Order {
            facts: Facts {
                snapshot: read.snapshot.map(Snapshot::try_from).transpose()?.map(Arc::new),
                other_customers: read.other_customers.into_iter().map(Into::into).collect(),
                created: read.created.map(Told::from),
                paid: read.paid.map(Told::from),
                shipped: read.shipped.map(Told::from),
                delivered: read.delivered.map(Told::from),
                picked_up: read.picked_up.map(Told::from),
                completed: read.completed.map(Told::from),
                cancelled: read.cancelled.map(cancelled).transpose()?,
                refunds: read.refunds.into_iter().map(Refund::from).collect(),
            },
            bound: read.bound.map(|bound| Bound {
                version: bound.version,
                created_at: Instant(bound.created_at),
                redeemer: bound.redeemer.map(Into::into),
            }),
            progress,
            due_at: read.due_at.map(Instant),
            expected: read.expected,
            promised: read.promised_to.map(|member_id| Promised {
                member_id: member_id.into(),
                points: read.promised,
            }),
            last_event: read.last_event.map(Instant),
            entries: read.entries,
        })
    }
}

impl From<ToldV1> for Told {
    fn from(read: ToldV1) -> Self {
        Self {
            at: Instant(read.at),
            time: Instant(read.at.wrapping_add(read.told_after)),
            event_id: read.event_id.into(),
            traceparent: read.traceparent.map(Into::into),
        }
    }
}

impl From<AmountV1> for Decimal {
    fn from(read: AmountV1) -> Self {
        Decimal::new(read.units, read.scale.min(Decimal::MAX_SCALE))
    }
}

fn or_zero(read: Option<AmountV1>) -> Decimal {
    read.map_or(Decimal::ZERO, Decimal::from)
}

impl From<RefundV1> for Refund {
    fn from(read: RefundV1) -> Self {
        Self {
            id: read.id.into(),
            time: Instant(read.time),
            event_id: read.event_id.into(),
            lines: read
                .lines
                .into_iter()
                .map(|line| (line.id.into(), line.quantity))
                .collect(),
            amount: read.amount.map(Decimal::from),
            take_back: !read.no_take_back,
            return_redeemed: !read.no_return,
            after_issue: read.after_issue,
        }
    }
}

impl TryFrom<SnapshotV1> for Snapshot {
    type Error = StateError;

    fn try_from(read: SnapshotV1) -> Result<Self, StateError> {
        let (logged_in, tier) = (read.logged_in, read.tier);
        Ok(Self {
            revision: read.revision,
            event_id: read.event_id.into(),
            created_at: read.created_at.map(Instant),
            channel: read.channel.into(),
            currency: read.currency.map(Into::into),
            customer: read.customer_id.map(|id| Customer {
                id: id.into(),
                logged_in,
                tier: tier.map(Into::into),
            }),
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

impl From<LineV1> for Line {
    fn from(read: LineV1) -> Self {
        Self {
            id: read.id.into(),
            quantity: read.quantity,
            unit_price: or_zero(read.unit_price),
            discount_total: or_zero(read.discount_total),
        }
    }
}

impl From<IssuedV1> for Issued {
    fn from(read: IssuedV1) -> Self {
        Self {
            at: Instant(read.at),
            member_id: read.member_id.into(),
            tier: read.tier.map(Into::into),
            points: read.points,
            kept: read.kept,
            parts: read.parts,
        }
    }
}
