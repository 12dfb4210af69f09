//! Every metric name, once. Everybody may import this room; it imports none.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub const EVENTS_READ_TOTAL: &str = "accrual_events_read_total";
pub const DEAD_LETTERS_TOTAL: &str = "accrual_dead_letters_total";
pub const DEAD_LETTERS_REDRIVEN_TOTAL: &str = "accrual_dead_letters_redriven_total";
pub const EVENTS_BEHIND: &str = "accrual_events_behind";
pub const BEHIND_SECONDS: &str = "accrual_behind_seconds";
pub const TIMERS_PENDING: &str = "accrual_timers_pending";
pub const TIMERS_DUE: &str = "accrual_timers_due";
pub const TIMERS_FIRED_TOTAL: &str = "accrual_timers_fired_total";
pub const TIMER_LATENESS_SECONDS: &str = "accrual_timer_lateness_seconds";
pub const BATCH_RECORDS: &str = "accrual_batch_records";
pub const BATCH_TIMERS: &str = "accrual_batch_timers";
pub const TRANSACTION_DURATION_SECONDS: &str = "accrual_transaction_duration_seconds";
pub const TRANSACTIONS_FAILED_TOTAL: &str = "accrual_transactions_failed_total";
pub const STORE_READ_DURATION_SECONDS: &str = "accrual_store_read_duration_seconds";
pub const STORE_REPLICATE_DURATION_SECONDS: &str = "accrual_store_replicate_duration_seconds";
pub const STORE_LOST_TOTAL: &str = "accrual_store_lost_total";
pub const PARTITIONS_INPUT: &str = "accrual_partitions_input";
pub const PARTITIONS_ASSIGNED: &str = "accrual_partitions_assigned";
pub const PARTITIONS_RESTORING: &str = "accrual_partitions_restoring";
pub const PARTITIONS_STOPPED: &str = "accrual_partitions_stopped";
pub const PARTITIONS_UNREAD: &str = "accrual_partitions_unread";
pub const RESTORE_RECORDS_TOTAL: &str = "accrual_restore_records_total";
pub const RESTORE_RECORDS_LEFT: &str = "accrual_restore_records_left";
pub const STATES_LARGE_TOTAL: &str = "accrual_states_large_total";
pub const CHANGELOG_FOREIGN_TOTAL: &str = "accrual_changelog_foreign_total";
pub const REBALANCES_TOTAL: &str = "accrual_rebalances_total";
pub const LOTS_ISSUED_TOTAL: &str = "accrual_lots_issued_total";
pub const POINTS_ISSUED_TOTAL: &str = "accrual_points_issued_total";
pub const BONUS_POINTS_TOTAL: &str = "accrual_bonus_points_total";
pub const LOTS_EXPIRED_TOTAL: &str = "accrual_lots_expired_total";
pub const POINTS_EXPIRED_TOTAL: &str = "accrual_points_expired_total";
pub const ORDERS_PENDING_TOTAL: &str = "accrual_orders_pending_total";
pub const FACTS_AHEAD_TOTAL: &str = "accrual_facts_ahead_total";
pub const FIELDS_UNKNOWN_TOTAL: &str = "accrual_fields_unknown_total";
pub const ORDERS_WITHHELD_TOTAL: &str = "accrual_orders_withheld_total";
pub const POINTS_REVOKED_TOTAL: &str = "accrual_points_revoked_total";
pub const POINTS_REDEEMED_TOTAL: &str = "accrual_points_redeemed_total";
pub const POINTS_RETURNED_TOTAL: &str = "accrual_points_returned_total";
pub const POINTS_DEDUCTED_TOTAL: &str = "accrual_points_deducted_total";
pub const NOTICES_TOTAL: &str = "accrual_notices_total";
pub const TIERS_CHANGED_TOTAL: &str = "accrual_tiers_changed_total";
pub const TIERS_RENEWED_TOTAL: &str = "accrual_tiers_renewed_total";
pub const TIER_NOTICES_TOTAL: &str = "accrual_tier_notices_total";
pub const REJECTED_TOTAL: &str = "accrual_rejected_total";
pub const COMMANDS_DUPLICATE_TOTAL: &str = "accrual_commands_duplicate_total";
pub const ENTRIES_DUPLICATE_TOTAL: &str = "accrual_entries_duplicate_total";
pub const BROADCASTS_RUNNING: &str = "accrual_broadcasts_running";
pub const BROADCAST_MEMBERS_TOTAL: &str = "accrual_broadcast_members_total";
pub const RULES_READ_TOTAL: &str = "accrual_rules_read_total";
pub const RULES_REFUSED_TOTAL: &str = "accrual_rules_refused_total";
pub const HTTP_CONNECTIONS_LIMITED_TOTAL: &str = "accrual_http_connections_limited_total";
pub const BUILD_INFO: &str = "accrual_build_info";
pub const UPTIME_SECONDS: &str = "accrual_uptime_seconds";

