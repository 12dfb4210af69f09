//! An order as its message. Everything is destructured: a forgotten field does not compile.

use rust_decimal::Decimal;

use super::messages::*;
use crate::domain::order::facts::{Cancelled, Customer, Delivery, Facts, Line, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Issued, Order, Progress, Promised};

pub fn order(order: &Order) -> OrderRef<'_> {
    let Order {
        facts,
        bound: tie,
        progress,
        due_at,
        expected,
        promised,
        last_event,
        entries,
    } = order;
    let Facts {
        snapshot: known,
        other_customers,
        created,
        paid,
        shipped,
        delivered,
        picked_up,
        completed,
        cancelled: end,
        refunds,
    } = facts;
    let promised = promised
        .as_ref()
        .map(|Promised { member_id, points }| (member_id, *points));
    OrderRef {
        snapshot: known.as_deref().map(snapshot),
        created: created.as_ref().map(told),
        paid: paid.as_ref().map(told),
        shipped: shipped.as_ref().map(told),
        delivered: delivered.as_ref().map(told),
        picked_up: picked_up.as_ref().map(told),
        completed: completed.as_ref().map(told),
        cancelled: end.as_ref().map(cancelled),
        refunds: refunds.iter().map(refund).collect(),
        bound: tie.as_ref().map(bound),
        deferred_since: match progress {
            Progress::Deferred { since } => Some(since.0),
            _ => None,
        },
        issued: match progress {
            Progress::Issued(points) => Some(issued(points)),
            _ => None,
        },
        withheld: match progress {
            Progress::Withheld(reason) => Some(reason.number()),
            _ => None,
        },
        due_at: due_at.map(|at| at.0),
        expected: *expected,
        last_event: last_event.map(|at| at.0),
        promised_to: promised.map(|(member_id, _)| member_id.as_str()),
        promised: promised.map_or(0, |(_, points)| points),
        other_customers: other_customers.iter().map(|id| id.as_str()).collect(),
        entries: *entries,
    }
}

fn told(told: &Told) -> ToldRef<'_> {
    let Told {
        at,
        time,
        event_id,
        traceparent,
    } = told;
    ToldRef {
        at: at.0,
        told_after: time.0.wrapping_sub(at.0),
        event_id,
        traceparent: traceparent.as_deref(),
    }
}

fn cancelled(cancelled: &Cancelled) -> CancelledRef<'_> {
    let Cancelled {
        told: fact,
        take_back,
        return_redeemed,
        after_issue,
    } = cancelled;
    CancelledRef {
        told: Some(told(fact)),
        no_take_back: !take_back,
        no_return: !return_redeemed,
        after_issue: *after_issue,
    }
}

fn bound(bound: &Bound) -> BoundRef<'_> {
    let Bound {
        version,
        created_at,
        redeemer,
    } = bound;
    BoundRef {
        version: *version,
        created_at: created_at.0,
        redeemer: redeemer.as_deref(),
    }
}

fn refund(refund: &Refund) -> RefundRef<'_> {
    let Refund {
        id,
        time,
        event_id,
        lines,
        amount,
        take_back,
        return_redeemed,
        after_issue,
    } = refund;
    RefundRef {
        id,
        time: time.0,
        event_id,
        lines: lines
            .iter()
            .map(|(id, quantity)| RefundLineRef {
                id,
                quantity: *quantity,
            })
            .collect(),
        amount: amount.map(AmountV1::from),
        no_take_back: !take_back,
        no_return: !return_redeemed,
        after_issue: *after_issue,
    }
}

fn snapshot(snapshot: &Snapshot) -> SnapshotRef<'_> {
    let Snapshot {
        revision,
        event_id,
        created_at,
        channel,
        currency,
        customer,
        lines,
        subtotal,
        discount_total,
        store_credit,
        shipping_total,
        tax_total,
        surcharge_total,
        points_redeemed,
        points_redeemed_amount,
        delivery,
        test,
    } = snapshot;
    let (customer_id, logged_in, tier) = match customer {
        Some(Customer { id, logged_in, tier }) => (Some(id.as_str()), *logged_in, tier.as_deref()),
        None => (None, false, None),
    };
    SnapshotRef {
        revision: *revision,
        event_id,
        created_at: created_at.map(|at| at.0),
        channel,
        currency: currency.as_deref(),
        customer_id,
        logged_in,
        tier,
        lines: lines.iter().map(line).collect(),
        subtotal: not_zero(*subtotal),
        discount_total: not_zero(*discount_total),
        store_credit: not_zero(*store_credit),
        shipping_total: not_zero(*shipping_total),
        tax_total: not_zero(*tax_total),
        surcharge_total: not_zero(*surcharge_total),
        points_redeemed: *points_redeemed,
        points_redeemed_amount: not_zero(*points_redeemed_amount),
        delivery: match delivery {
            Delivery::Home => 0,
            Delivery::Pickup => 1,
            Delivery::None => 2,
        },
        test: *test,
    }
}

fn line(line: &Line) -> LineRef<'_> {
    let Line {
        id,
        quantity,
        unit_price,
        discount_total,
    } = line;
    LineRef {
        id,
        quantity: *quantity,
        unit_price: not_zero(*unit_price),
        discount_total: not_zero(*discount_total),
    }
}

fn issued(issued: &Issued) -> IssuedRef<'_> {
    let Issued {
        at,
        member_id,
        tier,
        points,
        kept,
        parts,
    } = issued;
    IssuedRef {
        at: at.0,
        member_id,
        tier: tier.as_deref(),
        points: *points,
        kept: *kept,
        parts: *parts,
    }
}

/// A plain zero is not written; one with decimals counts for the scale of sums.
fn not_zero(amount: Decimal) -> Option<AmountV1> {
    (!amount.is_zero() || amount.scale() > 0).then(|| amount.into())
}

impl From<Decimal> for AmountV1 {
    fn from(amount: Decimal) -> Self {
        AmountV1 {
            // The reader of events lets no more than 18 digits in.
            units: i64::try_from(amount.mantissa()).unwrap_or(i64::MAX),
            scale: amount.scale(),
        }
    }
}
