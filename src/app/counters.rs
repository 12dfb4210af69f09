//! Counters that stand at 0 from the start: an increase is seen only of a series that was there
//! before it.

use metrics::counter;

use crate::config::Stage;
use crate::domain::order::facts::{Fact, Section};
use crate::domain::reason::Reason;
use crate::metrics::{
    ALL, BONUS_POINTS_TOTAL, DEAD_LETTERS_TOTAL, FACTS_AHEAD_TOTAL, FIELDS_UNKNOWN_TOTAL, Kind,
    LOTS_ISSUED_TOTAL, Metric, ORDERS_WITHHELD_TOTAL, OTHER, POINTS_ISSUED_TOTAL, POINTS_REVOKED_TOTAL,
    REBALANCES_TOTAL, REJECTED_TOTAL, RULES_REFUSED_TOTAL, STAGE, STATES_LARGE_TOTAL, TIERS_CHANGED_TOTAL,
    TRANSACTIONS_FAILED_TOTAL,
};

/// Why a record is refused for good.
const REFUSALS: &[&str] = &[
    "corrupt_changelog",
    "corrupt_state",
    "malformed",
    "order_forgotten",
    "panicked",
    "rule_version_unknown",
    "state_too_large",
    "tier_facts_limit",
    "timer_stuck",
    "too_large",
    "wrong_partition",
];
/// By remedy.
const FAILED_TRANSACTIONS: &[&str] = &["retry", "abort", "refused", "fenced", "ambiguous", "fatal"];
const REBALANCES: &[&str] = &["assigned", "revoked", "fenced"];
const LARGE_STATES: &[&str] = &["half", "four fifths"];

use Reason::*;

const ISSUED: &[Reason] = &[
    Order,
    Bonus,
    Edited,
    Reopened,
    Granted,
    GrantedToAll,
    Imported,
    Registration,
    Birthday,
    TierEntry,
    TierRenewal,
];
const TIERS_CHANGED: &[Reason] = &[
    Reached,
    NotRenewed,
    Refunded,
    Set,
    RuleChanged,
    TierRemoved,
    LateFact,
];
const WITHHELD: &[Reason] = &[
    Guest,
    NotLoggedIn,
    ChannelExcluded,
    Excluded,
    ItemsExcluded,
    BelowMinimum,
    BelowRate,
    Disabled,
    TierExcluded,
    Cancelled,
    Refunded,
    ShopResting,
    NoRule,
    TestOrder,
    CurrencyMismatch,
    Capped,
];
const REVOKED: &[Reason] = &[Cancelled, Refunded, Edited];
const REJECTED: &[Reason] = &[
    InsufficientBalance,
    OverLimit,
    BelowMinimum,
    InvalidStep,
    Disabled,
    CurrencyMismatch,
    UnknownMember,
    UnknownRedemption,
    AlreadyRedeemed,
    UnknownTier,
    Invalid,
];

/// Makes a series of every counter, stage and word that can be counted.
pub fn stand_at_zero(stages: &[Stage]) {
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
        let words = words(metric);
        if !metric.labels.contains(&STAGE) {
            each_word(metric, &[], &words);
            continue;
        }
        for stage in stages {
            each_word(metric, &[(STAGE, stage.as_str())], &words);
        }
    }
}

fn each_word(metric: &Metric, stage: &[(&'static str, &'static str)], words: &[&'static str]) {
    let own = metric.labels.iter().find(|label| **label != STAGE);
    let Some(own) = own else {
        counter!(metric.name, stage).increment(0);
        return;
    };
    for word in words {
        let mut labels = stage.to_vec();
        labels.push((own, word));
        counter!(metric.name, &labels).increment(0);
    }
}

/// The closed set of a counter's own label.
fn words(metric: &Metric) -> Vec<&'static str> {
    let codes = |reasons: &[Reason]| reasons.iter().map(|reason| reason.code()).collect();
    match metric.name {
        DEAD_LETTERS_TOTAL | RULES_REFUSED_TOTAL => REFUSALS.to_vec(),
        TRANSACTIONS_FAILED_TOTAL => FAILED_TRANSACTIONS.to_vec(),
        STATES_LARGE_TOTAL => LARGE_STATES.to_vec(),
        REBALANCES_TOTAL => REBALANCES.to_vec(),
        FACTS_AHEAD_TOTAL => ["created"].into_iter().chain(Fact::ALL.map(Fact::name)).collect(),
        FIELDS_UNKNOWN_TOTAL => Section::ALL.map(Section::path).to_vec(),
        LOTS_ISSUED_TOTAL | POINTS_ISSUED_TOTAL => codes(ISSUED),
        ORDERS_WITHHELD_TOTAL => codes(WITHHELD),
        POINTS_REVOKED_TOTAL => codes(REVOKED),
        REJECTED_TOTAL => codes(REJECTED),
        // Those of each rule version are added when it is read.
        BONUS_POINTS_TOTAL => vec![OTHER],
        TIERS_CHANGED_TOTAL => codes(TIERS_CHANGED),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use serde_json::Value;

    use super::*;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn every_counter_has_its_series() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        with_local_recorder(&recorder, || stand_at_zero(&Stage::ALL));
        let text = handle.render();
        for metric in ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
            let of_it = |line: &&str| line.starts_with(metric.name) && line.ends_with(" 0");
            assert!(text.lines().any(|line| of_it(&line)), "{}", metric.name);
        }
        for line in [
            "accrual_dead_letters_total{stage=\"ledger\",code=\"malformed\"} 0",
            "accrual_orders_withheld_total{reason=\"guest\"} 0",
            "accrual_facts_ahead_total{fact=\"paid\"} 0",
            "accrual_lots_expired_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    /// The reasons of an output's schema are those that its counter has.
    #[test]
    fn reasons_are_those_of_the_schemas() {
        for (file, reasons) in [
            ("points-issued", ISSUED),
            ("points-withheld", WITHHELD),
            ("points-revoked", REVOKED),
            ("points-rejected", REJECTED),
            ("tier-changed", TIERS_CHANGED),
        ] {
            let path = root().join(format!("schemas/outputs/{file}.json"));
            let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let schema = schema["properties"]["reason"]["enum"].as_array().unwrap().clone();
            let schema: BTreeSet<&str> = schema.iter().map(|word| word.as_str().unwrap()).collect();
            let counted: BTreeSet<&str> = reasons.iter().map(|reason| reason.code()).collect();
            assert_eq!(counted, schema, "{file}");
        }
    }

    #[test]
    fn refusals_are_those_of_the_code() {
        let (mut found, mut sources) = (BTreeSet::new(), String::new());
        read(&root().join("src"), &mut sources);
        for (at, made) in sources.match_indices("Refusal::new(") {
            let argument = sources[at + made.len()..].trim_start();
            if let Some(text) = argument.strip_prefix('"') {
                found.insert(text.split('"').next().unwrap());
            }
        }
        // By kind of error, in the stage.
        found.extend(["order_forgotten", "rule_version_unknown"]);
        assert_eq!(found, REFUSALS.iter().copied().collect());
    }

    fn read(dir: &Path, into: &mut String) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, into);
            } else if path.file_name().is_some_and(|name| name != "counters.rs") {
                into.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
}