/// Label keys, so that a panel can join any two metrics.
pub const STAGE: &str = "stage";
pub const PARTITION: &str = "partition";
pub const REASON: &str = "reason";
pub const CODE: &str = "code";
pub const VERSION: &str = "version";
pub const FACT: &str = "fact";
pub const SECTION: &str = "section";
pub const BONUS_ID: &str = "bonus_id";

/// Bonus ids that get a series of their own; all later ones are [`OTHER`].
const BONUS_IDS_MAX: usize = 1_000;
pub const OTHER: &str = "other";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With its upper bounds.
    Histogram(&'static [f64]),
}

/// What a metric is and which labels it carries.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

use Kind::{Counter, Gauge, Histogram};

/// Transactions and store calls: from a warm local call to the watchdog's patience.
const CALL_BUCKETS_SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// From "at once" to an outage of a week.
const LATENESS_BUCKETS_SECONDS: &[f64] = &[
    0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0,
];
const BATCH_BUCKETS_COUNT: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0,
];

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

#[rustfmt::skip]
pub const ALL: &[Metric] = &[
    metric(EVENTS_READ_TOTAL, Counter, &[STAGE], "Input records decided and committed."),
    metric(DEAD_LETTERS_TOTAL, Counter, &[STAGE, CODE], "Records refused for good, by code."),
    metric(DEAD_LETTERS_REDRIVEN_TOTAL, Counter, &[STAGE], "Records that were refused before, sent back and decided now."),
    metric(EVENTS_BEHIND, Gauge, &[STAGE, PARTITION], "Input records not yet read."),
    metric(BEHIND_SECONDS, Gauge, &[STAGE, PARTITION], "Age of the oldest input record not yet decided; 0 when there is none."),
    metric(TIMERS_PENDING, Gauge, &[STAGE, PARTITION], "Timers set and not yet fired."),
    metric(TIMERS_DUE, Gauge, &[STAGE, PARTITION], "Timers due and not yet fired."),
    metric(TIMERS_FIRED_TOTAL, Counter, &[STAGE], "Timers fired and committed."),
    metric(TIMER_LATENESS_SECONDS, Histogram(LATENESS_BUCKETS_SECONDS), &[STAGE], "From a timer's due time to its commit."),
    metric(BATCH_RECORDS, Histogram(BATCH_BUCKETS_COUNT), &[STAGE], "Input records in one transaction."),
    metric(BATCH_TIMERS, Histogram(BATCH_BUCKETS_COUNT), &[STAGE], "Timers in one transaction."),
    metric(TRANSACTION_DURATION_SECONDS, Histogram(CALL_BUCKETS_SECONDS), &[STAGE], "One Kafka transaction, begin to commit."),
    metric(TRANSACTIONS_FAILED_TOTAL, Counter, &[STAGE, REASON], "Transactions that did not commit, by remedy."),
    metric(STORE_READ_DURATION_SECONDS, Histogram(CALL_BUCKETS_SECONDS), &[STAGE], "One read of states from the store."),
    metric(STORE_REPLICATE_DURATION_SECONDS, Histogram(CALL_BUCKETS_SECONDS), &[STAGE], "One committed batch, or part of one, applied to the store."),
    metric(STORE_LOST_TOTAL, Counter, &[STAGE], "Times the store had forgotten acknowledged writes and was healed."),
    metric(PARTITIONS_INPUT, Gauge, &[STAGE], "Partitions of the input that all instances together own."),
    metric(PARTITIONS_ASSIGNED, Gauge, &[STAGE], "Partitions this instance owns."),
    metric(PARTITIONS_RESTORING, Gauge, &[STAGE], "Owned partitions not yet restored; they decide nothing."),
    metric(PARTITIONS_STOPPED, Gauge, &[STAGE], "Owned partitions stopped for a reason that needs a person."),
    metric(PARTITIONS_UNREAD, Gauge, &[STAGE], "Partitions by which the input has grown since the start: nobody reads them."),
    metric(RESTORE_RECORDS_TOTAL, Counter, &[STAGE], "Changelog records read by restores."),
    metric(RESTORE_RECORDS_LEFT, Gauge, &[STAGE, PARTITION], "Changelog records a running restore has yet to read."),
    metric(STATES_LARGE_TOTAL, Counter, &[STAGE, REASON], "Writes of a state beyond half or four fifths of its limit."),
    metric(CHANGELOG_FOREIGN_TOTAL, Counter, &[STAGE], "Records met in a changelog that accrual has not written; passed by."),
    metric(REBALANCES_TOTAL, Counter, &[STAGE, REASON], "Changes of the owned partitions: assigned, revoked, fenced."),
    metric(LOTS_ISSUED_TOTAL, Counter, &[REASON], "Lots of points issued, by reason."),
    metric(POINTS_ISSUED_TOTAL, Counter, &[REASON], "Points issued, by reason."),
    metric(BONUS_POINTS_TOTAL, Counter, &[BONUS_ID], "Points issued by bonuses, by the first 1,000 ids; all further ids are `other`."),
    metric(LOTS_EXPIRED_TOTAL, Counter, &[], "Lots that expired with something left."),
    metric(POINTS_EXPIRED_TOTAL, Counter, &[], "Points that expired."),
    metric(ORDERS_PENDING_TOTAL, Counter, &[], "Announcements of a due time."),
    metric(FACTS_AHEAD_TOTAL, Counter, &[FACT], "Facts of orders told with a time more than a day after their event's."),
    metric(FIELDS_UNKNOWN_TOTAL, Counter, &[SECTION], "Fields of order events that are not known and count nothing, by the object they stand in."),
    metric(ORDERS_WITHHELD_TOTAL, Counter, &[REASON], "Orders that earned nothing or less, by reason."),
    metric(POINTS_REVOKED_TOTAL, Counter, &[REASON], "Issued points taken back, by reason."),
    metric(POINTS_REDEEMED_TOTAL, Counter, &[], "Points redeemed."),
    metric(POINTS_RETURNED_TOTAL, Counter, &[], "Redeemed points given back."),
    metric(POINTS_DEDUCTED_TOTAL, Counter, &[], "Points deducted by hand."),
    metric(NOTICES_TOTAL, Counter, &[], "Notices of points about to expire."),
    metric(TIERS_CHANGED_TOTAL, Counter, &[REASON], "Members whose level changed, by reason."),
    metric(TIERS_RENEWED_TOTAL, Counter, &[], "Members whose level began a new period."),
    metric(TIER_NOTICES_TOTAL, Counter, &[], "Notices of levels about to end."),
    metric(REJECTED_TOTAL, Counter, &[REASON], "Commands and reversals refused, by reason."),
    metric(COMMANDS_DUPLICATE_TOTAL, Counter, &[], "Commands dropped because their source and id were known."),
    metric(ENTRIES_DUPLICATE_TOTAL, Counter, &[], "Entries between the stages dropped because they had been taken in before."),
    metric(BROADCASTS_RUNNING, Gauge, &[], "Broadcasts under way, one for each owned partition of the ledger that has members left to serve."),
    metric(BROADCAST_MEMBERS_TOTAL, Counter, &[], "Members served by broadcasts."),
    metric(RULES_READ_TOTAL, Counter, &[], "Rule versions and shop statuses taken in."),
    metric(RULES_REFUSED_TOTAL, Counter, &[CODE], "Records of the rules topic that were refused, by code."),
    metric(HTTP_CONNECTIONS_LIMITED_TOTAL, Counter, &[], "Connections on which only probes were answered, because there were too many."),
    metric(BUILD_INFO, Gauge, &[VERSION], "Always 1; the version is the label."),
    metric(UPTIME_SECONDS, Gauge, &[], "Time since the process started."),
];

