//! Taking over partitions (E5).
//!
//! Order: stable committed offset, claim, changelog read until the claim is seen, epoch into
//! the store, then the batches that the store lacks. Only then is anything consumed or fired.

mod heal;
mod input;

pub use heal::SHARED_STORE;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::again::Again;
use crate::engine::cache::Cache;
use crate::engine::changelog::{self, Entry, Meta};
use crate::engine::error::{LogError, Stopped, StoreError};
use crate::engine::gate::Gate;
use crate::engine::moving::{LEFT_OFFSET, Mark};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::Owned;
use crate::engine::ports::{
    Bounds, ChangelogChunk, Clock, Log, Marker, Millis, Offset, OutRecord, Partition, Position, Producer,
    Record, Store, Timers, TopicId, Transaction,
};
use crate::engine::spec::StageSpec;

/// Distances before the claim at which the last meta record is looked for; then the beginning.
const PROBE_DISTANCES: [Offset; 3] = [500, 20_000, 500_000];
/// How long a claim may stay invisible (transactions of the dead are still open) between looks.
const CLAIM_POLL_MS: u64 = 50;
/// Looks for a claim before the takeover is given up and begun again: beyond every
/// transaction time-out.
const CLAIM_MAX_LOOKS: u32 = 2_400;
/// Foreign records that get a log line each, and how many a takeover remembers: each counts once,
/// however often it is read.
const FOREIGN_SHOWN_MAX: usize = 10;
const FOREIGN_KNOWN_MAX: usize = 100_000;

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
    pub foreign: Foreign,
}

/// Records of changelogs that accrual has not written, as far as this takeover has met them.
#[derive(Debug, Default)]
pub struct Foreign(Mutex<BTreeSet<(Partition, Offset)>>);

impl Foreign {
    fn met(&self, stage: &'static str, topic: &str, record: &Record, what: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FOREIGN_KNOWN_MAX || !known.insert((record.partition, record.offset)) {
            return;
        }
        observe::foreign(stage);
        if known.len() > FOREIGN_SHOWN_MAX {
            return;
        }
        tracing::error!(
            stage,
            topic,
            partition = record.partition,
            offset = record.offset,
            what,
            "the changelog holds a record that accrual has not written; it is passed by. \
             Nobody but accrual may write there"
        );
    }
}

