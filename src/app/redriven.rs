//! Marks in the topic of dead letters: which of them were sent back, and when.
//!
//! A mark lies on the partition of its letter, behind it, and has neither key nor value.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::operations::LetterId;
use crate::domain::instant::Instant;
use crate::engine::dead_letter::{REASON, REDRIVEN};
use crate::engine::ports::{Header, OutRecord, Record};

/// When each letter was last sent back.
pub type Redriven = BTreeMap<LetterId, Instant>;

/// The header of a record that is sent back, and of its letter's mark.
pub fn header(id: LetterId) -> Header {
    (Arc::from(REDRIVEN), Some(Bytes::from(id.to_string())))
}

pub fn mark(topic: &str, id: LetterId) -> OutRecord {
    OutRecord {
        topic: Arc::from(topic),
        partition: Some(id.partition),
        key: None,
        value: None,
        headers: vec![header(id)],
    }
}

/// The letter that a record marks; `None`: it is a letter itself.
pub fn marked(record: &Record) -> Option<LetterId> {
    // A record that was sent back and refused again has the header too, and a reason.
    if record.headers.iter().any(|(name, _)| &**name == REASON) {
        return None;
    }
    let (_, value) = record.headers.iter().find(|(name, _)| &**name == REDRIVEN)?;
    std::str::from_utf8(value.as_ref()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_letter_and_a_letter_is_none() {
        let id = LetterId {
            partition: 3,
            offset: 118,
        };
        let written = mark("dead", id);
        let mut record = Record {
            headers: written.headers,
            ..Record::NONE.clone()
        };
        assert_eq!(marked(&record), Some(id));
        record
            .headers
            .push((Arc::from(REASON), Some(Bytes::from("malformed"))));
        assert_eq!(marked(&record), None, "refused again");
        assert_eq!(marked(&Record::NONE), None);
    }
}
