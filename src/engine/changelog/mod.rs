//! Records of a changelog partition: states, batch metas, claims.
//!
//! Keys: `0x01` + state key for a state (value as in [`super::stored`], a tombstone when the
//! key is gone), `0x02` + part number + state key for a part of a large state ([`parts`]),
//! `0x00 m` for the meta of a batch, `0x00 c` for a claim, `0x00 v` for a mark of a move.
//! Compaction keeps the last of each, which is all that a restore needs.

pub mod parts;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use super::error::Refusal;
use super::moving::{MARK_KEY, Mark};
use super::ports::{Key, Millis, Offset, OutRecord, Partition, Record, TopicId};
use parts::{Head, Part};

const STATE: u8 = 1;
const PART: u8 = 2;
/// Tag and number of a part.
const PART_PREFIX_BYTES: usize = 3;
const META_KEY: &[u8] = &[0, b'm'];
const CLAIM_KEY: &[u8] = &[0, b'c'];

/// Closes a batch: what was read, by whom, how far.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Meta {
    /// Format of this record; readers refuse what is newer.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(int64, tag = "2")]
    pub epoch: Offset,
    #[prost(uint64, tag = "3")]
    pub batch: u64,
    #[prost(uint64, tag = "4")]
    pub previous: u64,
    /// Next input offset to be consumed.
    #[prost(int64, tag = "5")]
    pub input: Offset,
    /// Clock of the partition; never goes back (E13).
    #[prost(int64, tag = "6")]
    pub clock: Millis,
    /// Everything the global table said up to here has been looked at by every key.
    #[prost(int64, tag = "7")]
    pub table: Offset,
    /// Id of the topic in which `input` counts (E12), in two halves; both 0: not known.
    #[prost(fixed64, tag = "8")]
    pub topic_high: u64,
    #[prost(fixed64, tag = "9")]
    pub topic_low: u64,
}

impl Meta {
    pub fn topic(&self) -> Option<TopicId> {
        TopicId::from_halves(self.topic_high, self.topic_low)
    }

    /// The same record, counting in `topic`.
    pub fn in_topic(self, topic: Option<TopicId>) -> Self {
        Self {
            topic_high: topic.map_or(0, TopicId::high),
            topic_low: topic.map_or(0, TopicId::low),
            ..self
        }
    }
}

/// The first thing an owner writes (E5). Its offset is the owner's epoch.
#[derive(Clone, PartialEq, Message)]
pub struct Claim {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Tells this claim from every other.
    #[prost(string, tag = "2")]
    pub nonce: String,
    #[prost(int64, tag = "3")]
    pub input: Offset,
}

const META_VERSION: u32 = 1;
const CLAIM_VERSION: u32 = 1;

