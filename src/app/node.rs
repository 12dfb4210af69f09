//! What a running process says of itself: status, readiness, look-ups.

use std::ops::Range;
use std::sync::Arc;

use crate::adapters::clock::ProcessorClock;
use crate::adapters::kafka::{KafkaLog, TableReader};
use crate::adapters::redis::RedisStore;
use crate::config::Stage as StageKind;
use crate::domain::instant::Instant;
use crate::domain::ledger::redemption::Amounts;
use crate::domain::money;
use crate::engine::board::{Board, Phase, Progress};
use crate::engine::ports::{Clock, Log, Millis, Partition, Store, Table};
use crate::engine::takeover::SHARED_STORE;
use crate::http::backend::Problem;
use crate::http::views::{Member, Order, Quote, QuoteRequest, StageStatus, Status};
use crate::metrics::Exposition;
use crate::stages::broadcast_progress::BroadcastProgress;
use crate::stages::rule_table::RuleTable;

use super::clock_watch::ClockWatch;
use super::letter_pages::Pages;
use super::lookups::Lookups;
use super::store_watch::StoreTrouble;
use super::topic_watch::TopicWatch;

/// Readiness bears with a partition for so long while its calls fail.
const TROUBLE_BORNE_MS: Millis = 2_000;
/// A batch that takes longer makes the instance not ready.
const STALLED_AFTER_MS: Millis = 30_000;

/// One stage of this process, from outside.
pub struct RunningStage {
    pub kind: StageKind,
    pub board: Arc<Board>,
    pub log: Arc<KafkaLog>,
    pub store: Arc<RedisStore>,
    pub store_trouble: StoreTrouble,
    pub partitions: i32,
}

/// This process.
pub struct Node {
    pub clock: Arc<ProcessorClock>,
    /// In the order of the path: what is quiet stays quiet while later ones are looked at.
    pub stages: Vec<RunningStage>,
    pub broadcasts: BroadcastProgress,
    pub table: Arc<TableReader>,
    pub rules: Arc<RuleTable>,
    pub lookups: Lookups,
    pub letters: Pages,
    pub topics: Arc<TopicWatch>,
    pub wall: ClockWatch,
    pub metrics: Exposition,
}

/// One stage, looked at afresh.
struct Look {
    status: StageStatus,
    next_due: Option<Millis>,
    quiet: bool,
}

impl Node {
    pub async fn look(&self) -> Result<Status, Problem> {
        if let Some(reason) = self.wall.reason() {
            // Questions to Kafka may wait for the clock to come back: not asked.
            return Err(Problem::Unavailable(reason));
        }
        let now = self.clock.now();
        self.table
            .catch_up()
            .await
            .map_err(|error| Problem::Unavailable(error.to_string()))?;
        let (mut stages, mut quiet, mut next_due) = (std::collections::BTreeMap::new(), true, None::<Millis>);
        for stage in &self.stages {
            let mut look = stage.look(now, self.table.version()).await?;
            let unread = self.topics.unread(stage.kind);
            look.quiet &= unread.is_empty();
            for (_, behind) in stage.unread(unread).await? {
                look.status.behind += behind;
            }
            quiet &= look.quiet;
            next_due = [next_due, look.next_due].into_iter().flatten().min();
            stages.insert(stage.kind.as_str().to_string(), look.status);
        }
        Ok(Status {
            now: Instant::from_millis(now).rfc3339(),
            quiet: quiet && (self.clock.now() == now || matches!(*self.clock, ProcessorClock::System)),
            stages,
            next_due: next_due.map(shown),
        })
    }

    /// Why this instance is not ready, a sentence for each reason.
    pub fn reasons(&self) -> Vec<String> {
        let wall = self.clock.wall();
        let stages = self.stages.iter().flat_map(|stage| stage.reasons(wall));
        let topics = self.topics.reasons().into_iter();
        self.wall
            .reason()
            .into_iter()
            .chain(topics)
            .chain(stages)
            .collect()
    }

    pub fn set_clock(&self, now: Millis) -> Result<Millis, Problem> {
        self.clock
            .set(now)
            .map_err(|stands| Problem::Conflict(format!("the clock stands at {} already", shown(stands))))
    }

    pub async fn order(&self, shop_id: &str, order_id: &str) -> Result<Order, Problem> {
        let found = self
            .lookups
            .order(
                &self.rules.book().load_full(),
                shop_id,
                order_id,
                self.clock.standing(),
            )
            .await?;
        found.ok_or_else(|| Problem::NotFound(format!("order {order_id} of shop {shop_id} is not known")))
    }

    pub async fn member(&self, shop_id: &str, member_id: &str) -> Result<Member, Problem> {
        let found = self
            .lookups
            .member(
                &self.rules.book().load_full(),
                (shop_id, member_id),
                self.clock.standing(),
            )
            .await?;
        found.ok_or_else(|| Problem::NotFound(format!("member {member_id} of shop {shop_id} is not known")))
    }

