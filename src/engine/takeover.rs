//! Taking over partitions (E5) and healing the store from the changelog (E3, E7).
//!
//! Order: stable committed offset, claim, changelog read until the claim is seen, epoch into
//! the store, then the batches that the store lacks. Only then is anything consumed or fired.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::cache::Cache;
use super::changelog::{self, Entry, Meta};
use super::error::{LogError, Stopped, StoreError};
use super::gate::Gate;
use super::mutation::{self, Mutation};
use super::observe;
use super::partition::Owned;
use super::ports::{
    Bounds, Change, Clock, Found, Key, Log, Marker, Millis, Offset, OutRecord, Partition, Producer, Record,
    Step, Store, Timers, Transaction, Write,
};
use super::spec::StageSpec;
use super::stored;

/// Distances before the claim at which the last meta record is looked for; then the beginning.
const PROBE_DISTANCES: [Offset; 3] = [500, 20_000, 500_000];
/// How long a claim may stay invisible (transactions of the dead are still open) between looks.
const CLAIM_POLL_MS: u64 = 50;
/// Looks for a claim before the takeover is given up and begun again: beyond every
/// transaction time-out.
const CLAIM_MAX_LOOKS: u32 = 2_400;

/// Why a takeover did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// Given up because the partitions are wanted back.
    Cancelled,
    /// Begin again with a new claim after a while.
    Again(String),
    Log(LogError),
    Stopped(Stopped),
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Failure::Log(error)
    }
}

/// Everything a takeover works with.
pub struct Takeover<'a, L: Log, S: Store, C: Clock> {
    pub spec: &'a StageSpec,
    pub log: &'a L,
    pub store: &'a S,
    pub clock: &'a C,
    pub cancel: &'a AtomicBool,
}

/// What the claim transaction was written with.
pub struct Claimed {
    partition: Partition,
    nonce: String,
    committed: Option<Offset>,
    bounds: Bounds,
    /// Offset of the claim where the broker reported it.
    offset: Option<Offset>,
}

