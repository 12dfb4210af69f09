//! Reads parts of a topic without being in a group: the changelog for a restore, and whole topics
//! for the command line. One consumer; each partition has a queue of its own, which goes on where
//! the last call ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};

use crate::engine::error::LogError;
use crate::engine::ports::{Bounds, ChangelogChunk, Offset, Partition, Position, TopicId};

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::describe::describe;
use crate::adapters::kafka::client::positions::position;
use crate::adapters::kafka::client::queue::{Client, Event, HeaderNames, Queue};
use crate::adapters::kafka::client::reach;
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::QUERY_TIMEOUT_MS;

use super::unstable::Unstable;

const COMMITTED_TIMEOUT_MS: u64 = 15_000;
/// A call that brings nothing for so long is given up, and made again by the engine.
const SILENCE_MAX_MS: u64 = 20_000;
const POLL_MS: i32 = 200;
/// A chunk is handed over once it has that many bytes, however few records they are.
const CHUNK_MAX_BYTES: usize = 16 << 20;

/// Blocking: to be called where blocking is allowed.
pub struct Reader {
    topic: Arc<str>,
    config: ClientConfig,
    /// Asks only. A broker answers one connection's requests in turn: behind a fetch that waits
    /// for records every question would wait, too.
    asking: Connection,
    /// Opened when it is first needed.
    reading: Mutex<Option<Arc<Reading>>>,
    /// Partitions whose committed offset was not stable when it was last asked for.
    unstable: Mutex<BTreeMap<Partition, Unstable>>,
}

struct Reading {
    connection: Connection,
    /// What the consumer is assigned: librdkafka complains of an unassignment of anything else.
    assigned: Mutex<BTreeSet<Partition>>,
    places: Mutex<BTreeMap<Partition, Arc<Mutex<Option<Place>>>>>,
}

/// Where a partition is being read.
struct Place {
    queue: Queue,
    names: HeaderNames,
    next: Offset,
}

/// A client, and what it says that is not of a partition: log lines, broker errors.
struct Connection {
    events: Mutex<(Queue, HeaderNames)>,
    client: Arc<Client>,
}

impl Connection {
    fn open(config: &ClientConfig) -> Result<Self, LogError> {
        let client: Client = config
            .create_with_context(Context)
            .map_err(|e| classify::reading("reader", &e))?;
        let client = Arc::new(client);
        let events = Queue::of_consumer(&client)?;
        Ok(Self {
            events: Mutex::new((events, HeaderNames::default())),
            client,
        })
    }

    fn drain_events(&self) {
        let mut events = lock(&self.events);
        let (queue, names) = &mut *events;
        while let Some(event) = queue.poll(0, names) {
            if let Event::Error { code, reason, .. } = event {
                tracing::warn!(?code, "{reason}");
            }
        }
    }
}

impl Reader {
    pub fn new(config: &ClientConfig, topic: Arc<str>) -> Result<Self, LogError> {
        Ok(Self {
            topic,
            config: config.clone(),
            asking: Connection::open(config)?,
            reading: Mutex::default(),
            unstable: Mutex::default(),
        })
    }

    /// First offset kept and read_committed end: librdkafka asks at the client's isolation level,
    /// so the end is the last stable offset.
    pub fn bounds(&self, topic: &str, partition: Partition) -> Result<Bounds, LogError> {
        self.asking.drain_events();
        let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
        let ask = || self.asking.client.fetch_watermarks(topic, partition, timeout);
        let what = || format!("bounds of {topic}-{partition}");
        let answer = match ask() {
            // A broker that has just started may tell a topic without some of its partitions.
            // librdkafka keeps that for minutes, unless it is asked to ask again.
            Err(e) if e.rdkafka_error_code() == Some(Code::UnknownPartition) => {
                tracing::warn!(topic, partition, "not among the known partitions; asked for anew");
                self.partitions(topic)?;
                ask()
            }
            answer => answer,
        };
        let (start, end) =
            answer.map_err(|e| rights::reading(&what(), &e, &[Right::topic("Describe", topic)]))?;
        Ok(Bounds { start, end })
    }

