//! Where decisions are made: one key at a time, in logical time, pure and synchronous.
//!
//! A key's own timers come before an event that arrived after them, whatever batch either is
//! in: results do not depend on outages, load or the size of batches.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cache::{Held, Slot};
use super::error::Refusal;
use super::partition::SetAside;
use super::ports::{Key, KeyMap, Millis, OutRecord, Partition, Record};
use super::processor::{Cause, Effects, Processor, Saved, Turn};
use super::stored;

/// Timer turns one key may take in a row before an event. More is a timer that does not move.
const CATCH_UP_MAX_TURNS: usize = 100_000;

/// Why a turn was not taken.
#[derive(Debug)]
pub enum Fault {
    /// Refused with the state as it was.
    Refused(Refusal),
    /// Panicked, or broke a rule of the engine: the state may be half changed.
    Broken(Refusal),
    /// Not the event but one of the key's own timers before it was not taken.
    Timer(Refusal),
}

impl Fault {
    pub fn into_refusal(self) -> Refusal {
        match self {
            Fault::Refused(refusal) | Fault::Broken(refusal) | Fault::Timer(refusal) => refusal,
        }
    }
}

/// What a partition knows of keys that need care.
#[derive(Clone, Copy)]
pub struct Guard<'a> {
    pub state_max_bytes: usize,
    /// States that have come to their limit: a turn that makes one larger is refused.
    pub measured: &'a HashSet<Key>,
    /// Keys whose timers wait; those freshly set aside are not tried before an event.
    pub set_aside: &'a KeyMap<SetAside>,
}

/// What was decided on the states of one partition, each laid before it for its turns.
pub struct Desk<'a, P: Processor> {
    pub processor: &'a P,
    partition: Partition,
    /// Keys that were changed, in the order of their first change.
    pub touched: Vec<Key>,
    pub effects: Effects<P::Output>,
    /// How late timers were, in ms, to be shown once the batch is committed.
    pub timers_fired: Vec<Millis>,
    /// Only where a test takes E8 away: the time that timers are told.
    pub late: Option<Millis>,
    pub guard: Option<Guard<'a>>,
    /// Measured states as they are after their last turn.
    measured: KeyMap<Option<Saved>>,
    /// How much was written to measure them.
    pub measured_bytes: usize,
}

impl<'a, P: Processor> Desk<'a, P> {
    pub fn new(processor: &'a P, partition: Partition) -> Self {
        Self {
            processor,
            partition,
            touched: Vec::new(),
            effects: Effects::default(),
            timers_fired: Vec::new(),
            late: None,
            guard: None,
            measured: KeyMap::default(),
            measured_bytes: 0,
        }
    }

    /// Takes an event that arrived at `at`, after the key's own timers before that.
    pub fn event(
        &mut self,
        key: &Key,
        slot: &mut Slot<P::State>,
        event: &P::Event,
        record: &Record,
        at: Millis,
    ) -> Result<(), Fault> {
        let waits = |guard: &Guard<'_>| guard.set_aside.get(key).is_some_and(|aside| aside.fresh);
        if !self.guard.as_ref().is_some_and(waits) {
            self.catch_up(key, slot, at)
                .map_err(|fault| Fault::Timer(fault.into_refusal()))?;
        }
        self.turn(key, slot, Cause::Event { event, record }, at)
    }

    /// Takes a timer turn. A wake-up that was moved since is left alone.
    pub fn timer(
        &mut self,
        key: &Key,
        slot: &mut Slot<P::State>,
        due: Millis,
        scanned: &[Key],
    ) -> Result<(), Fault> {
        if self.wake(key, slot) != Some(due) {
            return Ok(());
        }
        let due = match self.own_due(key, slot, due) {
            Some(due) => due,
            None => return self.nudge(key, slot, due),
        };
        self.timers_fired.push(due);
        // Work that sees other keys goes on at the same instant, piece by piece.
        let in_pieces = self.scans(key, slot);
        self.turn(key, slot, Cause::Timer { due, scanned }, self.late.unwrap_or(due))?;
        let moved = self
            .wake(key, slot)
            .is_none_or(|wake| wake > due || (wake == due && in_pieces));
        moved.then_some(()).ok_or_else(|| {
            Fault::Broken(Refusal::new(
                "timer_stuck",
                format!("still at {due} after its turn (E4)"),
            ))
        })
    }

    /// The wake-up that fires now. A postponed one stands for the state's own, where that is due by
    /// now; else it was a nudge that was set aside.
    fn own_due(&self, key: &Key, slot: &Slot<P::State>, due: Millis) -> Option<Millis> {
        if !slot.held.is_some_and(|held| held.postponed) {
            return Some(due);
        }
        let state = slot.state.as_ref()?;
        self.processor.wake(key, state).filter(|own| *own <= due)
    }

