//! Healing the store from the changelog: by the batches that it lacks, or whole (E3, E7, E15).

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64;

use super::{Failure, Takeover, read_on, stopped};
use crate::engine::board::Halt;
use crate::engine::changelog::parts::Joiner;
use crate::engine::changelog::{Entry, Meta};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::ports::{
    Ask, Change, Clock, Found, Key, Log, Marker, Millis, Offset, Partition, Sizes, Step, Store, Timers, Write,
};
use crate::engine::spec::Limits;
use crate::engine::stored::{self, shown};

/// What is wrong when a store holds somebody else's state again and again.
pub const SHARED_STORE: &str = "two systems use the same application_id on one Redis: each rebuilds what the \
                                other wrote. Give each its own application_id, or its own Redis";

/// A changelog partition on its way to the claim.
struct Walk {
    start: Offset,
    from: Offset,
    until: Offset,
}

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
        let found = self
            .store_call(partition, || self.store.claim(partition, epoch))
            .await?;
        // From here on it is being restored, which the board shows.
        self.spec.board.is_well(partition, Halt::Everything);
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
        self.report(partition, &found, target);
        match found {
            Found::At { batch, counted, .. } if batch == target => {
                let marker = Marker { epoch, batch };
                let known = match counted {
                    true => Some(self.look(partition, marker).await?),
                    false => self.adopt(partition, marker, now).await?,
                };
                match known {
                    Some(timers) => Ok(timers),
                    None => self.copy(partition, step, true, 0).await,
                }
            }
            Found::At {
                batch,
                changelog,
                stamp,
                counted: true,
            } if batch < target && (stamp >= oldest || mutation::on(Mutation::E7IgnoreAge)) => {
                self.copy(partition, Step { from: batch, ..step }, false, changelog)
                    .await
            }
            _ => self.copy(partition, step, true, 0).await,
        }
    }

    /// Counts and logs what a store should not have been found as.
    fn report(&self, partition: Partition, found: &Found, target: u64) {
        let stage = self.spec.name;
        let reason = match found {
            Found::At { batch, .. } if *batch <= target && batch + 1 >= target => return,
            Found::Nothing if target == 0 => return,
            Found::Nothing => "it holds nothing".to_owned(),
            Found::At { batch, .. } => format!("it is at batch {batch}, the changelog at {target}"),
            Found::Damaged { found } => format!("entries are missing: {found}"),
            Found::Foreign { identity } => {
                self.report_foreign(partition, identity);
                format!("it holds the state of {identity}")
            }
        };
        observe::lost(stage);
        tracing::warn!(
            stage,
            partition,
            reason,
            "the store forgot; healing it from the changelog"
        );
    }

    /// Once is a store that was used for something else before; twice is somebody who uses it.
    fn report_foreign(&self, partition: Partition, identity: &str) {
        if self
            .spec
            .board
            .found_foreign(partition, self.clock.wall(), identity)
        {
            tracing::error!(stage = self.spec.name, partition, identity, "{SHARED_STORE}");
        }
    }

    async fn look(&self, partition: Partition, marker: Marker) -> Result<Timers, Failure> {
        let ask = Ask::default();
        let answer = self
            .store_call(partition, || self.store.read(partition, marker, ask.clone()))
            .await?;
        Ok(answer.timers)
    }

    /// Takes over a store at the last batch that was written by a version that kept no sizes. It
    /// may have lost entries, so they are counted once in the changelog: reading it is an order of
    /// magnitude cheaper than rebuilding every partition at an upgrade. `None`: entries are missing.
    async fn adopt(
        &self,
        partition: Partition,
        marker: Marker,
        begun: Millis,
    ) -> Result<Option<Timers>, Failure> {
        tracing::info!(
            stage = self.spec.name,
            partition,
            "the store keeps no sizes yet; counting the changelog"
        );
        // By hash: two keys with one hash are counted once, which only costs a rebuild.
        let mut held: HashMap<u64, (bool, bool)> = HashMap::new();
        let (mut walk, mut copied) = (Walk::new(0, marker.epoch), Copied::default());
        while let Some(entries) = self.next(partition, &mut walk).await? {
            for entry in entries {
                copied.take(partition, entry)?;
                for write in copied.writes() {
                    let hash = xxh3_64(&write.key);
                    match write.value {
                        None => held.remove(&hash),
                        Some(_) => {
                            let woken = write.wake != Change::Clear;
                            held.insert(hash, (woken, write.index == Change::Set(())))
                        }
                    };
                }
            }
        }
        self.check_whole(partition, marker.epoch, &copied, 0).await?;
        self.check_overdue(begun)?;
        let counted = Sizes {
            states: held.len() as u64,
            timers: held.values().filter(|(woken, _)| *woken).count() as u64,
            index: held.values().filter(|(_, indexed)| *indexed).count() as u64,
        };
        let adopted = self
            .store_call(partition, || self.store.adopt(partition, marker, counted))
            .await?;
        if adopted.is_none() {
            let found = format!("other than {counted:?}");
            self.report(partition, &Found::Damaged { found }, marker.batch);
        }
        Ok(adopted)
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
        let (mut walk, mut copied) = (Walk::new(start, step.epoch), Copied::default());
        while let Some(entries) = self.next(partition, &mut walk).await? {
            for entry in entries {
                match entry {
                    Entry::Claim(_) if mutation::on(Mutation::E2OwnEpochOnly) => copied.writes.clear(),
                    entry => copied.take(partition, entry)?,
                }
                if copied.is_full(&self.spec.limits) {
                    self.put(partition, rebuild, step, &mut copied).await?;
                    step.part += 1;
                }
            }
        }
        // A rebuild starts at batch 0: every key must be whole. Else the store holds the rest.
        self.check_whole(partition, step.epoch, &copied, step.from)
            .await?;
        self.check_overdue(step.stamp)?;
        step.last = true;
        if !rebuild {
            let writes = copied.writes();
            return self
                .store_call(partition, || {
                    self.store.replicate(partition, step, writes.clone())
                })
                .await;
        }
        // At least one part, so that no swap is ever good without a shadow of its own.
        if !copied.writes.is_empty() || step.part == 0 {
            self.put(partition, true, Step { last: false, ..step }, &mut copied)
                .await?;
            step.part += 1;
        }
        self.store_call(partition, || self.store.swap(partition, step))
            .await
    }

    /// The next entries before the claim, with progress; `None`: that was all.
    async fn next(&self, partition: Partition, walk: &mut Walk) -> Result<Option<Vec<Entry>>, Failure> {
        if walk.from >= walk.until {
            return Ok(None);
        }
        self.check_cancelled()?;
        let (read, to_read) = ((walk.from - walk.start) as u64, (walk.until - walk.start) as u64);
        self.spec.board.restoring(partition, read, to_read);
        let chunk = self.chunk(partition, walk.from).await?;
        let left = (walk.until - chunk.next).max(0) as u64;
        observe::restored(self.spec.name, partition, chunk.records.len() as u64, left);
        tracing::info!(stage = self.spec.name, partition, read, to_read, "restoring");
        let mut entries = Vec::with_capacity(chunk.records.len());
        for record in chunk.records.iter().filter(|record| record.offset < walk.until) {
            entries.push(self.entry(partition, record)?);
        }
        walk.from = read_on(walk.from, &chunk)?.unwrap_or(walk.until);
        Ok(Some(entries))
    }

    /// Tombstones are kept for a while only: who read for longer may have missed one (E7).
    fn check_overdue(&self, begun: Millis) -> Result<(), Failure> {
        let overdue = self.clock.wall() - begun > self.spec.limits.store_max_age_ms;
        if overdue && !mutation::on(Mutation::E7SlowCopy) {
            return Err(Failure::Again(
                "the restore took longer than tombstones are kept".to_string(),
            ));
        }
        Ok(())
    }

    async fn put(
        &self,
        partition: Partition,
        rebuild: bool,
        step: Step,
        copied: &mut Copied,
    ) -> Result<(), Failure> {
        let writes = copied.writes();
        if rebuild {
            return self
                .store_call(partition, || self.store.rebuild(partition, step, writes.clone()))
                .await;
        }
        self.store_call(partition, || {
            self.store.replicate(partition, step, writes.clone())
        })
        .await
        .map(|_| ())
    }

    /// No large state that a batch after `batch` wrote may lack parts at the claim. Where a newer
    /// owner has claimed since, its batches may have had them compacted away; else the changelog is
    /// damaged.
    async fn check_whole(
        &self,
        partition: Partition,
        epoch: Offset,
        copied: &Copied,
        batch: u64,
    ) -> Result<(), Failure> {
        let Some(key) = copied.joiner.incomplete(batch) else {
            return Ok(());
        };
        if mutation::on(Mutation::E2PartsMissing) {
            return Ok(());
        }
        let mut from = epoch + 1;
        loop {
            self.check_cancelled()?;
            let chunk = self.chunk(partition, from).await?;
            for record in &chunk.records {
                if matches!(self.entry(partition, record)?, Entry::Claim(_)) {
                    let superseded = "a newer owner has claimed the partition meanwhile";
                    return Err(Failure::Again(superseded.to_string()));
                }
            }
            if chunk.next <= from {
                let key = shown(key);
                let reason = format!("corrupt_changelog: parts of the state {key} are missing");
                return Err(stopped(partition, "E2", reason));
            }
            from = chunk.next;
        }
    }
}

