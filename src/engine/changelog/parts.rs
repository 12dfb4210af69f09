//! States too large for one record: a head and parts, all in one transaction.
//!
//! Up to [`Sizes::whole_max_bytes`] a state is one record, byte for byte as every version has
//! written it. A larger one is cut into parts of [`Sizes::part_bytes`], written before their head.
//! The head names the batch and how many parts there are; each part names the batch too, so that
//! parts of two versions are never joined. Parts that a smaller state no longer uses get
//! tombstones.
//!
//! Rolling upgrade: readers and writers of this format came in the same release. Versions before it
//! refused every state that is written so (`state_too_large`), and stop at such a record with
//! `corrupt_changelog` instead of misreading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{part_record, state_record};
use crate::engine::mutation::{self, Mutation};
use crate::engine::ports::{Key, OutRecord, Partition, Write};

/// First byte of a head, where a whole state has its layout. Never used by a layout.
const HEAD: u8 = 2;
/// First byte of a part.
const PART: u8 = 1;
const HEAD_BYTES: usize = 15;
const PART_PREFIX_BYTES: usize = 9;

/// Where states are cut. Part of the format: from a state's length follows in how many parts it
/// was written, and so which of them are no longer used once it has shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// A state up to this is one record: what versions without parts could write.
    pub whole_max_bytes: usize,
    pub part_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            whole_max_bytes: 900_000,
            part_bytes: 512 << 10,
        }
    }
}

impl Sizes {
    /// How many parts a stored state of this length has; 0: it is one record.
    fn parts(self, bytes: usize) -> usize {
        if bytes <= self.whole_max_bytes {
            0
        } else {
            bytes.div_ceil(self.part_bytes)
        }
    }
}

/// The last record of a state in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub batch: u64,
    pub parts: u16,
    pub bytes: u32,
}

/// One part, as one batch wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub batch: u64,
    pub bytes: Bytes,
}

/// Where a state's records go.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub topic: &'a Arc<str>,
    pub partition: Partition,
    /// The batch that writes them.
    pub batch: u64,
    pub sizes: Sizes,
}

impl Target<'_> {
    /// Adds the records of a state whose stored value had `before` bytes.
    pub fn write(&self, write: &Write, before: usize, records: &mut Vec<OutRecord>) {
        let (key, value) = (&write.key, write.value.as_ref());
        let count = value.map_or(0, |value| self.sizes.parts(value.len()));
        let part = |number: usize, value| {
            let number = u16::try_from(number).expect("a state has at most 65,535 parts");
            part_record(self.topic, self.partition, key, number, value)
        };
        match value.filter(|_| count > 0) {
            Some(value) => {
                for number in 0..count {
                    let from = number * self.sizes.part_bytes;
                    let bytes = &value[from..value.len().min(from + self.sizes.part_bytes)];
                    records.push(part(number, Some(encode_part(self.batch, bytes))));
                }
                let head = Head {
                    batch: self.batch,
                    parts: count as u16,
                    bytes: u32::try_from(value.len()).expect("states stay below 4 GiB"),
                };
                let head = encode_head(head);
                records.push(state_record(self.topic, self.partition, key, Some(head)));
            }
            None => records.push(state_record(self.topic, self.partition, key, value.cloned())),
        }
        if !mutation::on(Mutation::E2PartsLeft) {
            records.extend((count..self.sizes.parts(before)).map(|number| part(number, None)));
        }
    }
}

fn encode_head(head: Head) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD_BYTES);
    out.put_u8(HEAD);
    out.put_u64(head.batch);
    out.put_u16(head.parts);
    out.put_u32(head.bytes);
    out.freeze()
}

fn encode_part(batch: u64, bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(bytes.len() + PART_PREFIX_BYTES);
    out.put_u8(PART);
    out.put_u64(batch);
    out.extend_from_slice(bytes);
    out.freeze()
}

pub(super) fn is_head(value: &Bytes) -> bool {
    value.first() == Some(&HEAD)
}

/// Reads what [`Target::write`] wrote as a head.
pub(super) fn read_head(value: &Bytes) -> Option<Head> {
    let mut rest = &value[..];
    if rest.len() != HEAD_BYTES || rest.get_u8() != HEAD {
        return None;
    }
    let (batch, parts, bytes) = (rest.get_u64(), rest.get_u16(), rest.get_u32());
    Some(Head { batch, parts, bytes })
}

pub(super) fn read_part(value: &Bytes) -> Option<Part> {
    if value.len() < PART_PREFIX_BYTES || value[0] != PART {
        return None;
    }
    Some(Part {
        batch: (&value[1..PART_PREFIX_BYTES]).get_u64(),
        bytes: value.slice(PART_PREFIX_BYTES..),
    })
}

/// Puts large states together while a changelog is read in its order.
///
/// A compacted log may hold some parts of an older version and not the others: that version's
/// successor stands behind it. What counts is that every key is whole at the end.
#[derive(Debug, Default)]
pub struct Joiner {
    /// Parts whose head is still to come.
    parts: BTreeMap<Key, BTreeMap<u16, Part>>,
    /// Keys whose last head lacks parts, and the batch that wrote it.
    incomplete: BTreeMap<Key, u64>,
}

impl Joiner {
    pub fn part(&mut self, key: Key, number: u16, part: Option<Part>) {
        match part {
            Some(part) => drop(self.parts.entry(key).or_default().insert(number, part)),
            None => {
                if let Some(parts) = self.parts.get_mut(&key) {
                    parts.remove(&number);
                }
            }
        }
    }

