//! Takes the old side over, so that its former owners can commit nothing more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::adapters::kafka::{Admin, Cargo, Carrier, GroupHold, GroupOffsets, SESSION_TIMEOUT_MS};
use crate::engine::changelog::{self, Entry, Meta};
use crate::engine::ports::{Offset, Partition, Position, TopicId};

use super::marks;
use super::sides::{Pair, Plan};
use crate::app::patience::patiently;

/// A static member that was stopped is one until its session ends.
const MEMBERS_WAIT: Duration = Duration::from_millis(SESSION_TIMEOUT_MS + 15_000);
/// A member that died without a word keeps its place for a session.
const HOLD_WAIT: Duration = Duration::from_millis(SESSION_TIMEOUT_MS + 15_000);
const MEMBERS_POLL: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(5);
const CLAIM_POLL: Duration = Duration::from_millis(50);
/// Beyond every transaction time-out, and the coordinator's own round.
const CLAIM_WAIT: Duration = Duration::from_secs(120);
const READ_MAX_RECORDS: usize = 5_000;

/// The old side in our hands.
pub struct Fence {
    /// In the order of the plan's pairs.
    pub stages: Vec<Held>,
}

/// One stage of it.
pub struct Held {
    pub hold: GroupHold,
    /// Offset of our claim in each changelog partition: nothing that counts lies behind it.
    pub claims: Vec<Offset>,
    /// The next record to be read, of each partition of the input.
    pub positions: Vec<Offset>,
    /// The topic in which they count.
    pub topic: Option<TopicId>,
}

impl Fence {
    pub async fn raise(plan: &Plan, carrier: &Carrier) -> anyhow::Result<Self> {
        wait_for_members(plan).await?;
        let holds = plan.pairs.iter().map(async |pair| {
            patiently("groups", async || {
                let (name, topic) = (
                    (pair.old.group.as_str(), &*pair.old.input),
                    pair.old.input_partitions,
                );
                Ok(GroupHold::join(&plan.cluster, &plan.name(), name, topic, HOLD_WAIT).await?)
            })
            .await
        });
        let mut stages = Vec::new();
        for hold in futures_util::future::join_all(holds).await {
            stages.push(hold?);
        }
        claim(plan, carrier, stages).await
    }

    /// Somebody has joined one of the groups since.
    pub fn is_lost(&self) -> bool {
        self.stages.iter().any(|held| held.hold.is_lost())
    }
}

/// Until the groups of both sides have no members but ours: nobody may write for the new side either
/// before it is open.
async fn wait_for_members(plan: &Plan) -> anyhow::Result<()> {
    let admin = Admin::new(&plan.cluster, "accrual-topics-move")?;
    let (begun, mut said) = (Instant::now(), None::<Instant>);
    loop {
        let mut alive = BTreeSet::new();
        let groups = plan
            .pairs
            .iter()
            .flat_map(|pair| [&pair.old.group, &pair.new.group]);
        for group in groups {
            let members = patiently("groups", async || Ok(admin.members(group).await?)).await?;
            let others = members.into_iter().filter(|(client, _)| *client != plan.name());
            alive.extend(others.map(|(client, host)| format!("{client} at {host}")));
        }
        if alive.is_empty() {
            return Ok(());
        }
        let alive = alive.into_iter().collect::<Vec<_>>().join(", ");
        if begun.elapsed() > MEMBERS_WAIT {
            bail!("instances are alive: stop them first ({alive})");
        }
        if said.is_none_or(|said| said.elapsed() > SAY_EVERY) {
            said = Some(Instant::now());
            let seconds = SESSION_TIMEOUT_MS / 1_000;
            tracing::info!(
                alive,
                "waiting for instances to leave their groups: one that was stopped has left within {seconds} s"
            );
        }
        tokio::time::sleep(MEMBERS_POLL).await;
    }
}

