//! A topic that every instance reads whole from its beginning, and then follows (E11).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::watch;

use crate::engine::error::LogError;
use crate::engine::ports::{Offset, Partition, Record, Table};
use crate::engine::processor::GlobalTable;

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::queue::{Client, Event, HeaderNames, Queue};
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::{Cluster, QUERY_TIMEOUT_MS};

use super::{Reader, blocking};

const POLL_MS: i32 = 200;
/// How long catching up may take before the caller is asked to try again.
const CATCH_UP_MAX_MS: u64 = 30_000;

/// How far the table is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next offset of each partition.
    pub next: BTreeMap<Partition, Offset>,
    /// Records taken in so far: it changes when there is something new.
    pub applied: u64,
    /// Why the reader stopped, if it did.
    pub stopped: Option<String>,
}

/// Feeds a table on a thread of its own.
pub struct TableReader {
    topic: Arc<str>,
    asking: Arc<Reader>,
    progress: watch::Receiver<Progress>,
    stop: Arc<AtomicBool>,
    queue: Weak<Queue>,
}

impl TableReader {
    /// Starts to read. `refused` is told of each record that the table does not take.
    pub async fn start<T: GlobalTable>(
        cluster: &Cluster,
        client_id: &str,
        group: &str,
        topic: &str,
        table: Arc<T>,
        refused: impl Fn(&Record, &crate::engine::error::Refusal) + Send + 'static,
    ) -> Result<Self, LogError> {
        let topic: Arc<str> = topic.into();
        let config = cluster.consumer(client_id, group);
        let asking = Arc::new(Reader::new(&config, topic.clone())?);
        let name = topic.clone();
        let partitions = blocking(&asking, move |reader| reader.partitions(&name)).await?;

        let client: Client = config
            .create_with_context(Context)
            .map_err(|e| classify::reading("table", &e))?;
        let client = Arc::new(client);
        let queue = Arc::new(Queue::of_consumer(&client)?);
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(&topic, partition, KafkaOffset::Beginning)
                .map_err(|e| classify::reading("table", &e))?;
        }
        client.assign(&list).map_err(|e| classify::reading("table", &e))?;

        let (told, progress) = watch::channel(Progress::default());
        let stop = Arc::new(AtomicBool::new(false));
        let waker = Arc::downgrade(&queue);
        let mut follower = Follower {
            topic: topic.clone(),
            queue,
            _client: client,
            names: HeaderNames::default(),
            told,
            stop: stop.clone(),
        };
        thread::Builder::new()
            .name(format!("{topic}-table"))
            .spawn(move || follower.run(table.as_ref(), &refused))
            .map_err(|e| LogError::Fatal(format!("no thread for the table: {e}")))?;
        Ok(Self {
            topic,
            asking,
            progress,
            stop,
            queue: waker,
        })
    }

    /// Returns when the table holds everything that the topic holds now.
    pub fn catch_up(&self) -> impl Future<Output = Result<(), LogError>> + Send + use<> {
        let mut progress = self.progress.clone();
        let (asking, topic) = (self.asking.clone(), self.topic.clone());
        async move {
            let ends = blocking(&asking, move |reader| ends(reader, &topic)).await?;
            let reached = |progress: &Progress| {
                let behind = |(partition, end): (&Partition, &Offset)| {
                    progress.next.get(partition).copied().unwrap_or(0) < *end
                };
                progress.stopped.is_some() || !ends.iter().any(behind)
            };
            let bound = Duration::from_millis(CATCH_UP_MAX_MS);
            let progress = tokio::time::timeout(bound, progress.wait_for(reached))
                .await
                .map_err(|_| LogError::Retry("the table is behind its topic".into()))?
                .map_err(|_| LogError::Fatal("the table's thread ended".into()))?;
            match &progress.stopped {
                Some(reason) => Err(LogError::Fatal(reason.clone())),
                None => Ok(()),
            }
        }
    }

    /// Changes whenever something was applied.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

impl Table for TableReader {
    fn catch_up(&self) -> impl Future<Output = Result<(), LogError>> + Send {
        TableReader::catch_up(self)
    }

    fn version(&self) -> u64 {
        self.progress.borrow().applied
    }

    fn changed(&self, seen: u64) -> impl Future<Output = ()> + Send {
        let mut progress = self.progress.clone();
        async move {
            if progress
                .wait_for(|progress| progress.applied != seen)
                .await
                .is_err()
            {
                // The thread has ended: catching up says why.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for TableReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(queue) = self.queue.upgrade() {
            queue.wake();
        }
    }
}

/// Only what is not empty needs to be read to.
fn ends(reader: &Reader, topic: &str) -> Result<BTreeMap<Partition, Offset>, LogError> {
    let mut ends = BTreeMap::new();
    for partition in 0..reader.partitions(topic)? {
        let bounds = reader.bounds(topic, partition)?;
        if bounds.end > bounds.start {
            ends.insert(partition, bounds.end);
        }
    }
    Ok(ends)
}

struct Follower {
    topic: Arc<str>,
    queue: Arc<Queue>,
    _client: Arc<Client>,
    names: HeaderNames,
    told: watch::Sender<Progress>,
    stop: Arc<AtomicBool>,
}

impl Follower {
    fn run<T: GlobalTable>(&mut self, table: &T, refused: &impl Fn(&Record, &crate::engine::error::Refusal)) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.queue.poll(POLL_MS, &mut self.names) {
                Some(Event::Record(record)) => {
                    if let Err(refusal) = table.apply(&record) {
                        refused(&record, &refusal);
                    }
                    self.told.send_modify(|progress| {
                        progress.applied += 1;
                        progress.next.insert(record.partition, record.offset + 1);
                    });
                }
                Some(Event::End { partition, offset }) => {
                    self.told
                        .send_if_modified(|progress| progress.next.insert(partition, offset) != Some(offset));
                }
                Some(Event::Error {
                    code,
                    partition,
                    fatal,
                    reason,
                }) => {
                    let what = format!("{} {partition:?}: {reason}", self.topic);
                    let error = rights::reading_code(&what, code, &[Right::topic("Read", &self.topic)]);
                    if fatal || !matches!(error, LogError::Retry(_)) {
                        self.told
                            .send_modify(|progress| progress.stopped = Some(error.to_string()));
                        return;
                    }
                    tracing::warn!(topic = %self.topic, ?code, "{reason}");
                }
                _ => {}
            }
        }
    }
}

// A query must not take the whole bound.
const _: () = assert!(QUERY_TIMEOUT_MS < CATCH_UP_MAX_MS);
