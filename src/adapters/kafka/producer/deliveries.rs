//! Delivery reports of the transaction in flight, gathered as the producer's polling thread hands
//! them out.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use crate::engine::ports::{Offset, Partition};

use crate::adapters::kafka::client::context;

/// Which record of which transaction a report is about, packed into the pointer-sized value that
/// librdkafka carries: 31 bits of transaction, 32 of index, 1 for the changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    transaction: u32,
    index: u32,
    changelog: bool,
}

impl Tag {
    fn pack(self) -> usize {
        (self.transaction as usize) << 33 | (self.index as usize) << 1 | usize::from(self.changelog)
    }

    fn unpack(packed: usize) -> Self {
        Self {
            transaction: (packed >> 33) as u32,
            index: (packed >> 1) as u32,
            changelog: packed & 1 == 1,
        }
    }
}

const AFTER_FAILURE_MS: u64 = 500;
const TRANSACTION_MASK: u32 = u32::MAX >> 1;

#[derive(Default)]
struct State {
    transaction: u32,
    sent: usize,
    reported: usize,
    failed: Vec<(usize, Code)>,
    changelog: BTreeMap<Partition, Offset>,
}

/// Shared by the lane's thread, which waits, and the producer's, which reports.
#[derive(Clone, Default)]
pub struct Deliveries {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Deliveries {
    /// A new transaction: later reports about older ones are dropped.
    pub fn begin(&self) {
        let mut state = self.lock();
        let transaction = state.transaction.wrapping_add(1) & TRANSACTION_MASK;
        *state = State {
            transaction,
            ..State::default()
        };
    }

    /// The tag of one more record.
    pub fn tag(&self, index: usize, changelog: bool) -> usize {
        let mut state = self.lock();
        state.sent += 1;
        Tag {
            transaction: state.transaction,
            index: index as u32,
            changelog,
        }
        .pack()
    }

    /// A record was not taken after all.
    pub fn untag(&self) {
        self.lock().sent -= 1;
    }

    /// Waits until every record is reported; a little for the others once one has failed. False
    /// when time ran out.
    pub fn wait(&self, bound: Duration) -> bool {
        let mut deadline = Instant::now() + bound;
        let mut state = self.lock();
        let mut failed = false;
        while state.reported < state.sent {
            if !failed && !state.failed.is_empty() {
                // Those of one batch are refused together: which was to blame shows when all are known.
                failed = true;
                deadline = deadline.min(Instant::now() + Duration::from_millis(AFTER_FAILURE_MS));
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.shared.1.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub fn failed(&self) -> Vec<(usize, Code)> {
        self.lock().failed.clone()
    }

    pub fn changelog(&self) -> Vec<(Partition, Offset)> {
        self.lock().changelog.iter().map(|(p, o)| (*p, *o)).collect()
    }

    fn report(&self, tag: Tag, partition: Partition, offset: Offset, error: Option<Code>) {
        let mut state = self.lock();
        if tag.transaction != state.transaction {
            return;
        }
        state.reported += 1;
        match error {
            Some(code) => state.failed.push((tag.index as usize, code)),
            // After a retry the broker may report no offset.
            None if tag.changelog && offset >= 0 => {
                let highest = state.changelog.entry(partition).or_insert(offset);
                *highest = offset.max(*highest);
            }
            None => {}
        }
        if state.reported >= state.sent || error.is_some() {
            self.shared.1.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log_line(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, packed: usize) {
        let (message, error) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error.rdkafka_error_code().unwrap_or(Code::Unknown))),
        };
        self.report(Tag::unpack(packed), message.partition(), message.offset(), error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were() {
        for transaction in [0, 1, TRANSACTION_MASK] {
            for index in [0, 1, u32::MAX] {
                for changelog in [false, true] {
                    let tag = Tag {
                        transaction,
                        index,
                        changelog,
                    };
                    assert_eq!(Tag::unpack(tag.pack()), tag);
                }
            }
        }
    }

    #[test]
    fn reports_of_an_older_transaction_do_not_count() {
        let deliveries = Deliveries::default();
        deliveries.begin();
        let old = Tag::unpack(deliveries.tag(0, true));
        deliveries.begin();
        let new = Tag::unpack(deliveries.tag(0, true));
        deliveries.report(old, 1, 7, Some(Code::PurgeQueue));
        assert!(!deliveries.wait(Duration::from_millis(10)));
        deliveries.report(new, 1, 9, None);
        assert!(deliveries.wait(Duration::from_millis(10)));
        assert_eq!(deliveries.failed(), []);
        assert_eq!(deliveries.changelog(), [(1, 9)]);
    }
}
