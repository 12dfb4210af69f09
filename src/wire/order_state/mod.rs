//! The stored state of an order: a format tag, then protobuf. Numbers are never reused.
//!
//! Shop and order are in the key and not repeated. Instants are microseconds.

mod facts;
mod messages;

use std::sync::Arc;

use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};

use crate::domain::instant::Instant;
use crate::domain::order::facts::{Cancelled, Facts, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Order, Progress, Promised, Reason};
use messages::{BoundV1, CancelledV1, IssuedV1, OrderV1, RefundV1, SnapshotV1, ToldV1};

/// First byte of every state in this format.
const FORMAT: u8 = 1;

/// Why stored bytes are no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("empty")]
    Empty,
    #[error("format {0} is not known")]
    Format(u8),
    #[error("not protobuf: {0}")]
    Protobuf(String),
    #[error("{0} is missing or unknown")]
    Field(&'static str),
}

pub fn encode(order: &Order) -> Bytes {
    let message = OrderV1::from(order);
    let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
    bytes.put_u8(FORMAT);
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

pub fn decode(stored: &[u8]) -> Result<Order, StateError> {
    match stored.split_first() {
        None => Err(StateError::Empty),
        Some((&FORMAT, message)) => {
            let read = OrderV1::decode(message).map_err(|error| StateError::Protobuf(error.to_string()))?;
            read.try_into()
        }
        Some((&other, _)) => Err(StateError::Format(other)),
    }
}

/// Stored numbers of the reasons, never reused.
const REASONS: [(Reason, u32); 12] = [
    (Reason::TestOrder, 1),
    (Reason::NoRule, 2),
    (Reason::Disabled, 3),
    (Reason::CurrencyMismatch, 4),
    (Reason::ChannelExcluded, 5),
    (Reason::Guest, 6),
    (Reason::NotLoggedIn, 7),
    (Reason::TierExcluded, 8),
    (Reason::Cancelled, 9),
    (Reason::Refunded, 10),
    (Reason::ShopResting, 11),
    (Reason::BelowRate, 12),
];

impl From<&Order> for OrderV1 {
    fn from(order: &Order) -> Self {
        let facts = &order.facts;
        let told = |fact: &Option<Told>| fact.as_ref().map(ToldV1::from);
        let mut message = OrderV1 {
            snapshot: facts.snapshot.as_deref().map(SnapshotV1::from),
            created: told(&facts.created),
            paid: told(&facts.paid),
            shipped: told(&facts.shipped),
            delivered: told(&facts.delivered),
            picked_up: told(&facts.picked_up),
            completed: told(&facts.completed),
            cancelled: facts.cancelled.as_ref().map(|cancelled| CancelledV1 {
                told: Some(ToldV1::from(&cancelled.told)),
                no_take_back: !cancelled.take_back,
                no_return: !cancelled.return_redeemed,
                after_issue: cancelled.after_issue,
            }),
            refunds: facts.refunds.iter().map(RefundV1::from).collect(),
            bound: order.bound.as_ref().map(|bound| BoundV1 {
                version: bound.version,
                created_at: bound.created_at.0,
                redeemer: bound.redeemer.clone(),
            }),
            due_at: order.due_at.map(|at| at.0),
            expected: order.expected,
            last_event: order.last_event.map(|at| at.0),
            promised_to: order.promised.as_ref().map(|promised| promised.member_id.clone()),
            promised: order.promised.as_ref().map_or(0, |promised| promised.points),
            ..OrderV1::default()
        };
        match &order.progress {
            Progress::Open => {}
            Progress::Deferred { since } => message.deferred_since = Some(since.0),
            Progress::Issued(issued) => message.issued = Some(IssuedV1::from(issued)),
            Progress::Withheld(reason) => message.withheld = number_of(*reason),
        }
        message
    }
}

fn number_of(reason: Reason) -> Option<u32> {
    REASONS
        .iter()
        .find(|(known, _)| *known == reason)
        .map(|(_, number)| *number)
}

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
        let reason = |number| {
            let found = REASONS.iter().find(|(_, known)| *known == number);
            found
                .map(|(reason, _)| *reason)
                .ok_or(StateError::Field("withheld"))
        };
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
                redeemer: bound.redeemer,
            }),
            progress,
            due_at: read.due_at.map(Instant),
            expected: read.expected,
            promised: read.promised_to.map(|member_id| Promised {
                member_id,
                points: read.promised,
            }),
            last_event: read.last_event.map(Instant),
        })
    }
}

#[cfg(test)]
mod tests;
