//! Order events: `data` of an envelope as the facts it tells.
//!
//! Amounts are decimal strings; a whole JSON number is accepted too, one with a fraction is
//! refused, because it may already have lost digits. Unknown fields are not looked at.

mod data;

use std::sync::Arc;

use rust_decimal::Decimal;

use self::data::{CustomerData, Data, OrderData, RefundData};
use super::envelope::{self, Envelope, EnvelopeError};
use super::object::Object;
use super::scalar::{Amount, At};
use crate::domain::instant::Instant;
use crate::domain::money;
use crate::domain::order::facts::{Customer, Delivery, FactTimes, Line, OrderEvent, Refund, Snapshot};
use crate::domain::short_text::ShortText;

/// Longest id of a shop, order or member, in bytes.
pub const ID_BYTES_MAX: usize = 255;
/// The channel of an order that names none.
const ONLINE: ShortText = ShortText::const_new("online");
/// Lines of an order or of a refund.
const LINES_MAX: usize = 2_000;

/// Why a record is no order event. The text names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderEventError {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("type: {0} is not an order event")]
    Type(String),
    #[error("{0}")]
    Data(String),
    #[error("{field}: {wrong}")]
    Wrong {
        field: &'static str,
        wrong: &'static str,
    },
}

/// Reads a record's value and headers as an order event.
pub fn read<'a>(
    value: Option<&'a [u8]>,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
) -> Result<OrderEvent, OrderEventError> {
    match envelope::read_as(value, headers.clone()) {
        Ok(read) => {
            let (envelope, Object(data)) = read.split();
            event(Kind::of(&envelope.kind)?, data, &envelope)
        }
        Err(_) => odd_event(envelope::read(value, headers)?),
    }
}

/// A field told twice counts as it was told last; everything else that is wrong is named.
fn odd_event(envelope: Envelope<'_>) -> Result<OrderEvent, OrderEventError> {
    let (envelope, data) = envelope.split();
    let kind = Kind::of(&envelope.kind)?;
    let once = serde_json::from_str::<serde_json::Value>(data).map(|value| value.to_string());
    let text = once.as_deref().unwrap_or(data);
    let Object(data) = serde_json::from_str(text).map_err(|_| explain(text.as_bytes()))?;
    event(kind, data, &envelope)
}

fn event(kind: Kind, data: Data<'_>, envelope: &Envelope<'_, ()>) -> Result<OrderEvent, OrderEventError> {
    let shop_id = id("data.shop_id", data.shop_id.as_deref())?.into();
    let order_id = id("data.order_id", data.order_id.as_deref())?.into();
    let take_back = data.take_back.unwrap_or(true);
    let return_redeemed = data.return_redeemed.unwrap_or(true);
    let refund = match (kind, data.refund) {
        (Kind::Refunded, None) => return Err(wrong("data.refund", "missing")),
        (Kind::Refunded, Some(Object(refund))) => {
            Some(read_refund(refund, envelope, take_back, return_redeemed)?)
        }
        _ => None,
    };
    if data.order.is_none() && matches!(kind, Kind::Created | Kind::Edited | Kind::Updated) {
        return Err(wrong("data.order", "missing"));
    }
    let times = fact_times(
        kind,
        envelope.time,
        data.order.as_deref().map(|Object(order)| order),
    );
    let mut snapshot = data
        .order
        .map(|order| read_snapshot(order.0, envelope))
        .transpose()?;
    if let (Kind::Created, Some(snapshot)) = (kind, &mut snapshot) {
        // The event says itself when it was created.
        snapshot.created_at.get_or_insert(envelope.time);
    }
    Ok(OrderEvent {
        shop_id,
        order_id,
        id: envelope.id.as_ref().into(),
        source: envelope.source.as_ref().into(),
        time: envelope.time,
        traceparent: envelope.traceparent.as_deref().map(Into::into),
        snapshot: snapshot.map(Arc::new),
        times,
        refund,
        take_back,
        return_redeemed,
    })
}

