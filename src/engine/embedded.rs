//! One stage run in memory, in exact time order, without a log: for replays and examples.
//!
//! Decisions are made at the same desk as in a partition; there is nothing to commit, so the
//! protocol has nothing to do here.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use bytes::{Bytes, BytesMut};
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::cache::{Held, Slot};
use super::desk::{Desk, Fault};
use super::error::Refusal;
use super::ports::{Key, Millis, Offset, Record};
use super::processor::{Decoded, Processor};

/// Of states asleep, allocated at a time.
const BED_BYTES: usize = 1 << 16;

/// A key where it is kept. Nearly all lie within: whoever looks for one has it at hand.
type Name = SmallVec<[u8; 24]>;
type Names<V> = HashMap<Name, V, RandomState>;

/// All keys of a stage as one partition.
pub struct Embedded<'a, P: Processor> {
    processor: &'a P,
    desk: Desk<'a, P>,
    slots: Names<Box<Slot<P::State>>>,
    order: Order,
    /// States that wait for nothing, as they would be stored: a tenth of the memory.
    asleep: Names<Bytes>,
    /// Where they lie side by side: among what comes and goes they would scatter it all over the
    /// memory.
    bed: BytesMut,
    /// Nudges up to this offset of the global table are done.
    table: Offset,
}

/// Keys in the orders in which they are looked for.
#[derive(Default)]
struct Order {
    timers: BTreeSet<(Millis, Name)>,
    /// What scans and nudges find, from the first of them on.
    index: Option<BTreeSet<Name>>,
}

impl<'a, P: Processor> Embedded<'a, P> {
    pub fn new(processor: &'a P) -> Self {
        Self {
            processor,
            desk: Desk::new(processor, 0),
            slots: Names::default(),
            order: Order::default(),
            asleep: Names::default(),
            bed: BytesMut::with_capacity(BED_BYTES),
            table: -1,
        }
    }

    /// Takes a decoded record that arrived at `arrival`.
    pub fn event(
        &mut self,
        decoded: &Decoded<P::Event>,
        record: &Record,
        arrival: Millis,
    ) -> Result<Vec<P::Output>, Refusal> {
        let (key, at) = (&decoded.key, decoded.at.unwrap_or(arrival));
        self.turn(key, |desk, slot| {
            desk.event(key, slot, &decoded.event, record, at)
        })
    }

    /// Wake-up of the earliest timer.
    pub fn next_wake(&self) -> Option<Millis> {
        self.order.timers.first().map(|(wake, _)| *wake)
    }

    /// Gives the earliest timer its turn.
    pub fn fire(&mut self) -> Result<Vec<P::Output>, Refusal> {
        let Some((due, name)) = self.order.timers.first() else {
            return Ok(Vec::new());
        };
        let (due, key) = (*due, Key::copy_from_slice(name));
        let scanned = self.scan(&key);
        self.turn(&key, |desk, slot| desk.timer(&key, slot, due, &scanned))
    }

    /// Lets keys look again at what the global table says now.
    pub fn nudge(&mut self, now: Millis) -> Result<Vec<P::Output>, Refusal> {
        let mut outputs = Vec::new();
        let mut nudges = self.processor.nudges(self.table);
        nudges.sort_by_key(|nudge| nudge.offset);
        for nudge in nudges {
            let keys = match nudge.every_key {
                true => self.with_prefix(&nudge.prefix),
                false => self.behind(&nudge.prefix, None, usize::MAX),
            };
            for key in keys {
                outputs.append(&mut self.turn(&key, |desk, slot| desk.nudge(&key, slot, now))?);
            }
            self.table = nudge.offset;
        }
        Ok(outputs)
    }

    /// The state of a key that waits for something.
    #[cfg(test)]
    pub fn state(&self, key: &Key) -> Option<&P::State> {
        self.slots.get(&**key)?.state.as_ref()
    }

