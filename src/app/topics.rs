//! The topics accrual needs, and how each must be.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::adapters::kafka::{Admin, Cluster, Created, Difference, TopicSpec};
use crate::config::Settings;

use super::operations::{TopicFound, TopicState};

/// Inputs and dead letters take records that are too large to be read: they are refused by
/// accrual, in the open, and not by the broker.
const INPUT_MAX_BYTES: u64 = 4 << 20;
const DEAD_LETTER_MAX_BYTES: u64 = 8 << 20;
/// Longer than any outage of the ledger stage that one would sit out.
const ENTRIES_RETENTION_MS: i64 = 30 * DAY_MS;
/// A store that was last written half of this ago can still be healed by the changelog (E7).
pub const TOMBSTONE_RETENTION_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

const CLEANUP: &str = "cleanup.policy";

/// A topic with what is essential to it, and what it is created with beside that.
struct Wanted {
    spec: TopicSpec,
    initial: BTreeMap<String, String>,
    /// Any number of partitions will do: nobody of ours reads it by partition.
    any_partitions: bool,
}

/// Creates what is missing; says of every topic how it is.
pub async fn create(settings: &Settings, cluster: &Cluster) -> anyhow::Result<Vec<TopicState>> {
    let admin = Admin::new(cluster, "accrual-topics")?;
    let mut states = Vec::new();
    for wanted in wanted(settings) {
        let mut spec = wanted.spec.clone();
        spec.config.extend(wanted.initial);
        let found = match admin.create(&spec).await? {
            Created::Now => TopicFound::Created,
            Created::Before => found(&admin, &wanted.spec, wanted.any_partitions).await?,
        };
        states.push(TopicState {
            name: spec.name,
            found,
        });
    }
    Ok(states)
}

/// Says of every topic how it is.
pub async fn check(settings: &Settings, cluster: &Cluster) -> anyhow::Result<Vec<TopicState>> {
    let admin = Admin::new(cluster, "accrual-topics")?;
    let mut states = Vec::new();
    for Wanted {
        spec, any_partitions, ..
    } in wanted(settings)
    {
        let found = found(&admin, &spec, any_partitions).await?;
        states.push(TopicState {
            name: spec.name,
            found,
        });
    }
    Ok(states)
}

/// Refuses topics with which state would be lost, or sought on the wrong partition. Outputs are left
/// out: accrual does not read them.
pub async fn refuse_unfit(settings: &Settings, admin: &Admin) -> anyhow::Result<()> {
    let own = wanted(settings)
        .into_iter()
        .filter(|wanted| !wanted.any_partitions);
    refuse(own, admin).await
}

/// Refuses a rules topic that would lose rules or put them in no order.
pub async fn refuse_unfit_rules(settings: &Settings, admin: &Admin) -> anyhow::Result<()> {
    let rules = &settings.topics.point_rules;
    let all = wanted(settings).into_iter();
    refuse(all.filter(|wanted| wanted.spec.name == *rules), admin).await
}

async fn refuse(topics: impl Iterator<Item = Wanted>, admin: &Admin) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for Wanted { spec, .. } in topics {
        for difference in admin.check(&spec).await? {
            let remedy = remedy(&spec, &difference);
            faults.push(format!("topic {} {difference}: {remedy}", spec.name));
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => bail!("{}", faults.join("\n")),
    }
}

fn remedy(spec: &TopicSpec, difference: &Difference) -> String {
    match difference {
        Difference::Missing => "`accrual topics create`".to_owned(),
        Difference::Partitions { .. } if spec.partitions == 1 => {
            "rule versions would have no order; create it again and publish the rules again".to_owned()
        }
        Difference::Partitions { found, .. } => format!(
            "set topics.partitions to {found}, or get other partitions by `accrual topics move`; a topic \
             that was only ever empty may be deleted and created by `accrual topics create`"
        ),
        Difference::Setting { name, wanted, .. } => {
            let loses = match wanted.as_str() {
                "compact" => "what is kept there would be deleted with time",
                _ => "events would be dropped before they are read",
            };
            let topic = &spec.name;
            format!(
                "{loses}; kafka-configs --alter --entity-type topics --entity-name {topic} --add-config \
                 {name}={wanted}"
            )
        }
    }
}

async fn found(admin: &Admin, spec: &TopicSpec, any_partitions: bool) -> anyhow::Result<TopicFound> {
    let Some(state) = admin.describe(&spec.name).await? else {
        return Ok(TopicFound::Missing);
    };
    let mut spec = spec.clone();
    if any_partitions {
        spec.partitions = state.partitions;
    }
    let differences = admin.check(&spec).await?;
    Ok(match differences.is_empty() {
        true => TopicFound::Good,
        false => {
            let each = differences
                .iter()
                .map(|difference| format!("topic {} {difference}", spec.name));
            TopicFound::Wrong(each.collect::<Vec<_>>().join("; "))
        }
    })
}

/// As Kafka takes it; 0 days: for ever.
fn retention_ms(days: u32) -> i64 {
    match days {
        0 => -1,
        days => i64::from(days) * DAY_MS,
    }
}

fn wanted(settings: &Settings) -> Vec<Wanted> {
    let topics = &settings.topics;
    let many = topics.partitions;
    let topic = |name: &str, partitions: i32, policy: &str, initial: &[(&str, String)]| Wanted {
        spec: TopicSpec {
            name: name.to_string(),
            partitions,
            replication: topics.replication_factor,
            config: BTreeMap::from([(CLEANUP.to_string(), policy.to_string())]),
        },
        initial: initial
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        any_partitions: false,
    };
    let output = |name: &str, initial: &[(&str, String)]| Wanted {
        any_partitions: true,
        ..topic(name, many, "delete", initial)
    };
    let input = [("max.message.bytes", INPUT_MAX_BYTES.to_string())];
    let letters = [
        ("max.message.bytes", DEAD_LETTER_MAX_BYTES.to_string()),
        ("retention.ms", "-1".to_string()),
    ];
    let entries = [("retention.ms", ENTRIES_RETENTION_MS.to_string())];
    let outputs = [(
        "retention.ms",
        retention_ms(settings.retention.outputs_days).to_string(),
    )];
    let changelog = [("delete.retention.ms", TOMBSTONE_RETENTION_MS.to_string())];
    vec![
        topic(&topics.order_events, many, "delete", &input),
        topic(&topics.point_commands, many, "delete", &input),
        // One partition: rule versions and shop statuses have one order for all.
        topic(&topics.point_rules, 1, "compact", &[]),
        output(&topics.points_issued, &outputs),
        output(&topics.points_expired, &outputs),
        output(&topics.points_events, &outputs),
        output(&topics.dead_letters, &letters),
        topic(&topics.ledger_entries, many, "delete", &entries),
        topic(&topics.orders_changelog, many, "compact", &changelog),
        topic(&topics.ledger_changelog, many, "compact", &changelog),
    ]
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
