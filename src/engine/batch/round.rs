//! Deciding a batch: due timers, then the sweep, then records.

use std::collections::HashSet;

use super::{Batch, Broken, Cause, Outcome, Slots};
use crate::engine::cache::Slot;
use crate::engine::dead_letter;
use crate::engine::desk::{Desk, Fault, Guard};
use crate::engine::error::Refusal;
use crate::engine::mutation::{self, Mutation};
use crate::engine::partition::Owned;
use crate::engine::ports::{Answer, Key, KeyMap, Millis, Offset, OutRecord, Record};
use crate::engine::processor::{Decoded, Processor};
use crate::engine::spec::StageSpec;

/// States written to be measured before a batch is cut short: some tenths of a second.
const MEASURED_MAX_BYTES: usize = 256 << 20;

/// Everything a batch is decided on.
pub struct Given<'a, P: Processor> {
    pub processor: &'a P,
    pub spec: &'a StageSpec,
    pub owned: &'a Owned<P::State>,
    pub batch: &'a Batch<P::Event>,
    pub answer: &'a Answer,
    /// What due timers wanted to see beside their own keys.
    pub scans: &'a KeyMap<Vec<Key>>,
}

/// Decides the whole batch.
pub fn decide<P: Processor>(given: &Given<'_, P>, slots: Slots<P::State>) -> Outcome<P::State> {
    let mut desk = Desk::new(given.processor, given.owned.id);
    desk.guard = Some(Guard {
        state_max_bytes: given.spec.limits.state_max_bytes,
        measured: &given.owned.measured,
        set_aside: &given.owned.set_aside,
    });
    let mut round = Round {
        given,
        desk,
        slots,
        broken: Vec::new(),
        spoiled: HashSet::new(),
        dead: Vec::new(),
    };
    round.timers();
    round.nudges();
    let read = round.records();
    if !round.broken.is_empty() {
        return Outcome::Broken(round.broken);
    }
    round.close(&read)
}

/// How far the records of a batch were decided.
pub(super) struct Read {
    pub(super) taken: usize,
    pub(super) position: Offset,
    pub(super) clock: Millis,
    pub(super) passed: Option<Millis>,
}

/// One pass over a batch.
pub(super) struct Round<'a, P: Processor> {
    pub(super) given: &'a Given<'a, P>,
    pub(super) desk: Desk<'a, P>,
    pub(super) slots: Slots<P::State>,
    /// What goes wrong. The pass goes on to find all of it, for it is not the last.
    pub(super) broken: Vec<Broken>,
    /// Keys whose states may be half changed: they take no more turns in this pass.
    spoiled: HashSet<Key>,
    pub(super) dead: Vec<(&'static str, OutRecord)>,
}

impl<P: Processor> Round<'_, P> {
    fn timers(&mut self) {
        let Given {
            owned,
            batch,
            answer,
            scans,
            ..
        } = self.given;
        self.desk.late = mutation::on(Mutation::E8TimerNow).then_some(batch.now);
        for (key, due, _) in &answer.due {
            if self.spoiled.contains(key) || owned.sets_aside(key) {
                continue;
            }
            let scanned = scans.get(key).map_or(&[][..], Vec::as_slice);
            let slot = laid_out(&mut self.slots, key);
            if let Err(fault) = self.desk.timer(key, slot, *due, scanned) {
                self.fails(key, Cause::Key(key.clone()), fault.into_refusal());
            }
        }
    }

    fn nudges(&mut self) {
        let scanned = self.given.answer.scanned.iter().map(|(key, _)| key);
        for key in scanned.chain(&self.given.batch.nudged) {
            if self.spoiled.contains(key) || self.given.owned.sets_aside(key) {
                continue;
            }
            let slot = laid_out(&mut self.slots, key);
            if let Err(fault) = self.desk.nudge(key, slot, self.given.batch.now) {
                self.fails(key, Cause::Key(key.clone()), fault.into_refusal());
            }
        }
    }

    fn records(&mut self) -> Read {
        let Given {
            spec, owned, batch, ..
        } = self.given;
        let mut read = Read {
            taken: 0,
            position: owned.position,
            clock: owned.clock,
            passed: None,
        };
        for (record, decoded) in batch.records.iter().zip(&batch.decoded) {
            if read.taken > 0 && self.desk.measured_bytes > MEASURED_MAX_BYTES {
                break;
            }
            let arrival = record
                .timestamp
                .unwrap_or(batch.now)
                .min(batch.now)
                .max(read.clock);
            read.clock = arrival;
            if record.timestamp.is_some_and(|timestamp| timestamp <= batch.now) {
                read.passed = Some(arrival);
            }
            read.taken += 1;
            read.position = record.offset + 1;
            let refused = match (decoded, owned.poisoned.get(&record.offset)) {
                (_, Some(refusal)) | (Err(refusal), None) => Some(refusal.clone()),
                (Ok(decoded), None) => self.event(decoded, record, arrival),
            };
            if let Some(refusal) = refused
                && !mutation::on(Mutation::E9NoDeadLetter)
            {
                let letter = dead_letter::of_record(spec, record, &refusal);
                self.dead.push((refusal.code, letter));
            }
        }
        read
    }

    /// Why the record is refused, if it is.
    fn event(&mut self, decoded: &Decoded<P::Event>, record: &Record, arrival: Millis) -> Option<Refusal> {
        let key = &decoded.key;
        if self.spoiled.contains(key) {
            return None;
        }
        let (slot, at) = (laid_out(&mut self.slots, key), decoded.at.unwrap_or(arrival));
        match self.desk.event(key, slot, &decoded.event, record, at) {
            Ok(()) => None,
            Err(Fault::Refused(refusal)) => Some(refusal),
            Err(Fault::Broken(refusal)) => {
                self.fails(key, Cause::Record(record.offset), refusal);
                None
            }
            Err(Fault::Timer(refusal)) => {
                self.fails(key, Cause::Key(key.clone()), refusal);
                None
            }
        }
    }

    fn fails(&mut self, key: &Key, cause: Cause, refusal: Refusal) {
        self.spoiled.insert(key.clone());
        self.broken.push(Broken::Turn(cause, refusal));
    }
}

/// The slot of a key that the batch names.
pub(super) fn laid_out<'a, S>(slots: &'a mut Slots<S>, key: &Key) -> &'a mut Slot<S> {
    slots.get_mut(key).expect("every key of a batch is laid out")
}
