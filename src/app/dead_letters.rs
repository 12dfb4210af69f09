//! Looking at refused records, and sending them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::adapters::kafka::{Admin, Cluster, Publisher};
use crate::config::{Settings, Stage};
use crate::engine::dead_letter::{DETAIL, OFFSET, PARTITION, REASON, REDRIVEN, STAGE, TIMESTAMP, TOPIC};
use crate::engine::partitioner::Partitioner;
use crate::engine::ports::{Header, OutRecord, Partition, Record};
use crate::engine::processor::Processor;
use crate::stages::commands::Commands;
use crate::stages::orders::Orders;
use crate::stages::rule_table::RuleTable;

use super::letter_pages::{self, Bounds, Stretch, id, letter, text};
use super::operations::{Letter, LetterId, Letters, Redriven};
use super::redriven;
use super::setup::placing;
use super::setup::stage_topics;

/// Headers that a dead letter has beside the record's own.
const OURS: [&str; 8] = [
    REASON, DETAIL, STAGE, TOPIC, PARTITION, OFFSET, TIMESTAMP, REDRIVEN,
];

/// The requested letters, by partition and offset.
pub async fn list(settings: &Settings, cluster: &Cluster, letters: &Letters) -> anyhow::Result<Vec<Letter>> {
    let found = read(settings, cluster, letters).await?;
    let shown = found.records.iter().map(letter).map(|letter| Letter {
        redriven: found.redriven.get(&letter.id).copied(),
        ..letter
    });
    Ok(shown.collect())
}

/// Sends records back to the topic they were read from, in their order, and marks them. Those with a
/// mark stay, and so do states of timers, which were read from no topic: asked for by their ids the
/// former go again, and the latter are an error.
pub async fn redrive(
    settings: &Settings,
    cluster: &Cluster,
    letters: &Letters,
    value: Option<Vec<u8>>,
) -> anyhow::Result<Redriven> {
    let found = read(settings, cluster, letters).await?;
    letters.all_in(found.records.iter().map(id))?;
    let again = |record: &Record| letters.ids.is_empty() && found.redriven.contains_key(&id(record));
    let (before, found): (Vec<_>, Vec<_>) = found.records.iter().cloned().partition(again);
    let (found, states): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|record| !text(record, TOPIC).is_empty());
    // Before anything is sent: who corrects the list and asks again sends nothing twice.
    if let Some(state) = states.first().filter(|_| !letters.ids.is_empty()) {
        bail!(
            "dead letter {} is a timer's state, not a record: it has no topic to go to",
            letter(state).id
        );
    }
    if value.is_some() && found.len() != 1 {
        bail!(
            "a repaired value is for one record, and {} were found",
            found.len()
        );
    }
    let publisher = Publisher::new(cluster, "accrual-redrive")?;
    let admin = Admin::new(cluster, "accrual-redrive")?;
    let placement = Placement::new(settings);
    let mut partitions: BTreeMap<String, Partition> = BTreeMap::new();
    for record in &found {
        let shown = letter(record);
        if !partitions.contains_key(&shown.topic) {
            let topic = admin.describe(&shown.topic).await?;
            let topic = topic.with_context(|| format!("topic {} does not exist any more", shown.topic))?;
            partitions.insert(shown.topic.clone(), topic.partitions);
        }
        let there = partitions[&shown.topic];
        let back = Record {
            partition: shown.partition,
            value: value.clone().map(Into::into).or_else(|| record.value.clone()),
            headers: headers(&record.headers, value.as_deref()),
            ..record.clone()
        };
        let sent_back = redriven::header(shown.id);
        let out = OutRecord {
            topic: Arc::from(shown.topic.as_str()),
            partition: Some(placement.of(&back, &text(record, STAGE), &shown.code, there)),
            key: back.key,
            value: back.value,
            headers: back.headers.into_iter().chain([sent_back]).collect(),
        };
        publisher
            .publish(out)
            .await
            .with_context(|| format!("sending to {}", shown.topic))?;
        let dead_letters = &settings.topics.dead_letters;
        publisher
            .publish(redriven::mark(dead_letters, shown.id))
            .await
            .with_context(|| format!("{} was sent back; marking it in {dead_letters}", shown.id))?;
    }
    Ok(Redriven {
        sent: found.len(),
        left: states.len(),
        before: before.len(),
    })
}

