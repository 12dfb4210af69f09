//! `accrual topics accept`: somebody says that an input which was deleted and created again is to be
//! read from its beginning.
//!
//! The group's offsets say so: at the beginning, with the id of the topic beside them. The next
//! takeover finds the accepted id there and goes on from that offset. Orders and members stay as they
//! are: what they know already changes nothing when it is read again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::adapters::kafka::{Admin, Cluster, Group, SESSION_TIMEOUT_MS, TopicReader};
use crate::config::{Settings, Stage};
use crate::engine::ports::{Partition, Position, TopicId};

use super::operations::Accepted;
use super::patience::patiently;

const CLIENT_ID: &str = "accrual-accept";
/// An instance that died leaves its group after the session time-out.
const EMPTY_WAIT_MS: u64 = SESSION_TIMEOUT_MS + 15_000;
const EMPTY_LOOK_MS: u64 = 1_000;

pub async fn accept(settings: &Settings, cluster: &Cluster, topic: &str) -> anyhow::Result<Accepted> {
    let stage = stage_of(settings, topic)?;
    let admin = Admin::new(cluster, CLIENT_ID)?;
    let found = patiently("topics", async || Ok(admin.identify(&[topic]).await?)).await?;
    let found = found
        .get(topic)
        .with_context(|| format!("topic {topic} does not exist"))?;
    let id = found
        .id
        .context("these brokers keep no topic ids: there is nothing to accept")?;
    let group_name = format!("{}-{}", settings.application_id, stage.as_str());
    let group = Group::new(cluster, CLIENT_ID, &group_name)?;
    empty(&group, &group_name).await?;

    let committed = patiently("group", async || {
        Ok(group.committed(topic, found.partitions).await?)
    })
    .await?;
    let reader = TopicReader::new(cluster, CLIENT_ID, &group_name, topic)?;
    let (mut positions, mut records) = (BTreeMap::new(), 0);
    for partition in 0..found.partitions {
        let bounds = reader.bounds(partition).await?;
        records += bounds.end - bounds.start;
        let position = Position {
            offset: bounds.start,
            topic: Some(id),
        };
        positions.insert(partition, position);
    }
    if let Some(reason) = needless(stage, id, &committed, &positions) {
        bail!("{topic}: {reason}");
    }
    group.commit(topic, positions).await?;
    Ok(Accepted {
        topic: topic.to_owned(),
        id,
        records: records.max(0) as u64,
    })
}

fn stage_of(settings: &Settings, topic: &str) -> anyhow::Result<Stage> {
    let names = &settings.topics;
    let inputs = [
        (&names.order_events, Stage::Orders),
        (&names.point_commands, Stage::Commands),
        (&names.ledger_entries, Stage::Ledger),
    ];
    match inputs.iter().find(|(name, _)| *name == topic) {
        Some((_, stage)) => Ok(*stage),
        None => bail!(
            "{topic} is no input of a stage; these are: {}",
            inputs.map(|(name, _)| name.as_str()).join(", ")
        ),
    }
}

/// Waits until the group has no member, for a bounded time.
async fn empty(group: &Group, name: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_millis(EMPTY_WAIT_MS);
    loop {
        let members = patiently("group", async || Ok(group.members().await?)).await?;
        if members.is_empty() {
            return Ok(());
        }
        let members = members.join(", ");
        ensure!(
            Instant::now() < deadline,
            "stop accrual first: group {name} still has members: {members}"
        );
        tracing::info!(group = name, members, "waiting for the last members to leave");
        tokio::time::sleep(Duration::from_millis(EMPTY_LOOK_MS)).await;
    }
}

/// Why nothing is set: it would change nothing, or read again what nobody deleted.
fn needless(
    stage: Stage,
    id: TopicId,
    committed: &BTreeMap<Partition, Position>,
    starts: &BTreeMap<Partition, Position>,
) -> Option<String> {
    let all = starts
        .keys()
        .all(|partition| committed.get(partition).and_then(|position| position.topic) == Some(id));
    if all {
        return Some(format!(
            "it is the topic that is read already (id {id}); nothing changed"
        ));
    }
    let unknown = committed.iter().any(|(partition, position)| {
        let start = starts.get(partition).map_or(0, |start| start.offset);
        position.topic.is_none() && position.offset > start
    });
    // The other stages have the id in their changelog.
    (unknown && stage == Stage::Commands).then(|| {
        "its position was written by a release that did not keep topic ids; run this release once, and \
         accept only if it then says that the topic was created again"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_topic_that_is_not_read_yet_is_accepted() {
        let id = |id| TopicId::new(id).expect("not zero");
        let at = |offset, topic: Option<u128>| Position {
            offset,
            topic: topic.map(id),
        };
        let rows = [
            ("deleted with its offsets", Stage::Orders, [None, None], true),
            (
                "of the other topic",
                Stage::Orders,
                [Some(at(9, Some(1))), None],
                true,
            ),
            (
                "accepted",
                Stage::Orders,
                [Some(at(0, Some(2))), Some(at(5, Some(2)))],
                false,
            ),
            (
                "accepted in part",
                Stage::Orders,
                [Some(at(0, Some(2))), None],
                true,
            ),
            (
                "claimed since",
                Stage::Commands,
                [Some(at(0, None)), Some(at(0, None))],
                true,
            ),
            (
                "of an old release",
                Stage::Commands,
                [Some(at(9, None)), None],
                false,
            ),
            (
                "of an old release",
                Stage::Orders,
                [Some(at(9, None)), None],
                true,
            ),
        ];
        let starts = BTreeMap::from([(0, at(0, Some(2))), (1, at(0, Some(2)))]);
        for (name, stage, committed, accepted) in rows {
            let committed = (0..)
                .zip(committed)
                .filter_map(|(p, at)| Some((p, at?)))
                .collect();
            let reason = needless(stage, id(2), &committed, &starts);
            assert_eq!(reason.is_none(), accepted, "{name}: {reason:?}");
        }
    }
}