    /// A state in one record: what was read of it in parts is older.
    pub fn whole(&mut self, key: &Key) {
        self.parts.remove(key);
        self.incomplete.remove(key);
    }

    /// The state of this head, where all its parts have been read.
    pub fn head(&mut self, key: &Key, head: Head) -> Option<Bytes> {
        // Parts stand before their head: those that are not here by now will not come.
        let parts = self.parts.remove(key).unwrap_or_default();
        let found: Vec<&Part> = (0..head.parts)
            .filter_map(|number| parts.get(&number))
            .filter(|part| part.batch == head.batch)
            .collect();
        let bytes: usize = found.iter().map(|part| part.bytes.len()).sum();
        if found.len() != usize::from(head.parts) || bytes != head.bytes as usize {
            self.incomplete.insert(key.clone(), head.batch);
            return None;
        }
        self.incomplete.remove(key);
        let mut out = BytesMut::with_capacity(bytes);
        found.iter().for_each(|part| out.extend_from_slice(&part.bytes));
        Some(out.freeze())
    }

    /// A key that is not whole, of those that a batch after `batch` wrote.
    pub fn incomplete(&self, batch: u64) -> Option<&Key> {
        let mut later = self.incomplete.iter().filter(|(_, wrote)| **wrote > batch);
        later.next().map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::changelog::{self, Entry};
    use crate::engine::ports::{Change, Record};

    const SIZES: Sizes = Sizes {
        whole_max_bytes: 10,
        part_bytes: 4,
    };

    fn records(batch: u64, before: usize, value: Option<&[u8]>) -> Vec<Record> {
        let topic = Arc::from("c");
        let target = Target {
            topic: &topic,
            partition: 0,
            batch,
            sizes: SIZES,
        };
        let write = Write {
            key: Key::from_static(b"k"),
            value: value.map(Bytes::copy_from_slice),
            wake: Change::Keep,
            index: Change::Keep,
        };
        let mut out = Vec::new();
        target.write(&write, before, &mut out);
        let record = |out: OutRecord| Record {
            key: out.key,
            value: out.value,
            ..Record::NONE
        };
        out.into_iter().map(record).collect()
    }

    /// What a restore makes of the records: the last value, and whether all is whole.
    fn restore<'a>(records: impl IntoIterator<Item = &'a Record>) -> (Option<Bytes>, bool) {
        let (mut joiner, mut last) = (Joiner::default(), None);
        for record in records {
            match changelog::read(record).expect("readable") {
                Entry::State(key, value) => {
                    joiner.whole(&key);
                    last = value;
                }
                Entry::Head(key, head) => last = joiner.head(&key, head).or(last),
                Entry::Part(key, number, part) => joiner.part(key, number, part),
                other => panic!("{other:?}"),
            }
        }
        (last, joiner.incomplete(0).is_none())
    }

    #[test]
    fn small_states_are_one_record_and_large_ones_come_back_whole() {
        let small = records(1, 0, Some(b"0123456789"));
        assert_eq!(small.len(), 1);
        assert_eq!(
            small[0].value.as_deref(),
            Some(&b"0123456789"[..]),
            "as it ever was"
        );
        let large = records(2, 10, Some(b"0123456789a"));
        assert_eq!(large.len(), 4, "three parts and a head");
        assert_eq!(restore(&large), (Some(Bytes::from_static(b"0123456789a")), true));
    }

    #[test]
    fn parts_that_are_no_longer_used_get_tombstones() {
        let gone = |records: Vec<Record>| {
            let tombstones = records.iter().filter(|record| record.value.is_none());
            tombstones.count()
        };
        assert_eq!(
            gone(records(3, 20, Some(b"0123456789ab"))),
            2,
            "five parts to three"
        );
        assert_eq!(gone(records(3, 20, Some(b"small"))), 5);
        assert_eq!(gone(records(3, 20, None)), 6, "the state's own too");
        assert_eq!(gone(records(3, 10, None)), 1);
    }

    #[test]
    fn an_older_version_may_lack_parts_and_the_last_may_not() {
        let first = records(1, 0, Some(b"aaaabbbbcccc"));
        let second = records(2, 12, Some(b"AAAABBBBCCCC"));
        let value = Some(Bytes::from_static(b"AAAABBBBCCCC"));
        for lost in 0..first.len() {
            let mut all: Vec<&Record> = first.iter().chain(&second).collect();
            all.remove(lost);
            assert_eq!(restore(all), (value.clone(), true), "without {lost} of the first");
        }
        for lost in 0..3 {
            let mut all: Vec<&Record> = first.iter().chain(&second).collect();
            all.remove(first.len() + lost);
            assert!(!restore(all).1, "without {lost} of the second");
        }
        // A part of the first version, written once more among those of the second.
        let mixed = second[..3].iter().chain([&first[1], &second[3]]);
        assert!(!restore(mixed).1, "parts of two batches");
    }

    #[test]
    fn what_the_store_has_already_need_not_be_whole() {
        let mut joiner = Joiner::default();
        let head = Head {
            batch: 7,
            parts: 2,
            bytes: 8,
        };
        assert_eq!(joiner.head(&Key::from_static(b"k"), head), None);
        assert!(joiner.incomplete(6).is_some() && joiner.incomplete(7).is_none());
    }
}