/// Adds to a counter that has one label, or none when `value` is empty: the form in which
/// decisions count.
pub fn count(name: &'static str, value: impl Into<Cow<'static, str>>, n: u64) {
    let value = value.into();
    let key = ALL.iter().find(|m| m.name == name).and_then(|m| m.labels.first());
    match key {
        Some(&BONUS_ID) => {
            let mut known = BONUS_IDS.lock().unwrap_or_else(PoisonError::into_inner);
            counter!(name, BONUS_ID => known.series(value)).increment(n);
        }
        Some(key) if !value.is_empty() => counter!(name, *key => value).increment(n),
        _ => counter!(name).increment(n),
    }
}

/// Ids of bonuses are the shops' own words, so there may be any number of them.
#[derive(Default)]
struct BonusIds(BTreeSet<String>);

static BONUS_IDS: Mutex<BonusIds> = Mutex::new(BonusIds(BTreeSet::new()));

impl BonusIds {
    /// The id that has the series.
    fn series(&mut self, id: Cow<'static, str>) -> Cow<'static, str> {
        if self.0.contains(&*id) {
            return id;
        }
        if self.0.len() >= BONUS_IDS_MAX {
            return Cow::Borrowed(OTHER);
        }
        self.0.insert(id.to_string());
        id
    }
}

/// Hands the help texts to the installed recorder.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Counter => describe_counter!(metric.name, metric.help),
            Gauge => describe_gauge!(metric.name, metric.help),
            Histogram(_) => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The metrics as Prometheus reads them.
#[derive(Clone)]
pub struct Exposition {
    handle: PrometheusHandle,
    started: Instant,
}

impl Exposition {
    /// Installs the recorder for the whole process. Fails when there is one already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        describe();
        gauge!(BUILD_INFO, VERSION => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self {
            handle,
            started: Instant::now(),
        })
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        gauge!(UPTIME_SECONDS).set(self.started.elapsed().as_secs_f64());
        self.upkeep();
        self.handle.render()
    }

