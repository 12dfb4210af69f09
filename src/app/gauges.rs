//! Keeps the gauges of a running process true: of the partitions that it owns, and 0 for those that
//! it has handed over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;

use crate::adapters::kafka::{Cluster, TopicReader};
use crate::config::Stage as StageKind;
use crate::engine::board::{Phase, Progress, Shown};
use crate::engine::error::LogError;
use crate::engine::observe;
use crate::engine::ports::{Clock, Log, Millis, Offset, Partition, Store};
use crate::metrics::{
    BEHIND_SECONDS, BROADCASTS_RUNNING, EVENTS_BEHIND, PARTITION, PARTITIONS_ASSIGNED, PARTITIONS_INPUT,
    PARTITIONS_RESTORING, PARTITIONS_STOPPED, PARTITIONS_UNREAD, RESTORE_RECORDS_LEFT, STAGE, TIMERS_DUE,
    TIMERS_PENDING,
};

use super::memory;
use super::node::{Node, RunningStage};

/// The gauges that each owned partition has.
const OF_PARTITION: [&str; 5] = [
    EVENTS_BEHIND,
    BEHIND_SECONDS,
    TIMERS_PENDING,
    TIMERS_DUE,
    RESTORE_RECORDS_LEFT,
];

type Place = (StageKind, Partition);

pub struct Gauges {
    node: Arc<Node>,
    inputs: BTreeMap<StageKind, TopicReader>,
    /// Partitions whose gauges may stand at something.
    shown: BTreeSet<Place>,
    /// Where each partition's undecided input began at the last look, and when that record arrived
    /// where it had to be read for it.
    undecided: BTreeMap<Place, (Offset, Option<Millis>)>,
    restored: u64,
}

impl Gauges {
    pub fn new(node: Arc<Node>, cluster: &Cluster) -> Result<Self, LogError> {
        let mut inputs = BTreeMap::new();
        for stage in &node.stages {
            let (client, group, input) = stage.log.input_names("gauges");
            inputs.insert(stage.kind, TopicReader::new(cluster, &client, &group, &input)?);
        }
        Ok(Self {
            node,
            inputs,
            shown: BTreeSet::new(),
            undecided: BTreeMap::new(),
            restored: 0,
        })
    }

    /// Brings them up to date until it is dropped.
    pub async fn keep(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self.node.metrics.upkeep();
            observe::log_counted_dead_letters();
            self.give_memory_back();
            let node = self.node.clone();
            let (mut owned, mut answered) = (BTreeSet::new(), true);
            for stage in &node.stages {
                let progress = stage.board.progress();
                of_stage(&node, stage, &progress);
                for (partition, behind) in stage
                    .unread(node.topics.unread(stage.kind))
                    .await
                    .unwrap_or_default()
                {
                    owned.insert((stage.kind, partition));
                    set(EVENTS_BEHIND, (stage.kind, partition), behind as f64);
                }
                for (&partition, shown) in &progress.partitions {
                    owned.insert((stage.kind, partition));
                    answered &= self.of_partition(stage, partition, shown).await;
                }
            }
            if answered {
                node.wall.answered();
            }
            for place in self.shown.difference(&owned) {
                OF_PARTITION.iter().for_each(|name| set(name, *place, 0.0));
            }
            self.undecided.retain(|place, _| owned.contains(place));
            self.shown = owned;
        }
    }

    /// After restores came to their end: they need much and leave it behind.
    fn give_memory_back(&mut self) {
        let progress: Vec<Progress> = self
            .node
            .stages
            .iter()
            .map(|stage| stage.board.progress())
            .collect();
        let all = progress.iter().map(|progress| progress.restored).sum();
        if all != self.restored && !progress.iter().any(Progress::is_restoring) {
            self.restored = all;
            // Nobody waits for it: it comes to its end by itself.
            drop(tokio::task::spawn_blocking(memory::give_back));
        }
    }

    /// Whether Kafka answered.
    async fn of_partition(&mut self, stage: &RunningStage, partition: Partition, shown: &Shown) -> bool {
        let place = (stage.kind, partition);
        set(TIMERS_PENDING, place, shown.pending as f64);
        let now = self.node.clock.now();
        if let Ok((_, due)) = stage.store.timers(partition, now).await {
            set(TIMERS_DUE, place, due as f64);
        }
        let Ok(bounds) = stage.log.input_bounds(partition).await else {
            return false;
        };
        let Some(position) = shown.position else {
            return true;
        };
        let behind = (bounds.end - position).max(0);
        set(EVENTS_BEHIND, place, behind as f64);
        let arrived = match behind {
            0 => None,
            _ => self.oldest_arrival(stage, partition, position).await,
        };
        let age = arrived.map_or(0, |arrived| (self.node.clock.wall() - arrived).max(0));
        set(BEHIND_SECONDS, place, age as f64 / 1_000.0);
        true
    }

    /// When the oldest undecided record arrived: the stage knows of those delivered to it. Where
    /// none is and none comes (it restores, it is stopped), the record is read.
    async fn oldest_arrival(
        &mut self,
        stage: &RunningStage,
        partition: Partition,
        position: Offset,
    ) -> Option<Millis> {
        let place = (stage.kind, partition);
        let before = self.undecided.insert(place, (position, None));
        if let Some(arrived) = stage.board.oldest(partition) {
            return Some(arrived);
        }
        let arrived = match before {
            Some((same, Some(arrived))) if same == position => Some(arrived),
            Some((same, None)) if same == position => {
                let read = self.inputs[&stage.kind].arrival(partition, position).await;
                read.ok().flatten()
            }
            _ => None,
        };
        self.undecided.insert(place, (position, arrived));
        arrived
    }
}

fn of_stage(node: &Node, stage: &RunningStage, progress: &Progress) {
    let name = stage.kind.as_str();
    let count = |wanted: fn(&Phase) -> bool| {
        let phases = progress.partitions.values().map(|shown| &shown.phase);
        phases.filter(|phase| wanted(phase)).count() as f64
    };
    gauge!(PARTITIONS_INPUT, STAGE => name).set(f64::from(stage.partitions));
    gauge!(PARTITIONS_ASSIGNED, STAGE => name).set(progress.partitions.len() as f64);
    gauge!(PARTITIONS_RESTORING, STAGE => name).set(count(|p| matches!(p, Phase::Restoring { .. })));
    gauge!(PARTITIONS_STOPPED, STAGE => name).set(count(|p| matches!(p, Phase::Stopped(_))));
    gauge!(PARTITIONS_UNREAD, STAGE => name).set(node.topics.unread(stage.kind).len() as f64);
    if stage.kind == StageKind::Ledger {
        let owned = |partition| progress.partitions.contains_key(&partition);
        gauge!(BROADCASTS_RUNNING).set(node.broadcasts.running(owned) as f64);
    }
}

fn set(name: &'static str, (stage, partition): Place, value: f64) {
    let labels = [
        (STAGE, stage.as_str().to_string()),
        (PARTITION, partition.to_string()),
    ];
    gauge!(name, &labels).set(value);
}
