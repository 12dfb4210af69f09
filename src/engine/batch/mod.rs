//! One batch of one partition: what is read, what is decided, what is to be committed.

mod close;
mod round;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::cache::Slot;
use super::error::Refusal;
use super::partition::{Owned, Swept};
use super::ports::{Answer, Ask, Due, Key, KeyMap, Millis, Offset, OutRecord, Record, Scan, Write};
use super::processor::{Count, Decoded, Processor};
use super::spec::StageSpec;
pub use round::{Given, decide};

/// Records of a batch as they came, each decoded or refused.
pub struct Batch<E> {
    pub records: Vec<Record>,
    decoded: Vec<Result<Decoded<E>, Refusal>>,
    pub due: Option<Due>,
    pub scan: Option<Scan>,
    /// Keys of a sweep that goes by pages.
    pub nudged: Vec<Key>,
    /// The processor's time when the batch was begun.
    pub now: Millis,
}

/// What a batch came to. Nothing of it has happened yet.
pub struct Decision<S> {
    /// Outputs, dead letters, changelog records and the meta record.
    pub records: Vec<OutRecord>,
    pub writes: Vec<Write>,
    pub counts: Vec<Count>,
    pub timers_fired: Vec<Millis>,
    /// Reason code of each dead letter, and in words where it was read and why it was refused.
    pub dead_letters: Vec<(&'static str, String)>,
    pub position: Offset,
    pub clock: Millis,
    /// The clock may be moved on to here by the records themselves (E13).
    pub passed: Option<Millis>,
    pub slots: Slots<S>,
    /// How far it brings the sweep.
    pub swept: Option<Swept>,
    /// Of the batch's records the first that many are decided; the others come again.
    pub taken: usize,
    /// Records, timers and nudges of the batch.
    pub turns: usize,
    /// The only turn, where there is but one: what cannot be written is its doing.
    pub single: Option<Cause>,
}

/// Whose doing something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Record(Offset),
    /// A timer or a nudge of this key.
    Key(Key),
}

/// What became of an attempt to decide a batch.
pub enum Outcome<S> {
    Decided(Box<Decision<S>>),
    /// All of these must be noted; then the batch is decided again.
    Broken(Vec<Broken>),
    /// More bytes than one transaction takes: fewer turns at a time.
    TooMuch,
}

/// A turn that cannot be taken. The batch is decided again without it (E9).
#[derive(Debug)]
pub enum Broken {
    Turn(Cause, Refusal),
    /// The state has outgrown its limit: it is measured after every turn from here on, so that
    /// exactly those turns are refused that make it larger.
    Large(Key),
}

impl<E: Send + Sync> Batch<E> {
    /// Reads the records. What cannot be read is a dead letter already.
    pub fn read<P>(processor: &P, spec: &StageSpec, records: Vec<Record>, now: Millis) -> Self
    where
        P: Processor<Event = E>,
    {
        let decoded = records
            .iter()
            .map(|record| decode(processor, spec, record))
            .collect();
        Self {
            records,
            decoded,
            due: None,
            scan: None,
            nudged: Vec::new(),
            now,
        }
    }

    /// Whether a decision looks at the global table (E11).
    pub fn reads_table(&self) -> bool {
        self.decoded.iter().flatten().any(|decoded| decoded.reads_table)
    }

    /// Records, and at most that many timers and keys.
    pub fn turns(&self) -> usize {
        let due = self.due.map_or(0, |due| due.limit);
        let scanned = self.scan.as_ref().map_or(0, |scan| scan.limit);
        self.records.len() + due + scanned + self.nudged.len()
    }

    /// Whether there is nothing to look at.
    pub fn is_idle(&self) -> bool {
        self.turns() == 0
    }

    /// Keys whose states are needed, whatever the store lists.
    fn named(&self) -> impl Iterator<Item = &Key> {
        let records = self.decoded.iter().flatten().map(|decoded| &decoded.key);
        records.chain(&self.nudged)
    }

    /// The states that are not warm, and the timers and keys of this turn.
    pub fn ask<S>(&self, owned: &Owned<S>) -> Ask {
        let mut keys: Vec<Key> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for key in self.named() {
            if !owned.cache.contains(key) && seen.insert(key) {
                keys.push(key.clone());
            }
        }
        Ask {
            keys,
            due: self.due,
            scan: self.scan.clone(),
        }
    }
}

fn decode<P: Processor>(
    processor: &P,
    spec: &StageSpec,
    record: &Record,
) -> Result<Decoded<P::Event>, Refusal> {
    let bytes = record.value.as_ref().map_or(0, Bytes::len) + record.key.as_ref().map_or(0, Bytes::len);
    if bytes > spec.limits.record_max_bytes {
        let limit = spec.limits.record_max_bytes;
        return Err(Refusal::new(
            "too_large",
            format!("{bytes} bytes; at most {limit} are read"),
        ));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| processor.decode(record)))
        .unwrap_or_else(|_| Err(Refusal::new("panicked", "while it was read")))?;
    let belongs = decoded
        .placed_by()
        .and_then(|by| spec.partitioner.place(by, spec.input_partitions));
    if let Some(belongs) = belongs.filter(|belongs| *belongs != record.partition) {
        let detail = format!(
            "stands on partition {}, its key belongs on {belongs}",
            record.partition
        );
        return Err(Refusal::new("wrong_partition", detail));
    }
    Ok(decoded)
}

/// States of a partition at hand.
pub type Slots<S> = KeyMap<Box<Slot<S>>>;

/// Takes warm states and the store's answer to hand.
pub fn lay_out<P: Processor>(
    processor: &P,
    owned: &mut Owned<P::State>,
    batch: &Batch<P::Event>,
    ask: &Ask,
    answer: &Answer,
) -> Result<Slots<P::State>, Refusal> {
    let mut slots = Slots::default();
    for (key, value) in ask.keys.iter().zip(&answer.values) {
        slots.insert(key.clone(), Box::new(Slot::load(processor, key, value.as_ref())?));
    }
    let listed = answer.due.iter().map(|(key, _, value)| (key, value));
    let scanned = answer.scanned.iter().map(|(key, value)| (key, value));
    for (key, value) in listed.chain(scanned) {
        if slots.contains_key(key) {
            continue;
        }
        let slot = match owned.cache.take(key) {
            Some(slot) => slot,
            None => Box::new(Slot::load(processor, key, Some(value))?),
        };
        slots.insert(key.clone(), slot);
    }
    for key in batch.named() {
        if !slots.contains_key(key) {
            let slot = owned.cache.take(key).unwrap_or_else(|| Box::new(Slot::absent()));
            slots.insert(key.clone(), slot);
        }
    }
    Ok(slots)
}

#[cfg(test)]
mod tests;
