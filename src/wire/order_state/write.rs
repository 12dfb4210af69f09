//! An order as its message. The tags are those of `messages`, which reads it.

use rust_decimal::Decimal;

use super::number_of;
use crate::domain::order::facts::{Cancelled, Delivery, Line, Refund, Snapshot, Told};
use crate::domain::order::{Issued, Order, Progress};
use crate::wire::protobuf::Writer;

pub fn order(order: &Order, writer: &mut Writer) {
    let facts = &order.facts;
    if let Some(known) = &facts.snapshot {
        writer.message(1, |writer| snapshot(known, writer));
    }
    let facts_told = [
        (2, &facts.created),
        (3, &facts.paid),
        (4, &facts.shipped),
        (5, &facts.delivered),
        (6, &facts.picked_up),
        (7, &facts.completed),
    ];
    for (tag, fact) in facts_told {
        if let Some(fact) = fact {
            writer.message(tag, |writer| told(fact, writer));
        }
    }
    if let Some(fact) = &facts.cancelled {
        writer.message(8, |writer| cancelled(fact, writer));
    }
    for fact in &facts.refunds {
        writer.message(9, |writer| refund(fact, writer));
    }
    if let Some(bound) = &order.bound {
        writer.message(10, |writer| {
            writer.optional_uint64(1, bound.version.map(u64::from));
            writer.sint64(2, bound.created_at.0);
            writer.optional_text(3, bound.redeemer.as_deref());
        });
    }
    match &order.progress {
        Progress::Open => {}
        Progress::Deferred { since } => writer.optional_sint64(11, Some(since.0)),
        Progress::Issued(points) => writer.message(12, |writer| issued(points, writer)),
        Progress::Withheld(reason) => writer.optional_uint64(13, number_of(*reason).map(u64::from)),
    }
    writer.optional_sint64(14, order.due_at.map(|at| at.0));
    writer.optional_sint64(15, order.expected);
    writer.optional_sint64(16, order.last_event.map(|at| at.0));
    if let Some(promised) = &order.promised {
        writer.optional_text(17, Some(&promised.member_id));
        writer.int64(18, promised.points);
    }
    for id in &facts.other_customers {
        writer.optional_text(19, Some(id));
    }
}

fn told(told: &Told, writer: &mut Writer) {
    writer.sint64(1, told.at.0);
    writer.sint64(2, told.time.0.wrapping_sub(told.at.0));
    writer.text(3, &told.event_id);
    writer.optional_text(4, told.traceparent.as_deref());
}

fn cancelled(cancelled: &Cancelled, writer: &mut Writer) {
    writer.message(1, |writer| told(&cancelled.told, writer));
    writer.bool(2, !cancelled.take_back);
    writer.bool(3, !cancelled.return_redeemed);
    writer.bool(4, cancelled.after_issue);
}

fn refund(refund: &Refund, writer: &mut Writer) {
    writer.text(1, &refund.id);
    writer.sint64(2, refund.time.0);
    writer.text(3, &refund.event_id);
    for (id, quantity) in &refund.lines {
        writer.message(4, |writer| {
            writer.text(1, id);
            writer.uint64(2, u64::from(*quantity));
        });
    }
    if let Some(amount) = refund.amount {
        writer.message(5, |writer| decimal(amount, writer));
    }
    writer.bool(6, !refund.take_back);
    writer.bool(7, !refund.return_redeemed);
    writer.bool(8, refund.after_issue);
}

fn snapshot(snapshot: &Snapshot, writer: &mut Writer) {
    writer.sint64(1, snapshot.revision);
    writer.text(2, &snapshot.event_id);
    writer.optional_sint64(3, snapshot.created_at.map(|at| at.0));
    writer.text(4, &snapshot.channel);
    writer.optional_text(5, snapshot.currency.as_deref());
    if let Some(customer) = &snapshot.customer {
        writer.optional_text(6, Some(&customer.id));
        writer.bool(7, customer.logged_in);
        writer.optional_text(8, customer.tier.as_deref());
    }
    for known in &snapshot.lines {
        writer.message(9, |writer| line(known, writer));
    }
    amount(10, snapshot.subtotal, writer);
    amount(11, snapshot.discount_total, writer);
    amount(12, snapshot.store_credit, writer);
    amount(13, snapshot.shipping_total, writer);
    amount(14, snapshot.tax_total, writer);
    amount(15, snapshot.surcharge_total, writer);
    writer.sint64(16, snapshot.points_redeemed);
    amount(17, snapshot.points_redeemed_amount, writer);
    let delivery = match snapshot.delivery {
        Delivery::Home => 0,
        Delivery::Pickup => 1,
        Delivery::None => 2,
    };
    writer.uint64(18, delivery);
    writer.bool(19, snapshot.test);
}

fn line(line: &Line, writer: &mut Writer) {
    writer.text(1, &line.id);
    writer.uint64(2, u64::from(line.quantity));
    amount(3, line.unit_price, writer);
    amount(4, line.discount_total, writer);
}

fn issued(issued: &Issued, writer: &mut Writer) {
    writer.sint64(1, issued.at.0);
    writer.text(2, &issued.member_id);
    writer.optional_text(3, issued.tier.as_deref());
    writer.sint64(4, issued.points);
    writer.sint64(5, issued.kept);
    writer.uint64(6, u64::from(issued.parts));
}

/// A plain zero is not written.
fn amount(tag: u32, amount: Decimal, writer: &mut Writer) {
    if !amount.is_zero() || amount.scale() > 0 {
        writer.message(tag, |writer| decimal(amount, writer));
    }
}

fn decimal(amount: Decimal, writer: &mut Writer) {
    // The reader of events lets no more than 18 digits in.
    let units = i64::try_from(amount.mantissa()).unwrap_or(i64::MAX);
    writer.sint64(1, units);
    writer.uint64(2, u64::from(amount.scale()));
}