    /// Lets a key look again at the global table.
    pub fn nudge(&mut self, key: &Key, slot: &mut Slot<P::State>, now: Millis) -> Result<(), Fault> {
        self.turn(key, slot, Cause::Nudge, now)
    }

    /// The key's wake-up as decided so far.
    pub fn wake(&self, key: &Key, slot: &mut Slot<P::State>) -> Option<Millis> {
        if slot.dirty && slot.held.is_none() {
            let state = slot.state.as_ref()?;
            slot.held = Some(Held {
                wake: self.processor.wake(key, state),
                indexed: false,
                postponed: false,
            });
        }
        slot.wake()
    }

    /// What was decided to be sent, as the log takes it.
    pub fn take_records(&mut self) -> Vec<OutRecord> {
        let outputs = std::mem::take(&mut self.effects.outputs);
        outputs
            .into_iter()
            .map(|output| self.processor.encode(output))
            .collect()
    }

    fn catch_up(&mut self, key: &Key, slot: &mut Slot<P::State>, until: Millis) -> Result<(), Fault> {
        for _ in 0..CATCH_UP_MAX_TURNS {
            let Some(due) = self.wake(key, slot).filter(|wake| *wake < until) else {
                return Ok(());
            };
            // Work that wants to see other keys has its own turns; no event waits for it.
            if self.scans(key, slot) {
                return Ok(());
            }
            self.timer(key, slot, due, &[])?;
        }
        Err(Fault::Broken(Refusal::new(
            "timer_stuck",
            "too many timer turns in a row (E4)",
        )))
    }

    fn scans(&self, key: &Key, slot: &Slot<P::State>) -> bool {
        let state = slot.state.as_ref();
        state.is_some_and(|state| self.processor.scan(key, state).is_some())
    }

    fn turn(
        &mut self,
        key: &Key,
        slot: &mut Slot<P::State>,
        cause: Cause<'_, P::Event>,
        now: Millis,
    ) -> Result<(), Fault> {
        self.measure_before(key, slot);
        let turn = Turn {
            key,
            state: &mut slot.state,
            cause,
            now,
            partition: self.partition,
        };
        let (processor, effects) = (self.processor, &mut self.effects);
        let marks = (effects.outputs.len(), effects.counts.len());
        let result = catch_unwind(AssertUnwindSafe(|| processor.apply(turn, effects)));
        let refusal = match result {
            Ok(Ok(())) => match self.outgrown(key, slot)? {
                None => {
                    slot.held = None;
                    if !slot.dirty {
                        slot.dirty = true;
                        self.touched.push(key.clone());
                    }
                    return Ok(());
                }
                Some(refusal) => refusal,
            },
            Ok(Err(refusal)) => refusal,
            Err(panic) => return Err(Fault::Broken(Refusal::new("panicked", panic_text(&panic)))),
        };
        self.effects.outputs.truncate(marks.0);
        self.effects.counts.truncate(marks.1);
        Err(Fault::Refused(refusal))
    }

    /// Keeps a measured state as it is before its first turn.
    fn measure_before(&mut self, key: &Key, slot: &Slot<P::State>) {
        let measures = |guard: &Guard<'_>| guard.measured.contains(key);
        if self.guard.as_ref().is_some_and(measures) && !self.measured.contains_key(key) {
            let saved = self.saved(key, slot);
            self.measured.insert(key.clone(), saved);
        }
    }

    /// Why the last turn is refused after all, if it is: the state became larger and is beyond its
    /// limit. Then the state is as it was before. One that shrinks may be beyond it: the limit was
    /// lowered.
    fn outgrown(&mut self, key: &Key, slot: &mut Slot<P::State>) -> Result<Option<Refusal>, Fault> {
        let (Some(guard), Some(before)) = (self.guard, self.measured.get(key)) else {
            return Ok(None);
        };
        let size = |saved: &Option<Saved>| saved.as_ref().map_or(0, stored::len);
        let (limit, had) = (guard.state_max_bytes, size(before));
        let after = self.saved(key, slot);
        let has = size(&after);
        self.measured_bytes += has;
        if has <= limit.max(had) {
            self.measured.insert(key.clone(), after);
            return Ok(None);
        }
        let before = self.measured.get(key).and_then(Option::as_ref);
        let state = before.map(|saved| self.processor.load(key, &saved.bytes));
        slot.state = state.transpose().map_err(Fault::Broken)?;
        let detail = format!("state would grow from {had} to {has} bytes; at most {limit}");
        Ok(Some(Refusal::new("state_too_large", detail)))
    }

    fn saved(&self, key: &Key, slot: &Slot<P::State>) -> Option<Saved> {
        slot.state.as_ref().map(|state| self.processor.save(key, state))
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
