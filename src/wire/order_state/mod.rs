//! The stored state of an order: a format tag, then protobuf. Numbers are never reused.
//!
//! Shop and order are in the key and not repeated. Instants are microseconds.

mod messages;
mod read;
mod write;

use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;

use crate::domain::instant::Instant;
use crate::domain::order::facts::{Cancelled, Facts, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Order, Progress, Promised, Reason};
use crate::wire::protobuf::Writer;
use messages::{CancelledV1, OrderV1};

/// First byte of every state in this format.
const FORMAT: u8 = 1;
/// Most orders are smaller.
const USUAL_BYTES: usize = 512;

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
    let mut writer = Writer::with_capacity(USUAL_BYTES);
    writer.byte(FORMAT);
    write::order(order, &mut writer);
    Bytes::from(writer.end())
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
        })
    }
}

#[cfg(test)]
mod tests;
