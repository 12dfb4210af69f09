//! A member of a group that reads nothing: while it is the only one, nobody else can commit for
//! the group.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;

use crate::engine::error::LogError;
use crate::engine::ports::Partition;

use crate::adapters::kafka::client::settings::Cluster;
use crate::adapters::kafka::client::{classify, context};

use super::messages::Membership;

/// One that dies is forgotten by its group within this time.
const SESSION_TIMEOUT_MS: u64 = 10_000;
const POLL_MS: u64 = 100;

/// Sole membership of a group, until it is dropped. It is not static: its place is free at once.
pub struct GroupHold {
    membership: Membership,
    lost: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl GroupHold {
    /// Joins the group and waits, at most `wait`, until every partition of the topic is its own.
    pub async fn join(
        cluster: &Cluster,
        client_id: &str,
        (group, topic): (&str, &str),
        partitions: Partition,
        wait: Duration,
    ) -> Result<Self, LogError> {
        let mut config = cluster.consumer(client_id, group);
        config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS.to_string());
        let assigned = Assigned::default();
        let client: BaseConsumer<Assigned> = config
            .create_with_context(assigned.clone())
            .map_err(|e| classify::reading("group", &e))?;
        client
            .subscribe(&[topic])
            .map_err(|e| classify::reading("group", &e))?;
        let group = group.to_owned();
        let held = tokio::task::spawn_blocking(move || hold(client, &assigned, &group, partitions, wait));
        held.await
            .unwrap_or_else(|e| Err(LogError::Fatal(format!("joining a group: {e}"))))
    }

    pub fn membership(&self) -> Membership {
        self.membership.clone()
    }

    /// Somebody else has joined the group since, or it has forgotten this member.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for GroupHold {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn hold(
    client: BaseConsumer<Assigned>,
    assigned: &Assigned,
    group: &str,
    partitions: Partition,
    wait: Duration,
) -> Result<GroupHold, LogError> {
    let deadline = Instant::now() + wait;
    let wanted: BTreeSet<Partition> = (0..partitions).collect();
    while assigned.lock().as_ref() != Some(&wanted) {
        if Instant::now() > deadline {
            return Err(LogError::Retry(format!(
                "group {group}: not every partition was assigned within {} s: somebody else is a member",
                wait.as_secs()
            )));
        }
        // Nothing is ever assigned to the client itself: there is nothing to read.
        drop(client.poll(Duration::from_millis(POLL_MS)));
    }
    let metadata = client.group_metadata();
    let metadata = metadata.ok_or_else(|| LogError::Fatal("no metadata of a group".into()))?;
    let (lost, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let thread = {
        let (lost, stop, assigned) = (lost.clone(), stop.clone(), assigned.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                drop(client.poll(Duration::from_millis(POLL_MS)));
                if assigned.lock().is_none() {
                    lost.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    let thread = thread::Builder::new()
        .name(format!("hold-{group}"))
        .spawn(thread)
        .map_err(|e| LogError::Fatal(format!("no thread for a group: {e}")))?;
    Ok(GroupHold {
        membership: Membership {
            group: group.into(),
            metadata: Arc::new(metadata),
        },
        lost,
        stop,
        thread: Some(thread),
    })
}

/// What the group assigned; `None` before the first assignment and after it was taken back.
#[derive(Clone, Default)]
struct Assigned(Arc<Mutex<Option<BTreeSet<Partition>>>>);

impl Assigned {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BTreeSet<Partition>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Assigned {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log_line(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ConsumerContext for Assigned {
    fn rebalance(&self, client: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigns = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let partitions = list.elements().iter().map(|e| e.partition()).collect();
        *self.lock() = assigns.then_some(partitions);
        // Membership is all that is wanted: the client reads none of them.
        if let Err(e) = client.assign(&TopicPartitionList::new()) {
            tracing::warn!("a group's assignment: {e}");
        }
    }
}