    /// The end of the log, open transactions included.
    pub fn written_end(&self, topic: &str, partition: Partition) -> Result<Offset, LogError> {
        let mut config = self.config.clone();
        config.set("isolation.level", "read_uncommitted");
        let asking = Connection::open(&config)?;
        let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
        let bounds = asking.client.fetch_watermarks(topic, partition, timeout);
        let (_, end) = bounds.map_err(|e| classify::reading(&format!("end of {topic}-{partition}"), &e))?;
        Ok(end)
    }

    /// The group's committed offset. A read_committed consumer asks for stable offsets, and
    /// librdkafka asks again while a transaction on one is unresolved, until the time-out.
    pub fn committed(&self, topic: &str, partition: Partition) -> Result<Option<Position>, LogError> {
        let begun = Instant::now();
        self.asking.drain_events();
        let stable = committed(&self.asking.client, topic, partition);
        let known = lock(&self.unstable).remove(&partition);
        if !matches!(stable, Err(LogError::Retry(_))) {
            return stable;
        }
        let unstable = Unstable::after(known, begun, Instant::now());
        lock(&self.unstable).insert(partition, unstable);
        if !unstable.hangs() {
            return stable;
        }
        tracing::warn!(
            topic,
            partition,
            "an offset hangs in a transaction that is long over; passed by"
        );
        let mut config = self.config.clone();
        config.set("isolation.level", "read_uncommitted");
        committed(&Connection::open(&config)?.client, topic, partition)
    }

    /// The id of the topic that has this name now; `None` where the brokers have no ids.
    pub fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, LogError> {
        self.asking.drain_events();
        let found = describe(self.asking.client.client(), &self.config, &[topic])?;
        // The topic was there at the start: a broker that is just starting may not know it yet.
        let found = found.get(topic);
        let found = found.ok_or_else(|| LogError::Retry(format!("topic {topic} does not exist")))?;
        Ok(found.id)
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: &str) -> Result<Partition, LogError> {
        let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
        let metadata = self.asking.client.fetch_metadata(Some(topic), timeout);
        let metadata = metadata.map_err(|e| reach::asking(topic, &self.config, &e))?;
        let found = metadata.topics().first();
        if let Some(Code::TopicAuthorizationFailed) = found.and_then(|found| found.error()).map(Code::from) {
            let needs = [Right::topic("Describe", topic)];
            return Err(rights::reading_code(
                topic,
                Code::TopicAuthorizationFailed,
                &needs,
            ));
        }
        let count = found.map_or(0, |found| found.partitions().len());
        match Partition::try_from(count) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(LogError::Fatal(format!("topic {topic} does not exist"))),
        }
    }

    /// At most `limit` records from `from` on (or the oldest kept), up to the end as it now is.
    pub fn read(&self, partition: Partition, from: Offset, limit: usize) -> Result<ChangelogChunk, LogError> {
        let Bounds { start, end } = self.bounds(&self.topic, partition)?;
        let from = from.max(start);
        let mut chunk = ChangelogChunk {
            records: Vec::new(),
            next: from,
            end,
        };
        if from >= end || limit == 0 {
            return Ok(chunk);
        }
        let reading = self.reading()?;
        reading.connection.drain_events();
        let slot = lock(&reading.places).entry(partition).or_default().clone();
        let mut slot = lock(&slot);
        let mut place = match slot.take() {
            Some(place) if place.next == from => place,
            // Its queue must be gone before the partition is assigned anew.
            other => {
                drop(other);
                reading.open(&self.topic, partition, from)?
            }
        };
        // After an error the place is dropped: the next call seeks.
        reading.fill(&self.topic, partition, &mut place, limit, &mut chunk)?;
        if chunk.next < chunk.end {
            *slot = Some(place);
        } else {
            // Read to its end it is let go, or it would go on fetching what is written there.
            drop(place);
            reading.release(&self.topic, partition);
        }
        Ok(chunk)
    }

    /// Frees what a reading that was given up half-way holds.
    pub fn close(&self, partition: Partition) {
        let reading = lock(&self.reading).clone();
        if let Some(reading) = reading {
            let known = lock(&reading.places).remove(&partition);
            if known.is_some_and(|slot| lock(&slot).take().is_some()) {
                reading.release(&self.topic, partition);
            }
        }
    }

    fn reading(&self) -> Result<Arc<Reading>, LogError> {
        let mut opened = lock(&self.reading);
        if let Some(reading) = opened.as_ref() {
            return Ok(reading.clone());
        }
        let reading = Arc::new(Reading {
            connection: Connection::open(&self.config)?,
            assigned: Mutex::default(),
            places: Mutex::default(),
        });
        *opened = Some(reading.clone());
        Ok(reading)
    }
}

