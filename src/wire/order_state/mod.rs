//! The stored state of an order: a format tag, then protobuf. Numbers are never reused.
//!
//! Shop and order are in the key and not repeated. Instants are microseconds.

mod messages;
mod read;
mod write;

use prost::Message;
use prost::bytes::Bytes;

use crate::domain::order::{Order, Reason};
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

fn number_of(reason: Reason) -> u32 {
    let found = REASONS.iter().find(|(known, _)| *known == reason);
    found.map_or(0, |(_, number)| *number)
}

fn reason_of(number: u32) -> Option<Reason> {
    let found = REASONS.iter().find(|(_, known)| *known == number);
    found.map(|(reason, _)| *reason)
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