/// What a record of a changelog is.
#[derive(Debug, PartialEq)]
pub enum Entry {
    /// A state in one record, or that it is gone.
    State(Key, Option<Bytes>),
    /// The state lies in the parts before this record.
    Head(Key, Head),
    /// One part of a large state, or that it is no longer used.
    Part(Key, u16, Option<Part>),
    Meta(Meta),
    Claim(Claim),
    Mark(Mark),
    /// Not a record that any version of this program has written. It changes nothing.
    Foreign(&'static str),
}

/// Reads a record of a changelog partition. An error is a record of ours that cannot be read.
pub fn read(record: &Record) -> Result<Entry, Refusal> {
    let corrupt = |what: &str| Refusal::new("corrupt_changelog", format!("offset {}: {what}", record.offset));
    let Some(key) = &record.key else {
        return Ok(Entry::Foreign("no key"));
    };
    match (key.first(), &record.value) {
        (Some(&STATE), Some(value)) if parts::is_head(value) => {
            let head = parts::read_head(value).ok_or_else(|| corrupt("unreadable head of a state"))?;
            Ok(Entry::Head(key.slice(1..), head))
        }
        (Some(&STATE), value) => Ok(Entry::State(key.slice(1..), value.clone())),
        (Some(&PART), value) if key.len() >= PART_PREFIX_BYTES => {
            let number = u16::from_be_bytes([key[1], key[2]]);
            let part = value.as_ref().map(parts::read_part);
            let part = part.map(|part| part.ok_or_else(|| corrupt("unreadable part of a state")));
            Ok(Entry::Part(
                key.slice(PART_PREFIX_BYTES..),
                number,
                part.transpose()?,
            ))
        }
        (_, value) if &key[..] == META_KEY => match value.as_deref().map(Meta::decode) {
            Some(Ok(meta)) if meta.version > META_VERSION => Err(corrupt("meta of a newer release")),
            Some(Ok(meta)) if meta.version > 0 => Ok(Entry::Meta(meta)),
            _ => Ok(Entry::Foreign("not a meta although it has the key of one")),
        },
        (_, value) if &key[..] == CLAIM_KEY => match value.as_deref().map(Claim::decode) {
            Some(Ok(claim)) if claim.version > CLAIM_VERSION => Err(corrupt("claim of a newer release")),
            Some(Ok(claim)) if claim.version > 0 => Ok(Entry::Claim(claim)),
            _ => Ok(Entry::Foreign("not a claim although it has the key of one")),
        },
        (_, Some(value)) if &key[..] == MARK_KEY => {
            let mark = Mark::read(value);
            Ok(Entry::Mark(
                mark.ok_or_else(|| corrupt("mark of a newer release"))?,
            ))
        }
        _ => Ok(Entry::Foreign("unknown key")),
    }
}

pub fn state_record(topic: &Arc<str>, partition: Partition, key: &Key, value: Option<Bytes>) -> OutRecord {
    let mut out = BytesMut::with_capacity(key.len() + 1);
    out.put_u8(STATE);
    out.extend_from_slice(key);
    own(topic, partition, out.freeze(), value)
}

fn part_record(
    topic: &Arc<str>,
    partition: Partition,
    key: &Key,
    number: u16,
    value: Option<Bytes>,
) -> OutRecord {
    let mut out = BytesMut::with_capacity(key.len() + PART_PREFIX_BYTES);
    out.put_u8(PART);
    out.put_u16(number);
    out.extend_from_slice(key);
    own(topic, partition, out.freeze(), value)
}

pub fn meta_record(topic: &Arc<str>, partition: Partition, meta: Meta) -> OutRecord {
    let meta = Meta {
        version: META_VERSION,
        ..meta
    };
    own(
        topic,
        partition,
        Bytes::from_static(META_KEY),
        Some(meta.encode_to_vec().into()),
    )
}

pub fn claim_record(topic: &Arc<str>, partition: Partition, nonce: &str, input: Offset) -> OutRecord {
    let claim = Claim {
        version: CLAIM_VERSION,
        nonce: nonce.to_string(),
        input,
    };
    own(
        topic,
        partition,
        Bytes::from_static(CLAIM_KEY),
        Some(claim.encode_to_vec().into()),
    )
}

fn own(topic: &Arc<str>, partition: Partition, key: Bytes, value: Option<Bytes>) -> OutRecord {
    OutRecord {
        topic: topic.clone(),
        partition: Some(partition),
        key: Some(key),
        value,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_read(out: OutRecord) -> Record {
        Record {
            partition: 3,
            offset: 7,
            timestamp: None,
            key: out.key,
            value: out.value,
            headers: out.headers,
        }
    }

    #[test]
    fn every_kind_is_read_back() {
        let topic: Arc<str> = "c".into();
        let key = Key::from_static(b"shop\0order");
        let state = state_record(&topic, 3, &key, Some(Bytes::from_static(b"v")));
        assert_eq!(
            read(&as_read(state)),
            Ok(Entry::State(key.clone(), Some(Bytes::from_static(b"v"))))
        );
        let gone = state_record(&topic, 3, &key, None);
        assert_eq!(read(&as_read(gone)), Ok(Entry::State(key, None)));
        let meta = Meta {
            version: 1,
            epoch: 5,
            batch: 9,
            previous: 8,
            input: 77,
            clock: 1234,
            table: 4,
            ..Meta::default()
        };
        let meta = meta.in_topic(TopicId::new(11));
        assert_eq!(
            read(&as_read(meta_record(&topic, 3, meta))),
            Ok(Entry::Meta(meta))
        );
        let claim = read(&as_read(claim_record(&topic, 3, "n-1", 6))).unwrap();
        assert_eq!(
            claim,
            Entry::Claim(Claim {
                version: 1,
                nonce: "n-1".into(),
                input: 6
            })
        );
    }

    #[test]
    fn what_somebody_else_has_written_is_foreign_and_newer_releases_are_refused() {
        let record = |key: Option<&'static [u8]>, value: Option<Vec<u8>>| Record {
            key: key.map(Bytes::from_static),
            value: value.map(Bytes::from),
            ..Record::NONE
        };
        for (key, value) in [
            (None, Some(b"x".to_vec())),
            (Some(&b"zz"[..]), Some(b"x".to_vec())),
            (Some(b"zz"), None),
            (Some(b""), None),
            (Some(META_KEY), None),
            (Some(META_KEY), Some(Vec::new())),
            (Some(META_KEY), Some(b"\xff".to_vec())),
            (Some(CLAIM_KEY), None),
            (Some(CLAIM_KEY), Some(b"\xff".to_vec())),
            (Some(&[PART, 0]), None),
        ] {
            let read = read(&record(key, value.clone()));
            assert!(
                matches!(read, Ok(Entry::Foreign(_))),
                "{key:?} {value:?}: {read:?}"
            );
        }
        let newer = Meta {
            version: META_VERSION + 1,
            ..Meta::default()
        };
        let newer_claim = Claim {
            version: CLAIM_VERSION + 1,
            ..Claim::default()
        };
        for (key, value) in [
            (META_KEY, newer.encode_to_vec()),
            (CLAIM_KEY, newer_claim.encode_to_vec()),
        ] {
            let refusal = read(&record(Some(key), Some(value))).unwrap_err();
            assert!(refusal.detail.contains("newer release"), "{refusal}");
        }
    }
}
