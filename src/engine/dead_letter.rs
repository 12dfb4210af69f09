//! A record that cannot be decided leaves byte for byte, with the reason beside it (E9).

use std::sync::Arc;

use bytes::Bytes;

use super::error::Refusal;
use super::ports::{Header, Key, OutRecord, Partition, Record};
use super::spec::StageSpec;

pub const REASON: &str = "accrual-reason";
pub const DETAIL: &str = "accrual-detail";
pub const STAGE: &str = "accrual-stage";
pub const TOPIC: &str = "accrual-topic";
pub const PARTITION: &str = "accrual-partition";
pub const OFFSET: &str = "accrual-offset";
pub const TIMESTAMP: &str = "accrual-timestamp";
/// Of a record that was sent back, and of the mark beside its dead letter: `partition:offset` of that.
pub const REDRIVEN: &str = "accrual-redriven";

/// Detail is cut to this many bytes: a header must not grow with bad input.
const DETAIL_MAX_BYTES: usize = 1_000;

/// The dead letter of an input record.
pub fn of_record(spec: &StageSpec, record: &Record, refusal: &Refusal) -> OutRecord {
    let mut headers = record.headers.clone();
    headers.extend(why(spec, refusal));
    headers.push(header(TOPIC, spec.input_topic.as_bytes()));
    headers.push(header(PARTITION, record.partition.to_string().as_bytes()));
    headers.push(header(OFFSET, record.offset.to_string().as_bytes()));
    if let Some(timestamp) = record.timestamp {
        headers.push(header(TIMESTAMP, timestamp.to_string().as_bytes()));
    }
    OutRecord {
        topic: spec.dead_letters.clone(),
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}

/// A larger state is not sent along with its timer's dead letter: it stays where it is anyway.
const STATE_MAX_BYTES: usize = 512 << 10;

/// The dead letter of a timer or a nudge: the key, and its state as it is stored. The key is tried
/// again by itself; the letter says that somebody should look.
pub fn of_timer(
    spec: &StageSpec,
    partition: Partition,
    key: &Key,
    state: Option<Bytes>,
    refusal: &Refusal,
) -> OutRecord {
    let mut headers: Vec<Header> = why(spec, refusal).into();
    headers.push(header(PARTITION, partition.to_string().as_bytes()));
    OutRecord {
        topic: spec.dead_letters.clone(),
        partition: None,
        key: Some(key.clone()),
        value: state.filter(|state| state.len() <= STATE_MAX_BYTES),
        headers,
    }
}

/// Whether a record was refused before and sent back.
pub fn was_sent_back(record: &Record) -> bool {
    record.headers.iter().any(|(name, _)| &**name == REDRIVEN)
}

/// Where it was read and why it was refused, for the log.
pub fn in_words(letter: &OutRecord) -> String {
    let of = |name: &str| {
        let header = letter
            .headers
            .iter()
            .rev()
            .find(|(present, _)| &**present == name);
        let value = header.and_then(|(_, value)| value.as_deref());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    match of(OFFSET) {
        offset if offset.is_empty() => of(DETAIL),
        offset => format!("offset {offset}: {}", of(DETAIL)),
    }
}

fn why(spec: &StageSpec, refusal: &Refusal) -> [Header; 3] {
    let mut end = refusal.detail.len().min(DETAIL_MAX_BYTES);
    while !refusal.detail.is_char_boundary(end) {
        end -= 1;
    }
    [
        header(REASON, refusal.code.as_bytes()),
        header(DETAIL, &refusal.detail.as_bytes()[..end]),
        header(STAGE, spec.name.as_bytes()),
    ]
}

fn header(name: &str, value: &[u8]) -> Header {
    (Arc::from(name), Some(Bytes::copy_from_slice(value)))
}