    fn scan(&mut self, key: &Key) -> Vec<Key> {
        let state = self.slots.get(&**key).and_then(|slot| slot.state.as_ref());
        let Some(scan) = state.and_then(|state| self.processor.scan(key, state)) else {
            return Vec::new();
        };
        self.behind(&scan.prefix, scan.after.as_ref(), scan.limit)
    }

    fn with_prefix(&self, prefix: &Bytes) -> Vec<Key> {
        let names = self.slots.keys().chain(self.asleep.keys());
        let names = names.filter(|name| name.starts_with(prefix));
        let mut keys: Vec<Key> = names.map(|name| Key::copy_from_slice(name)).collect();
        keys.sort_unstable();
        keys
    }

    fn behind(&mut self, prefix: &Bytes, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let slots = &self.slots;
        let index = self.order.index.get_or_insert_with(|| {
            let indexed = slots
                .iter()
                .filter(|(_, slot)| slot.held.is_some_and(|held| held.indexed));
            indexed.map(|(name, _)| name.clone()).collect()
        });
        let from = Name::from_slice(after.unwrap_or(prefix));
        let range = index
            .range(from..)
            .skip_while(|name| after.is_some_and(|after| *after == ***name));
        range
            .take_while(|name| name.starts_with(prefix))
            .take(limit)
            .map(|name| Key::copy_from_slice(name))
            .collect()
    }

    /// Wakes a key's state, gives it a turn, puts its timer and index where they belong now, and
    /// lets it sleep again where it waits for nothing.
    fn turn(
        &mut self,
        key: &Key,
        turn: impl FnOnce(&mut Desk<'a, P>, &mut Slot<P::State>) -> Result<(), Fault>,
    ) -> Result<Vec<P::Output>, Refusal> {
        let mut slot = match self.slots.entry(Name::from_slice(key)) {
            Entry::Occupied(slot) => slot,
            Entry::Vacant(place) => {
                let slot = match self.asleep.remove(&**key) {
                    Some(bytes) => Slot {
                        state: Some(self.processor.load(key, &bytes)?),
                        ..Slot::absent()
                    },
                    None => Slot::absent(),
                };
                place.insert_entry(Box::new(slot))
            }
        };
        let result = turn(&mut self.desk, slot.get_mut());
        self.desk.touched.clear();
        self.desk.timers_fired.clear();
        let held = hold(self.processor, key, slot.get_mut(), &mut self.order);
        if held == Held::default() {
            let (name, slot) = slot.remove_entry();
            self.lay_to_sleep(key, name, *slot);
        }
        match result {
            // What timers decided before a refused event goes out with what comes next.
            Ok(()) => {
                self.desk.effects.counts.clear();
                Ok(std::mem::take(&mut self.desk.effects.outputs))
            }
            Err(fault) => Err(fault.into_refusal()),
        }
    }

    fn lay_to_sleep(&mut self, key: &Key, name: Name, slot: Slot<P::State>) {
        if let Some(state) = slot.state {
            self.bed
                .extend_from_slice(&self.processor.save(key, &state).bytes);
            self.asleep.insert(name, self.bed.split().freeze());
        }
    }
}

/// Notes what a state waits for from here on.
fn hold<P: Processor>(processor: &P, key: &Key, slot: &mut Slot<P::State>, order: &mut Order) -> Held {
    let before = slot.stored.unwrap_or_default();
    let state = slot.state.as_ref();
    let after = state.map_or_else(Held::default, |state| Held {
        wake: processor.wake(key, state),
        indexed: processor.indexed(key, state),
        postponed: false,
    });
    (slot.stored, slot.held, slot.dirty) = (Some(after), Some(after), false);
    if before.wake != after.wake {
        if let Some(wake) = before.wake {
            order.timers.remove(&(wake, Name::from_slice(key)));
        }
        if let Some(wake) = after.wake {
            order.timers.insert((wake, Name::from_slice(key)));
        }
    }
    if let Some(index) = &mut order.index {
        match (before.indexed, after.indexed) {
            (false, true) => drop(index.insert(Name::from_slice(key))),
            (true, false) => drop(index.remove(&**key)),
            _ => {}
        }
    }
    after
}