    /// Folds histogram samples together. To be called every few seconds, or memory grows
    /// while nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use ::metrics::{histogram, with_local_recorder};

    use super::*;

    #[test]
    fn names_are_unique_and_in_prometheus_style() {
        let mut seen = BTreeSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("accrual_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Counter,
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn bonus_ids_beyond_the_limit_are_one() {
        let mut known = BonusIds::default();
        let mut series = |id: String| known.series(id.into()).into_owned();
        for number in 0..BONUS_IDS_MAX {
            assert_eq!(series(format!("b{number}")), format!("b{number}"));
        }
        assert_eq!(series("one more".into()), OTHER);
        assert_eq!(series("b0".into()), "b0");
    }

    #[test]
    fn the_exposition_holds_help_labels_and_buckets() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        with_local_recorder(&recorder, || {
            describe();
            count(ORDERS_WITHHELD_TOTAL, "guest", 2);
            count(LOTS_EXPIRED_TOTAL, "", 1);
            histogram!(BATCH_RECORDS, STAGE => "orders").record(3.0);
        });
        let text = handle.render();
        for line in [
            "# HELP accrual_orders_withheld_total Orders that earned nothing or less, by reason.",
            "# TYPE accrual_orders_withheld_total counter",
            "accrual_orders_withheld_total{reason=\"guest\"} 2",
            "accrual_lots_expired_total 1",
            "accrual_batch_records_bucket{stage=\"orders\",le=\"5\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
