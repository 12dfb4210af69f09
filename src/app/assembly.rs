//! The only place where stages, engine and adapters are put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::adapters::clock::ProcessorClock;
use crate::adapters::kafka::{Admin, Cluster, KafkaLog, Overrun, Stage as KafkaStage, TableReader};
use crate::adapters::redis::RedisStore;
use crate::config::{Settings, Stage as StageKind};
use crate::engine::board::Board;
use crate::engine::error::LogError;
use crate::engine::lane::Shared;
use crate::engine::partitioner::Partitioner;
use crate::engine::processor::Processor;
use crate::engine::spec::{Limits, StageSpec};
use crate::engine::stage::Stage;
use crate::stages::broadcast_progress::BroadcastProgress;
use crate::stages::commands::Commands;
use crate::stages::ledger::Ledger;
use crate::stages::orders::Orders;
use crate::stages::rule_table::RuleTable;

use super::node::RunningStage;
use super::patience::however_long;
use super::setup::{placing, stage_topics, store_settings};
use super::store_watch::StoreTrouble;
use super::topic_move;
use super::topics::{self, TOMBSTONE_RETENTION_MS};

/// Reads the rules topic to its end and follows it.
pub async fn follow_rules(
    settings: &Settings,
    cluster: &Cluster,
    rules: &Arc<RuleTable>,
) -> anyhow::Result<TableReader> {
    let name = format!("{}-rules-{}", settings.application_id, settings.instance_id);
    let topic = settings.topics.point_rules.clone();
    let refused = move |record: &crate::engine::ports::Record, refusal: &crate::engine::error::Refusal| {
        tracing::error!(topic, partition = record.partition, offset = record.offset, %refusal, "rule refused");
        metrics::counter!(crate::metrics::RULES_REFUSED_TOTAL, "code" => refusal.code).increment(1);
    };
    let table = TableReader::start(
        cluster,
        &name,
        &name,
        &settings.topics.point_rules,
        rules.clone(),
        refused,
    )
    .await?;
    Ok(table)
}

/// What all stages share.
pub struct Assembly<'a> {
    pub settings: &'a Settings,
    pub cluster: &'a Cluster,
    pub clock: &'a Arc<ProcessorClock>,
    pub rules: &'a Arc<RuleTable>,
    pub table: &'a Arc<TableReader>,
    pub stopped: watch::Receiver<bool>,
}

/// How our own producer places the keys of entries.
const OWN_PLACING: Partitioner = Partitioner::Murmur2;

/// One stage's topics.
struct Plan<'a> {
    kind: StageKind,
    input: &'a str,
    changelog: Option<&'a str>,
    partitioner: Partitioner,
}

