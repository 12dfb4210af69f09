//! A shop's broadcasts within a partition, as they are stored. Tags are never reused.

use prost::Message;

use super::{StateError, id};
use crate::domain::instant::Instant;
use crate::domain::ledger::broadcast::{Broadcast, Broadcasts};
use crate::wire::ledger_entry;

/// Written first.
const VERSION: u32 = 1;

pub fn encode_broadcasts(broadcasts: &Broadcasts) -> Vec<u8> {
    let running = broadcasts.running.iter().map(|broadcast| BroadcastV1 {
        entry: ledger_entry::encode(&broadcast.entry).to_vec(),
        cursor: broadcast.cursor.clone(),
    });
    let state = BroadcastsV1 {
        version: VERSION,
        seen: broadcasts.seen.iter().map(SeenV1::from).collect(),
        running: running.collect(),
        latest: broadcasts.latest.map(|at| at.0),
    };
    state.encode_to_vec()
}

pub fn decode_broadcasts(bytes: &[u8]) -> Result<Broadcasts, StateError> {
    let state = BroadcastsV1::decode(bytes)?;
    if state.version != VERSION {
        return Err(StateError::Version(state.version));
    }
    let mut broadcasts = Broadcasts {
        latest: state.latest.map(Instant),
        ..Broadcasts::default()
    };
    for seen in state.seen {
        let (id, at) = seen.read()?;
        broadcasts.seen.insert(id, at);
    }
    for running in state.running {
        let entry = ledger_entry::decode(&running.entry)?;
        broadcasts.running.push_back(Broadcast {
            entry,
            cursor: running.cursor,
        });
    }
    Ok(broadcasts)
}

#[derive(Clone, PartialEq, Message)]
pub struct SeenV1 {
    /// 16 bytes, the highest first.
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(sint64, tag = "2")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct BroadcastsV1 {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(message, repeated, tag = "2")]
    seen: Vec<SeenV1>,
    #[prost(message, repeated, tag = "3")]
    running: Vec<BroadcastV1>,
    #[prost(sint64, optional, tag = "4")]
    latest: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct BroadcastV1 {
    /// As `wire::ledger_entry` writes it.
    #[prost(bytes = "vec", tag = "1")]
    entry: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    cursor: Option<String>,
}

impl From<(&u128, &Instant)> for SeenV1 {
    fn from((id, at): (&u128, &Instant)) -> Self {
        SeenV1 {
            id: id.to_be_bytes().to_vec(),
            at: at.0,
        }
    }
}

impl SeenV1 {
    pub fn read(self) -> Result<(u128, Instant), StateError> {
        Ok((id(&self.id)?, Instant(self.at)))
    }
}
