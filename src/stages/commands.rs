//! The commands stage: a command is read, checked and handed to its member's ledger.
//!
//! It keeps no state. Whether a command was seen before is the ledger's to know.

use super::keys;
use super::output::{self, Output};
use super::topics::Topics;
use crate::domain::entry::Entry;
use crate::domain::instant::Instant;
use crate::engine::error::Refusal;
use crate::engine::ports::{Key, OutRecord, Partition, Record};
use crate::engine::processor::{Cause, Decoded, Effects, Processor, Saved, Turn};
use crate::wire::command::{self, CommandError};
use crate::wire::envelope;

/// The stage with where it sends to.
pub struct Commands {
    topics: Topics,
    /// Partitions of the ledger's input: a broadcast goes to each.
    ledger_partitions: Partition,
}

impl Commands {
    pub fn new(topics: Topics, ledger_partitions: Partition) -> Self {
        Commands {
            topics,
            ledger_partitions,
        }
    }
}

impl Processor for Commands {
    /// Its arrival is not known before it has its turn.
    type Event = Entry;
    type State = ();
    type Output = Output;

    fn decode(&self, record: &Record) -> Result<Decoded<Entry>, Refusal> {
        let headers = record
            .headers
            .iter()
            .map(|(name, value)| (&**name, value.as_deref()));
        let entry = envelope::read(record.value.as_deref(), headers)
            .map_err(CommandError::from)
            .and_then(|envelope| command::read(&envelope, Instant::MIN))
            .map_err(|error| Refusal::new("malformed", error.to_string()))?;
        let key = keys::ledger_key(&entry);
        let placed_by = match entry.member_id.is_empty() {
            true => 0..entry.shop_id.len(),
            false => entry.shop_id.len() + 1..key.len(),
        };
        Ok(Decoded {
            key,
            placed_by: Some(placed_by),
            at: None,
            reads_table: false,
            event: entry,
        })
    }

    fn load(&self, _: &Key, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn save(&self, _: &Key, _: &()) -> Saved {
        Saved {
            bytes: Default::default(),
            wake: None,
            indexed: false,
        }
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<Output>) -> Result<(), Refusal> {
        let Cause::Event { event, .. } = turn.cause else {
            return Ok(());
        };
        let entry = Entry {
            at: Instant::from_millis(turn.now),
            ..event.clone()
        };
        if !entry.member_id.is_empty() {
            output::hand_over(entry, effects);
            return Ok(());
        }
        // Also what cannot be carried out: no partition may do so when it comes again.
        for partition in 0..self.ledger_partitions {
            output::hand_over_to(partition, entry.clone(), effects);
        }
        Ok(())
    }

    fn encode(&self, output: Output) -> OutRecord {
        self.topics.record(output)
    }
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
