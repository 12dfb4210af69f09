//! Where decisions are made: one key at a time, in logical time, pure and synchronous.
//!
//! A key's own timers come before an event that arrived after them, whatever batch either is
//! in: results do not depend on outages, load or the size of batches.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cache::{Held, Slot};
use super::error::Refusal;
use super::ports::{Key, Millis, OutRecord, Partition, Record};
use super::processor::{Cause, Effects, Processor, Turn};

/// Timer turns one key may take in a row before an event. More is a timer that does not move.
const CATCH_UP_MAX_TURNS: usize = 100_000;

/// Why a turn was not taken.
#[derive(Debug)]
pub enum Fault {
    /// Refused with the state as it was.
    Refused(Refusal),
    /// Panicked, or broke a rule of the engine: the state may be half changed.
    Broken(Refusal),
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
        self.catch_up(key, slot, at)?;
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
        match result {
            Ok(Ok(())) => {
                slot.held = None;
                if !slot.dirty {
                    slot.dirty = true;
                    self.touched.push(key.clone());
                }
                Ok(())
            }
            Ok(Err(refusal)) => {
                effects.outputs.truncate(marks.0);
                effects.counts.truncate(marks.1);
                Err(Fault::Refused(refusal))
            }
            Err(panic) => Err(Fault::Broken(Refusal::new("panicked", panic_text(&panic)))),
        }
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
