//! Redis as its scripts see it, and what becomes of it.
//!
//! Permitted: it answers late, not at all, or after having done it; a script that its caller
//! has given up runs later; it forgets its last writes, everything, or gets an old snapshot
//! back, also between two parts. Survivable because it is a replica: every answer says which
//! marker it was given at, and what is missing is copied from the changelog (E3, E7).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use accrual::engine::error::StoreError;
use accrual::engine::ports::{
    Answer, Ask, Found, Marker, Millis, Offset, Page, Partition, Sizes, Step, Store, Timers, Write,
};

use super::mutation::{self, Mutation};
use super::store_keys::Keys;
use super::world::{Caller, Sim, World};

#[derive(Clone, Default)]
pub struct Meta {
    epoch: Offset,
    /// Batch, changelog offset, stamp; missing between a claim on nothing and its rebuild.
    pub batch: Option<(u64, Offset, Millis)>,
    /// Batch it leads to and last part written.
    partial: Option<(u64, u32)>,
    /// As the last script of an owner left the keys; missing where it kept none.
    pub sizes: Option<Sizes>,
}

#[derive(Clone, Default)]
pub struct Shard {
    pub meta: Option<Meta>,
    pub keys: Keys,
    /// Epoch, target batch, last part, what the shadow held then.
    pub shadow_marker: Option<(Offset, u64, u32, Sizes)>,
    pub shadow: Keys,
}

#[derive(Default)]
pub struct History {
    remembers: bool,
    pub now: Arc<Shard>,
    pub last: VecDeque<Arc<Shard>>,
    pub snapshots: Vec<Arc<Shard>>,
}

#[derive(Default)]
pub struct Redis {
    pub shards: BTreeMap<(usize, Partition), History>,
    pub down_until: Millis,
}

pub const HISTORY_MAX: usize = 30;
/// How late a script may run: less than what passes between the last fault and the last poke.
const LATE_MAX_MS: Millis = 1_200;

fn lost<T>(found: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Lost { found: found.into() })
}