/// The record's own headers. A repaired value that is a whole event itself has no use for the
/// attributes of the one it replaces.
fn headers(found: &[Header], repaired: Option<&[u8]>) -> Vec<Header> {
    let event = repaired.and_then(|value| serde_json::from_slice::<Map<String, Value>>(value).ok());
    let replaced = event.is_some_and(|event| event.contains_key("specversion"));
    let attribute = |name: &str| name.starts_with("ce_") || name.eq_ignore_ascii_case("content-type");
    let left_out = |name: &str| OURS.contains(&name) || (replaced && attribute(name));
    found
        .iter()
        .filter(|(name, _)| !left_out(name))
        .cloned()
        .collect()
}

/// Which partition a record goes back to.
struct Placement {
    partitioner: Partitioner,
    orders: Orders,
    commands: Commands,
}

impl Placement {
    fn new(settings: &Settings) -> Self {
        let topics = stage_topics(&settings.topics);
        Self {
            partitioner: placing(settings.topics.partitioner),
            orders: Orders::new(RuleTable::default().book(), topics.clone(), 0),
            commands: Commands::new(topics, settings.topics.partitions),
        }
    }

    /// Where the id in its data belongs, as its stage will look at it. It stays on the partition
    /// it was read from where that is not known: the partitioner is not known, the id cannot be
    /// read, or it has no key and was not refused for its place.
    fn of(&self, record: &Record, stage: &str, code: &str, partitions: Partition) -> Partition {
        let stays = record.key.is_none() && code != "wrong_partition";
        let place = |id: Option<&[u8]>| self.partitioner.place(id?, partitions);
        let placed = match stage {
            _ if stays => None,
            stage if stage == Stage::Orders.as_str() => {
                let read = self.orders.decode(record).ok();
                read.and_then(|read| place(read.placed_by()))
            }
            stage if stage == Stage::Commands.as_str() => {
                let read = self.commands.decode(record).ok();
                read.and_then(|read| place(read.placed_by()))
            }
            // What the ledger reads was placed by the stages themselves.
            _ => None,
        };
        placed.unwrap_or(record.partition)
    }
}

/// Reads to the end, for the marks lie behind the letters.
async fn read(settings: &Settings, cluster: &Cluster, letters: &Letters) -> anyhow::Result<Stretch> {
    let reader = letter_pages::open(settings, cluster)?;
    let limit = letters.limit.unwrap_or(usize::MAX);
    let (mut found, mut from) = (Stretch::default(), LetterId::default());
    loop {
        let bounds = Bounds {
            letters: limit - found.records.len(),
            ..Bounds::NONE
        };
        let more = letter_pages::stretch(&reader, from, letters, &bounds).await?;
        found.records.extend(more.records);
        found.redriven.extend(more.redriven);
        match more.next {
            Some(next) => from = next,
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repaired_event_brings_its_own_attributes() {
        let found: Vec<Header> = ["ce_id", "Content-Type", "ce_specversion", "x-trace", REASON]
            .map(|name| (Arc::from(name), None))
            .into();
        let kept = |repaired: Option<&str>| {
            let kept = headers(&found, repaired.map(str::as_bytes));
            kept.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        let all = ["ce_id", "Content-Type", "ce_specversion", "x-trace"];
        assert_eq!(kept(None), all);
        assert_eq!(kept(Some(r#"{"shop_id":"acme"}"#)), all);
        assert_eq!(kept(Some("[")), all);
        assert_eq!(kept(Some(r#"{"specversion":"1.0"}"#)), ["x-trace"]);
    }
}
