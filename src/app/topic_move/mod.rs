//! `accrual topics move`: orders and members, with their timers, into topics with other partitions.
//!
//! | step | done in | until it is done |
//! | --- | --- | --- |
//! | the old groups are held, its changelogs claimed (E5) | `fence` | nothing has changed |
//! | what a move cannot carry is looked for | `survey` | nothing has changed |
//! | states go to the new changelogs | `states` | the old side may be started again |
//! | one transaction closes the old side | here | – |
//! | unread input goes to the new topics | `forward` | the move must go on |
//! | one transaction opens the new side | here | – |
//!
//! How far it is stands in the offsets of a group of its own, in the same transactions: a move that
//! was killed goes on where it ended. Everything written to a changelog is absolute, so that written
//! twice it is the same.

mod fence;
mod forward;
pub mod guard;
mod marks;
mod progress;
mod routing;
mod sides;
mod states;
mod survey;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::adapters::kafka::{Cargo, Carrier, GroupOffsets, Overrun};
use crate::adapters::redis::RedisStore;
use crate::config::Stage as StageKind;
use crate::domain::instant::Instant;
use crate::engine::changelog::{self, Meta};
use crate::engine::error::LogError;
use crate::engine::moving::{LEFT_OFFSET, Mark, Phase, first_meta, sources};
use crate::engine::ports::{Millis, Offset, Partition, Position};

use super::operations::TopicMove;
use super::patience::patiently;
use super::setup::{self, store_settings};
use super::signals::Signals;
use super::topics::TOMBSTONE_RETENTION_MS;

use fence::Fence;
use forward::Forwarder;
use marks::Standing;
use sides::{Pair, Plan};

/// Between two looks at the old inputs while it follows them.
const FOLLOW_EVERY_MS: u64 = 200;
/// An aborted transaction left nothing and is tried again so often.
const COMMIT_ATTEMPTS: u32 = 5;
const AGAIN_MS: u64 = 500;

/// What the steps of one run share.
pub struct Work {
    plan: Plan,
    carrier: Carrier,
    /// Tells this move from every other of these topics.
    id: String,
}

impl Work {
    /// Its offsets say how far the move is.
    fn group(&self) -> String {
        self.plan.group(&self.id)
    }

    fn dropped(&self, pair: &Pair) -> String {
        format!(
            "how far {} was forwarded is not known any more: the broker has dropped the offsets of group {}, \
             which has rested for long. If nobody writes to it there is nothing left to do",
            pair.old.input,
            self.group()
        )
    }

    async fn commit(&self, cargo: Cargo) -> anyhow::Result<()> {
        let cargo = Arc::new(cargo);
        for _ in 1..COMMIT_ATTEMPTS {
            match self.carrier.commit(cargo.clone()).await {
                Err(LogError::Abort(reason)) => {
                    tracing::warn!(reason, "transaction aborted; trying again");
                    tokio::time::sleep(Duration::from_millis(AGAIN_MS)).await;
                }
                Err(error @ LogError::Ambiguous(_)) => {
                    return Err(error).context("run this again: it goes on where it ended");
                }
                other => return Ok(other?),
            }
        }
        Ok(self.carrier.commit(cargo).await?)
    }
}

struct Move<'a> {
    request: &'a TopicMove<'a>,
    work: Work,
    out: &'a mut dyn Write,
}

pub async fn run(request: &TopicMove<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let cluster = setup::cluster(request.to);
    let plan = Plan::of(request, &cluster).await?;
    // Fences a move that still runs and settles what a dead one left open.
    let carrier = patiently("Kafka", async || {
        Ok(Carrier::open(&cluster, &plan.name(), &Overrun::end_process()).await?)
    });
    let carrier = carrier.await?;
    let found = marks::standing(&plan).await?;
    let (id, began) = match &found {
        Standing::Fresh => (new_id(), now()),
        Standing::Filling(mark) | Standing::Closed(mark) | Standing::Complete(mark) => {
            (mark.id.clone(), mark.began)
        }
    };
    let work = Work {
        carrier: carrier.with_group(&cluster, &plan.group(&id))?,
        plan,
        id,
    };
    let mut moving = Move { request, work, out };
    if let Standing::Filling(_) = found {
        moving.check_age(began)?;
    }
    if let Standing::Fresh | Standing::Filling(_) = found {
        moving
            .fill_and_close(began, matches!(found, Standing::Fresh))
            .await?;
    }
    if !matches!(found, Standing::Complete(_)) {
        moving.forward_and_open(began).await?;
    }
    moving.forward_late().await?;
    moving.forget().await
}

