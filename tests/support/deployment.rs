//! Accrual over real topics and a real Redis: fed line by line, stepped by its clock.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use super::accrual::{Accrual, Settings, succeed};
use super::outputs::{Published, published};
use super::servers::Kafka;
use super::topics::{Outgoing, Topics};

/// What one follows the other through: a record's way from orders to the ledger.
const HOPS: usize = 2;
const QUIET_TIMEOUT: Duration = Duration::from_secs(120);
const QUIET_POLL: Duration = Duration::from_millis(2);
/// Timers fired one by one at the end; the rest in one go.
const STEPS_MAX: usize = 60;
/// When rules are published: before every version of the scenarios comes into force.
const PUBLISHED: &str = "2000-01-01T00:00:00Z";

/// Topics of its own and what instances need to find them.
pub struct Deployment {
    pub topics: Topics,
    pub settings: Settings,
}

impl Deployment {
    /// Creates the topics. Several Redis URLs are a Cluster.
    pub fn new(kafka: &Kafka, redis: &[String], partitions: i32) -> Deployment {
        let topics = Topics::new(kafka, partitions);
        let mut settings = topics.settings();
        let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
        set("ACCRUAL_KAFKA__BROKERS", &kafka.brokers);
        set("ACCRUAL_REDIS__URL", &redis.join(","));
        set("ACCRUAL_APPLICATION_ID", &topics.prefix);
        set("ACCRUAL_INSTANCE_ID", "one");
        succeed(&["topics", "create"], &settings);
        Deployment { topics, settings }
    }

    /// Another side of the same system, to move to: outputs, dead letters and rules are the same.
    pub fn beside(&self, kafka: &Kafka, partitions: i32) -> Deployment {
        let topics = Topics::new(kafka, partitions);
        let mut settings = self.settings.clone();
        let moved = [
            "ORDER_EVENTS",
            "POINT_COMMANDS",
            "LEDGER_ENTRIES",
            "ORDERS_CHANGELOG",
            "LEDGER_CHANGELOG",
            "PARTITIONS",
        ];
        let moved = moved.map(|name| format!("ACCRUAL_TOPICS__{name}"));
        settings.extend(
            topics
                .settings()
                .into_iter()
                .filter(|(name, _)| moved.contains(name)),
        );
        settings.push(("ACCRUAL_APPLICATION_ID".to_owned(), topics.prefix.clone()));
        succeed(&["topics", "create"], &settings);
        Deployment { topics, settings }
    }

    /// The same with clients that have just looked at how many partitions there are.
    pub fn reopened(&self, kafka: &Kafka) -> Deployment {
        Deployment {
            topics: self.topics.reopened(kafka),
            settings: self.settings.clone(),
        }
    }

    /// What tells this side from another, as a configuration file.
    pub fn toml(&self) -> String {
        let (mut topics, mut application) = ("[topics]\n".to_owned(), String::new());
        for (name, value) in &self.settings {
            if let Some(topic) = name.strip_prefix("ACCRUAL_TOPICS__") {
                let value = match topic {
                    "PARTITIONS" => value.clone(),
                    _ => format!("{value:?}"),
                };
                topics += &format!("{} = {value}\n", topic.to_lowercase());
            } else if name == "ACCRUAL_APPLICATION_ID" {
                application = format!("application_id = {value:?}\n");
            }
        }
        application + &topics
    }

    pub fn publish_rules(&self, file: &Path) {
        let file = file.to_str().expect("a UTF-8 path");
        succeed(&["rules", "publish", file, "--time", PUBLISHED], &self.settings);
    }

    /// Starts the instance `one`.
    pub fn start(&self) -> Accrual {
        Accrual::start(&self.settings)
    }

    /// Starts another instance beside it.
    pub fn start_as(&self, instance: &str) -> Accrual {
        self.start_with("ACCRUAL_INSTANCE_ID", instance)
    }

    /// Starts it with one setting of its own.
    pub fn start_with(&self, name: &str, value: &str) -> Accrual {
        let mut settings = self.settings.clone();
        settings.push((name.to_owned(), value.to_owned()));
        Accrual::start(&settings)
    }

    /// Produces a line to the topic that it is for, arriving at `at` if given.
    pub fn feed(&self, line: &str, at: Option<&str>) {
        let (topic, mut record) = route(line);
        record.timestamp = at.map(|at| instant(at).timestamp_millis());
        self.topics.produce(topic, &record);
    }

    /// Waits until nothing is left to do in any instance, every partition being owned.
    pub fn wait_quiet(&self, instances: &[&Accrual]) -> Vec<Value> {
        // What one hands to another may come after the other was asked.
        let passes = if instances.len() > 1 { HOPS } else { 1 };
        let deadline = Instant::now() + QUIET_TIMEOUT;
        let mut passed = 0;
        loop {
            let statuses: Vec<Value> = instances.iter().map(|instance| instance.status()).collect();
            passed = if self.is_quiet(&statuses) { passed + 1 } else { 0 };
            if passed == passes {
                return statuses;
            }
            assert!(
                Instant::now() < deadline,
                "not quiet after {QUIET_TIMEOUT:?}: {statuses:?}"
            );
            thread::sleep(QUIET_POLL);
        }
    }

    fn is_quiet(&self, statuses: &[Value]) -> bool {
        let all_owned = ["orders", "commands", "ledger"].iter().all(|stage| {
            let owned = |status: &Value| status["stages"][stage]["partitions"].as_i64().unwrap_or(0);
            statuses.iter().map(owned).sum::<i64>() == i64::from(self.topics.partitions)
        });
        all_owned && statuses.iter().all(|status| status["quiet"] == true)
    }

    /// Moves the clock on to every timer up to `until`, the last of them in one go.
    pub fn run_until(&self, instances: &[&Accrual], until: &str) {
        self.step_timers(instances, until);
        set_clocks(instances, &just_after(until));
        self.wait_quiet(instances);
    }

    /// Fires the timers before `until`, one moment after the other, up to a bound.
    pub fn step_timers(&self, instances: &[&Accrual], until: &str) {
        for _ in 0..STEPS_MAX {
            let statuses = self.wait_quiet(instances);
            let due = statuses.iter().filter_map(|status| status["next_due"].as_str());
            let Some(next) = due.min_by_key(|due| instant(due)) else {
                return;
            };
            if instant(next) >= instant(until) {
                return;
            }
            set_clocks(instances, &just_after(next));
        }
    }

    /// Everything that came out.
    pub fn published(&self) -> Vec<Published> {
        published(&self.topics)
    }
}

pub fn set_clocks(instances: &[&Accrual], now: &str) {
    instances.iter().for_each(|instance| instance.set_clock(now));
}

pub fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text)
        .unwrap_or_else(|why| panic!("{text}: {why}"))
        .to_utc()
}

pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A timer fires once time is past it.
fn just_after(text: &str) -> String {
    rfc3339(instant(text) + TimeDelta::milliseconds(1))
}

/// The topic of a line, by the name of its setting, and its record.
pub fn route(line: &str) -> (&'static str, Outgoing) {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why} in {line}"));
    let kind = event["type"].as_str().expect("a type");
    let (topic, key) = match kind {
        "rules.published" | "shop.status_changed" => ("point_rules", "shop_id"),
        "points.grant_all" => ("point_commands", "shop_id"),
        kind if kind.starts_with("order.") => ("order_events", "order_id"),
        _ => ("point_commands", "member_id"),
    };
    let key = event["data"][key].as_str().expect("a key");
    let record = Outgoing::new(key, line).header("content-type", b"application/cloudevents+json");
    (topic, record)
}
