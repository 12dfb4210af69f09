//! One owned partition: how far it is, what it keeps warm.

use std::collections::HashMap;

use super::board::{Phase, Shown};
use super::cache::Cache;
use super::error::Refusal;
use super::gate::Gate;
use super::mutation::{self, Mutation};
use super::ports::{Key, KeyMap, Marker, Millis, Offset, Partition, Timers, TopicId};
use super::processor::Nudge;

/// An owned, restored partition between two batches.
pub struct Owned<S> {
    pub id: Partition,
    /// Where the store is, by our own writing.
    pub marker: Marker,
    /// Next input offset to be decided.
    pub position: Offset,
    /// The topic in which it counts.
    pub topic: Option<TopicId>,
    /// Never goes back (E13).
    pub clock: Millis,
    /// Every key has looked at the global table up to here.
    pub table: Offset,
    pub gate: Gate,
    pub cache: Cache<S>,
    pub timers: Timers,
    /// Real time at which the store last answered for this partition.
    pub looked: Millis,
    /// Everything later than our last batch lies behind this changelog offset.
    pub changelog: Offset,
    pub sweep: Option<Sweep>,
    /// Records and timers whose decision broke: they go to the dead letters.
    pub poisoned: HashMap<Offset, Refusal>,
    pub broken_timers: KeyMap<Refusal>,
    /// At most this many records in the next batch: halved when one is aborted (E14).
    pub records_max: usize,
}

/// A sweep through the keys that a table record concerns.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub nudge: Nudge,
    pub after: Option<Key>,
}

impl<S> Owned<S> {
    /// The time before which input is decided and timers have fired.
    pub fn done(&self) -> Millis {
        if self.sweep.is_some() {
            return Millis::MIN;
        }
        self.gate
            .open_until()
            .min(self.timers.next.unwrap_or(Millis::MAX))
    }

    /// Timers before this may fire at `now`; `None`: none is due.
    pub fn fires_before(&self, now: Millis) -> Option<Millis> {
        let before = if mutation::on(Mutation::E13NoGate) {
            now
        } else {
            self.gate.open_until().min(now)
        };
        self.timers.next.filter(|next| *next < before).map(|_| before)
    }

    /// How long the store may still be left alone (E15). A clock that went back proves nothing.
    pub fn look_in(&self, wall: Millis, every: Millis) -> Millis {
        match wall.saturating_sub(self.looked) {
            passed @ 0.. => every.saturating_sub(passed),
            _ => 0,
        }
    }

    /// A timer is due but the gate does not know yet whether the input is read that far.
    pub fn waits_for_gate(&self, now: Millis) -> bool {
        self.timers
            .next
            .is_some_and(|next| next < now && next >= self.gate.open_until())
    }

    pub fn shown(&self) -> Shown {
        Shown {
            phase: Phase::Running,
            position: self.position,
            done: self.done(),
            clock: self.clock,
            pending: self.timers.pending,
            next_wake: self.timers.next,
            sweeping: self.sweep.is_some(),
            table_seen: 0,
        }
    }
}
