//! Changelogs whose states are moved to other topics: what they say of themselves, and what a
//! partition of the new side goes on from.
//!
//! Only `accrual topics move` writes these marks. A changelog that is being filled, or that was
//! left, is taken over by nobody (E5): its last mark says so. A stage without changelog is barred
//! by the offset of its group.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::changelog::Meta;
use super::ports::{Millis, Offset, OutRecord, Partition};

/// Key of a mark in a changelog partition.
pub const MARK_KEY: &[u8] = &[0, b'v'];
const MARK_VERSION: u32 = 1;

/// Committed for an input that was left by a stage without changelog: no log gets there.
pub const LEFT_OFFSET: Offset = Offset::MAX;

/// Where a changelog stands in a move. The numbers are stored: none is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// States are still being written to it.
    Filling = 1,
    /// It has everything; owners go on from it.
    Filled = 2,
    /// Its states went to the other changelog.
    Left = 3,
}

/// What a changelog partition says of a move.
#[derive(Clone, PartialEq, Message)]
pub struct Mark {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(uint32, tag = "2")]
    phase: u32,
    /// The changelog on the other side.
    #[prost(string, tag = "3")]
    pub other: String,
    /// Tells this move from every other.
    #[prost(string, tag = "4")]
    pub id: String,
    /// When the move began, wall time.
    #[prost(int64, tag = "5")]
    pub began: Millis,
}

impl Mark {
    pub fn new(phase: Phase, other: &str, id: &str, began: Millis) -> Self {
        Self {
            version: MARK_VERSION,
            phase: phase as u32,
            other: other.to_owned(),
            id: id.to_owned(),
            began,
        }
    }

    /// `None`: this is no mark, or one of a newer release.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mark = Self::decode(value).ok()?;
        (mark.version == MARK_VERSION && mark.phase().is_some()).then_some(mark)
    }

    pub fn phase(&self) -> Option<Phase> {
        let phases = [Phase::Filling, Phase::Filled, Phase::Left];
        phases.into_iter().find(|phase| *phase as u32 == self.phase)
    }

    /// Why nobody may go on from a changelog whose last mark this is.
    pub fn refusal(&self) -> Option<String> {
        let other = &self.other;
        match self.phase()? {
            Phase::Filled => None,
            Phase::Filling => Some(format!(
                "its states are still being moved from {other}: run `accrual topics move` again to its end, then start"
            )),
            Phase::Left => Some(format!(
                "its states were moved to {other}: start with the configuration that names {other}"
            )),
        }
    }

    pub fn record(&self, topic: &Arc<str>, partition: Partition) -> OutRecord {
        OutRecord {
            topic: topic.clone(),
            partition: Some(partition),
            key: Some(Bytes::from_static(MARK_KEY)),
            value: Some(self.encode_to_vec().into()),
            headers: Vec::new(),
        }
    }
}

/// Partitions of `old` whose keys may belong to `partition` of `new`, where a key's hash modulo the
/// count says where it belongs.
pub fn sources(partition: Partition, old: Partition, new: Partition) -> impl Iterator<Item = Partition> {
    let common = gcd(old, new);
    (0..old).filter(move |source| source % common == partition % common)
}

fn gcd(a: Partition, b: Partition) -> Partition {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The meta record that a new partition goes on from. Its clock does not go back for any key (E13),
/// and the global table is looked at again from where the last of the sources was. `input`: where
/// the new input begins.
pub fn first_meta(sources: impl IntoIterator<Item = Meta>, input: Offset) -> Meta {
    let none = Meta {
        clock: Millis::MIN,
        table: Offset::MAX,
        ..Meta::default()
    };
    let merged = sources.into_iter().fold(none, |merged, meta| Meta {
        previous: merged.previous.max(meta.batch),
        clock: merged.clock.max(meta.clock),
        table: merged.table.min(meta.table),
        ..merged
    });
    Meta {
        batch: merged.previous + 1,
        input,
        table: if merged.table == Offset::MAX {
            -1
        } else {
            merged.table
        },
        ..merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::partitioner::Partitioner;

    #[test]
    fn a_mark_is_read_back_and_says_who_may_go_on() {
        for (phase, refuses) in [
            (Phase::Filling, Some("moved from other")),
            (Phase::Filled, None),
            (Phase::Left, Some("moved to other")),
        ] {
            let mark = Mark::new(phase, "other", "id", 7);
            let record = mark.record(&"c".into(), 3);
            let read = Mark::read(&record.value.expect("a value")).expect("a mark");
            assert_eq!((read.phase(), &read), (Some(phase), &mark));
            let refusal = read.refusal();
            assert_eq!(refusal.is_some(), refuses.is_some(), "{refusal:?}");
            assert!(refusal.unwrap_or_default().contains(refuses.unwrap_or_default()));
        }
        assert_eq!(Mark::read(b"\xff"), None);
        assert_eq!(Mark::read(b""), None);
    }

    #[test]
    fn every_key_comes_from_a_source_of_its_new_partition() {
        for (old, new) in [(4, 12), (4, 6), (3, 7), (12, 4), (1, 5), (4, 4)] {
            for number in 0..500 {
                let key = format!("k-{number}");
                let place = |count| {
                    Partitioner::Murmur2
                        .place(key.as_bytes(), count)
                        .expect("a place")
                };
                let from: Vec<_> = sources(place(new), old, new).collect();
                assert!(from.contains(&place(old)), "{key}: {old} to {new}: {from:?}");
            }
        }
        assert_eq!(
            sources(7, 4, 12).collect::<Vec<_>>(),
            [3],
            "a multiple has one source"
        );
        assert_eq!(sources(5, 4, 6).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_new_partition_goes_on_behind_all_its_sources() {
        let meta = |batch, clock, table| Meta {
            batch,
            clock,
            table,
            input: 99,
            ..Meta::default()
        };
        let first = first_meta([meta(7, 1_000, 4), meta(3, 2_000, 2)], 5);
        assert_eq!((first.batch, first.previous, first.input), (8, 7, 5));
        assert_eq!((first.clock, first.table), (2_000, 2));
        let first = first_meta([], 0);
        assert_eq!((first.batch, first.clock, first.table), (1, Millis::MIN, -1));
    }
}
