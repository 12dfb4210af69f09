//! What the poll thread has read and the engine has not taken yet.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::engine::ports::{Offset, Partition, Record};

use super::messages::{Content, Delivery};

const BATCH_MAX_RECORDS: usize = 1_000;
const BATCH_MAX_BYTES: usize = 1024 * 1024;

/// Batches records and never waits. Bounded, because its owner does not go on reading for long
/// while it is behind.
pub struct Outbox {
    deliver: Sender<Delivery>,
    /// Number of the latest start: what is read from now on is behind it.
    starts: u64,
    batch: Vec<Record>,
    batch_bytes: usize,
    full: VecDeque<Delivery>,
    behind_since: Option<Instant>,
}

impl Outbox {
    pub fn new(deliver: Sender<Delivery>) -> Self {
        Self {
            deliver,
            starts: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            full: VecDeque::new(),
            behind_since: None,
        }
    }

    pub fn started(&mut self, number: u64) {
        self.close_batch();
        self.starts = number;
    }

    pub fn push(&mut self, record: Record) {
        self.batch_bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
        self.batch.push(record);
        if self.batch.len() >= BATCH_MAX_RECORDS || self.batch_bytes >= BATCH_MAX_BYTES {
            self.close_batch();
        }
    }

    pub fn push_end(&mut self, partition: Partition, offset: Offset) {
        self.close_batch();
        self.enqueue(Content::End { partition, offset });
    }

    /// There is nothing more to read for now: what there is goes out.
    pub fn close_batch(&mut self) {
        if !self.batch.is_empty() {
            self.batch_bytes = 0;
            let next = Vec::with_capacity(self.batch.len());
            let batch = mem::replace(&mut self.batch, next);
            self.enqueue(Content::Records(batch));
        }
    }

    /// Gives the engine what it has room for.
    pub fn hand_over(&mut self) {
        while let Some(next) = self.full.pop_front() {
            match self.deliver.try_send(next) {
                Ok(()) => self.behind_since = None,
                Err(TrySendError::Full(next)) => {
                    self.full.push_front(next);
                    self.behind_since.get_or_insert_with(Instant::now);
                    return;
                }
                // Nobody listens: the channel of the commands says so too.
                Err(TrySendError::Closed(_)) => self.full.clear(),
            }
        }
        self.behind_since = None;
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.full.is_empty()
    }

    /// The engine has not room for all that is complete.
    pub fn is_behind(&self) -> bool {
        !self.full.is_empty()
    }

    /// How long the engine has taken nothing.
    pub fn behind_for(&self) -> Duration {
        self.behind_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub fn clear(&mut self) {
        self.batch.clear();
        self.batch_bytes = 0;
        self.full.clear();
        self.behind_since = None;
    }

    fn enqueue(&mut self, content: Content) {
        self.full.push_back(Delivery {
            started: self.starts,
            content,
        });
        self.hand_over();
    }
}