impl Shard {
    pub fn is_claimed_by(&self, epoch: Offset) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.epoch == epoch)
    }

    /// The meta, if it is of exactly this epoch.
    fn of_epoch(&self, epoch: Offset) -> Result<&Meta, StoreError> {
        match &self.meta {
            None => lost("no meta"),
            Some(meta) if meta.epoch > epoch => Err(StoreError::Fenced { epoch: meta.epoch }),
            Some(meta) if meta.epoch < epoch => lost(format!("epoch {}", meta.epoch)),
            Some(meta) => Ok(meta),
        }
    }

    /// What a store would do that takes timers away when it shows them.
    fn forget_due(&mut self, answer: &Answer) {
        for (key, wake, _) in &answer.due {
            self.keys.timers.remove(&(*wake, key.clone()));
        }
        self.keep_sizes();
    }

    /// Says that an owner left the keys as they are.
    fn keep_sizes(&mut self) {
        let sizes = Some(self.keys.sizes());
        if let Some(meta) = &mut self.meta {
            meta.sizes = sizes;
        }
    }

    /// Whether the keys are as the last script left them (E15).
    fn check_sizes(&self) -> Result<(), StoreError> {
        let (kept, found) = (self.meta.as_ref().and_then(|meta| meta.sizes), self.keys.sizes());
        if kept == Some(found) || mutation::on(Mutation::E15SizesUnchecked) {
            return Ok(());
        }
        lost(format!("{found:?} instead of {kept:?}"))
    }

    /// The shadow marker after `part`, with what the shadow holds now.
    fn marker_at(&self, step: Step, part: u32) -> Option<(Offset, u64, u32, Sizes)> {
        let held = match self.shadow_marker {
            Some((_, _, _, kept)) if mutation::on(Mutation::E15SizesUnchecked) => kept,
            _ => self.shadow.sizes(),
        };
        Some((step.epoch, step.to, part, held))
    }

    fn read(&self, expected: Marker, ask: &Ask) -> Result<Answer, StoreError> {
        self.check_readable(expected)?;
        Ok(self.keys.answer(ask))
    }

    fn page(&self, expected: Marker, from: u64, limit: usize) -> Result<Page, StoreError> {
        self.check_readable(expected)?;
        Ok(self.keys.page(from, limit))
    }

    fn check_readable(&self, expected: Marker) -> Result<(), StoreError> {
        if mutation::on(Mutation::E3ReadUnchecked) {
            return Ok(());
        }
        let meta = self.of_epoch(expected.epoch)?;
        let found = meta.batch.map(|(batch, _, _)| batch);
        if meta.partial.is_some() || found != Some(expected.batch) {
            return lost(format!("batch {found:?}, partial {:?}", meta.partial));
        }
        self.check_sizes()
    }

    fn replicate(&mut self, step: Step, writes: &[Write]) -> Result<Timers, StoreError> {
        let unchecked = mutation::on(Mutation::E3ReplicateUnchecked);
        let meta = self.of_epoch(step.epoch)?;
        let batch = meta.batch.map(|(batch, _, _)| batch);
        match batch {
            None if !unchecked => return lost("claimed, not rebuilt"),
            Some(batch) if batch != step.from && batch != step.to && !unchecked => {
                return lost(format!("batch {batch}"));
            }
            _ => {}
        }
        self.check_sizes()?;
        let meta = self.meta.as_mut().expect("looked at above");
        if batch == Some(step.to) {
            return Ok(self.keys.timers());
        }
        let reached = match meta.partial {
            Some((target, _)) if target != step.to && !unchecked => return lost(format!("part of {target}")),
            Some((_, part)) => part as i64,
            None => -1,
        };
        if step.part as i64 <= reached {
            return Ok(self.keys.timers());
        }
        if step.part as i64 != reached + 1 && !mutation::on(Mutation::E3PartialUnchecked) {
            return lost(format!("part {reached} of {}", step.to));
        }
        meta.partial = (!step.last).then_some((step.to, step.part));
        if step.last {
            meta.batch = Some((step.to, step.changelog, step.stamp));
        }
        self.keys.write(writes);
        self.keep_sizes();
        Ok(self.keys.timers())
    }

    fn claim(&mut self, epoch: Offset) -> Result<Found, StoreError> {
        if let Some(meta) = self.meta.as_ref().filter(|meta| meta.epoch > epoch) {
            return Err(StoreError::Fenced { epoch: meta.epoch });
        }
        self.shadow_marker = None;
        self.shadow = Keys::default();
        if mutation::on(Mutation::E15UncountedBelieved)
            && self.meta.as_ref().is_some_and(|m| m.sizes.is_none())
        {
            self.keep_sizes();
        }
        let meta = self.meta.take().unwrap_or_default();
        let mut claimed = Meta {
            epoch,
            ..Meta::default()
        };
        let found = match (meta.batch, meta.sizes) {
            (None, _) => Found::Nothing,
            (Some(_), Some(kept))
                if kept != self.keys.sizes() && !mutation::on(Mutation::E15SizesUnchecked) =>
            {
                Found::Damaged {
                    found: format!("{:?} instead of {kept:?}", self.keys.sizes()),
                }
            }
            (Some((batch, changelog, stamp)), sizes) => {
                (claimed.batch, claimed.sizes) = (meta.batch, sizes);
                Found::At {
                    batch,
                    changelog,
                    stamp,
                    counted: sizes.is_some(),
                }
            }
        };
        self.meta = Some(claimed);
        Ok(found)
    }

    fn adopt(&mut self, marker: Marker, counted: Sizes) -> Result<Option<Timers>, StoreError> {
        let meta = self.of_epoch(marker.epoch)?;
        let batch = meta.batch.map(|(batch, _, _)| batch);
        if meta.partial.is_some() || batch != Some(marker.batch) {
            return lost(format!("batch {batch:?}, partial {:?}", meta.partial));
        }
        if self.keys.sizes() != counted {
            return Ok(None);
        }
        self.keep_sizes();
        Ok(Some(self.keys.timers()))
    }

    fn rebuild(&mut self, step: Step, writes: &[Write]) -> Result<(), StoreError> {
        self.of_epoch(step.epoch)?;
        if step.part == 0 {
            let meta = self.meta.as_mut().expect("looked at above");
            (meta.batch, meta.partial, meta.sizes) = (None, None, None);
            self.shadow = Keys::default();
        } else if self.shadow_marker == self.marker_at(step, step.part) {
            return Ok(());
        } else if self.shadow_marker != self.marker_at(step, step.part - 1)
            && !mutation::on(Mutation::E7ShadowUnchecked)
        {
            return lost(format!("shadow {:?}", self.shadow_marker));
        }
        self.shadow.write(writes);
        self.shadow_marker = Some((step.epoch, step.to, step.part, self.shadow.sizes()));
        Ok(())
    }

    fn swap(&mut self, step: Step) -> Result<Timers, StoreError> {
        let batch = self.of_epoch(step.epoch)?.batch.map(|(batch, _, _)| batch);
        if self.shadow_marker.is_none() && batch == Some(step.to) {
            self.check_sizes()?;
            return Ok(self.keys.timers());
        }
        let finished = match step.part {
            0 => self.shadow_marker.is_none(),
            parts => self.shadow_marker.is_some() && self.shadow_marker == self.marker_at(step, parts - 1),
        };
        if !finished && !mutation::on(Mutation::E7ShadowUnchecked) {
            return lost(format!("shadow {:?}", self.shadow_marker));
        }
        self.keys = std::mem::take(&mut self.shadow);
        self.shadow_marker = None;
        let meta = self.meta.as_mut().expect("looked at above");
        meta.partial = None;
        meta.batch = Some((step.to, step.changelog, step.stamp));
        self.keep_sizes();
        Ok(self.keys.timers())
    }
}

