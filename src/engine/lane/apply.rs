//! The second half of a turn: the transaction, and the store brought along.

use std::sync::atomic::{AtomicBool, Ordering};

use super::decide::{Prepared, Unread, finish_sweep};
use super::{Fate, Shared};
use crate::engine::batch::Decision;
use crate::engine::error::{LogError, Refusal, Stopped, StoreError};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::Owned;
use crate::engine::ports::{Clock, Log, Offset, Position, Step, Store, Table, Timers, Transaction};
use crate::engine::processor::Processor;

impl<P, L, S, C, T> Shared<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    pub(super) fn transaction(
        &self,
        open: &mut [Prepared<P::Event, P::State>],
        membership: L::Membership,
    ) -> Transaction<L::Membership> {
        let mut records = Vec::new();
        let mut offsets = Vec::with_capacity(open.len());
        for prepared in open {
            let decision = prepared
                .decision
                .as_mut()
                .expect("only decided batches are committed");
            records.append(&mut decision.records);
            assert!(decision.position >= 0, "E1: an absolute offset");
            if mutation::on(Mutation::E1TimersWithoutOffset) && prepared.batch.records.is_empty() {
                continue;
            }
            let position = Position {
                offset: decision.position,
                topic: prepared.owned.topic,
            };
            offsets.push((prepared.owned.id, position));
        }
        Transaction {
            records,
            offsets,
            membership,
        }
    }

    /// The transaction has happened: bring the store along, then move on.
    pub(super) async fn apply(
        &self,
        prepared: Prepared<P::Event, P::State>,
        hint: Option<Offset>,
        cancel: &AtomicBool,
    ) -> Fate<P::State> {
        let Prepared {
            mut owned,
            batch: decided,
            decision,
        } = prepared;
        let decision = decision.expect("only decided batches are applied");
        let batch = owned.marker.batch + 1;
        owned.changelog = hint.unwrap_or(owned.changelog);
        if self.spec.changelog.is_some() {
            match self.replicate(&owned, &decision, batch, cancel).await {
                Ok(timers) => owned.timers = timers,
                Err(Unread::Stopped(reason)) => {
                    return Fate::Stopped(Stopped {
                        partition: owned.id,
                        invariant: "E3",
                        reason,
                    });
                }
                Err(Unread::Backoff(reason) | Unread::Retake(reason)) => {
                    return Fate::Retake(owned.id, reason);
                }
                Err(Unread::NothingToDo) => unreachable!("a replication always has something to do"),
            }
        }
        observe::applied(self.spec.name, &decision, decided.records.len(), self.clock.now());
        owned.marker.batch = batch;
        owned.position = decision.position;
        owned.clock = decision.clock;
        if let Some(passed) = decision.passed.filter(|_| self.spec.upstream.is_empty()) {
            owned.gate.passed(passed);
        }
        owned.gate.reached(owned.position);
        owned.poisoned.retain(|offset, _| *offset >= decision.position);
        owned.broken_timers.clear();
        owned.records_max = self.spec.limits.batch_max_records;
        for (key, slot) in decision.slots {
            if slot.state.is_some() {
                owned.cache.put(key, slot);
            }
        }
        if let Some((after, more)) = decision.swept {
            finish_sweep(&mut owned, after, more);
        }
        Fate::Ready(Box::new(owned), Vec::new())
    }

    pub(super) async fn replicate(
        &self,
        owned: &Owned<P::State>,
        decision: &Decision<P::State>,
        to: u64,
        cancel: &AtomicBool,
    ) -> Result<Timers, Unread> {
        let chunk = self.spec.limits.store_chunk_max_keys;
        let parts = decision.writes.len().div_ceil(chunk).max(1);
        let mut timers = Timers::default();
        for part in 0..parts {
            let writes = decision.writes.chunks(chunk).nth(part).unwrap_or_default();
            let step = Step {
                epoch: owned.marker.epoch,
                from: owned.marker.batch,
                to,
                part: part as u32,
                last: part + 1 == parts,
                changelog: owned.changelog,
                stamp: self.clock.wall(),
                clock: self.clock.standing().map(|now| now.max(decision.clock)),
            };
            let mut backoff = self.spec.limits.backoff_min_ms;
            timers = loop {
                let begun = observe::begin();
                match self.store.replicate(owned.id, step, writes.to_vec()).await {
                    Ok(timers) => {
                        observe::replicated(self.spec.name, begun);
                        break timers;
                    }
                    Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                        return Err(Unread::Retake(reason));
                    }
                    Err(StoreError::Unavailable(reason)) => {
                        tracing::warn!(
                            stage = self.spec.name,
                            partition = owned.id,
                            reason,
                            "store is behind"
                        );
                        self.clock.pause(backoff).await;
                        backoff = (backoff * 2).min(self.spec.limits.backoff_max_ms);
                    }
                    Err(StoreError::Fatal(reason)) => return Err(Unread::Stopped(reason)),
                    Err(error) => return Err(Unread::Retake(error.to_string())),
                }
            };
        }
        Ok(timers)
    }
}

/// Nothing of the batch has happened, or nobody knows.
pub(super) fn undone<E, S>(prepared: Prepared<E, S>, error: &LogError) -> Fate<S> {
    let Prepared { mut owned, batch, .. } = prepared;
    let records = batch.records;
    match error {
        LogError::Abort(_) | LogError::Retry(_) => {}
        LogError::Refused { reason, .. } => {
            // Bisected until the record that cannot be written stands alone.
            if let [record] = &records[..] {
                let refusal = Refusal::new("state_too_large", reason.clone());
                owned.poisoned.insert(record.offset, refusal);
            }
            owned.records_max = (records.len() / 2).max(1);
        }
        LogError::Ambiguous(_) if mutation::on(Mutation::E14AmbiguousIsAbort) => {}
        other => return Fate::Retake(owned.id, other.to_string()),
    }
    // The slots went with the decision: the next batch reads them again.
    Fate::Ready(Box::new(owned), records)
}
