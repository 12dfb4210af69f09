//! A transactional client: one transaction after the other, each whole or not at all. Its calls
//! block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::engine::error::LogError;
use crate::engine::ports::{Committed, Millis, OutRecord, Partition, Position};

use crate::adapters::kafka::client::classify::{self, Remedy};
use crate::adapters::kafka::client::describe::unwritable;
use crate::adapters::kafka::client::positions::add_position;
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::TRANSACTION_TIMEOUT_MS;
use crate::adapters::kafka::consumer::Membership;

use super::deliveries::Deliveries;
use super::watchdog::Watchdog;

const INIT_TIMEOUT_MS: u64 = 30_000;
/// No transactional call may take longer; the broker has ended the transaction long before.
const CALL_MAX_MS: u64 = TRANSACTION_TIMEOUT_MS + 60_000;
/// A record's own time-out is the transaction's.
const DELIVERY_WAIT_MS: u64 = TRANSACTION_TIMEOUT_MS + 5_000;
const QUEUE_FULL_WAIT_MS: u64 = TRANSACTION_TIMEOUT_MS;
const QUEUE_FULL_RETRY_MS: u64 = 1;

type Client = ThreadedProducer<Deliveries>;

/// A record of a transaction, with the time that it is to have if not that of its writing.
pub type Sent<'a> = (&'a OutRecord, Option<Millis>);

/// A topic's partition, and the next of it to be read.
pub type ReadTo = (Arc<str>, Partition, Position);

/// Offsets that a transaction commits for one group.
#[derive(Clone)]
pub struct GroupOffsets {
    pub membership: Membership,
    pub offsets: Vec<ReadTo>,
}

/// A producer with a transactional id.
pub struct TransactionalClient {
    config: ClientConfig,
    client: Client,
    deliveries: Deliveries,
    watchdog: Watchdog,
    changelog: Option<Arc<str>>,
    /// A transaction of this client has failed: the next one has a new client.
    spent: bool,
}

impl TransactionalClient {
    /// Fences earlier users of the transactional id. Offsets of what is written to `changelog`
    /// are reported.
    pub fn open(
        config: &ClientConfig,
        changelog: Option<Arc<str>>,
        watchdog: Watchdog,
    ) -> Result<Self, LogError> {
        let deliveries = Deliveries::default();
        let client: Client = config
            .create_with_context(deliveries.clone())
            .map_err(|e| classify::reading("producer", &e))?;
        let opened = Self {
            config: config.clone(),
            client,
            deliveries,
            watchdog,
            changelog,
            spent: false,
        };
        let result = opened.watched("init_transactions", |client| {
            client.init_transactions(Duration::from_millis(INIT_TIMEOUT_MS))
        });
        match result {
            Ok(()) => Ok(opened),
            // Nothing was begun: whatever it was, a fresh producer may try again.
            Err(e) => match opened.remedy(&e) {
                Remedy::Stop | Remedy::AbortAndStop => {
                    let right = opened.own_right();
                    let refused = opened.cause(&e).is_some_and(|code| right.is_refused_by(code));
                    let missing = rights::missing(refused.then_some(&right));
                    Err(LogError::Fatal(format!("init_transactions: {e}{missing}")))
                }
                Remedy::Fenced => Err(LogError::Fenced(format!("init_transactions: {e}"))),
                _ => Err(classify::reading("init_transactions", &e)),
            },
        }
    }