impl Walk {
    fn new(start: Offset, until: Offset) -> Self {
        Self {
            start,
            from: start,
            until,
        }
    }
}

/// What was read of the changelog and is not yet in the store.
#[derive(Default)]
struct Copied {
    /// The changelog names a key as often as it changed; a part of a step, once.
    writes: BTreeMap<Key, Write>,
    bytes: usize,
    joiner: Joiner,
}

impl Copied {
    fn take(&mut self, partition: Partition, entry: Entry) -> Result<(), Failure> {
        let (key, value) = match entry {
            Entry::State(key, value) => {
                self.joiner.whole(&key);
                (key, value)
            }
            Entry::Head(key, head) => match self.joiner.head(&key, head) {
                Some(value) => (key, Some(value)),
                None => return Ok(()),
            },
            Entry::Part(key, number, part) => {
                self.joiner.part(key, number, part);
                return Ok(());
            }
            Entry::Meta(_) | Entry::Claim(_) | Entry::Mark(_) | Entry::Foreign(_) => return Ok(()),
        };
        self.bytes += key.len() + value.as_ref().map_or(0, bytes::Bytes::len);
        let write = restored(partition, key.clone(), value)?;
        self.writes.insert(key, write);
        Ok(())
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.writes.len() >= limits.store_chunk_max_keys || self.bytes >= limits.store_chunk_max_bytes
    }

    fn writes(&mut self) -> Vec<Write> {
        self.bytes = 0;
        std::mem::take(&mut self.writes).into_values().collect()
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