impl Move<'_> {
    /// Up to the transaction that closes the old side.
    async fn fill_and_close(&mut self, began: Millis, fresh: bool) -> anyhow::Result<()> {
        self.say("1/4 taking the old side over")?;
        let fence = Fence::raise(&self.work.plan, &self.work.carrier).await?;
        let broadcasts = survey::survey(&self.work.plan, &fence).await?;
        if fresh {
            self.begin(began).await?;
        }
        self.say("2/4 moving states")?;
        let moved = states::copy(&self.work, &fence).await?;
        states::write_broadcasts(&self.work, &broadcasts).await?;
        self.close(began, fence).await?;
        self.say(&format!(
            "    {moved} changes of states moved; the old side is closed: go on to the end from here"
        ))
    }

    /// Says in every new changelog that it is being filled.
    async fn begin(&self, began: Millis) -> anyhow::Result<()> {
        let mut cargo = Cargo::default();
        for pair in self.work.plan.stateful() {
            for partition in 0..pair.new.partitions {
                let mark = Mark::new(Phase::Filling, pair.old.log(), &self.work.id, began);
                let record = mark.record(&pair.new.changelog(), partition);
                cargo.records.push((record, None));
            }
            for partition in 0..pair.old.partitions {
                let bounds = pair.old.states.bounds(partition).await?;
                cargo
                    .read
                    .push(sides::read(&pair.old.changelog(), partition, bounds.start));
            }
        }
        self.work.commit(cargo).await
    }

    /// The old side may not go on from here, and every input has the offset that it is forwarded
    /// from. Refused as a whole if anybody has joined an old group since it was held (E6).
    async fn close(&self, began: Millis, fence: Fence) -> anyhow::Result<()> {
        let mut cargo = Cargo::default();
        for (pair, held) in self.work.plan.pairs.iter().zip(&fence.stages) {
            let input = &pair.old.input;
            for (partition, position) in held.positions.iter().enumerate() {
                cargo
                    .read
                    .push(sides::read(input, partition as Partition, *position));
            }
            let offset = |(partition, position): (usize, &Offset)| {
                let left = pair.kind == StageKind::Commands;
                let offset = if left { LEFT_OFFSET } else { *position };
                let topic = held.topic;
                (input.clone(), partition as Partition, Position { offset, topic })
            };
            let offsets = held.positions.iter().enumerate().map(offset).collect();
            cargo.of_members.push(GroupOffsets {
                membership: held.hold.membership(),
                offsets,
            });
        }
        for pair in self.work.plan.stateful() {
            for partition in 0..pair.old.partitions {
                let mark = Mark::new(Phase::Left, pair.new.log(), &self.work.id, began);
                cargo
                    .records
                    .push((mark.record(&pair.old.changelog(), partition), None));
            }
        }
        if fence.is_lost() {
            bail!("somebody has joined a group of the old side: stop its instances, then run this again");
        }
        self.work.commit(cargo).await.context(
            "closing the old side: if an instance of it was started meanwhile, stop it; then run this again",
        )
    }

    /// Up to the transaction that opens the new side.
    async fn forward_and_open(&mut self, began: Millis) -> anyhow::Result<()> {
        self.say("3/4 forwarding what the old side has not read")?;
        let mut forwarded = 0;
        for pair in &self.work.plan.pairs {
            let forwarder = Forwarder::open(&self.work, pair).await?;
            let mut forwarder = forwarder.with_context(|| self.work.dropped(pair))?;
            forwarded += forwarder.catch_up().await?;
        }
        let mut cargo = Cargo::default();
        for pair in self.work.plan.stateful() {
            let mut metas = Vec::new();
            for partition in 0..pair.old.partitions {
                metas.push(marks::last(&pair.old.states, partition).await?.meta);
            }
            let id = pair.new.records.topic_id().await?;
            for partition in 0..pair.new.partitions {
                let of_sources = sources(partition, pair.old.partitions, pair.new.partitions)
                    .filter_map(|p| metas[p as usize]);
                let sources: Vec<Meta> = of_sources.collect();
                let input = pair.new.records.bounds(partition).await?.start;
                let topic = pair.new.changelog();
                let mark = Mark::new(Phase::Filled, pair.old.log(), &self.work.id, began);
                let meta = first_meta(sources, input).in_topic(id);
                let meta = changelog::meta_record(&topic, partition, meta);
                cargo.records.push((meta, None));
                cargo.records.push((mark.record(&topic, partition), None));
            }
        }
        let [orders, ..] = &self.work.plan.pairs;
        let forwarded_to = orders.forwarded(&self.work.group()).await?;
        let forwarded_to = forwarded_to.with_context(|| self.work.dropped(orders))?;
        let read = |(partition, offset)| sides::read(&orders.old.input, partition, offset);
        cargo.read = forwarded_to.into_iter().map(read).collect();
        self.work.commit(cargo).await.context("opening the new side")?;
        self.say(&format!(
            "    {forwarded} records forwarded\n4/4 done: start accrual with the new configuration"
        ))
    }

    /// What producers that know the old topics alone have written since.
    async fn forward_late(&mut self) -> anyhow::Result<()> {
        let (work, out) = (&self.work, &mut *self.out);
        let mut forwarders = Vec::new();
        for pair in work.plan.pairs.iter().filter(|pair| pair.is_from_outside()) {
            match Forwarder::open(work, pair).await? {
                Some(forwarder) => forwarders.push(forwarder),
                None => writeln!(out, "{}", work.dropped(pair))?,
            }
        }
        let mut forwarded = 0;
        for forwarder in &mut forwarders {
            forwarded += forwarder.catch_up().await?;
        }
        writeln!(out, "{forwarded} late records forwarded from the old inputs")?;
        if !self.request.follow {
            return Ok(());
        }
        writeln!(out, "following the old inputs until SIGTERM or SIGINT")?;
        out.flush()?;
        let signals = Signals::listen()?;
        loop {
            tokio::select! {
                _ = signals.any() => {
                    writeln!(out, "{forwarded} late records forwarded in all")?;
                    return Ok(());
                }
                () = tokio::time::sleep(Duration::from_millis(FOLLOW_EVERY_MS)) => {}
            }
            for forwarder in &mut forwarders {
                forwarded += forwarder.catch_up().await?;
            }
        }
    }

    /// Frees what Redis holds of the old side, or says how.
    async fn forget(&mut self) -> anyhow::Result<()> {
        let from = self.request.from;
        if !self.request.forget {
            writeln!(
                self.out,
                "Redis still holds the old side's states: run this once more with --forget-old to free them"
            )?;
            return Ok(());
        }
        let mut freed = 0;
        for pair in self.work.plan.stateful() {
            let settings = store_settings(from, pair.kind, &self.work.plan.identity, pair.old.log());
            let store = patiently("Redis", async || {
                let store = RedisStore::connect(settings.clone()).await;
                store.with_context(|| format!("redis.url: {:?}", from.redis.urls))
            });
            let store = store.await?;
            for partition in 0..pair.old.partitions {
                let forgotten = patiently("Redis", async || Ok(store.forget(partition).await?)).await?;
                freed += u32::from(forgotten);
            }
        }
        writeln!(self.out, "{freed} partitions of the old side were freed in Redis")?;
        Ok(())
    }

    /// Tombstones of the old side are kept for a while only: what was written long ago may name
    /// keys that are gone since (E7).
    fn check_age(&self, began: Millis) -> anyhow::Result<()> {
        if now() - began <= TOMBSTONE_RETENTION_MS / 2 {
            return Ok(());
        }
        let began = Instant::from_millis(began).rfc3339();
        let topics: Vec<&str> = self.work.plan.stateful().map(|pair| pair.new.log()).collect();
        bail!(
            "this move was begun on {began}, too long ago to go on: the old side is as it was; delete {} \
             and create them again, then run this again",
            topics.join(" and ")
        )
    }

    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()?;
        Ok(())
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as Millis
}

/// Tells this move from every other of the same topics.
fn new_id() -> String {
    format!("{:x}-{:x}", now(), std::process::id())
}
