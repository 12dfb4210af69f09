//! The first half of a turn: states are read at one marker and decided on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{End, Fate, Shared, Work};
use crate::engine::again::Again;
use crate::engine::batch::{self, Batch, Broken, Cause, Decision, Given, Outcome};
use crate::engine::board::Halt;
use crate::engine::error::{Stopped, StoreError};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::{Owned, Place, Swept};
use crate::engine::ports::{
    Answer, Ask, Clock, Due, Key, KeyMap, Log, Marker, Millis, Partition, Scan, Store, Table,
};
use crate::engine::processor::Processor;
use crate::engine::stored::shown;

/// Attempts to decide one batch. Each one notes what it cannot decide; where that does not
/// suffice, fewer turns are tried at a time.
const ATTEMPTS_MAX: u32 = 4;

pub(super) struct Prepared<E, S> {
    pub(super) owned: Owned<S>,
    pub(super) batch: Batch<E>,
    pub(super) decision: Decision<S>,
}

/// What the first half came to.
pub(super) enum Half<E, S> {
    Decided(Box<Prepared<E, S>>),
    /// There is nothing to commit.
    Ended(Fate<S>, End),
}

enum Attempt<S> {
    Made(Outcome<S>),
    /// A sweep found no key: there is nothing to commit.
    NothingToDo,
}

/// Why the store was of no use.
pub(super) enum Setback {
    Backoff(String),
    Retake(String),
    Stopped(String),
}

