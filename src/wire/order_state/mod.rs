//! The stored state of an order: a format tag, then protobuf. Numbers are never reused.
//!
//! Shop and order are in the key and not repeated. Instants are microseconds.

mod messages;
mod read;
mod write;
mod write_snapshot;

use prost::Message;
use prost::bytes::Bytes;

use crate::domain::instant::Instant;
use crate::domain::order::facts::Named;
use crate::domain::order::{Order, Pending};
use crate::wire::protobuf::{Write, Writer};
use messages::OrderV1;

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
    write::order(order).write(&mut writer);
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

/// What was published as pending, where nothing else is stored.
fn usual_pending(expected: Option<i64>, due_at: Option<Instant>) -> Option<Pending> {
    let points = expected.filter(|points| *points > 0)?;
    let due_at = due_at?;
    Some(Pending { points, due_at })
}

/// A customer of whom nothing but the id is known.
fn is_unknown(named: &Named) -> bool {
    named.revision == i64::MAX && named.event_id.is_empty() && named.tier.is_none()
}

#[cfg(test)]
pub(crate) mod golden_tests;
#[cfg(test)]
mod tests;
