//! States, from the old changelogs to the new ones: record by record in their order, so that the
//! last of each key is the last there too.

use crate::adapters::kafka::Cargo;
use crate::engine::changelog::{self, Entry};
use crate::engine::ports::{Key, Offset, OutRecord, Partition, Record};
use crate::engine::stored;

use super::Work;
use super::fence::Fence;
use super::progress::Progress;
use super::routing::{Routing, StatePlace};
use super::sides::{self, Pair};
use super::survey::Known;
use crate::app::patience::patiently;

/// Moves what was not moved before; how many records.
pub async fn copy(work: &Work, fence: &Fence) -> anyhow::Result<u64> {
    let group = work.group();
    let mut copied = 0;
    for (pair, held) in work.plan.pairs.iter().zip(&fence.stages) {
        if !pair.is_stateful() {
            continue;
        }
        for ((partition, moved), claim) in pair.moved(&group).await?.into_iter().zip(&held.claims) {
            copied += copy_partition(work, pair, partition, (moved, *claim)).await?;
        }
    }
    Ok(copied)
}

async fn copy_partition(
    work: &Work,
    pair: &Pair,
    partition: Partition,
    (moved, claim): (Option<Offset>, Offset),
) -> anyhow::Result<u64> {
    let plan = &work.plan;
    let routing = Routing::new(pair.kind, pair.placing);
    let (states, topic) = (&pair.old.states, pair.new.changelog());
    let mut from = states.bounds(partition).await?.start.max(moved.unwrap_or(0));
    let total = (claim - from).max(0) as u64;
    let mut progress = Progress::new(format!("moving {} {partition}", pair.old.log()), total);
    let mut copied = 0;
    while from < claim {
        let chunk = patiently("states", async || {
            Ok(states.read(partition, from, plan.records_max).await?)
        });
        let chunk = chunk.await?;
        let mut next = from;
        let mut records = chunk.records.iter().peekable();
        loop {
            let (mut cargo, mut bytes) = (Cargo::default(), 0);
            while let Some(record) = records.next_if(|_| bytes < plan.bytes_max) {
                next = record.offset + 1;
                let Some(to) = place(pair, &routing, record)? else {
                    continue;
                };
                bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
                let record = OutRecord {
                    topic: topic.clone(),
                    partition: Some(to),
                    key: record.key.clone(),
                    value: record.value.clone(),
                    headers: Vec::new(),
                };
                cargo.records.push((record, None));
            }
            let done = records.peek().is_none();
            if done {
                next = chunk.next.max(next);
            }
            copied += cargo.records.len() as u64;
            cargo
                .read
                .push(sides::read(&pair.old.changelog(), partition, next));
            work.commit(cargo).await?;
            if done {
                break;
            }
        }
        progress.add((next - from).max(0) as u64);
        from = next.max(from + 1);
    }
    Ok(copied)
}

/// Where a record of an old changelog goes; `None`: it stays behind.
fn place(pair: &Pair, routing: &Routing, record: &Record) -> anyhow::Result<Option<Partition>> {
    // A large state's parts stand before their head: they keep their order, so they go as they are.
    let (Entry::State(key, _) | Entry::Head(key, _) | Entry::Part(key, ..)) = changelog::read(record)? else {
        return Ok(None);
    };
    let StatePlace::One(to) = routing.state(&key, pair.new.partitions) else {
        return Ok(None);
    };
    // The stages place entries themselves: what is elsewhere somebody else has written there, beside
    // the member's true state.
    let misplaced = !pair.is_from_outside() && !is_at_home(pair, routing, &key, record.partition);
    if misplaced {
        tracing::warn!(
            changelog = pair.old.log(),
            partition = record.partition,
            offset = record.offset,
            key = stored::shown(&key),
            "a state that does not belong on its partition stays behind"
        );
    }
    Ok((!misplaced).then_some(to))
}

fn is_at_home(pair: &Pair, routing: &Routing, key: &Key, partition: Partition) -> bool {
    // A grown input is placed by its own count.
    [pair.old.partitions, pair.old.input_partitions]
        .into_iter()
        .any(|count| routing.state(key, count) == StatePlace::One(partition))
}

/// What every new partition of the ledger knows of grants to all members.
pub async fn write_broadcasts(work: &Work, known: &Known) -> anyhow::Result<()> {
    let [.., pair] = &work.plan.pairs;
    let topic = pair.new.changelog();
    let moved = pair.moved(&work.group()).await?;
    let old = pair.old.changelog();
    let read = moved
        .into_iter()
        .filter_map(|(p, offset)| Some(sides::read(&old, p, offset?)));
    let read: Vec<_> = read.collect();
    for (key, value) in known {
        let mut cargo = Cargo {
            read: read.clone(),
            ..Cargo::default()
        };
        for partition in 0..pair.new.partitions {
            let record = changelog::state_record(&topic, partition, key, Some(value.clone()));
            cargo.records.push((record, None));
        }
        work.commit(cargo).await?;
    }
    Ok(())
}