/// Checks an id that becomes part of a key: not empty, at most 255 bytes, no zero byte.
pub fn id<'a>(field: &'static str, found: Option<&'a str>) -> Result<&'a str, OrderEventError> {
    match found {
        None => Err(wrong(field, "missing")),
        Some("") => Err(wrong(field, "must not be empty")),
        Some(id) if id.len() > ID_BYTES_MAX => Err(wrong(field, "is longer than 255 bytes")),
        Some(id) if id.as_bytes().contains(&0) => Err(wrong(field, "must not hold a zero byte")),
        Some(id) => Ok(id),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Created,
    Edited,
    Updated,
    Paid,
    Shipped,
    Delivered,
    PickedUp,
    Completed,
    Cancelled,
    Refunded,
}

impl Kind {
    fn of(text: &str) -> Result<Self, OrderEventError> {
        Ok(match text {
            "order.created" => Kind::Created,
            "order.edited" => Kind::Edited,
            "order.updated" => Kind::Updated,
            "order.paid" => Kind::Paid,
            "order.shipped" => Kind::Shipped,
            "order.delivered" => Kind::Delivered,
            "order.picked_up" => Kind::PickedUp,
            "order.completed" => Kind::Completed,
            "order.cancelled" => Kind::Cancelled,
            "order.refunded" => Kind::Refunded,
            other => return Err(OrderEventError::Type(other.chars().take(100).collect())),
        })
    }
}

/// What the event's type says happened at its time, and what the snapshot tells besides.
fn fact_times(kind: Kind, time: Instant, order: Option<&OrderData<'_>>) -> FactTimes {
    let told = |at: Option<At>| at.map(|at| at.0);
    let mut times = order.map_or(FactTimes::default(), |order| FactTimes {
        paid: told(order.paid_at),
        shipped: told(order.shipped_at),
        delivered: told(order.delivered_at),
        picked_up: told(order.picked_up_at),
        completed: told(order.completed_at),
        cancelled: told(order.cancelled_at),
    });
    let fact = match kind {
        Kind::Paid => &mut times.paid,
        Kind::Shipped => &mut times.shipped,
        Kind::Delivered => &mut times.delivered,
        Kind::PickedUp => &mut times.picked_up,
        Kind::Completed => &mut times.completed,
        Kind::Cancelled => &mut times.cancelled,
        Kind::Created | Kind::Edited | Kind::Updated | Kind::Refunded => return times,
    };
    *fact = Some(fact.map_or(time, |told| told.min(time)));
    times
}

fn read_snapshot(order: OrderData<'_>, envelope: &Envelope<'_, ()>) -> Result<Snapshot, OrderEventError> {
    let lines = order.line_items.unwrap_or_default();
    if lines.len() > LINES_MAX {
        return Err(wrong("data.order.line_items", "has more than 2000 lines"));
    }
    let mut list_price = Decimal::ZERO;
    let mut read_lines = Vec::with_capacity(lines.len());
    for Object(line) in lines {
        let line = Line {
            id: line.id.unwrap_or_default().short(),
            quantity: line.quantity.unwrap_or(1),
            unit_price: amount(line.unit_price),
            discount_total: amount(line.discount_total),
        };
        let price = line.unit_price.checked_mul(Decimal::from(line.quantity));
        list_price = price
            .and_then(|price| list_price.checked_add(price))
            .unwrap_or(Decimal::MAX);
        read_lines.push(line);
    }
    let subtotal = match order.subtotal {
        Some(subtotal) => subtotal.0,
        // Lines alone are the goods at list price.
        None if list_price.mantissa().unsigned_abs() < 10u128.pow(money::DIGITS_MAX) => list_price,
        None => {
            return Err(wrong(
                "data.order.line_items",
                "cost more than 18 digits can hold",
            ));
        }
    };
    Ok(Snapshot {
        revision: order.revision.unwrap_or(envelope.time.0),
        event_id: envelope.id.as_ref().into(),
        created_at: order.created_at.map(|at| at.0),
        channel: order.channel.map_or(ONLINE, |channel| channel.short()),
        currency: order.currency.map(|currency| currency.short()),
        customer: order.customer.map(read_customer).transpose()?.flatten(),
        lines: read_lines,
        subtotal,
        discount_total: amount(order.discount_total),
        store_credit: amount(order.store_credit),
        shipping_total: amount(order.shipping_total),
        tax_total: amount(order.tax_total),
        surcharge_total: amount(order.surcharge_total),
        points_redeemed: order.points_redeemed.map_or(0, |points| points.0),
        points_redeemed_amount: amount(order.points_redeemed_amount),
        delivery: match order.delivery.and_then(|delivery| delivery.0.kind).as_deref() {
            None | Some("home") => Delivery::Home,
            Some("pickup") => Delivery::Pickup,
            Some("none") => Delivery::None,
            Some(_) => return Err(wrong("data.order.delivery.type", "must be home, pickup or none")),
        },
        test: order.test.unwrap_or(false),
    })
}

/// Without an id it is a guest.
fn read_customer(Object(customer): Object<CustomerData<'_>>) -> Result<Option<Customer>, OrderEventError> {
    let Some(member_id) = customer.id.as_deref().filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(Customer {
        id: id("data.order.customer.id", Some(member_id))?.into(),
        logged_in: customer.logged_in.unwrap_or(true),
        tier: customer
            .tier
            .filter(|tier| !tier.is_empty())
            .map(|tier| tier.short()),
    }))
}

