//! Stored states of the ledger: a member's, and a shop's broadcasts.

mod broadcasts;
mod compact;
mod facts;
mod facts_v2;
mod linked;
mod orders;
mod packed;
mod receipts;
mod rows;
mod standing;
mod v1;

pub use self::broadcasts::{decode_broadcasts, encode_broadcasts};
use super::ledger_entry::EntryError;
use crate::domain::ledger::member::Member;

/// First byte of a member's state in the form that is written. The first version was a Protocol
/// Buffers message, which began with the key of its version.
const FORM: u8 = 3;
/// The form before. It is read, and never written again.
const FORM_BEFORE: u8 = 2;
const V1_BEGINS: u8 = 8;

/// A state that this program cannot have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("not a state: {0}")]
    NotProtobuf(#[from] prost::DecodeError),
    #[error("format version {0} is not known")]
    Version(u32),
    #[error("field {0} is out of range")]
    Field(&'static str),
    #[error("it ends too early, or holds what was never written")]
    Malformed,
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl From<packed::Malformed> for StateError {
    fn from(_: packed::Malformed) -> Self {
        StateError::Malformed
    }
}

pub fn encode_member(member: &Member) -> Vec<u8> {
    compact::write(member, FORM)
}

/// Ids of lots derive from the shop's id too, and are not written then.
pub fn decode_member(shop_id: &str, bytes: &[u8]) -> Result<Member, StateError> {
    match bytes.split_first() {
        Some((&FORM, rest)) => Ok(compact::read(shop_id, rest, true)?),
        Some((&FORM_BEFORE, rest)) => Ok(compact::read(shop_id, rest, false)?),
        Some((&V1_BEGINS, _)) => v1::read(shop_id, bytes),
        Some((&other, _)) => Err(StateError::Version(other.into())),
        None => Err(StateError::Malformed),
    }
}

fn id(bytes: &[u8]) -> Result<u128, StateError> {
    Ok(u128::from_be_bytes(
        bytes.try_into().map_err(|_| StateError::Field("id"))?,
    ))
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_compact;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;
