//! The second half of a turn: the transaction, and the store brought along.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::decide::{Prepared, Setback, stopped};
use super::{Fate, Shared};
use crate::engine::again::Again;
use crate::engine::batch::{Cause, Decision};
use crate::engine::dead_letter;
use crate::engine::error::{LogError, Refusal, Stopped, StoreError};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::{Fill, Owned};
use crate::engine::ports::{
    Clock, Log, Millis, Offset, Position, Step, Store, Table, Timers, Transaction, Write,
};
use crate::engine::processor::Processor;
use crate::engine::spec::Limits;
use crate::engine::stored::shown;

impl<P, L, S, C, T> Shared<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    /// What the open batches have to say, and which records are whose.
    pub(super) fn transaction(
        &self,
        open: &mut [Prepared<P::Event, P::State>],
        membership: L::Membership,
    ) -> (Transaction<L::Membership>, Vec<Range<usize>>) {
        let mut records = Vec::new();
        let mut ranges = Vec::with_capacity(open.len());
        let mut offsets = Vec::with_capacity(open.len());
        for prepared in open {
            let begin = records.len();
            records.append(&mut prepared.decision.records);
            ranges.push(begin..records.len());
            let (partition, position) = (prepared.owned.id, prepared.decision.position);
            assert!(position >= 0, "E1: an absolute offset");
            if mutation::on(Mutation::E1TimersWithoutOffset) && prepared.batch.records.is_empty() {
                continue;
            }
            let position = Position {
                offset: position,
                topic: prepared.owned.topic,
            };
            offsets.push((partition, position));
        }
        let transaction = Transaction {
            records,
            offsets,
            membership,
        };
        (transaction, ranges)
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
            batch: mut decided,
            decision,
        } = prepared;
        let batch = owned.marker.batch + 1;
        owned.changelog = hint.unwrap_or(owned.changelog);
        if self.spec.changelog.is_some() {
            match self.replicate(&owned, &decision, batch, cancel).await {
                Ok(timers) => owned.timers = timers,
                Err(Setback::Stopped(reason)) => {
                    let position = Some(decision.position);
                    return Fate::Stopped(Stopped {
                        position,
                        ..stopped(&owned, "E3", reason)
                    });
                }
                Err(Setback::Backoff(reason) | Setback::Retake(reason)) => {
                    return Fate::Retake(owned.id, reason);
                }
            }
        }
        observe::applied(self.spec.name, owned.id, &decision, self.clock.now());
        let taken = decided.records.iter().take(decision.taken);
        let sent_back = taken.filter(|record| dead_letter::was_sent_back(record)).count();
        observe::sent_back(self.spec.name, sent_back);
        owned.marker.batch = batch;
        owned.position = decision.position;
        owned.clock = decision.clock;
        if let Some(passed) = decision.passed.filter(|_| self.spec.upstream.is_empty()) {
            owned.gate.passed(passed);
        }
        owned.gate.reached(owned.position);
        owned.poisoned.retain(|offset, _| *offset >= decision.position);
        if !owned.set_aside.is_empty() {
            owned.written(&decision.writes.iter().map(|write| &write.key).collect());
        }
        owned.turns_max = owned.turns_max.saturating_mul(2);
        self.warn_of_large(&mut owned, &decision.writes);
        for (key, slot) in decision.slots {
            if slot.state.is_some() {
                owned.cache.put(key, slot);
            }
        }
        owned.sweep_on(decision.swept);
        let rest = decided.records.split_off(decision.taken);
        Fate::Ready(Box::new(owned), rest)
    }

    /// Says which states come near their limit: each at most once a minute.
    fn warn_of_large(&self, owned: &mut Owned<P::State>, writes: &[Write]) {
        let limit = self.spec.limits.state_max_bytes;
        let sizes = writes
            .iter()
            .map(|write| (&write.key, write.value.as_ref().map_or(0, Bytes::len)));
        for (key, bytes) in sizes {
            let Some(fill) = Fill::of(bytes, limit) else {
                continue;
            };
            observe::large_state(self.spec.name, fill);
            if owned.warns_of(key, fill, self.clock.wall()) {
                let (stage, partition, key, part) = (self.spec.name, owned.id, shown(key), fill.as_str());
                tracing::warn!(
                    stage,
                    partition,
                    key,
                    bytes,
                    limit,
                    "a state fills {part} of limits.state_max_bytes; what would make it larger than that \
                     becomes a dead letter"
                );
            }
        }
    }

    pub(super) async fn replicate(
        &self,
        owned: &Owned<P::State>,
        decision: &Decision<P::State>,
        to: u64,
        cancel: &AtomicBool,
    ) -> Result<Timers, Setback> {
        let parts = chunks(&decision.writes, &self.spec.limits);
        let mut timers = Timers::default();
        for (part, range) in parts.iter().enumerate() {
            let writes = &decision.writes[range.clone()];
            let step = Step {
                epoch: owned.marker.epoch,
                from: owned.marker.batch,
                to,
                part: part as u32,
                last: part + 1 == parts.len(),
                changelog: owned.changelog,
                stamp: self.clock.wall(),
                clock: self.clock.standing().map(|now| now.max(decision.clock)),
            };
            let mut again = Again::new(&self.spec, &*self.clock, owned.id);
            timers = loop {
                let begun = observe::begin();
                match self.store.replicate(owned.id, step, writes.to_vec()).await {
                    Ok(timers) => {
                        again.passed();
                        observe::replicated(self.spec.name, begun);
                        break timers;
                    }
                    Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                        return Err(Setback::Retake(reason));
                    }
                    Err(StoreError::Unavailable(reason)) => again.wait(&reason).await,
                    Err(StoreError::Fatal(reason)) => return Err(Setback::Stopped(reason)),
                    Err(error) => return Err(Setback::Retake(error.to_string())),
                }
            };
        }
        Ok(timers)
    }
}

