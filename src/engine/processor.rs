//! What a stage must be so that the engine can run it: pure, synchronous, its state a value.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::error::Refusal;
use super::ports::{Key, Millis, Offset, OutRecord, Partition, Record, Scan};

/// One stage's business. No call may block, look at a clock or draw a random number.
pub trait Processor: Send + Sync + 'static {
    /// A record, read.
    type Event: Send + Sync;
    /// The state of one key, decoded. The engine keeps it warm between batches.
    type State: Send + Sync;
    /// What a decision sends out, as a value.
    type Output: Send;

    /// Reads a record. A refusal sends it to the dead letters.
    fn decode(&self, record: &Record) -> Result<Decoded<Self::Event>, Refusal>;

    /// Reads a stored state.
    fn load(&self, key: &Key, stored: &[u8]) -> Result<Self::State, Refusal>;

    /// What is to be stored for a state.
    fn save(&self, key: &Key, state: &Self::State) -> Saved;

    /// The wake-up that [`Processor::save`] would say, cheaper.
    fn wake(&self, key: &Key, state: &Self::State) -> Option<Millis> {
        self.save(key, state).wake
    }

    /// The index flag that [`Processor::save`] would say, cheaper.
    fn indexed(&self, key: &Key, state: &Self::State) -> bool {
        self.save(key, state).indexed
    }

    /// Decides. A refusal must leave `turn.state` as it was. `None` in `turn.state`
    /// afterwards removes the key.
    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<Self::Output>) -> Result<(), Refusal>
    where
        Self: Sized;

    /// An output as the log takes it: asked for once the batch is decided.
    fn encode(&self, output: Self::Output) -> OutRecord;

    /// Keys that a timer of this key wants to see beside its own.
    fn scan(&self, _key: &Key, _state: &Self::State) -> Option<Scan> {
        None
    }

    /// Which key prefixes a global table's records behind `after` ask to be looked at again,
    /// each with the offset of the record that asks; in any order.
    fn nudges(&self, _after: Offset) -> Vec<Nudge> {
        Vec::new()
    }
}

/// A record, read, and what the engine must know of it.
#[derive(Debug)]
pub struct Decoded<E> {
    /// Whose state it changes.
    pub key: Key,
    pub event: E,
    /// The part of the key whose partition must be the record's own; `None`: anywhere.
    pub placed_by: Option<Range<usize>>,
    /// The logical time of the record where its producer has stated one; else its arrival.
    pub at: Option<Millis>,
    /// The decision looks at the global table, which must be read to its end first (E11).
    pub reads_table: bool,
}

impl<E> Decoded<E> {
    /// The bytes that place the record.
    pub fn placed_by(&self) -> Option<&[u8]> {
        self.key.get(self.placed_by.clone()?)
    }
}

/// A state as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub bytes: Bytes,
    /// When the key wants a timer turn (E4). Fires once the clock is beyond it.
    pub wake: Option<Millis>,
    /// Whether scans and nudges find the key.
    pub indexed: bool,
}

/// Why a key gets a turn.
#[derive(Debug)]
pub enum Cause<'a, E> {
    Event {
        event: &'a E,
        record: &'a Record,
    },
    /// `due` is the wake-up the state had asked for; `scanned` what [`Processor::scan`] wanted.
    Timer {
        due: Millis,
        scanned: &'a [Key],
    },
    /// The global table changed in a way that concerns this key.
    Nudge,
}

/// One decision about one key.
pub struct Turn<'a, P: Processor> {
    pub key: &'a Key,
    pub state: &'a mut Option<P::State>,
    pub cause: Cause<'a, P::Event>,
    /// Logical time: a record's arrival, a timer's due time. Never the wall clock.
    pub now: Millis,
    pub partition: Partition,
}

/// A prefix to be swept because of a table record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nudge {
    pub offset: Offset,
    pub prefix: Bytes,
    /// Also keys that are not indexed.
    pub every_key: bool,
}

/// Metric name, its one label's value ("" for none), how many.
pub type Count = (&'static str, Cow<'static, str>, u64);

/// What a decision sends out and counts. Nothing of it happens before the commit.
#[derive(Debug)]
pub struct Effects<O> {
    pub outputs: Vec<O>,
    pub counts: Vec<Count>,
}

impl<O> Effects<O> {
    pub fn send(&mut self, output: O) {
        self.outputs.push(output);
    }

    pub fn count(&mut self, name: &'static str, label: impl Into<Cow<'static, str>>, n: u64) {
        self.counts.push((name, label.into(), n));
    }
}

impl<O> Default for Effects<O> {
    fn default() -> Self {
        Effects {
            outputs: Vec::new(),
            counts: Vec::new(),
        }
    }
}

/// A topic that every instance reads whole, from its beginning (E11).
pub trait GlobalTable: Send + Sync + 'static {
    /// Takes in one record. A refusal is logged and counted; the table goes on.
    fn apply(&self, record: &Record) -> Result<(), Refusal>;
}
