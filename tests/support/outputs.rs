//! Output events, as `replay` prints them or as topics hold them, and how two sets of them differ.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::topics::{Incoming, Topics};

pub const TOPICS: [&str; 3] = ["points_issued", "points_expired", "points_events"];
const DIFFERENCES_SHOWN: usize = 12;

/// One output event, its data byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    pub topic: &'static str,
    pub kind: String,
    pub id: String,
    pub source: String,
    pub subject: String,
    pub time: String,
    pub data: String,
}

impl Published {
    pub fn data(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }

    /// Events of one lane were decided one after the other, so their order is not by chance.
    /// What an order's own state says is decided for each order, all else for each member.
    fn lane(&self) -> (&str, String, &str) {
        let by_order = matches!(self.kind.as_str(), "points-pending" | "points-withheld");
        let whose = match by_order {
            true => self.data()["order_id"].to_string(),
            false => self.subject.clone(),
        };
        (&self.source, whose, self.topic)
    }
}

/// A line of `replay`.
#[derive(Deserialize)]
struct Line<'a> {
    id: String,
    source: String,
    r#type: String,
    #[serde(default)]
    subject: String,
    time: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What `replay` printed.
pub fn printed(lines: &str) -> Vec<Published> {
    let parse = |line| {
        let line: Line = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why} in {line}"));
        Published {
            topic: topic_of(&line.r#type),
            kind: line.r#type,
            id: line.id,
            source: line.source,
            subject: line.subject,
            time: line.time,
            data: line.data.get().to_owned(),
        }
    };
    lines.lines().map(parse).collect()
}

/// What the output topics hold, read_committed.
pub fn published(topics: &Topics) -> Vec<Published> {
    let of_topic = |topic: &'static str| {
        topics.read(topic).into_iter().map(move |record| {
            let event = from_record(topic, &record);
            assert_eq!(topic_of(&event.kind), topic, "{event:?} is on the wrong topic");
            event
        })
    };
    TOPICS.into_iter().flat_map(of_topic).collect()
}

/// An event as its topic, by the name of its setting, holds it.
pub fn from_record(topic: &'static str, record: &Incoming) -> Published {
    assert_eq!(record.header("ce_specversion"), "1.0", "{record:?}");
    assert_eq!(record.header("content-type"), "application/json", "{record:?}");
    let subject = record.header("ce_subject").to_owned();
    assert_eq!(
        record.key.as_deref(),
        Some(subject.as_bytes()),
        "the key of {record:?}"
    );
    let value = record.value.clone().expect("an output has a value");
    Published {
        topic,
        kind: record.header("ce_type").to_owned(),
        id: record.header("ce_id").to_owned(),
        source: record.header("ce_source").to_owned(),
        subject,
        time: record.header("ce_time").to_owned(),
        data: String::from_utf8(value).expect("UTF-8"),
    }
}

fn topic_of(kind: &str) -> &'static str {
    match kind {
        "points-issued" => "points_issued",
        "points-expired" => "points_expired",
        _ => "points_events",
    }
}

/// Panics unless the same events are there, byte for byte, each once, in each lane in the same order.
pub fn assert_same(wanted: &[Published], got: &[Published]) {
    assert_same_set(wanted, got);
    let (wanted, got) = (lanes(wanted), lanes(got));
    for (lane, wanted) in wanted {
        assert_eq!(got[&lane], wanted, "the order of {lane:?}");
    }
}

/// Panics unless the same events are there, byte for byte, each once.
pub fn assert_same_set(wanted: &[Published], got: &[Published]) {
    let mut balance: BTreeMap<&Published, i64> = BTreeMap::new();
    wanted
        .iter()
        .for_each(|event| *balance.entry(event).or_default() += 1);
    got.iter()
        .for_each(|event| *balance.entry(event).or_default() -= 1);
    let differences: Vec<String> = balance
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(event, count)| match count {
            1.. => format!("missing {count} times: {event:?}"),
            _ => format!("{} too many: {event:?}", -count),
        })
        .collect();
    let shown = &differences[..differences.len().min(DIFFERENCES_SHOWN)];
    assert!(
        differences.is_empty(),
        "{} events wanted, {} there, {} differences:\n{}",
        wanted.len(),
        got.len(),
        differences.len(),
        shown.join("\n")
    );
}

fn lanes(events: &[Published]) -> BTreeMap<(&str, String, &str), Vec<&str>> {
    let mut lanes: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for event in events {
        lanes.entry(event.lane()).or_default().push(&event.id);
    }
    lanes
}