fn read_refund(
    refund: RefundData<'_>,
    envelope: &Envelope<'_, ()>,
    take_back: bool,
    return_redeemed: bool,
) -> Result<Refund, OrderEventError> {
    if refund.line_items.is_none() && refund.amount.is_none() {
        return Err(wrong("data.refund", "has neither line_items nor amount"));
    }
    let lines = refund.line_items.unwrap_or_default();
    if lines.len() > LINES_MAX {
        return Err(wrong("data.refund.line_items", "has more than 2000 lines"));
    }
    let mut read_lines = Vec::with_capacity(lines.len());
    for Object(line) in lines {
        let (Some(id), Some(quantity)) = (line.id, line.quantity) else {
            return Err(wrong("data.refund.line_items", "each line needs id and quantity"));
        };
        read_lines.push((id.short(), quantity));
    }
    Ok(Refund {
        id: id("data.refund.id", refund.id.as_deref())?.into(),
        time: envelope.time,
        event_id: envelope.id.as_ref().into(),
        lines: read_lines,
        amount: refund.amount.map(|amount| amount.0),
        take_back,
        return_redeemed,
        after_issue: false,
    })
}

fn amount(found: Option<Amount>) -> Decimal {
    found.map_or(Decimal::ZERO, |amount| amount.0)
}

fn wrong(field: &'static str, wrong: &'static str) -> OrderEventError {
    OrderEventError::Wrong { field, wrong }
}

/// Reads once more, slowly, to say where it went wrong.
fn explain(data: &[u8]) -> OrderEventError {
    let mut reader = serde_json::Deserializer::from_slice(data);
    let read: Result<Object<Data>, _> = serde_path_to_error::deserialize(&mut reader);
    match read {
        Ok(_) => OrderEventError::Data("data: has something behind its end".to_owned()),
        Err(error) => {
            let path = error.path().to_string();
            let field = if path == "." {
                "data".to_owned()
            } else {
                format!("data.{path}")
            };
            let error = error.into_inner();
            // Line and column within `data` would mislead: the record has more around it.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let text = text.strip_suffix(&place).unwrap_or(&text);
            // What it calls the types that are wanted is known to those who write the code.
            let text = text
                .replace(", expected i64", ", expected a whole number")
                .replace(", expected u32", ", expected a whole number from 0");
            OrderEventError::Data(format!("{field}: {text}"))
        }
    }
}

#[cfg(test)]
mod tests;