static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl<L: Log, S: Store, C: Clock> Takeover<'_, L, S, C> {
    /// Writes one claim for each partition, in one transaction with their input offsets (E1).
    pub async fn claim(
        &self,
        producer: &mut L::Producer,
        partitions: &[Partition],
        membership: L::Membership,
    ) -> Result<Vec<Claimed>, Failure> {
        let (mut claims, mut records, mut offsets) =
            (Vec::new(), Vec::new(), Vec::<(Partition, Offset)>::new());
        for &partition in partitions {
            self.check_cancelled()?;
            let committed = self.log.committed(partition).await?;
            let bounds = self.log.input_bounds(partition).await?;
            let input = committed.unwrap_or(bounds.start);
            let nonce = format!("{}-{}", self.spec.nonce, CLAIMS.fetch_add(1, Ordering::Relaxed));
            offsets.push((partition, input));
            records.extend(self.claim_record(partition, &nonce, input));
            claims.push(Claimed {
                partition,
                nonce,
                committed,
                bounds,
                offset: None,
            });
        }
        if mutation::on(Mutation::E1ClaimWithoutOffset) {
            offsets.clear();
        }
        let committed = producer
            .commit(Transaction {
                records,
                offsets,
                membership,
            })
            .await?;
        for claim in &mut claims {
            let found = committed
                .changelog
                .iter()
                .find(|(partition, _)| *partition == claim.partition);
            claim.offset = found.map(|(_, offset)| *offset);
        }
        Ok(claims)
    }

    fn claim_record(&self, partition: Partition, nonce: &str, input: Offset) -> Option<OutRecord> {
        let topic = self.spec.changelog.as_ref()?;
        if mutation::on(Mutation::E5NoClaim) {
            return None;
        }
        Some(changelog::claim_record(topic, partition, nonce, input))
    }

    /// Brings the store to where the claim found the log, and says where to go on.
    pub async fn restore<T>(&self, claim: Claimed) -> Result<Owned<T>, Failure> {
        let partition = claim.partition;
        if self.spec.changelog.is_none() {
            let input = claim.committed.unwrap_or(claim.bounds.start);
            self.check_position(&claim, input)?;
            return Ok(self.owned(
                partition,
                Marker { epoch: 0, batch: 0 },
                input,
                None,
                Timers::default(),
                0,
            ));
        }
        let epoch = self.own_claim(&claim).await?;
        let last = self.last_meta(partition, epoch).await?;
        let mut input = last.map_or(claim.committed.unwrap_or(claim.bounds.start), |meta| meta.input);
        if mutation::on(Mutation::E5GroupOffset) {
            input = claim.committed.unwrap_or(claim.bounds.start);
        }
        self.check_committed(&claim, last)?;
        self.check_position(&claim, input)?;
        let target = last.map_or(0, |meta| meta.batch);
        let timers = self.heal(partition, epoch, last).await?;
        self.log.close_changelog(partition).await;
        Ok(self.owned(
            partition,
            Marker { epoch, batch: target },
            input,
            last,
            timers,
            epoch,
        ))
    }

    fn owned<T>(
        &self,
        id: Partition,
        marker: Marker,
        position: Offset,
        last: Option<Meta>,
        timers: Timers,
        changelog: Offset,
    ) -> Owned<T> {
        let clock = last.map_or(Millis::MIN, |meta| meta.clock);
        Owned {
            id,
            marker,
            position,
            clock,
            table: last.map_or(-1, |meta| meta.table),
            gate: Gate::new(Millis::MIN),
            cache: Cache::new(self.spec.limits.cache_max_keys),
            timers,
            changelog,
            sweep: None,
            poisoned: Default::default(),
            broken_timers: Default::default(),
            records_max: self.spec.limits.batch_max_records,
        }
    }

    /// Reads on until the own claim is seen, so that every earlier transaction is resolved.
    async fn own_claim(&self, claim: &Claimed) -> Result<Offset, Failure> {
        let mut from = claim.offset.unwrap_or(0);
        if mutation::on(Mutation::E5NoClaim) || mutation::on(Mutation::E5NoWaitForClaim) {
            let end = self.chunk(claim.partition, from).await?.end;
            return Ok(claim.offset.unwrap_or(end));
        }
        for _ in 0..CLAIM_MAX_LOOKS {
            self.check_cancelled()?;
            let chunk = self.chunk(claim.partition, from).await?;
            for record in &chunk.records {
                if self.entry(claim.partition, record)? == Some(Entry::Claim(self.sought(claim, record)?)) {
                    return Ok(record.offset);
                }
            }
            let stuck = chunk.next <= from;
            from = chunk.next.max(from);
            if stuck {
                self.clock.pause(CLAIM_POLL_MS).await;
            }
        }
        let seen =
            "the own claim is not visible: an older transaction on its changelog partition is still open";
        Err(Failure::Again(seen.to_string()))
    }

    /// The claim as it must stand in the log; a foreign one differs in its nonce.
    fn sought(&self, claim: &Claimed, record: &Record) -> Result<changelog::Claim, Failure> {
        let Some(Entry::Claim(found)) = self.entry(claim.partition, record)? else {
            return Ok(changelog::Claim::default());
        };
        Ok(changelog::Claim {
            nonce: claim.nonce.clone(),
            ..found
        })
    }

    /// The last batch before the claim, looked for backwards: it stands near the end.
    async fn last_meta(&self, partition: Partition, epoch: Offset) -> Result<Option<Meta>, Failure> {
        for distance in PROBE_DISTANCES {
            let from = (epoch - distance).max(0);
            let found = self.last_meta_behind(partition, from, epoch).await?;
            if found.is_some() || from == 0 {
                return Ok(found);
            }
        }
        self.last_meta_behind(partition, 0, epoch).await
    }

    async fn last_meta_behind(
        &self,
        partition: Partition,
        mut from: Offset,
        until: Offset,
    ) -> Result<Option<Meta>, Failure> {
        let mut last = None;
        while from < until {
            self.check_cancelled()?;
            let chunk = self.chunk(partition, from).await?;
            for record in chunk.records.iter().filter(|record| record.offset < until) {
                if let Some(Entry::Meta(meta)) = self.entry(partition, record)? {
                    last = Some(meta);
                }
            }
            if chunk.next <= from {
                if mutation::on(Mutation::E5NoWaitForClaim) {
                    break;
                }
                return Err(Failure::Again(
                    "the changelog ends before the own claim".to_string(),
                ));
            }
            from = chunk.next;
        }
        Ok(last)
    }

    /// Puts the store at the last batch under `epoch`: by what it lacks, or whole.
    async fn heal(&self, partition: Partition, epoch: Offset, last: Option<Meta>) -> Result<Timers, Failure> {
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
                let ask = super::ports::Ask::default();
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
            if chunk.next <= from {
                if mutation::on(Mutation::E5NoWaitForClaim) {
                    break;
                }
                return Err(Failure::Again(
                    "the changelog ends before the own claim".to_string(),
                ));
            }
            from = chunk.next;
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

    async fn chunk(
        &self,
        partition: Partition,
        from: Offset,
    ) -> Result<super::ports::ChangelogChunk, Failure> {
        let limit = self.spec.limits.changelog_chunk_max_records;
        Ok(self.log.changelog(partition, from, limit).await?)
    }

    fn entry(&self, partition: Partition, record: &Record) -> Result<Option<Entry>, Failure> {
        match changelog::read(record) {
            Ok(entry) => Ok(Some(entry)),
            Err(refusal) => Err(stopped(partition, "E2", refusal.to_string())),
        }
    }

    /// Repeats a call until the store answers; every call may be repeated.
    async fn store_call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = self.spec.limits.backoff_min_ms;
        loop {
            self.check_cancelled()?;
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(StoreError::Unavailable(reason)) => {
                    tracing::warn!(
                        stage = self.spec.name,
                        reason,
                        "store does not answer; trying again"
                    );
                    self.clock.pause(backoff).await;
                    backoff = (backoff * 2).min(self.spec.limits.backoff_max_ms);
                }
                Err(StoreError::Fatal(reason)) => return Err(Failure::Log(LogError::Fatal(reason))),
                Err(error) => return Err(Failure::Again(error.to_string())),
            }
        }
    }

    fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(Failure::Cancelled)
        } else {
            Ok(())
        }
    }

    /// The group's offset is a copy of the meta's and may only lag (E5, E12).
    fn check_committed(&self, claim: &Claimed, last: Option<Meta>) -> Result<(), Failure> {
        let highest = last.map_or(claim.bounds.start, |meta| meta.input);
        match claim.committed {
            Some(committed) if committed > highest && !mutation::on(Mutation::E12OffsetAhead) => {
                Err(stopped(
                    claim.partition,
                    "E12",
                    format!("committed offset {committed} lies beyond {highest}, where the changelog ends"),
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_position(&self, claim: &Claimed, position: Offset) -> Result<(), Failure> {
        let Bounds { start, end } = claim.bounds;
        if (start..=end).contains(&position) {
            return Ok(());
        }
        let reason = format!(
            "input offset {position} of {} is gone: the topic holds {start} to {end}",
            self.spec.input_topic
        );
        Err(stopped(claim.partition, "E12", reason))
    }
}

fn stopped(partition: Partition, invariant: &'static str, reason: String) -> Failure {
    Failure::Stopped(Stopped {
        partition,
        invariant,
        reason,
    })
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

/// Shared between a running takeover and whoever wants its partitions back.
pub type Cancel = Arc<AtomicBool>;
