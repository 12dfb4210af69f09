//! The first half of a turn: states are read at one marker and decided on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{End, Fate, Shared, Work};
use crate::engine::batch::{self, Batch, Broken, Decision};
use crate::engine::error::{Stopped, StoreError};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::Owned;
use crate::engine::ports::{
    Answer, Ask, Clock, Due, Key, KeyMap, Log, Marker, Partition, Scan, Store, Table,
};
use crate::engine::processor::Processor;

pub(super) struct Prepared<E, S> {
    pub(super) owned: Owned<S>,
    pub(super) batch: Batch<E>,
    /// `None`: there was nothing to decide.
    pub(super) decision: Option<Decision<S>>,
}

pub(super) enum Unread {
    /// A sweep found no key: there is nothing to commit.
    NothingToDo,
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
    /// Reads states and decides; opens the gate where that was asked for.
    pub(super) async fn decide(
        &self,
        work: Work<P::State>,
        cancel: &AtomicBool,
    ) -> Result<Prepared<P::Event, P::State>, (Fate<P::State>, End)> {
        let Work {
            mut owned,
            records,
            ceiling,
            fence,
            look,
        } = work;
        let now = self.clock.now();
        if fence {
            // The time is taken before the end is asked for: what came before it lies before the end.
            if let Ok(bounds) = self.log.input_bounds(owned.id).await {
                owned.gate.fence(now.min(ceiling), bounds.end);
            }
        }
        let mut batch = Batch::read(&*self.processor, &self.spec, records, now);
        loop {
            let before = owned.fires_before(now);
            batch.due = before.map(|before| Due {
                before,
                limit: self.spec.limits.timers_max_per_turn,
            });
            batch.scan = owned.sweep.as_ref().map(|sweep| Scan {
                prefix: sweep.nudge.prefix.clone(),
                after: sweep.after.clone(),
                limit: self.spec.limits.sweep_max_keys,
            });
            let idle = batch.records.is_empty() && batch.due.is_none() && batch.scan.is_none();
            if idle && !look {
                return Ok(Prepared {
                    owned,
                    batch,
                    decision: None,
                });
            }
            if batch.reads_table()
                && !mutation::on(Mutation::E11NoCatchUp)
                && let Err(error) = self.table.catch_up().await
            {
                return Err((
                    Fate::Ready(Box::new(owned), batch.records),
                    End::Backoff(error.to_string()),
                ));
            }
            // Idle, it reads no state, but notices a store that forgot.
            match self.decide_once(&mut owned, &batch, cancel).await {
                Ok(Ok(decision)) => {
                    return Ok(Prepared {
                        owned,
                        batch,
                        decision: Some(decision),
                    });
                }
                Ok(Err(broken)) => self.poison(&mut owned, broken),
                Err(Unread::NothingToDo) => {
                    finish_sweep(&mut owned, None, false);
                    return Ok(Prepared {
                        owned,
                        batch,
                        decision: None,
                    });
                }
                Err(Unread::Backoff(reason)) => {
                    return Err((Fate::Ready(Box::new(owned), batch.records), End::Backoff(reason)));
                }
                Err(Unread::Retake(reason)) => {
                    return Err((Fate::Retake(owned.id, reason.clone()), End::Backoff(reason)));
                }
                Err(Unread::Stopped(reason)) => {
                    let stopped = Stopped {
                        partition: owned.id,
                        invariant: "E3",
                        reason,
                    };
                    return Err((Fate::Stopped(stopped), End::Done));
                }
            }
        }
    }

    pub(super) async fn decide_once(
        &self,
        owned: &mut Owned<P::State>,
        batch: &Batch<P::Event>,
        cancel: &AtomicBool,
    ) -> Result<Result<Decision<P::State>, Broken>, Unread> {
        let ask = batch.ask(owned);
        let answer = self.read(owned.id, owned.marker, ask.clone(), cancel).await?;
        if self.spec.changelog.is_some() {
            owned.timers = answer.timers;
            owned.looked = self.clock.wall();
        }
        if batch.records.is_empty() && answer.due.is_empty() && answer.scanned.is_empty() {
            return Err(Unread::NothingToDo);
        }
        let slots = batch::lay_out(&*self.processor, owned, batch, &ask, &answer)
            .map_err(|refusal| Unread::Stopped(refusal.to_string()))?;
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
        Ok(batch::decide(
            &*self.processor,
            &self.spec,
            owned,
            batch,
            &answer,
            &scans,
            slots,
        ))
    }

    pub(super) fn poison(&self, owned: &mut Owned<P::State>, broken: Broken) {
        // What was half decided went with the desk: every state that a batch names leaves the
        // cache for it, and is read again from the store.
        match broken {
            Broken::Record(offset, refusal) => {
                tracing::error!(stage = self.spec.name, partition = owned.id, offset, %refusal, "dead letter");
                owned.poisoned.insert(offset, refusal);
            }
            Broken::Timer(key, refusal) => {
                tracing::error!(stage = self.spec.name, partition = owned.id, ?key, %refusal, "broken timer");
                owned.broken_timers.insert(key, refusal);
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
    ) -> Result<Answer, Unread> {
        if self.spec.changelog.is_none() {
            return Ok(Answer {
                values: vec![None; ask.keys.len()],
                ..Answer::default()
            });
        }
        let mut backoff = self.spec.limits.backoff_min_ms;
        loop {
            let begun = observe::begin();
            match self.store.read(partition, marker, ask.clone()).await {
                Ok(answer) => {
                    observe::read(self.spec.name, begun);
                    return Ok(answer);
                }
                Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                    return Err(Unread::Backoff(reason));
                }
                Err(StoreError::Unavailable(reason)) => {
                    tracing::warn!(stage = self.spec.name, partition, reason, "store does not answer");
                    self.clock.pause(backoff).await;
                    backoff = (backoff * 2).min(self.spec.limits.backoff_max_ms);
                }
                Err(StoreError::Fatal(reason)) => return Err(Unread::Stopped(reason)),
                // The store is not where we left it, or a newer owner was there.
                Err(error) => return Err(Unread::Retake(error.to_string())),
            }
        }
    }
}

/// Moves the sweep on behind `after`, or ends it.
pub(super) fn finish_sweep<S>(owned: &mut Owned<S>, after: Option<Key>, more: bool) {
    let Some(sweep) = &mut owned.sweep else { return };
    sweep.after = after;
    if !more {
        owned.table = sweep.nudge.offset;
        owned.sweep = None;
    }
}