    /// Runs one whole transaction. `Retry`: nothing was begun.
    ///
    /// After one that failed it opens a new client first. librdkafka gives the sequence numbers of records
    /// that were still under way then to the next records of the partition. Where the first ones have
    /// arrived after all, the broker drops the next ones as duplicates and reports them as written: the
    /// next transaction would be committed without them. A new client has an epoch of its own.
    pub fn commit(&mut self, records: &[Sent<'_>], groups: &[GroupOffsets]) -> Result<Committed, LogError> {
        if self.spent {
            *self = Self::open(&self.config, self.changelog.clone(), self.watchdog.clone())?;
        }
        let committed = self.run(records, groups);
        self.spent = committed.is_err();
        committed
    }

    fn run(&mut self, records: &[Sent<'_>], groups: &[GroupOffsets]) -> Result<Committed, LogError> {
        if let Some(e) = unfenceable(groups) {
            return Err(e);
        }
        self.deliveries.begin();
        if let Err(e) = self.watched("begin_transaction", |client| client.begin_transaction()) {
            return Err(match self.remedy(&e) {
                Remedy::Fenced => LogError::Fenced(e.to_string()),
                Remedy::Stop => LogError::Fatal(e.to_string()),
                _ => LogError::Ambiguous(format!("begin_transaction: {e}")),
            });
        }
        if let Err(failure) = self.fill(records, groups) {
            return Err(self.give_up(failure));
        }
        // An error that asks for an abort says that the commit has not happened; the abort then
        // goes through only if the coordinator agrees.
        if let Err(e) = self.watched("commit_transaction", |client| {
            client.commit_transaction(Timeout::Never)
        }) {
            let failure = Failure::of("commit_transaction", &e, self.remedy(&e));
            return Err(match failure.remedy {
                Remedy::Unknown => LogError::Ambiguous(failure.reason),
                _ => self.give_up(failure),
            });
        }
        Ok(Committed {
            changelog: self.deliveries.changelog(),
        })
    }

    /// Everything up to the commit itself.
    fn fill(&self, records: &[Sent<'_>], groups: &[GroupOffsets]) -> Result<(), Failure> {
        for (index, record) in records.iter().enumerate() {
            self.send(index, *record)?;
        }
        for group in groups {
            self.send_offsets(records, group)?;
        }

        // Committing with records in flight costs a tenth of a second, waiting here does not.
        let waited = self.deliveries.wait(Duration::from_millis(DELIVERY_WAIT_MS));
        let failed = self.deliveries.failed();
        let purged = failed.iter().all(|(_, code)| is_purged(*code));
        if !failed.is_empty() && purged && self.fatal().is_none() {
            // Thrown away because the transaction has failed: asked once more it says why. That changes
            // nothing else, as it is aborted either way.
            for group in groups {
                self.send_offsets(records, group)?;
            }
        }
        if !failed.is_empty() {
            return Err(self.undelivered(records, &failed));
        }
        if !waited {
            return Err(Failure {
                remedy: Remedy::Abort,
                refused: None,
                reason: "records were not delivered in time".into(),
            });
        }
        Ok(())
    }

    fn own_right(&self) -> Right {
        let id = self.config.get("transactional.id");
        Right::transactional_id("Write", id.unwrap_or_default())
    }

    /// Moves the group on, as a part of the transaction.
    fn send_offsets(&self, records: &[Sent<'_>], group: &GroupOffsets) -> Result<(), Failure> {
        let mut offsets = TopicPartitionList::with_capacity(group.offsets.len());
        for (topic, partition, position) in &group.offsets {
            add_position(&mut offsets, topic, *partition, *position)
                .map_err(|e| Failure::of("offsets", &e, Remedy::Abort))?;
        }
        self.watched("send_offsets_to_transaction", |client| {
            client.send_offsets_to_transaction(&offsets, &group.membership.metadata, Timeout::Never)
        })
        .map_err(|e| {
            let mut failure = Failure::of("send_offsets_to_transaction", &e, self.remedy(&e));
            failure.reason += &self.missing(&e, records, group);
            failure
        })
    }

    /// What to add to a refusal for want of rights.
    fn missing(&self, error: &KafkaError, records: &[Sent<'_>], group: &GroupOffsets) -> String {
        match self.cause(error) {
            Some(Code::TopicAuthorizationFailed) => {}
            Some(code) => {
                let needs = [self.own_right(), Right::group("Read", &group.membership.group)];
                return rights::missing(needs.iter().filter(|right| right.is_refused_by(code)));
            }
            None => return String::new(),
        }
        let written: BTreeSet<&str> = records.iter().map(|(record, _)| record.topic.as_ref()).collect();
        let written: Vec<&str> = written.into_iter().collect();
        let unwritable = unwritable(self.client.client(), &written);
        let mut lacking: Vec<Right> = unwritable
            .iter()
            .map(|topic| Right::topic("Write", topic))
            .collect();
        if lacking.is_empty() {
            // Then it is the offsets that are refused.
            let read: BTreeSet<&str> = group.offsets.iter().map(|(topic, ..)| topic.as_ref()).collect();
            lacking.extend(read.into_iter().map(|topic| Right::topic("Read", topic)));
        }
        rights::missing(&lacking)
    }

    fn send(&self, index: usize, (record, timestamp): Sent<'_>) -> Result<(), Failure> {
        let changelog = self.changelog.as_ref() == Some(&record.topic);
        let deadline = Instant::now() + Duration::from_millis(QUEUE_FULL_WAIT_MS);
        let mut out = BaseRecord::<[u8], [u8], usize>::with_opaque_to(
            &record.topic,
            self.deliveries.tag(index, changelog),
        );
        out.partition = record.partition;
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        out.headers = headers(record);
        out.timestamp = timestamp;
        loop {
            let (error, back) = match self.client.send(out) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
            if code == Code::QueueFull && Instant::now() < deadline {
                out = back;
                thread::sleep(Duration::from_millis(QUEUE_FULL_RETRY_MS));
                continue;
            }
            self.deliveries.untag();
            return Err(Failure {
                remedy: classify::delivery(code, self.fatal()),
                refused: classify::is_refusal(code).then_some(index),
                reason: format!("record {index} to {}: {error}", record.topic)
                    + &unwritten(code, &record.topic),
            });
        }
    }

    /// What follows from records that failed. A broker refuses a batch of records whole: of those
    /// refused with it the largest is the one that was too large.
    fn undelivered(&self, records: &[Sent<'_>], failed: &[(usize, Code)]) -> Failure {
        let size = |index: usize| {
            records.get(index).map_or(0, |(record, _)| {
                record.value.as_ref().map_or(0, bytes::Bytes::len)
                    + record.key.as_ref().map_or(0, bytes::Bytes::len)
            })
        };
        let refused = failed.iter().filter(|(_, code)| classify::is_refusal(*code));
        let refused = refused.max_by_key(|(index, _)| size(*index));
        // Those that were thrown away say nothing of why.
        let telling = failed.iter().find(|(_, code)| !is_purged(*code));
        let (index, code) = *refused.or(telling).unwrap_or(&failed[0]);
        let topic = records.get(index).map_or("", |(record, _)| record.topic.as_ref());
        Failure {
            remedy: classify::delivery(code, self.fatal()),
            refused: refused.map(|(index, _)| *index),
            reason: format!("record {index} to {topic} was not delivered: {code}") + &unwritten(code, topic),
        }
    }

    /// Aborts where that is the remedy, and says what became of the transaction.
    fn give_up(&self, failure: Failure) -> LogError {
        let reason = failure.reason;
        match failure.remedy {
            Remedy::Fenced => return LogError::Fenced(reason),
            Remedy::Stop => return LogError::Fatal(reason),
            Remedy::Abort | Remedy::AbortAndRejoin | Remedy::AbortAndStop | Remedy::Unknown => {}
        }
        // Before the commit an abort that goes through settles it, whatever the error was.
        if let Err(e) = self.watched("abort_transaction", |client| {
            client.abort_transaction(Timeout::Never)
        }) {
            return match self.remedy(&e) {
                Remedy::Fenced => LogError::Fenced(format!("{reason}; abort: {e}")),
                _ => LogError::Ambiguous(format!("{reason}; abort: {e}")),
            };
        }
        match (failure.remedy, failure.refused) {
            (Remedy::AbortAndRejoin, _) => LogError::Fenced(reason),
            (Remedy::AbortAndStop, _) => LogError::Fatal(reason),
            (_, Some(index)) => LogError::Refused { index, reason },
            _ => LogError::Abort(reason),
        }
    }

    fn watched<T>(&self, call: &str, run: impl FnOnce(&Client) -> T) -> T {
        let _guard = self.watchdog.guard(call, Duration::from_millis(CALL_MAX_MS));
        run(&self.client)
    }

    fn remedy(&self, error: &KafkaError) -> Remedy {
        classify::transactional(error, self.fatal())
    }

    /// Code::Fatal only says that there was one.
    fn cause(&self, error: &KafkaError) -> Option<Code> {
        let code = classify::code_of(error).filter(|code| *code != Code::Fatal);
        code.or_else(|| self.fatal())
    }

    fn fatal(&self) -> Option<Code> {
        self.client.client().fatal_error().map(|(code, _)| code)
    }
}

fn unwritten(code: Code, topic: &str) -> String {
    let right = Right::topic("Write", topic);
    rights::missing(right.is_refused_by(code).then_some(&right))
}

fn is_purged(code: Code) -> bool {
    matches!(code, Code::PurgeQueue | Code::PurgeInflight)
}

struct Failure {
    remedy: Remedy,
    /// The record that can never be written.
    refused: Option<usize>,
    reason: String,
}

impl Failure {
    fn of(call: &str, error: &KafkaError, remedy: Remedy) -> Self {
        Self {
            remedy,
            refused: None,
            reason: format!("{call}: {error}"),
        }
    }
}

/// E1: without an absolute offset nothing fences, and librdkafka would send logical ones as nothing.
fn unfenceable(groups: &[GroupOffsets]) -> Option<LogError> {
    let absolute = |group: &GroupOffsets| {
        !group.offsets.is_empty() && group.offsets.iter().all(|(_, _, at)| at.offset >= 0)
    };
    let fenceable = !groups.is_empty() && groups.iter().all(absolute);
    (!fenceable).then(|| LogError::Fatal("a transaction without an absolute input offset [E1]".into()))
}

pub fn headers(record: &OutRecord) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    let all = record.headers.iter().fold(headers, |headers, (key, value)| {
        headers.insert(KafkaHeader {
            key,
            value: value.as_deref(),
        })
    });
    Some(all)
}