impl History {
    fn change<T>(&mut self, change: impl FnOnce(&mut Shard) -> T) -> T {
        if self.remembers {
            self.last.push_back(self.now.clone());
            if self.last.len() > HISTORY_MAX {
                self.last.pop_front();
            }
        }
        change(Arc::make_mut(&mut self.now))
    }
}

impl World {
    pub fn shard(&mut self, at: (usize, Partition)) -> &mut History {
        // Copies are dear: they are made only where something goes back to them.
        let remembers = self.knobs.forget > 0.0 || self.knobs.amnesia > 0.0;
        self.redis.shards.entry(at).or_insert_with(|| History {
            remembers,
            ..History::default()
        })
    }

    pub fn stored(&mut self, stage: usize, partition: Partition) -> Keys {
        self.shard((stage, partition)).now.keys.clone()
    }
}

pub struct SimStore {
    pub sim: Sim,
    pub caller: Caller,
    pub stage: usize,
}

impl SimStore {
    /// Runs one script. It may run without an answer, not at all, or after it was given up.
    async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        partition: Partition,
        script: impl FnOnce(&mut History) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (at, machine) = ((self.stage, partition), self.caller.machine);
        self.sim
            .call(move |world, slot| {
                let (down, gone, late) = (
                    world.knobs.store_down,
                    world.knobs.store_lost,
                    world.knobs.store_late,
                );
                let mut delay = world.latency();
                let unavailable = || StoreError::Unavailable("time-out".into());
                let mut answers = true;
                if world.redis.down_until > world.now || world.chance(down) {
                    let give_up = world.rng.between(1, 60);
                    return world.after(give_up, move |_| slot.answer(Err(unavailable())));
                }
                if world.chance(late) {
                    let (give_up, much) = (
                        world.rng.between(1, 60),
                        *world.rng.pick(&[100, 400, LATE_MAX_MS]),
                    );
                    let given_up = slot.clone();
                    world.after(give_up, move |_| given_up.answer(Err(unavailable())));
                    delay = give_up + world.rng.between(0, much);
                } else if world.chance(gone) {
                    answers = false;
                    let (give_up, lost) = (world.rng.between(1, 60), slot.clone());
                    world.after(delay + give_up, move |_| lost.answer(Err(unavailable())));
                }
                world.after(delay, move |world| {
                    let answer = script(world.shard(at));
                    let amnesia = world.knobs.amnesia;
                    if world.chance(amnesia) {
                        let back = world.rng.between(1, 3) as usize;
                        world.forget(at, back);
                    }
                    world.note(|| {
                        let how = answer
                            .as_ref()
                            .err()
                            .map_or("ok".to_string(), |error| error.to_string());
                        format!("redis {at:?} m{machine}: {name}: {how}")
                    });
                    if answers {
                        let delay = world.latency();
                        world.after(delay, move |_| slot.answer(answer));
                    }
                });
            })
            .await
    }
}

impl Store for SimStore {
    async fn read(&self, partition: Partition, expected: Marker, ask: Ask) -> Result<Answer, StoreError> {
        let answer = self
            .run("read", partition, move |history| history.now.read(expected, &ask))
            .await?;
        if mutation::on(Mutation::E4PeekRemoves) {
            let mut world = self.sim.lock();
            let history = world.shard((self.stage, partition));
            history.change(|shard| shard.forget_due(&answer));
        }
        Ok(answer)
    }

    async fn keys(
        &self,
        partition: Partition,
        expected: Marker,
        from: u64,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.run("keys", partition, move |history| {
            history.now.page(expected, from, limit)
        })
        .await
    }

    async fn replicate(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> Result<Timers, StoreError> {
        self.run("replicate", partition, move |history| {
            history.change(|shard| shard.replicate(step, &writes))
        })
        .await
    }

    async fn claim(&self, partition: Partition, epoch: Offset) -> Result<Found, StoreError> {
        self.run("claim", partition, move |history| {
            history.change(|shard| shard.claim(epoch))
        })
        .await
    }

    async fn adopt(
        &self,
        partition: Partition,
        marker: Marker,
        counted: Sizes,
    ) -> Result<Option<Timers>, StoreError> {
        self.run("adopt", partition, move |history| {
            history.change(|shard| shard.adopt(marker, counted))
        })
        .await
    }

    async fn rebuild(&self, partition: Partition, step: Step, writes: Vec<Write>) -> Result<(), StoreError> {
        self.run("rebuild", partition, move |history| {
            history.change(|shard| shard.rebuild(step, &writes))
        })
        .await
    }

    async fn swap(&self, partition: Partition, step: Step) -> Result<Timers, StoreError> {
        self.run("swap", partition, move |history| {
            history.change(|shard| shard.swap(step))
        })
        .await
    }

    async fn timers(&self, partition: Partition, _now: Millis) -> Result<(Timers, u64), StoreError> {
        self.run("timers", partition, |history| Ok((history.now.keys.timers(), 0)))
            .await
    }
}
