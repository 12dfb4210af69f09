//! Records of one partition that were delivered and wait for their turn.

use std::collections::VecDeque;

use super::ports::{Millis, Offset, Record};

#[derive(Debug, Default)]
pub struct Inbox {
    records: VecDeque<Record>,
    bytes: usize,
    /// The input has been told where to deliver from.
    started: bool,
    paused: bool,
    /// The input was read to here and there was nothing more.
    end: Offset,
}

impl Inbox {
    pub fn started(&self) -> bool {
        self.started
    }

    pub fn start(&mut self) {
        self.started = true;
    }

    /// What comes before the start belongs to an earlier reading and is dropped.
    pub fn push(&mut self, record: Record) {
        if self.started {
            self.bytes += size(&record);
            self.records.push_back(record);
        }
    }

    /// Records that were taken and not decided are the first again.
    pub fn put_back(&mut self, records: Vec<Record>) {
        for record in records.into_iter().rev() {
            self.bytes += size(&record);
            self.records.push_front(record);
        }
    }

    pub fn take(&mut self, max_records: usize, max_bytes: usize) -> Vec<Record> {
        let mut taken = Vec::with_capacity(max_records.min(self.records.len()));
        let mut bytes = 0;
        while taken.len() < max_records && (bytes < max_bytes || taken.is_empty()) {
            let Some(record) = self.records.pop_front() else {
                break;
            };
            bytes += size(&record);
            taken.push(record);
        }
        self.bytes -= bytes;
        taken
    }

    /// Arrival of the first record that waits.
    pub fn oldest(&self) -> Option<Millis> {
        self.records.front()?.timestamp
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn ended(&mut self, offset: Offset) {
        if self.started {
            self.end = self.end.max(offset);
        }
    }

    pub fn end(&self) -> Offset {
        self.end
    }

    /// Says whether delivery must be paused or resumed now; half empty resumes.
    pub fn regulate(&mut self, max_records: usize, max_bytes: usize) -> Option<bool> {
        let full = self.records.len() >= max_records || self.bytes >= max_bytes;
        let room = self.records.len() <= max_records / 2 && self.bytes <= max_bytes / 2;
        let change = if !self.paused && full {
            true
        } else if self.paused && room {
            false
        } else {
            return None;
        };
        self.paused = change;
        Some(change)
    }
}

fn size(record: &Record) -> usize {
    record.value.as_ref().map_or(0, |v| v.len()) + record.key.as_ref().map_or(0, |k| k.len()) + 64
}