    pub async fn quote(
        &self,
        shop_id: &str,
        member_id: &str,
        asked: &QuoteRequest,
    ) -> Result<Quote, Problem> {
        let amount = |field: &str, text: &str| {
            let amount = money::parse_amount(text).ok();
            amount.filter(|amount| !amount.is_sign_negative()).ok_or_else(|| {
                Problem::Invalid(format!(
                    "{field}: not a decimal text of 0 or more such as \"100.00\""
                ))
            })
        };
        let payable = asked.payable.as_deref();
        let amounts = Amounts {
            subtotal: Some(amount("subtotal", &asked.subtotal)?),
            payable: payable.map(|text| amount("payable", text)).transpose()?,
        };
        let tier = asked.tier.as_deref();
        let book = self.rules.book().load_full();
        self.lookups
            .quote(&book, (shop_id, member_id), amounts, tier, self.clock.standing())
            .await
    }
}

impl RunningStage {
    async fn look(&self, now: Millis, table: u64) -> Result<Look, Problem> {
        let progress = self.board.progress();
        let mut status = StageStatus {
            partitions: progress.partitions.len() as u64,
            ..StageStatus::default()
        };
        let (mut next_due, mut quiet) = (None::<Millis>, progress.assigned && progress.stopped.is_none());
        for (&partition, shown) in &progress.partitions {
            let restoring = matches!(shown.phase, Phase::Restoring { .. });
            status.rebuilding += u64::from(restoring);
            quiet &= !restoring && !shown.sweeping && shown.table_seen == table;
            if restoring {
                continue;
            }
            let stopped = matches!(shown.phase, Phase::Stopped(_));
            quiet &= !stopped;
            let bounds = self.log.input_bounds(partition).await;
            let bounds = bounds.map_err(|error| Problem::Unavailable(error.to_string()))?;
            let position = shown.position.unwrap_or(bounds.start);
            status.behind += (bounds.end - position).max(0) as u64;
            if stopped || !self.keeps_state() {
                continue;
            }
            // What the owner knows, not what the store says: it may have been put back to an old
            // state, which is noticed before the next decision (E3).
            status.pending += shown.pending;
            next_due = [next_due, shown.next_wake].into_iter().flatten().min();
            if shown.next_wake.is_some_and(|wake| wake < now) {
                let timers = self.store.timers(partition, now).await;
                let (_, due) = timers.map_err(|error| Problem::Unavailable(error.to_string()))?;
                status.due += due.max(1);
            }
        }
        // A timer of the very instant waits until the clock is past it: setting the clock to
        // what is shown here always fires something.
        let next_due = next_due.map(|next| if next == now { next + 1 } else { next });
        quiet &= status.behind == 0 && status.due == 0 && status.rebuilding == 0;
        status.next_due = next_due.map(shown);
        Ok(Look {
            status,
            next_due,
            quiet,
        })
    }

    /// Records of partitions that nobody reads.
    pub async fn unread(&self, partitions: Range<Partition>) -> Result<Vec<(Partition, u64)>, Problem> {
        let mut behind = Vec::new();
        for partition in partitions {
            let bounds = self.log.input_bounds(partition).await;
            let bounds = bounds.map_err(|error| Problem::Unavailable(error.to_string()))?;
            behind.push((partition, (bounds.end - bounds.start).max(0) as u64));
        }
        Ok(behind)
    }

    /// Whether the stage has anything in the store.
    pub fn keeps_state(&self) -> bool {
        self.kind != StageKind::Commands
    }

    /// What keeps partitions from going on, for longer than readiness bears with it.
    pub fn troubles(&self, wall: Millis) -> Vec<String> {
        let troubles = self.board.troubles_since(wall - TROUBLE_BORNE_MS);
        troubles
            .into_iter()
            .map(|(partition, reason)| format!("{partition}: {reason}"))
            .collect()
    }

    /// `wall`: real time.
    fn reasons(&self, wall: Millis) -> Vec<String> {
        let name = self.kind.as_str();
        let Progress {
            assigned,
            partitions,
            stopped,
            ..
        } = self.board.progress();
        let mut reasons = Vec::new();
        if !assigned {
            reasons.push(format!("{name}: no assignment from the group yet"));
        }
        reasons.extend(stopped.map(|reason| format!("{name}: {reason}")));
        match self.store_trouble.of_server() {
            Some(why) => reasons.push(format!("{name}: {why}")),
            None => reasons.extend(self.troubles(wall).into_iter().map(|why| format!("{name} {why}"))),
        }
        if let Some(identity) = self.board.shared_with(wall) {
            reasons.push(format!("{name}: {SHARED_STORE}. Found the state of {identity}"));
        }
        for partition in self.board.stalled_since(wall - STALLED_AFTER_MS) {
            reasons.push(format!(
                "{name} {partition}: no progress: Kafka or Redis does not answer"
            ));
        }
        for (partition, shown) in partitions {
            match shown.phase {
                Phase::Restoring { read, to_read } => {
                    reasons.push(format!(
                        "{name} {partition}: restoring, {read} of {to_read} records"
                    ));
                }
                Phase::Stopped(reason) => reasons.push(format!("{name} {partition}: stopped: {reason}")),
                Phase::Running => {
                    let undecided = shown.undecided.iter();
                    reasons.extend(
                        undecided.map(|what| format!("{name} {partition}: cannot be decided: {what}")),
                    );
                }
            }
        }
        reasons
    }
}

fn shown(at: Millis) -> String {
    Instant::from_millis(at).rfc3339()
}
