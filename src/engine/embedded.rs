//! One stage run in memory, in exact time order, without a log: for replays and examples.
//!
//! Decisions are made at the same desk as in a partition; there is nothing to commit, so the
//! protocol has nothing to do here.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::desk::{Desk, Fault};
use super::error::Refusal;
use super::ports::{Key, Millis, Offset, OutRecord, Record};
use super::processor::{Decoded, Effects, Processor};

/// All keys of a stage as one partition.
pub struct Embedded<'a, P: Processor> {
    processor: &'a P,
    desk: Desk<'a, P>,
    timers: BTreeSet<(Millis, Key)>,
    index: BTreeSet<Key>,
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
            index: BTreeSet::new(),
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
        let before = self.desk.wake(&decoded.key);
        let result = self.desk.event(&decoded.key, &decoded.event, record, at);
        self.moved(before, &decoded.key);
        match result {
            Ok(()) => Ok(self.drain()),
            Err(Fault::Refused(refusal) | Fault::Broken(refusal)) => Err(refusal),
        }
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
        self.moved(Some(due), &key);
        match result {
            Ok(()) => Ok(self.drain()),
            Err(Fault::Refused(refusal) | Fault::Broken(refusal)) => Err(refusal),
        }
    }

    /// Lets keys look again at what the global table says now.
    pub fn nudge(&mut self, now: Millis) -> Result<Vec<OutRecord>, Refusal> {
        let mut records = Vec::new();
        let mut nudges = self.processor.nudges(self.table);
        nudges.sort_by_key(|nudge| nudge.offset);
        for nudge in nudges {
            for key in self.behind(&nudge.prefix, None, usize::MAX) {
                let before = self.desk.wake(&key);
                let result = self.desk.nudge(&key, now);
                self.moved(before, &key);
                if let Err(Fault::Refused(refusal) | Fault::Broken(refusal)) = result {
                    return Err(refusal);
                }
                records.append(&mut self.drain());
            }
            self.table = nudge.offset;
        }
        Ok(records)
    }

    /// The state of a key, for look-ups after the run.
    pub fn state(&self, key: &Key) -> Option<&P::State> {
        self.desk.slots.get(key)?.state.as_ref()
    }

    fn scan(&self, key: &Key) -> Vec<Key> {
        let state = self.desk.slots.get(key).and_then(|slot| slot.state.as_ref());
        let Some(scan) = state.and_then(|state| self.processor.scan(key, state)) else {
            return Vec::new();
        };
        self.behind(&scan.prefix, scan.after.as_ref(), scan.limit)
    }

    fn behind(&self, prefix: &Bytes, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let from = after.unwrap_or(prefix);
        let range = self
            .index
            .range(from.clone()..)
            .skip_while(|key| Some(*key) == after);
        range
            .take_while(|key| key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    fn moved(&mut self, before: Option<Millis>, key: &Key) {
        let after = self.desk.wake(key);
        if before != after {
            if let Some(wake) = before {
                self.timers.remove(&(wake, key.clone()));
            }
            if let Some(wake) = after {
                self.timers.insert((wake, key.clone()));
            }
        }
        let state = self.desk.slots.get(key).and_then(|slot| slot.state.as_ref());
        if state.is_some_and(|state| self.processor.indexed(key, state)) {
            if !self.index.contains(key) {
                self.index.insert(key.clone());
            }
        } else {
            self.index.remove(key);
        }
    }

    fn drain(&mut self) -> Vec<OutRecord> {
        self.desk.touched.clear();
        self.desk.timers_fired.clear();
        std::mem::take(&mut self.desk.effects).into_records()
    }
}

impl Effects {
    fn into_records(self) -> Vec<OutRecord> {
        self.records
    }
}
