//! Where decisions are made: one key at a time, in logical time, pure and synchronous.
//!
//! A key's own timers come before an event that arrived after them, whatever batch either is
//! in: results do not depend on outages, load or the size of batches.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cache::{Held, Slot};
use super::error::Refusal;
use super::ports::{Key, KeyMap, Millis, Partition, Record};
use super::processor::{Cause, Effects, Processor, Saved, Turn};

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

/// States of one partition at hand, and what was decided on them.
pub struct Desk<'a, P: Processor> {
    processor: &'a P,
    partition: Partition,
    pub slots: KeyMap<Box<Slot<P::State>>>,
    /// Keys that were changed, in the order of their first change.
    pub touched: Vec<Key>,
    pub effects: Effects,
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
            slots: KeyMap::default(),
            touched: Vec::new(),
            effects: Effects::default(),
            timers_fired: Vec::new(),
            late: None,
        }
    }

    /// Takes an event that arrived at `at`, after the key's own timers before that.
    pub fn event(&mut self, key: &Key, event: &P::Event, record: &Record, at: Millis) -> Result<(), Fault> {
        self.catch_up(key, at)?;
        self.turn(key, Cause::Event { event, record }, at)
    }

    /// Takes a timer turn. A wake-up that was moved since is left alone.
    pub fn timer(&mut self, key: &Key, due: Millis, scanned: &[Key]) -> Result<(), Fault> {
        if self.wake(key) != Some(due) {
            return Ok(());
        }
        self.timers_fired.push(due);
        // Work that sees other keys goes on at the same instant, piece by piece.
        let in_pieces = self.scans(key);
        self.turn(key, Cause::Timer { due, scanned }, self.late.unwrap_or(due))?;
        let moved = self
            .wake(key)
            .is_none_or(|wake| wake > due || (wake == due && in_pieces));
        moved.then_some(()).ok_or_else(|| {
            Fault::Broken(Refusal::new(
                "timer_stuck",
                format!("still at {due} after its turn (E4)"),
            ))
        })
    }

    /// Lets a key look again at the global table.
    pub fn nudge(&mut self, key: &Key, now: Millis) -> Result<(), Fault> {
        self.turn(key, Cause::Nudge, now)
    }

    /// The key's wake-up as decided so far.
    pub fn wake(&mut self, key: &Key) -> Option<Millis> {
        let slot = self.slots.get_mut(key)?;
        if slot.dirty && slot.held.is_none() {
            let state = slot.state.as_ref()?;
            slot.held = Some(Held {
                wake: self.processor.wake(key, state),
                indexed: false,
            });
        }
        slot.wake()
    }

    /// What is to be stored for a key: `None` where it is gone.
    pub fn saved(&self, key: &Key) -> Option<Saved> {
        let state = self.slots.get(key)?.state.as_ref()?;
        Some(self.processor.save(key, state))
    }

    fn catch_up(&mut self, key: &Key, until: Millis) -> Result<(), Fault> {
        for _ in 0..CATCH_UP_MAX_TURNS {
            let Some(due) = self.wake(key).filter(|wake| *wake < until) else {
                return Ok(());
            };
            // Work that wants to see other keys has its own turns; no event waits for it.
            if self.scans(key) {
                return Ok(());
            }
            self.timer(key, due, &[])?;
        }
        Err(Fault::Broken(Refusal::new(
            "timer_stuck",
            "too many timer turns in a row (E4)",
        )))
    }

    fn scans(&self, key: &Key) -> bool {
        let state = self.slots.get(key).and_then(|slot| slot.state.as_ref());
        state.is_some_and(|state| self.processor.scan(key, state).is_some())
    }

    fn turn(&mut self, key: &Key, cause: Cause<'_, P::Event>, now: Millis) -> Result<(), Fault> {
        let slot = self
            .slots
            .entry(key.clone())
            .or_insert_with(|| Box::new(Slot::absent()));
        let turn = Turn {
            key,
            state: &mut slot.state,
            cause,
            now,
            partition: self.partition,
        };
        let (processor, effects) = (self.processor, &mut self.effects);
        let marks = (effects.records.len(), effects.counts.len());
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
                effects.records.truncate(marks.0);
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
