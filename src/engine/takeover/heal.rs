//! Healing the store from the changelog: by the batches that it lacks, or whole (E3, E7).

use std::collections::BTreeMap;

use super::{Failure, Takeover, read_on, stopped};
use crate::engine::changelog::{Entry, Meta};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::ports::{
    Ask, Change, Clock, Found, Key, Log, Marker, Millis, Offset, Partition, Step, Store, Timers, Write,
};
use crate::engine::stored;

impl<L: Log, S: Store, C: Clock> Takeover<'_, L, S, C> {
    /// Puts the store at the last batch under `epoch`: by what it lacks, or whole.
    pub(super) async fn heal(
        &self,
        partition: Partition,
        epoch: Offset,
        last: Option<Meta>,
    ) -> Result<Timers, Failure> {
        let limits = &self.spec.limits;
        let (target, clock) = last.map_or((0, Millis::MIN), |meta| (meta.batch, meta.clock));
        let found = self.store_call(|| self.store.claim(partition, epoch)).await?;
        let now = self.clock.wall();
        let oldest = now - limits.store_max_age_ms;
        let step = Step {
            epoch,
            from: 0,
            to: target,
            part: 0,
            last: false,
            changelog: epoch,
            stamp: now,
            clock: self.clock.standing().map(|now| now.max(clock)),
        };
        match found {
            Found::At { batch, .. } if batch == target => {
                let ask = Ask::default();
                let marker = Marker { epoch, batch };
                let answer = self
                    .store_call(|| self.store.read(partition, marker, ask.clone()))
                    .await?;
                Ok(answer.timers)
            }
            Found::At {
                batch,
                changelog,
                stamp,
            } if batch < target && (stamp >= oldest || mutation::on(Mutation::E7IgnoreAge)) => {
                self.copy(partition, Step { from: batch, ..step }, false, changelog)
                    .await
            }
            _ => self.copy(partition, step, true, 0).await,
        }
    }

    /// Copies the changelog from `start` to the claim into the store, onto the batch that it is
    /// at; as a rebuild beside what is there, then a swap (E7).
    async fn copy(
        &self,
        partition: Partition,
        mut step: Step,
        rebuild: bool,
        start: Offset,
    ) -> Result<Timers, Failure> {
        let (epoch, mut from) = (step.epoch, start);
        // The changelog names a key as often as it changed; a part of a step, once.
        let mut writes = BTreeMap::new();
        while from < epoch {
            self.check_cancelled()?;
            let (read, to_read) = ((from - start) as u64, (epoch - start) as u64);
            self.spec.board.restoring(partition, read, to_read);
            let chunk = self.chunk(partition, from).await?;
            let left = (epoch - chunk.next).max(0) as u64;
            observe::restored(self.spec.name, partition, chunk.records.len() as u64, left);
            tracing::info!(stage = self.spec.name, partition, read, to_read, "restoring");
            for record in chunk.records.iter().filter(|record| record.offset < epoch) {
                match self.entry(partition, record)? {
                    Some(Entry::State(key, value)) => {
                        writes.insert(key.clone(), restored(partition, key, value)?);
                    }
                    Some(Entry::Claim(_)) if mutation::on(Mutation::E2OwnEpochOnly) => writes.clear(),
                    _ => {}
                }
                if writes.len() >= self.spec.limits.store_chunk_max_keys {
                    self.put(partition, rebuild, step, &mut writes).await?;
                    step.part += 1;
                }
            }
            match read_on(from, &chunk)? {
                Some(next) => from = next,
                None => break,
            }
        }
        // Tombstones are kept for a while only: who read for longer may have missed one (E7).
        let overdue = self.clock.wall() - step.stamp > self.spec.limits.store_max_age_ms;
        if overdue && !mutation::on(Mutation::E7SlowCopy) {
            return Err(Failure::Again(
                "the restore took longer than tombstones are kept".to_string(),
            ));
        }
        step.last = true;
        if !rebuild {
            let writes: Vec<Write> = writes.into_values().collect();
            return self
                .store_call(|| self.store.replicate(partition, step, writes.clone()))
                .await;
        }
        // At least one part, so that no swap is ever good without a shadow of its own.
        if !writes.is_empty() || step.part == 0 {
            self.put(partition, true, Step { last: false, ..step }, &mut writes)
                .await?;
            step.part += 1;
        }
        self.store_call(|| self.store.swap(partition, step)).await
    }

    async fn put(
        &self,
        partition: Partition,
        rebuild: bool,
        step: Step,
        writes: &mut BTreeMap<Key, Write>,
    ) -> Result<(), Failure> {
        let writes: Vec<Write> = std::mem::take(writes).into_values().collect();
        if rebuild {
            return self
                .store_call(|| self.store.rebuild(partition, step, writes.clone()))
                .await;
        }
        self.store_call(|| self.store.replicate(partition, step, writes.clone()))
            .await
            .map(|_| ())
    }
}

/// A state of the changelog as the store is to hold it, whatever it held before.
fn restored(partition: Partition, key: Key, value: Option<bytes::Bytes>) -> Result<Write, Failure> {
    let Some(value) = value else {
        return Ok(Write {
            key,
            value: None,
            wake: Change::Clear,
            index: Change::Clear,
        });
    };
    let saved = stored::decode(&value).map_err(|refusal| stopped(partition, "E2", refusal.to_string()))?;
    Ok(Write {
        key,
        wake: saved.wake.map_or(Change::Clear, Change::Set),
        index: if saved.indexed {
            Change::Set(())
        } else {
            Change::Clear
        },
        value: Some(value),
    })
}