/// Claims every changelog partition, with the offsets of all three groups, and reads to the claims:
/// every earlier transaction of an old owner is over then (E5).
async fn claim(plan: &Plan, carrier: &Carrier, holds: Vec<GroupHold>) -> anyhow::Result<Fence> {
    let nonce = format!("{}-{:x}", plan.name(), super::now());
    let (mut cargo, mut committed, mut ends) = (Cargo::default(), Vec::new(), Vec::new());
    for (pair, hold) in plan.pairs.iter().zip(&holds) {
        let (mut of_stage, mut offsets) = (Vec::new(), Vec::new());
        for partition in 0..pair.old.input_partitions {
            let records = &pair.old.records;
            // Waits for transactions that are still open.
            let position = patiently("offsets", async || Ok(records.committed(partition).await?)).await?;
            let start = Position {
                offset: records.bounds(partition).await?.start,
                topic: None,
            };
            of_stage.push(position);
            offsets.push((pair.old.input.clone(), partition, position.unwrap_or(start)));
        }
        cargo.of_members.push(GroupOffsets {
            membership: hold.membership(),
            offsets,
        });
        let mut of_stage_ends = Vec::new();
        if pair.is_stateful() {
            for partition in 0..pair.old.partitions {
                of_stage_ends.push(pair.old.states.written_end(partition).await?);
                let input = of_stage[partition as usize].map_or(0, |position| position.offset);
                let topic = pair.old.changelog();
                cargo
                    .records
                    .push((changelog::claim_record(&topic, partition, &nonce, input), None));
            }
        }
        committed.push(of_stage);
        ends.push(of_stage_ends);
    }
    carrier
        .commit(cargo.into())
        .await
        .context("claiming the old side")?;
    let mut stages = Vec::new();
    for (((pair, hold), committed), ends) in plan.pairs.iter().zip(holds).zip(committed).zip(ends) {
        let mut claims = Vec::new();
        for (partition, end) in ends.into_iter().enumerate() {
            claims.push(own_claim(pair, partition as Partition, end, &nonce).await?);
        }
        let topic = pair.old.records.topic_id().await?;
        let mut positions = Vec::new();
        for (partition, committed) in committed.into_iter().enumerate() {
            positions.push(position(pair, partition as Partition, committed, topic).await?);
        }
        stages.push(Held {
            hold,
            claims,
            positions,
            topic,
        });
    }
    Ok(Fence { stages })
}

async fn own_claim(
    pair: &Pair,
    partition: Partition,
    mut from: Offset,
    nonce: &str,
) -> anyhow::Result<Offset> {
    let begun = Instant::now();
    while begun.elapsed() < CLAIM_WAIT {
        let states = &pair.old.states;
        let chunk = patiently("claims", async || {
            Ok(states.read(partition, from, READ_MAX_RECORDS).await?)
        });
        let chunk = chunk.await?;
        for record in &chunk.records {
            if let Entry::Claim(claim) = changelog::read(record)?
                && claim.nonce == nonce
            {
                return Ok(record.offset);
            }
        }
        if chunk.next <= from {
            tokio::time::sleep(CLAIM_POLL).await;
        }
        from = from.max(chunk.next);
    }
    bail!(
        "the claim on {} {partition} is not visible: an older transaction there is still open \
         (`kafka-transactions.sh find-hanging`)",
        pair.old.log()
    )
}

/// Where the stage would read on, as its next owner would find it (E5, E12); a partition that the
/// input grew by, from its beginning.
async fn position(
    pair: &Pair,
    partition: Partition,
    committed: Option<Position>,
    topic: Option<TopicId>,
) -> anyhow::Result<Offset> {
    let input = &pair.old.input;
    let bounds = pair.old.records.bounds(partition).await?;
    let mut last = None::<Meta>;
    if pair.is_stateful() && partition < pair.old.partitions {
        last = marks::last(&pair.old.states, partition).await?.meta;
    }
    let known = match last {
        Some(meta) => meta.topic(),
        None => committed.and_then(|committed| committed.topic),
    };
    let is_another = known.is_some() && topic.is_some() && known != topic;
    let position = match (last, committed) {
        // Somebody has accepted the topic as it is now.
        (_, Some(committed)) if is_another && committed.topic == topic => committed.offset,
        _ if is_another => bail!(
            "{input} was deleted and created again: which of its records were read is not known. \
             `accrual topics accept {input}` reads it from its beginning [E12]"
        ),
        (Some(meta), _) => meta.input,
        (None, committed) => committed.map_or(bounds.start, |committed| committed.offset),
    };
    if !(bounds.start..=bounds.end).contains(&position) {
        bail!(
            "{input} {partition}: the offset to go on from, {position}, is not in the log, which holds {} to {} \
             [E12]",
            bounds.start,
            bounds.end
        );
    }
    Ok(position)
}