/// What the claim transaction was written with.
pub struct Claimed {
    partition: Partition,
    nonce: String,
    committed: Option<Position>,
    bounds: Bounds,
    /// The topic that stands under the input's name now.
    topic: Option<TopicId>,
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
        let (mut claims, mut records, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        let topic = self.log.input_topic().await?;
        for &partition in partitions {
            self.check_cancelled()?;
            let committed = self.log.committed(partition).await?;
            let bounds = self.log.input_bounds(partition).await?;
            // The topic stays the one that was committed: what a claim says of it must not hide a change.
            let input = committed.unwrap_or(Position {
                offset: bounds.start,
                topic: None,
            });
            let nonce = format!("{}-{}", self.spec.nonce, CLAIMS.fetch_add(1, Ordering::Relaxed));
            offsets.push((partition, input));
            records.extend(self.claim_record(partition, &nonce, input.offset));
            claims.push(Claimed {
                partition,
                nonce,
                committed,
                bounds,
                topic,
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
        let start = claim.bounds.start;
        let position = claim.committed.map_or(start, |committed| committed.offset);
        self.spec.board.restoring_from(claim.partition, position);
        self.bring_along(claim).await.map_err(|failure| match failure {
            Failure::Stopped(stopped) => Failure::Stopped(Stopped {
                position: Some(position),
                ..stopped
            }),
            other => other,
        })
    }

    async fn bring_along<T>(&self, claim: Claimed) -> Result<Owned<T>, Failure> {
        let partition = claim.partition;
        if self.spec.changelog.is_none() {
            if claim
                .committed
                .is_some_and(|committed| committed.offset == LEFT_OFFSET)
            {
                let input = &self.spec.input_topic;
                let reason = format!("{input} was left: its records were moved to another topic");
                return Err(stopped(partition, "E5", reason));
            }
            let input = self.input_position(&claim, None)?;
            self.check_position(&claim, input)?;
            let marker = Marker { epoch: 0, batch: 0 };
            return Ok(self.owned(&claim, marker, input, None, Timers::default()));
        }
        let epoch = self.own_claim(&claim).await?;
        let last = self.last_meta(partition, epoch).await?;
        let input = self.input_position(&claim, last)?;
        self.check_position(&claim, input)?;
        let target = last.map_or(0, |meta| meta.batch);
        let timers = self.heal(partition, epoch, last).await?;
        self.log.close_changelog(partition).await;
        let marker = Marker { epoch, batch: target };
        Ok(self.owned(&claim, marker, input, last, timers))
    }

    fn owned<T>(
        &self,
        claim: &Claimed,
        marker: Marker,
        position: Offset,
        last: Option<Meta>,
        timers: Timers,
    ) -> Owned<T> {
        let clock = last.map_or(Millis::MIN, |meta| meta.clock);
        Owned {
            id: claim.partition,
            marker,
            position,
            topic: claim.topic,
            clock,
            table: last.map_or(-1, |meta| meta.table),
            gate: Gate::new(Millis::MIN),
            cache: Cache::new(self.spec.limits.cache_max_keys, self.spec.limits.cache_max_bytes),
            timers,
            timers_held: self.spec.board.timers_held(),
            looked: self.clock.wall(),
            changelog: marker.epoch,
            sweep: None,
            poisoned: Default::default(),
            set_aside: Default::default(),
            measured: Default::default(),
            warned: Default::default(),
            turns_max: usize::MAX,
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
                match self.entry(claim.partition, record)? {
                    Entry::Claim(found) if found.nonce == claim.nonce => return Ok(record.offset),
                    _ => {}
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
        let (mut last, mut mark) = (None, None);
        while from < until {
            self.check_cancelled()?;
            let chunk = self.chunk(partition, from).await?;
            for record in chunk.records.iter().filter(|record| record.offset < until) {
                match self.entry(partition, record)? {
                    Entry::Meta(meta) => last = Some(meta),
                    Entry::Mark(found) => mark = Some(found),
                    _ => {}
                }
            }
            match read_on(from, &chunk)? {
                Some(next) => from = next,
                None => break,
            }
        }
        // What is being filled has its last meta at its very end, and what was left has nothing
        // behind its mark: whoever finds the last meta has seen the mark that counts.
        match mark.as_ref().and_then(Mark::refusal) {
            Some(reason) if !mutation::on(Mutation::E5MarkIgnored) => Err(stopped(partition, "E5", reason)),
            _ => Ok(last),
        }
    }

    async fn chunk(&self, partition: Partition, from: Offset) -> Result<ChangelogChunk, Failure> {
        let limit = self.spec.limits.changelog_chunk_max_records;
        Ok(self.log.changelog(partition, from, limit).await?)
    }

    fn entry(&self, partition: Partition, record: &Record) -> Result<Entry, Failure> {
        let entry =
            changelog::read(record).map_err(|refusal| stopped(partition, "E2", refusal.to_string()))?;
        if let Entry::Foreign(what) = entry {
            let topic = self.spec.changelog.as_deref().unwrap_or_default();
            self.foreign.met(self.spec.name, topic, record, what);
        }
        Ok(entry)
    }

    /// Repeats a call until the store answers; every call may be repeated.
    async fn store_call<T, F>(&self, partition: Partition, mut call: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut again = Again::new(self.spec, self.clock, partition);
        loop {
            self.check_cancelled()?;
            match call().await {
                Ok(answer) => {
                    again.passed();
                    return Ok(answer);
                }
                Err(StoreError::Unavailable(reason)) => again.wait(&reason).await,
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
}

/// Where to read on: the own claim lies ahead, so there is more. `None` where a test takes the
/// waiting for it away.
fn read_on(from: Offset, chunk: &ChangelogChunk) -> Result<Option<Offset>, Failure> {
    if chunk.next > from {
        return Ok(Some(chunk.next));
    }
    if mutation::on(Mutation::E5NoWaitForClaim) {
        return Ok(None);
    }
    Err(Failure::Again(
        "the changelog ends before the own claim".to_string(),
    ))
}

fn stopped(partition: Partition, invariant: &'static str, reason: String) -> Failure {
    Failure::Stopped(Stopped {
        partition,
        invariant,
        reason,
        position: None,
    })
}

/// Shared between a running takeover and whoever wants its partitions back.
pub type Cancel = Arc<AtomicBool>;