impl<P, L, S, C, T> Shared<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    /// Finds out how far the input must be read before timers up to `at` fire. The time was taken
    /// before the end is asked for: what came before it lies before the end (E13).
    ///
    /// Answers what a lane with nothing else to do does next.
    async fn fence(&self, owned: &mut Owned<P::State>, at: Millis) -> End {
        let board = &self.spec.board;
        match self.log.input_bounds(owned.id).await {
            Ok(bounds) => {
                owned.gate.fence(at, bounds.end);
                board.is_well(owned.id, Halt::Timers);
                End::Done
            }
            // Asked again at the next turn. Events go on, so nothing else would show it.
            Err(error) => {
                let reason = format!("timers wait, for the end of the input is not known: {error}");
                board.in_trouble(owned.id, Halt::Timers, self.clock.wall(), &reason);
                End::Backoff(reason)
            }
        }
    }

    /// Reads states and decides; opens the gate where that was asked for.
    pub(super) async fn decide(&self, work: Work<P::State>, cancel: &AtomicBool) -> Half<P::Event, P::State> {
        let Work {
            mut owned,
            records,
            ceiling,
            fence,
            look,
        } = work;
        let now = self.clock.now();
        let idle = match fence {
            true => self.fence(&mut owned, now.min(ceiling)).await,
            false => End::Done,
        };
        let mut batch = Batch::read(&*self.processor, &self.spec, records, now);
        if let Some(setback) = self.turn_page(&mut owned, cancel).await.err() {
            return set_back(owned, batch, setback);
        }
        for _ in 0..ATTEMPTS_MAX {
            self.compose(&owned, &mut batch, now);
            if batch.is_idle() && !look {
                return ready(owned, batch, idle);
            }
            if batch.reads_table()
                && !mutation::on(Mutation::E11NoCatchUp)
                && let Err(error) = self.table.catch_up().await
            {
                return ready(owned, batch, End::Backoff(error.to_string()));
            }
            // Idle, it reads no state, but notices a store that forgot.
            match self.attempt(&mut owned, &batch, cancel).await {
                Ok(Attempt::Made(Outcome::Decided(decision))) => {
                    let decision = *decision;
                    return Half::Decided(Box::new(Prepared {
                        owned,
                        batch,
                        decision,
                    }));
                }
                Ok(Attempt::Made(Outcome::Broken(broken))) => self.note(&mut owned, broken, now),
                Ok(Attempt::Made(Outcome::TooMuch)) => break,
                Ok(Attempt::NothingToDo) => {
                    let none = Swept::Index {
                        last: None,
                        more: false,
                    };
                    owned.sweep_on(batch.scan.is_some().then_some(none));
                    return ready(owned, batch, End::Done);
                }
                Err(setback) => return set_back(owned, batch, setback),
            }
            if cancel.load(Ordering::Relaxed) {
                return ready(owned, batch, End::Done);
            }
        }
        // What was noted is kept with the partition, so every batch comes nearer to its end.
        owned.narrow(batch.turns());
        ready(owned, batch, End::Done)
    }

    /// Which timers and keys the batch looks at. A narrow one has turns of one kind only.
    fn compose(&self, owned: &Owned<P::State>, batch: &mut Batch<P::Event>, now: Millis) {
        let limits = &self.spec.limits;
        let narrow = owned.is_narrow(limits);
        let before = owned.fires_before(now);
        batch.due = before
            .filter(|_| !narrow || batch.records.is_empty())
            .map(|before| Due {
                before,
                limit: limits.timers_max_per_turn.min(owned.turns_max),
            });
        let sweep = owned.sweep.as_ref();
        let sweep = sweep.filter(|_| !narrow || (batch.records.is_empty() && batch.due.is_none()));
        let limit = limits.sweep_max_keys.min(owned.turns_max);
        (batch.scan, batch.nudged) = match sweep.map(|sweep| (&sweep.nudge, &sweep.place)) {
            None => (None, Vec::new()),
            Some((nudge, Place::Index { after })) => {
                let scan = Scan {
                    prefix: nudge.prefix.clone(),
                    after: after.clone(),
                    limit,
                };
                (Some(scan), Vec::new())
            }
            Some((_, Place::Pages { keys, .. })) => (None, keys.iter().take(limit).cloned().collect()),
        };
    }

    /// Reads the next page of a sweep that goes by pages, where the one before is through.
    async fn turn_page(&self, owned: &mut Owned<P::State>, cancel: &AtomicBool) -> Result<(), Setback> {
        let (id, marker) = (owned.id, owned.marker);
        let Some(sweep) = &mut owned.sweep else {
            return Ok(());
        };
        let Some(from) = sweep.wants_page() else {
            return Ok(());
        };
        let limit = self.spec.limits.sweep_max_keys;
        let page = self
            .until_answered(id, cancel, || self.store.keys(id, marker, from, limit))
            .await?;
        sweep.turn_to(page);
        owned.sweep_on(None);
        Ok(())
    }

    async fn attempt(
        &self,
        owned: &mut Owned<P::State>,
        batch: &Batch<P::Event>,
        cancel: &AtomicBool,
    ) -> Result<Attempt<P::State>, Setback> {
        let ask = batch.ask(owned);
        let answer = self.read(owned.id, owned.marker, ask.clone(), cancel).await?;
        if self.spec.changelog.is_some() {
            owned.timers = answer.timers;
            owned.looked = self.clock.wall();
        }
        let listed = !answer.due.is_empty() || !answer.scanned.is_empty();
        if batch.records.is_empty() && batch.nudged.is_empty() && !listed {
            return Ok(Attempt::NothingToDo);
        }
        let slots = batch::lay_out(&*self.processor, owned, batch, &ask, &answer)
            .map_err(|refusal| Setback::Stopped(refusal.to_string()))?;
        let mut scans: KeyMap<Vec<Key>> = KeyMap::default();
        for (key, _, _) in &answer.due {
            let state = slots.get(key).and_then(|slot| slot.state.as_ref());
            if let Some(scan) = state.and_then(|state| self.processor.scan(key, state)) {
                let ask = Ask {
                    scan: Some(scan),
                    ..Ask::default()
                };
                let found = self.read(owned.id, owned.marker, ask, cancel).await?;
                scans.insert(
                    key.clone(),
                    found.scanned.into_iter().map(|(key, _)| key).collect(),
                );
            }
        }
        let given = Given {
            processor: &*self.processor,
            spec: &self.spec,
            owned,
            batch,
            answer: &answer,
            scans: &scans,
        };
        Ok(Attempt::Made(batch::decide(&given, slots)))
    }

    /// Takes note of what cannot be decided. What was half decided went with the desk: every state
    /// that a batch names leaves the cache for it, and is read again from the store.
    fn note(&self, owned: &mut Owned<P::State>, broken: Vec<Broken>, now: Millis) {
        let (stage, partition) = (self.spec.name, owned.id);
        for broken in broken {
            match broken {
                Broken::Turn(Cause::Record(offset), refusal) => {
                    // Its dead letter is logged once it is committed.
                    tracing::debug!(stage, partition, offset, %refusal, "refused");
                    owned.poisoned.insert(offset, refusal);
                }
                Broken::Turn(Cause::Key(key), refusal) => {
                    let again = "timer set aside; it is tried again by itself";
                    tracing::error!(stage, partition, key = shown(&key), %refusal, "{again}");
                    owned.put_aside(key, refusal, now);
                }
                Broken::Large(key) => drop(owned.measured.insert(key)),
            }
        }
    }

    /// Asks the store until it answers. A stage without state has nothing to ask.
    pub(super) async fn read(
        &self,
        partition: Partition,
        marker: Marker,
        ask: Ask,
        cancel: &AtomicBool,
    ) -> Result<Answer, Setback> {
        if self.spec.changelog.is_none() {
            return Ok(Answer {
                values: vec![None; ask.keys.len()],
                ..Answer::default()
            });
        }
        let call = || self.store.read(partition, marker, ask.clone());
        self.until_answered(partition, cancel, call).await
    }

    /// Calls the store until it answers.
    async fn until_answered<A, F>(
        &self,
        partition: Partition,
        cancel: &AtomicBool,
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<A, Setback>
    where
        F: Future<Output = Result<A, StoreError>> + Send,
    {
        let mut again = Again::new(&self.spec, &*self.clock, partition);
        loop {
            let begun = observe::begin();
            match call().await {
                Ok(answer) => {
                    again.passed();
                    observe::read(self.spec.name, begun);
                    return Ok(answer);
                }
                Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                    return Err(Setback::Backoff(reason));
                }
                Err(StoreError::Unavailable(reason)) => again.wait(&reason).await,
                Err(StoreError::Fatal(reason)) => return Err(Setback::Stopped(reason)),
                // The store is not where we left it, or a newer owner was there.
                Err(error) => return Err(Setback::Retake(error.to_string())),
            }
        }
    }
}

/// Nothing was committed, for the store was of no use.
fn set_back<E, S>(owned: Owned<S>, batch: Batch<E>, setback: Setback) -> Half<E, S> {
    match setback {
        Setback::Backoff(reason) => ready(owned, batch, End::Backoff(reason)),
        Setback::Retake(reason) => Half::Ended(Fate::Retake(owned.id, reason.clone()), End::Backoff(reason)),
        Setback::Stopped(reason) => Half::Ended(Fate::Stopped(stopped(&owned, "E3", reason)), End::Done),
    }
}

/// Nothing was committed: the records come again.
fn ready<E, S>(owned: Owned<S>, batch: Batch<E>, end: End) -> Half<E, S> {
    Half::Ended(Fate::Ready(Box::new(owned), batch.records), end)
}

pub(super) fn stopped<S>(owned: &Owned<S>, invariant: &'static str, reason: String) -> Stopped {
    Stopped {
        partition: owned.id,
        invariant,
        reason,
        position: Some(owned.position),
    }
}
