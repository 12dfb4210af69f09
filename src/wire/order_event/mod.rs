//! Order events: `data` of an envelope as the facts it tells.
//!
//! Amounts are decimal strings; a whole JSON number is accepted too, one with a fraction is
//! refused, because it may already have lost digits. Quantities may have fractions. Unknown
//! fields count nothing; their names come with the event.

mod data;
mod snapshot;
mod unknown;

use std::sync::Arc;

use self::data::{Data, OrderData};
use self::unknown::Watched;
use super::envelope::{self, Envelope, EnvelopeError};
use super::object::Object;
use super::scalar::FactAt;
use super::text::Text;
use crate::domain::instant::Instant;
use crate::domain::order::facts::{Fact, FactSet, FactTimes, OrderEvent};

/// Longest id of a shop, order or member, in bytes.
pub const ID_BYTES_MAX: usize = 255;

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
    match envelope::read_as::<Watched<Object<Data>>>(value, headers.clone()) {
        Ok(read) => {
            let (envelope, read) = read.split();
            let Object(data) = read.value;
            let mut event = event(Kind::of(&envelope.kind)?, data, &envelope)?;
            event.unknown = match read.unknown {
                Some(unknown) => unknown,
                None => unknown::of_record(value.unwrap_or_default(), envelope::is_binary(headers)),
            };
            Ok(event)
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
    let mut event = event(kind, data, &envelope)?;
    event.unknown = unknown::of_data(text);
    Ok(event)
}

fn event(kind: Kind, data: Data<'_>, envelope: &Envelope<'_, ()>) -> Result<OrderEvent, OrderEventError> {
    let Data {
        shop_id,
        order_id,
        order,
        refund,
        customer,
        withdraws,
        take_back,
        return_redeemed,
    } = data;
    let choice = (take_back.unwrap_or(true), return_redeemed.unwrap_or(true));
    let refund = match (kind, refund) {
        (Kind::Refunded, None) => return Err(wrong("data.refund", "missing")),
        (Kind::Refunded, Some(Object(refund))) => Some(snapshot::read_refund(refund, envelope, choice)?),
        _ => None,
    };
    let claim = match (kind, customer) {
        (Kind::Claimed, None) => return Err(wrong("data.customer", "missing")),
        (Kind::Claimed, Some(Object(customer))) => Some(snapshot::read_claim(customer)?),
        _ => None,
    };
    let mut withdraws = read_withdraws(withdraws)?;
    let needs_order = match kind {
        Kind::Created | Kind::Edited => true,
        Kind::Updated => withdraws.is_empty(),
        _ => false,
    };
    if order.is_none() && needs_order {
        return Err(wrong("data.order", "missing"));
    }
    let known = order.as_deref().map(|Object(order)| order);
    let tells = read_times(kind, envelope.time, known, &mut withdraws);
    let mut snapshot = order.map(|order| snapshot::read(order.0, envelope)).transpose()?;
    if let (Kind::Created, Some(snapshot)) = (kind, &mut snapshot) {
        // The event says itself when it was created.
        snapshot.created_at.get_or_insert(envelope.time);
    }
    Ok(OrderEvent {
        shop_id: id("data.shop_id", shop_id.as_deref())?.into(),
        order_id: id("data.order_id", order_id.as_deref())?.into(),
        id: envelope.id.as_ref().into(),
        source: envelope.source.as_ref().into(),
        time: envelope.time,
        traceparent: envelope.traceparent.as_deref().map(Into::into),
        snapshot: snapshot.map(Arc::new),
        tells,
        withdraws,
        refund,
        claim,
        take_back: choice.0,
        return_redeemed: choice.1,
        unknown: Vec::new(),
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
    Claimed,
}

impl Kind {
    /// The fact that the type tells.
    fn fact(self) -> Option<Fact> {
        match self {
            Kind::Paid => Some(Fact::Paid),
            Kind::Shipped => Some(Fact::Shipped),
            Kind::Delivered => Some(Fact::Delivered),
            Kind::PickedUp => Some(Fact::PickedUp),
            Kind::Completed => Some(Fact::Completed),
            Kind::Cancelled => Some(Fact::Cancelled),
            Kind::Created | Kind::Edited | Kind::Updated | Kind::Refunded | Kind::Claimed => None,
        }
    }

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
            "order.claimed" => Kind::Claimed,
            other => return Err(OrderEventError::Type(other.chars().take(100).collect())),
        })
    }
}

/// The facts that `data.withdraws` names.
fn read_withdraws(names: Option<Vec<Text<'_>>>) -> Result<FactSet, OrderEventError> {
    let mut withdraws = FactSet::default();
    for name in names.unwrap_or_default() {
        let fact = Fact::ALL.into_iter().find(|fact| fact.name() == &*name);
        let fact = fact.ok_or(wrong(
            "data.withdraws",
            "must name paid, shipped, delivered, picked_up, completed or cancelled",
        ))?;
        withdraws.insert(fact);
    }
    Ok(withdraws)
}

/// What the event's type says happened at its time, and what the snapshot tells besides. A
/// `null` in a snapshot of the whole state withdraws.
fn read_times(
    kind: Kind,
    time: Instant,
    order: Option<&OrderData<'_>>,
    withdraws: &mut FactSet,
) -> FactTimes {
    let mut times = FactTimes::default();
    if let Some(order) = order {
        let told = [
            (Fact::Paid, order.paid_at),
            (Fact::Shipped, order.shipped_at),
            (Fact::Delivered, order.delivered_at),
            (Fact::PickedUp, order.picked_up_at),
            (Fact::Completed, order.completed_at),
            (Fact::Cancelled, order.cancelled_at),
        ];
        for (fact, at) in told {
            match at {
                FactAt::At(at) => times.add(fact, at),
                FactAt::Null if kind == Kind::Updated => withdraws.insert(fact),
                FactAt::Null | FactAt::Absent => {}
            }
        }
    }
    if let Some(fact) = kind.fact() {
        times.add(fact, time);
    }
    times
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