impl Assembly<'_> {
    pub async fn start(
        &self,
        tasks: &mut JoinSet<Result<(), LogError>>,
    ) -> anyhow::Result<(Vec<RunningStage>, BroadcastProgress)> {
        let names = &self.settings.topics;
        let topics = stage_topics(names);
        let admin = Admin::new(self.cluster, "accrual-start")?;
        let identity = however_long("Kafka", async || Ok(admin.cluster_id().await?)).await?;
        let boards: BTreeMap<StageKind, Arc<Board>> = self
            .settings
            .stages
            .iter()
            .map(|kind| (*kind, Arc::default()))
            .collect();
        for &kind in &self.settings.stages {
            self.check_sizes(&admin, &self.plan(kind)).await?;
        }
        however_long("topics", async || {
            topics::refuse_unfit(self.settings, &admin).await
        })
        .await?;
        let entries = self.partitions(&admin, &names.ledger_entries).await?;
        for changelog in [&names.orders_changelog, &names.ledger_changelog] {
            self.partitions(&admin, changelog).await?;
        }
        topic_move::guard::refuse_moved(self.settings, self.cluster).await?;
        let (mut stages, mut broadcasts) = (Vec::new(), BroadcastProgress::default());
        for &kind in &self.settings.stages {
            let plan = self.plan(kind);
            let running = self.open(&admin, &identity, &plan, boards[&kind].clone()).await?;
            let upstream = match kind {
                StageKind::Ledger => boards
                    .iter()
                    .filter(|(k, _)| **k != kind)
                    .map(|(_, b)| b.clone())
                    .collect(),
                _ => Vec::new(),
            };
            let spec = self.spec(&plan, &running, upstream);
            let retention = self.settings.retention;
            match kind {
                StageKind::Orders => {
                    let orders = Orders::new(self.rules.book(), topics.clone(), retention.orders_days);
                    self.spawn(tasks, spec, orders, &running);
                }
                StageKind::Commands => {
                    self.spawn(tasks, spec, Commands::new(topics.clone(), entries), &running);
                }
                StageKind::Ledger => {
                    let ledger = Ledger::new(self.rules.book(), topics.clone(), retention.command_ids_days)
                        .keeping_tier_facts(retention.tier_facts_months);
                    broadcasts = ledger.broadcasts();
                    self.spawn(tasks, spec, ledger, &running);
                }
            }
            stages.push(running);
        }
        Ok((stages, broadcasts))
    }

    fn plan(&self, kind: StageKind) -> Plan<'_> {
        let names = &self.settings.topics;
        let from_outside = placing(names.partitioner);
        let (input, changelog, partitioner) = match kind {
            StageKind::Orders => (&names.order_events, Some(&names.orders_changelog), from_outside),
            StageKind::Commands => (&names.point_commands, None, from_outside),
            StageKind::Ledger => (&names.ledger_entries, Some(&names.ledger_changelog), OWN_PLACING),
        };
        Plan {
            kind,
            input,
            changelog: changelog.map(String::as_str),
            partitioner,
        }
    }

    /// Input and changelog must fit (E12).
    async fn check_sizes(&self, admin: &Admin, plan: &Plan<'_>) -> anyhow::Result<()> {
        let partitions = self.partitions(admin, plan.input).await?;
        if let Some(changelog) = plan.changelog {
            let found = self.partitions(admin, changelog).await?;
            if found != partitions {
                bail!(
                    "{} has {partitions} partitions and {changelog} has {found}: they must be equal [E12]. \
                     A topic cannot shrink: `accrual topics move` carries everything into topics with more \
                     partitions",
                    plan.input
                );
            }
        }
        Ok(())
    }

    /// Opens the log and the store of a stage.
    async fn open(
        &self,
        admin: &Admin,
        identity: &str,
        plan: &Plan<'_>,
        board: Arc<Board>,
    ) -> anyhow::Result<RunningStage> {
        let partitions = self.partitions(admin, plan.input).await?;
        let log = KafkaLog::new(
            KafkaStage {
                cluster: self.cluster.clone(),
                application: self.settings.application_id.clone(),
                stage: plan.kind.as_str().to_string(),
                instance: self.settings.instance_id.clone(),
                input: plan.input.into(),
                changelog: plan.changelog.map(Into::into),
            },
            Overrun::end_process(),
        )?;
        let log_name = plan.changelog.unwrap_or(plan.input);
        let store = however_long("Redis", async || {
            let settings = store_settings(self.settings, plan.kind, identity, log_name);
            let store = RedisStore::connect(settings).await;
            store.with_context(|| format!("redis.url: {:?}", self.settings.redis.urls))
        });
        let store = store.await?;
        Ok(RunningStage {
            kind: plan.kind,
            board,
            log: Arc::new(log),
            store: Arc::new(store),
            store_trouble: StoreTrouble::default(),
            partitions,
        })
    }

    async fn partitions(&self, admin: &Admin, topic: &str) -> anyhow::Result<i32> {
        let found = however_long("topics", async || Ok(admin.describe(topic).await?)).await?;
        let state =
            found.with_context(|| format!("topic {topic} does not exist: `accrual topics create`"))?;
        Ok(state.partitions)
    }

    fn spec(&self, plan: &Plan<'_>, running: &RunningStage, upstream: Vec<Arc<Board>>) -> StageSpec {
        let limits = &self.settings.limits;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        StageSpec {
            name: plan.kind.as_str(),
            input_topic: plan.input.into(),
            input_partitions: running.partitions,
            partitioner: plan.partitioner,
            changelog: plan.changelog.map(Into::into),
            dead_letters: self.settings.topics.dead_letters.as_str().into(),
            nonce: format!(
                "{}-{}-{}",
                self.settings.instance_id,
                std::process::id(),
                since.as_nanos()
            ),
            upstream,
            board: running.board.clone(),
            limits: Limits {
                lanes: limits.lanes,
                batch_max_records: limits.batch_max_records,
                batch_max_bytes: limits.batch_max_bytes,
                timers_max_per_turn: limits.timers_max_per_turn,
                store_chunk_max_keys: limits.store_chunk_max_keys,
                state_max_bytes: limits.state_max_bytes,
                inbox_max_records: limits.inbox_max_records,
                cache_max_keys: limits.cache_max_keys,
                store_look_ms: i64::from(limits.store_look_seconds) * 1_000,
                store_max_age_ms: TOMBSTONE_RETENTION_MS / 2,
                ..Limits::default()
            },
        }
    }

    fn spawn<P: Processor>(
        &self,
        tasks: &mut JoinSet<Result<(), LogError>>,
        spec: StageSpec,
        processor: P,
        running: &RunningStage,
    ) {
        let shared = Shared {
            spec,
            processor: Arc::new(processor),
            log: running.log.clone(),
            store: running.store.clone(),
            clock: self.clock.clone(),
            table: self.table.clone(),
        };
        let mut stopped = self.stopped.clone();
        tasks.spawn(Stage::new(shared).run(async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
    }
}
