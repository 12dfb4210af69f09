//! One stage run in memory, in exact time order, without a log: for replays and examples.
//!
//! Decisions are made at the same desk as in a partition; there is nothing to commit, so the
//! protocol has nothing to do here.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};

use super::cache::{Held, Slot};
use super::desk::{Desk, Fault};
use super::error::Refusal;
use super::ports::{Key, KeyMap, Millis, Offset, OutRecord, Record};
use super::processor::{Decoded, Processor};

/// Of states asleep, allocated at a time.
const BED_BYTES: usize = 1 << 16;

/// All keys of a stage as one partition.
pub struct Embedded<'a, P: Processor> {
    processor: &'a P,
    desk: Desk<'a, P>,
    timers: BTreeSet<(Millis, Key)>,
    /// What scans and nudges find, in order, from the first of them on.
    index: Option<BTreeSet<Key>>,
    /// States that wait for nothing, as they would be stored: a tenth of the memory.
    asleep: KeyMap<Bytes>,
    /// Where they lie side by side: among what comes and goes they would scatter it all over the
    /// memory.
    bed: BytesMut,
    /// Nudges up to this offset of the global table are done.
    table: Offset,
}

impl<'a, P: Processor> Embedded<'a, P> {
    pub fn new(processor: &'a P) -> Self {
        let desk = Desk::new(processor, 0);
        Self {
            processor,
            desk,
            timers: BTreeSet::new(),
            index: None,
            asleep: KeyMap::default(),
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
    ) -> Result<Vec<OutRecord>, Refusal> {
        let at = decoded.at.unwrap_or(arrival);
        self.awaken(&decoded.key)?;
        let result = self.desk.event(&decoded.key, &decoded.event, record, at);
        self.decided(&decoded.key, result)
    }

    /// Wake-up of the earliest timer.
    pub fn next_wake(&self) -> Option<Millis> {
        self.timers.first().map(|(wake, _)| *wake)
    }

    /// Gives the earliest timer its turn.
    pub fn fire(&mut self) -> Result<Vec<OutRecord>, Refusal> {
        let Some((due, key)) = self.timers.first().cloned() else {
            return Ok(Vec::new());
        };
        let scanned = self.scan(&key);
        let result = self.desk.timer(&key, due, &scanned);
        self.decided(&key, result)
    }

    /// Lets keys look again at what the global table says now.
    pub fn nudge(&mut self, now: Millis) -> Result<Vec<OutRecord>, Refusal> {
        let mut records = Vec::new();
        let mut nudges = self.processor.nudges(self.table);
        nudges.sort_by_key(|nudge| nudge.offset);
        for nudge in nudges {
            for key in self.behind(&nudge.prefix, None, usize::MAX) {
                let result = self.desk.nudge(&key, now);
                records.append(&mut self.decided(&key, result)?);
            }
            self.table = nudge.offset;
        }
        Ok(records)
    }

    /// The state of a key that waits for something.
    #[cfg(test)]
    pub fn state(&self, key: &Key) -> Option<&P::State> {
        self.desk.slots.get(key)?.state.as_ref()
    }

    fn scan(&mut self, key: &Key) -> Vec<Key> {
        let state = self.desk.slots.get(key).and_then(|slot| slot.state.as_ref());
        let Some(scan) = state.and_then(|state| self.processor.scan(key, state)) else {
            return Vec::new();
        };
        self.behind(&scan.prefix, scan.after.as_ref(), scan.limit)
    }

    fn behind(&mut self, prefix: &Bytes, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let slots = &self.desk.slots;
        let index = self.index.get_or_insert_with(|| {
            let indexed = slots
                .iter()
                .filter(|(_, slot)| slot.held.is_some_and(|held| held.indexed));
            indexed.map(|(key, _)| key.clone()).collect()
        });
        let from = after.unwrap_or(prefix);
        let range = index.range(from.clone()..).skip_while(|key| Some(*key) == after);
        range
            .take_while(|key| key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    /// What a turn decided; its key's timer and index are moved.
    fn decided(&mut self, key: &Key, result: Result<(), Fault>) -> Result<Vec<OutRecord>, Refusal> {
        self.moved(key);
        self.desk.touched.clear();
        self.desk.timers_fired.clear();
        match result {
            // What timers decided before a refused event goes out with what comes next.
            Ok(()) => {
                self.desk.effects.counts.clear();
                Ok(std::mem::take(&mut self.desk.effects.records))
            }
            Err(Fault::Refused(refusal) | Fault::Broken(refusal)) => Err(refusal),
        }
    }

    fn moved(&mut self, key: &Key) {
        let Some(slot) = self.desk.slots.get_mut(key) else {
            return;
        };
        let before = slot.stored.unwrap_or_default();
        let state = slot.state.as_ref();
        let after = state.map_or_else(Held::default, |state| Held {
            wake: self.processor.wake(key, state),
            indexed: self.processor.indexed(key, state),
        });
        (slot.stored, slot.held, slot.dirty) = (Some(after), Some(after), false);
        if before.wake != after.wake {
            if let Some(wake) = before.wake {
                self.timers.remove(&(wake, key.clone()));
            }
            if let Some(wake) = after.wake {
                self.timers.insert((wake, key.clone()));
            }
        }
        if let Some(index) = &mut self.index {
            match (before.indexed, after.indexed) {
                (false, true) => drop(index.insert(key.clone())),
                (true, false) => drop(index.remove(key)),
                _ => {}
            }
        }
        if after == Held::default() {
            self.lay_to_sleep(key);
        }
    }

    fn lay_to_sleep(&mut self, key: &Key) {
        let slot = self.desk.slots.remove(key);
        if let Some(state) = slot.and_then(|slot| slot.state) {
            let saved = self.processor.save(key, &state);
            self.bed.reserve(key.len() + saved.bytes.len());
            self.bed.extend_from_slice(key);
            self.bed.extend_from_slice(&saved.bytes);
            let mut key_in_bed = self.bed.split().freeze();
            let bytes = key_in_bed.split_off(key.len());
            self.asleep.insert(key_in_bed, bytes);
        }
    }

    fn awaken(&mut self, key: &Key) -> Result<(), Refusal> {
        if self.desk.slots.contains_key(key) {
            return Ok(());
        }
        if let Some(bytes) = self.asleep.remove(key) {
            let slot = Slot {
                state: Some(self.processor.load(key, &bytes)?),
                ..Slot::absent()
            };
            self.desk.slots.insert(key.clone(), Box::new(slot));
        }
        Ok(())
    }
}
