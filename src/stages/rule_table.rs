//! What `point-rules` says, read whole by every instance and looked up by the stages.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::keys;
use crate::domain::instant::Instant;
use crate::domain::rules::book::{Asked, Publication, RuleBook};
use crate::domain::rules::model::RuleVersion;
use crate::engine::error::Refusal;
use crate::engine::ports::{Offset, Record};
use crate::engine::processor::{GlobalTable, Nudge};
use crate::metrics::{BONUS_POINTS_TOTAL, RULES_READ_TOTAL};
use crate::wire::envelope;
use crate::wire::rule_document::{self, RuleEvent};

/// Position of rules that did not come from a record.
const BEFORE_ALL: Offset = -1;

/// The rule book behind a lock-free reference: decisions see one state of it throughout.
#[derive(Clone, Debug, Default)]
pub struct RuleTable {
    book: Arc<ArcSwap<RuleBook>>,
}

impl RuleTable {
    /// What the stages look things up in.
    pub fn book(&self) -> Arc<ArcSwap<RuleBook>> {
        self.book.clone()
    }

    /// Adds a version that is known from the start.
    pub fn add(&self, rules: RuleVersion) -> Publication {
        self.change(|book| book.publish(rules, Instant::MIN, BEFORE_ALL))
    }

    /// Takes in what a record at `position` said.
    pub fn take(&self, event: RuleEvent, position: Offset) -> Result<(), Refusal> {
        match event {
            RuleEvent::Published { rules, at } => {
                let (shop_id, version) = (rules.shop_id.clone(), rules.version);
                for bonus in &rules.bonuses {
                    // An increase is seen only of a series that was there before it.
                    crate::metrics::count(BONUS_POINTS_TOTAL, bonus.id.to_string(), 0);
                }
                match self.change(|book| book.publish(*rules, at, position)) {
                    Publication::New | Publication::Duplicate => Ok(()),
                    Publication::Refused => Err(Refusal::new(
                        "malformed",
                        format!("data.version: {version} of shop {shop_id} was published with other content"),
                    )),
                }
            }
            RuleEvent::Status { shop_id, change } => {
                self.change(|book| book.set_status(&shop_id, change, position));
                Ok(())
            }
        }
    }

    /// One writer at a time: the engine reads the table's topic on one task.
    fn change<T>(&self, change: impl FnOnce(&mut RuleBook) -> T) -> T {
        let mut book = RuleBook::clone(&self.book.load());
        let result = change(&mut book);
        self.book.store(Arc::new(book));
        result
    }
}

/// Reads a record of `point-rules`.
pub fn read(record: &Record) -> Result<RuleEvent, Refusal> {
    let headers = record
        .headers
        .iter()
        .map(|(name, text)| (&**name, text.as_deref()));
    let malformed = |error: String| Refusal::new("malformed", error);
    let envelope = envelope::read(record.value.as_deref(), headers).map_err(|e| malformed(e.to_string()))?;
    rule_document::read_event(&envelope).map_err(|e| malformed(e.to_string()))
}

impl GlobalTable for RuleTable {
    fn apply(&self, record: &Record) -> Result<(), Refusal> {
        // A version is never taken back: what compaction left of a deleted key says nothing.
        if record.value.is_none() {
            return Ok(());
        }
        self.take(read(record)?, record.offset)?;
        metrics::counter!(RULES_READ_TOTAL).increment(1);
        Ok(())
    }
}

/// Which shops' orders the records behind `after` ask to look again.
pub fn nudges(book: &RuleBook, after: Offset) -> Vec<Nudge> {
    let asked = book.nudges(after);
    asked
        .map(|(shop_id, offset, asked)| Nudge {
            offset,
            prefix: keys::shop_prefix(shop_id),
            every_key: asked == Asked::All,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const RULES: &str = r#"{"shop_id":"acme","version":1,"effective_from":"2021-01-01T00:00:00Z","timezone":"UTC",
        "currency":"EUR","accrual":{"rate":{"every":"1","points":1}},"issuance":{"apply_to_open_orders":true}}"#;

    fn record(offset: Offset, kind: &str, data: &str) -> Record {
        let value = format!(
            r#"{{"specversion":"1.0","id":"r{offset}","source":"/s","type":"{kind}","time":"2022-01-01T00:00:00Z","data":{data}}}"#
        );
        Record {
            partition: 0,
            offset,
            timestamp: None,
            key: None,
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_version_counts_once() {
        let table = RuleTable::default();
        let published = record(4, "rules.published", RULES);
        assert_eq!(table.apply(&published), Ok(()));
        assert_eq!(table.apply(&published), Ok(()));
        let other = record(
            5,
            "rules.published",
            &RULES.replace("\"points\":1", "\"points\":2"),
        );
        assert_eq!(table.apply(&other).unwrap_err().code, "malformed");
        assert_eq!(
            table.apply(&record(6, "rules.published", "{}")).unwrap_err().code,
            "malformed"
        );
        assert_eq!(
            table.apply(&Record {
                value: None,
                ..published
            }),
            Ok(())
        );
        let book = table.book().load_full();
        assert_eq!(book.versions("acme").count(), 1);
        let at = |text| Instant::parse(text).unwrap();
        assert!(book.in_force("acme", at("2021-06-01T00:00:00Z")).is_none());
        assert!(book.in_force("acme", at("2022-01-01T00:00:00Z")).is_some());
    }

    #[test]
    fn the_points_of_a_bonus_are_counted_from_0() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let rules = RULES.replace(
            "\"currency\"",
            r#""bonuses":[{"id":"tea-weekend","gives":{"points":5}}],"currency""#,
        );
        metrics::with_local_recorder(&recorder, || {
            let table = RuleTable::default();
            assert_eq!(table.apply(&record(4, "rules.published", &rules)), Ok(()));
        });
        let text = handle.render();
        let line = "accrual_bonus_points_total{bonus_id=\"tea-weekend\"} 0";
        assert!(text.lines().any(|known| known == line), "{text}");
    }

    #[test]
    fn openings_and_takeovers_nudge() {
        let table = RuleTable::default();
        let status = |offset, status: &str| {
            let data = format!(r#"{{"shop_id":"acme","status":"{status}"}}"#);
            table
                .apply(&record(offset, "shop.status_changed", &data))
                .unwrap();
            nudges(&table.book().load(), 3)
                .iter()
                .map(|nudge| nudge.offset)
                .collect::<Vec<_>>()
        };
        assert_eq!(status(4, "resting"), [4]);
        assert_eq!(status(5, "open"), [5]);
        table.apply(&record(6, "rules.published", RULES)).unwrap();
        assert_eq!(
            nudges(&table.book().load(), 5),
            [Nudge {
                offset: 6,
                prefix: Bytes::from("acme\0"),
                every_key: false,
            }]
        );
        assert_eq!(nudges(&table.book().load(), 6), []);
    }
}
