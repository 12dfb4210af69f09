//! What a move cannot carry is looked for before anything is moved: grants to all members that the
//! old ledger has not carried out. Those that are done are carried to every new partition.

use std::collections::BTreeMap;

use anyhow::bail;
use bytes::Bytes;

use crate::config::Stage as StageKind;
use crate::domain::ledger::broadcast::Broadcasts;
use crate::engine::changelog::parts::Joiner;
use crate::engine::changelog::{self, Entry};
use crate::engine::ports::{Key, Partition};
use crate::engine::processor::Saved;
use crate::engine::stored;
use crate::wire::member_state;

use super::fence::{Fence, Held};
use super::progress::Progress;
use super::routing::{self, Routing, StatePlace};
use super::sides::{Pair, Plan};
use crate::app::patience::patiently;

const READ_MAX_RECORDS: usize = 5_000;

/// The broadcasts of each shop, as every new partition of the ledger is to know them.
pub type Known = BTreeMap<Key, Bytes>;

pub async fn survey(plan: &Plan, fence: &Fence) -> anyhow::Result<Known> {
    let [.., pair] = &plan.pairs;
    let [.., held] = &fence.stages[..] else {
        unreachable!("the ledger is the last stage");
    };
    unread_broadcasts(pair, held).await?;
    known_broadcasts(pair, held).await
}

async fn unread_broadcasts(pair: &Pair, held: &Held) -> anyhow::Result<()> {
    for (partition, position) in held.positions.iter().enumerate() {
        let (partition, mut from) = (partition as Partition, *position);
        let end = pair.old.settled_end(partition).await?;
        while from < end {
            let entries = &pair.old.records;
            let chunk = patiently("entries", async || {
                Ok(entries.read(partition, from, READ_MAX_RECORDS).await?)
            });
            let chunk = chunk.await?;
            for record in &chunk.records {
                if routing::entry(record).is_some_and(|entry| routing::is_broadcast(&entry)) {
                    bail!("{}", routing::unread_broadcast(record));
                }
            }
            from = chunk.next.max(from + 1);
        }
    }
    Ok(())
}

async fn known_broadcasts(pair: &Pair, held: &Held) -> anyhow::Result<Known> {
    let routing = Routing::new(StageKind::Ledger, pair.placing);
    let is_broadcasts = |key: &Key| routing.state(key, pair.new.partitions) == StatePlace::Every;
    let mut known: BTreeMap<Key, Vec<Saved>> = BTreeMap::new();
    for (partition, claim) in held.claims.iter().enumerate() {
        let partition = partition as Partition;
        let states = &pair.old.states;
        let mut from = states.bounds(partition).await?.start;
        let total = (claim - from).max(0) as u64;
        let mut progress = Progress::new(format!("looking at {} {partition}", pair.old.log()), total);
        let mut of_partition: BTreeMap<Key, Option<Bytes>> = BTreeMap::new();
        let mut joiner = Joiner::default();
        while from < *claim {
            let chunk = patiently("states", async || {
                Ok(states.read(partition, from, READ_MAX_RECORDS).await?)
            });
            let chunk = chunk.await?;
            for record in &chunk.records {
                let (key, value) = match changelog::read(record)? {
                    Entry::State(key, value) => (key, value),
                    Entry::Head(key, head) if is_broadcasts(&key) => match joiner.head(&key, head) {
                        Some(whole) => (key, Some(whole)),
                        // An older version, cleaned away in part.
                        None => continue,
                    },
                    Entry::Part(key, number, part) if is_broadcasts(&key) => {
                        joiner.part(key, number, part);
                        continue;
                    }
                    _ => continue,
                };
                if is_broadcasts(&key) {
                    of_partition.insert(key, value);
                }
            }
            progress.add((chunk.next - from).max(0) as u64);
            from = chunk.next.max(from + 1);
        }
        if let Some(key) = joiner.incomplete(0) {
            bail!(
                "{} {partition}: parts of the state {} are missing",
                pair.old.log(),
                stored::shown(key)
            );
        }
        for (key, value) in of_partition {
            if let Some(value) = value {
                known.entry(key).or_default().push(stored::decode(&value)?);
            }
        }
    }
    known
        .into_iter()
        .map(|(key, parts)| Ok((key, merged(&parts)?)))
        .collect()
}

/// One shop's broadcasts: each partition has carried out the same, so that together they know what
/// each of them knows.
fn merged(parts: &[Saved]) -> anyhow::Result<Bytes> {
    let mut all = Broadcasts::default();
    for part in parts {
        let part = member_state::decode_broadcasts(&part.bytes)?;
        if let Some(running) = part.running.front() {
            let (shop, id) = (&running.entry.shop_id, &running.entry.cause_id);
            bail!(
                "the grant {id} to all members of {shop} is under way: {}",
                routing::DRAIN
            );
        }
        all.seen.extend(part.seen);
        all.latest = all.latest.max(part.latest);
    }
    let saved = Saved {
        bytes: member_state::encode_broadcasts(&all).into(),
        wake: parts.iter().filter_map(|part| part.wake).max(),
        indexed: false,
    };
    Ok(stored::encode(&saved, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instant::Instant;

    fn saved(broadcasts: &Broadcasts, wake: i64) -> Saved {
        Saved {
            bytes: member_state::encode_broadcasts(broadcasts).into(),
            wake: Some(wake),
            indexed: false,
        }
    }

    #[test]
    fn what_every_partition_has_carried_out_is_known_to_all() {
        let of = |ids: &[u128], latest| Broadcasts {
            seen: ids.iter().map(|id| (*id, Instant(latest))).collect(),
            latest: Some(Instant(latest)),
            ..Broadcasts::default()
        };
        let (first, second) = (of(&[1, 2], 7_000), of(&[2, 3], 9_000));
        let merged = merged(&[saved(&first, 10), saved(&second, 20)]).expect("nothing is under way");
        let read = stored::decode(&merged).expect("a state");
        assert_eq!(read.wake, Some(20));
        let broadcasts = member_state::decode_broadcasts(&read.bytes).expect("broadcasts");
        assert_eq!(broadcasts.seen.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(broadcasts.latest, Some(Instant(9_000)));
    }
}
