//! Where a state or a record of the old side belongs among the partitions of the new one.

use anyhow::bail;

use crate::config::Stage as StageKind;
use crate::domain::entry::Entry;
use crate::engine::partitioner::Partitioner;
use crate::engine::ports::{Key, Partition, Record};
use crate::engine::processor::Processor;
use crate::stages::commands::Commands;
use crate::stages::keys;
use crate::stages::orders::Orders;
use crate::stages::rule_table::RuleTable;
use crate::stages::topics::Topics;
use crate::wire::ledger_entry;

/// Where a state's key belongs.
#[derive(Debug, PartialEq, Eq)]
pub enum StatePlace {
    One(Partition),
    /// A shop's broadcasts: every partition has a part of its own.
    Every,
    /// Nobody of ours has made this key.
    Unknown,
}

/// One stage's placing of keys.
pub struct Routing {
    kind: StageKind,
    placing: Partitioner,
    orders: Orders,
    commands: Commands,
}

impl Routing {
    pub fn new(kind: StageKind, placing: Partitioner) -> Self {
        let names = ["", "", "", ""].map(Into::into);
        let [issued, expired, events, entries] = names;
        let topics = Topics {
            issued,
            expired,
            events,
            entries,
        };
        Self {
            kind,
            placing,
            orders: Orders::new(RuleTable::default().book(), topics.clone(), 0),
            commands: Commands::new(topics, 1),
        }
    }

    pub fn state(&self, key: &Key, partitions: Partition) -> StatePlace {
        let placed_by = match (self.kind, keys::parts(key)) {
            (_, None) => return StatePlace::Unknown,
            (StageKind::Ledger, Some((_, "\0"))) => return StatePlace::Every,
            (StageKind::Ledger, Some(_)) => &key[..],
            (_, Some((_, id))) => id.as_bytes(),
        };
        let place = self.placing.place(placed_by, partitions);
        place.map_or(StatePlace::Unknown, StatePlace::One)
    }

    /// Where the id in a record's data belongs, as its stage will look at it. Where none can be
    /// read its key counts, and without a key the partition that it was read from: the stage will
    /// refuse it wherever it is.
    pub fn record(&self, record: &Record, partitions: Partition) -> anyhow::Result<Partition> {
        let place = |id: Option<&[u8]>| self.placing.place(id?, partitions);
        let placed = match self.kind {
            StageKind::Orders => {
                let read = self.orders.decode(record).ok();
                read.and_then(|read| place(read.placed_by()))
            }
            StageKind::Commands => {
                let read = self.commands.decode(record).ok();
                read.and_then(|read| place(read.placed_by()))
            }
            StageKind::Ledger => match entry(record) {
                Some(entry) if is_broadcast(&entry) => {
                    bail!("{}", unread_broadcast(record))
                }
                Some(entry) => place(Some(&keys::ledger_key(&entry))),
                None => None,
            },
        };
        let placed = placed.or_else(|| place(record.key.as_deref()));
        Ok(placed.unwrap_or(record.partition % partitions))
    }
}

/// An entry of the ledger, if this is one.
pub fn entry(record: &Record) -> Option<Entry> {
    ledger_entry::decode(record.value.as_deref()?).ok()
}

/// It is for a partition of the old ledger, which the new one does not have.
pub fn is_broadcast(entry: &Entry) -> bool {
    entry.member_id.is_empty()
}

pub fn unread_broadcast(record: &Record) -> String {
    format!(
        "ledger partition {} has not read the grant to all members at offset {} yet: {}",
        record.partition, record.offset, DRAIN
    )
}

/// What to do about broadcasts under way.
pub const DRAIN: &str = "grants to all members belong to the old partitions. Run the ledger of the old side \
    alone (`ACCRUAL_STAGES=ledger accrual run` with its configuration) until /v1/status says \
    \"quiet\": true, stop it, then run this again";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    const PARTITIONS: Partition = 12;

    fn belongs(text: &str) -> Partition {
        Partitioner::Murmur2
            .place(text.as_bytes(), PARTITIONS)
            .expect("a place")
    }

    fn routing(kind: StageKind) -> Routing {
        Routing::new(kind, Partitioner::Murmur2)
    }

    fn record(key: Option<&'static str>, value: String) -> Record {
        Record {
            partition: 3,
            key: key.map(|key| Bytes::from_static(key.as_bytes())),
            value: Some(value.into()),
            headers: vec![(
                Arc::from("content-type"),
                Some(Bytes::from_static(b"application/cloudevents+json")),
            )],
            ..Record::NONE
        }
    }

    fn event(kind: &str, data: &str) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"e","source":"/s","type":"{kind}","time":"2024-03-01T00:00:00Z","data":{data}}}"#
        )
    }

    #[test]
    fn states_go_where_the_events_of_their_key_will_be() {
        let orders = routing(StageKind::Orders);
        let place = |kind: &Routing, shop, id| kind.state(&keys::key(shop, id), PARTITIONS);
        assert_eq!(place(&orders, "acme", "o-1"), StatePlace::One(belongs("o-1")));
        let ledger = routing(StageKind::Ledger);
        for member in ["m-1", "m-2", "m-3", "m-4"] {
            let wanted = belongs(&format!("acme\0{member}"));
            assert_eq!(place(&ledger, "acme", member), StatePlace::One(wanted));
        }
        assert_eq!(
            ledger.state(&keys::broadcast_key("acme"), PARTITIONS),
            StatePlace::Every
        );
        let foreign = Key::from_static(b"zz");
        assert_eq!(ledger.state(&foreign, PARTITIONS), StatePlace::Unknown);
        let crc = Routing::new(StageKind::Orders, Partitioner::Crc32);
        let wanted = Partitioner::Crc32.place(b"o-1", PARTITIONS).expect("a place");
        assert_eq!(place(&crc, "acme", "o-1"), StatePlace::One(wanted));
    }

    #[test]
    fn records_go_where_their_stage_wants_them_whatever_their_key() {
        let orders = routing(StageKind::Orders);
        let paid = event("order.paid", r#"{"shop_id":"acme","order_id":"o-1"}"#);
        for key in [Some("o-1"), Some("another"), None] {
            let place = orders.record(&record(key, paid.clone()), PARTITIONS);
            assert_eq!(place.expect("a place"), belongs("o-1"), "{key:?}");
        }
        let commands = routing(StageKind::Commands);
        let grant = event(
            "points.grant",
            r#"{"shop_id":"acme","member_id":"m-1","points":5,"reason":"x"}"#,
        );
        let place = commands.record(&record(None, grant), PARTITIONS);
        assert_eq!(place.expect("a place"), belongs("m-1"));
        for kind in [StageKind::Orders, StageKind::Commands, StageKind::Ledger] {
            let place = |key| {
                routing(kind)
                    .record(&record(key, "[".into()), PARTITIONS)
                    .expect("a place")
            };
            assert_eq!((place(Some("k")), place(None)), (belongs("k"), 3), "{kind:?}");
        }
    }
}