impl Reading {
    fn fill(
        &self,
        topic: &str,
        partition: Partition,
        place: &mut Place,
        limit: usize,
        chunk: &mut ChangelogChunk,
    ) -> Result<(), LogError> {
        let silence = Duration::from_millis(SILENCE_MAX_MS);
        let mut heard = Instant::now();
        let mut bytes = 0;
        while chunk.next < chunk.end && chunk.records.len() < limit && bytes < CHUNK_MAX_BYTES {
            match place.queue.poll(POLL_MS, &mut place.names) {
                // A stale one, from before the seek.
                Some(Event::Record(record)) if record.offset < chunk.next => {}
                Some(Event::Record(record)) => {
                    heard = Instant::now();
                    chunk.next = record.offset + 1;
                    bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
                    chunk.records.push(record);
                }
                Some(Event::End { offset, .. }) => {
                    heard = Instant::now();
                    chunk.next = chunk.next.max(offset);
                }
                Some(Event::Error { code, reason, .. }) => {
                    let what = format!("reading {}-{partition}: {reason}", topic);
                    match rights::reading_code(&what, code, &[Right::topic("Read", topic)]) {
                        LogError::Retry(_) => tracing::warn!(partition, ?code, "{what}"),
                        error => return Err(error),
                    }
                }
                _ => self.connection.drain_events(),
            }
            if heard.elapsed() > silence {
                return Err(LogError::Retry(format!(
                    "nothing came of {}-{partition} at {} before {}",
                    topic, chunk.next, chunk.end
                )));
            }
        }
        place.next = chunk.next;
        Ok(())
    }

    fn open(&self, topic: &str, partition: Partition, from: Offset) -> Result<Place, LogError> {
        let what = || format!("opening {}-{partition}", topic);
        self.release(topic, partition);
        let queue = Queue::of_partition(&self.connection.client, topic, partition)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, KafkaOffset::Offset(from))
            .map_err(|e| classify::reading(&what(), &e))?;
        self.connection
            .client
            .incremental_assign(&list)
            .map_err(|e| LogError::Retry(format!("{}: {e}", what())))?;
        lock(&self.assigned).insert(partition);
        Ok(Place {
            queue,
            names: HeaderNames::default(),
            next: from,
        })
    }

    fn release(&self, topic: &str, partition: Partition) {
        if lock(&self.assigned).remove(&partition)
            && let Err(e) = self
                .connection
                .client
                .incremental_unassign(&list(topic, partition))
        {
            tracing::warn!(topic, partition, "unassigning: {e}");
        }
    }
}

fn list(topic: &str, partition: Partition) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}

fn committed(client: &Client, topic: &str, partition: Partition) -> Result<Option<Position>, LogError> {
    let what = || format!("committed offset of {topic}-{partition}");
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let list = client
        .committed_offsets(list, Duration::from_millis(COMMITTED_TIMEOUT_MS))
        .map_err(|e| classify::reading(&what(), &e))?;
    let found = list.find_partition(topic, partition);
    let found = found.ok_or_else(|| LogError::Retry(format!("{}: no answer", what())))?;
    found.error().map_err(|e| classify::reading(&what(), &e))?;
    Ok(position(&found))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