/// The writes in parts that the store takes in one call each: at least one.
fn chunks(writes: &[Write], limits: &Limits) -> Vec<Range<usize>> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (index, write) in writes.iter().enumerate() {
        let size = write.value.as_ref().map_or(0, Bytes::len);
        let full =
            index - begin >= limits.store_chunk_max_keys || bytes + size > limits.store_chunk_max_bytes;
        if full && index > begin {
            parts.push(begin..index);
            (begin, bytes) = (index, 0);
        }
        bytes += size;
    }
    parts.push(begin..writes.len());
    parts
}

/// Nothing of the batch has happened, or nobody knows. `own`: which records of the transaction
/// were this partition's.
pub(super) fn undone<E, S>(
    prepared: Prepared<E, S>,
    error: &LogError,
    own: Range<usize>,
    now: Millis,
) -> Fate<S> {
    let Prepared {
        mut owned,
        batch,
        decision,
    } = prepared;
    match error {
        LogError::Abort(_) | LogError::Retry(_) => {}
        LogError::Refused { index, reason } if own.contains(index) => {
            // Halved until the turn whose records cannot be written stands alone.
            match decision.single {
                None if decision.turns > 1 => owned.narrow(decision.turns),
                Some(Cause::Record(offset)) if !owned.poisoned.contains_key(&offset) => {
                    let refusal = Refusal::new("state_too_large", reason.clone());
                    owned.poisoned.insert(offset, refusal);
                }
                Some(Cause::Key(key)) if !owned.sets_aside(&key) => {
                    owned.put_aside(key, Refusal::new("state_too_large", reason.clone()), now);
                }
                cause => {
                    let reason = format!("{cause:?} cannot be written, not even as refused: {reason}");
                    return Fate::Stopped(stopped(&owned, "E9", reason));
                }
            }
        }
        // Another partition's record was refused.
        LogError::Refused { .. } => {}
        LogError::Ambiguous(_) if mutation::on(Mutation::E14AmbiguousIsAbort) => {}
        other => return Fate::Retake(owned.id, other.to_string()),
    }
    // The slots went with the decision: the next batch reads them again.
    Fate::Ready(Box::new(owned), batch.records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::Change;

    #[test]
    fn parts_of_a_replication_are_bounded_by_keys_and_bytes() {
        let writes = |sizes: &[usize]| -> Vec<Write> {
            let write = |size: &usize| Write {
                key: Bytes::new(),
                value: Some(vec![0; *size].into()),
                wake: Change::Keep,
                index: Change::Keep,
            };
            sizes.iter().map(write).collect()
        };
        let limits = Limits {
            store_chunk_max_keys: 3,
            store_chunk_max_bytes: 10,
            ..Limits::default()
        };
        let parts = |sizes: &[usize]| -> Vec<usize> {
            chunks(&writes(sizes), &limits)
                .into_iter()
                .map(|part| part.len())
                .collect()
        };
        assert_eq!(parts(&[]), [0]);
        assert_eq!(parts(&[1; 7]), [3, 3, 1]);
        assert_eq!(parts(&[4, 4, 4, 99, 1, 9]), [2, 1, 1, 2]);
    }
}
