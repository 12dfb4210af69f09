//! The log on Kafka.
//!
//! | room | does |
//! | --- | --- |
//! | `client` | settings, log lines, event queues, the meaning of errors |
//! | `reader` | reads without a group: changelogs, tables, whole topics |
//! | `consumer` | the member of a stage's group |
//! | `producer` | transactions of the lanes, single records |
//! | `admin` | topics and groups of the cluster |
//!
//! `client` is the lowest, `reader` uses it, and the other three stand side by side above the two;
//! only `producer` takes the `Membership` from `consumer`.

mod admin;
mod client;
mod consumer;
mod producer;
mod reader;

use std::future::Future;
use std::sync::Arc;

use crate::engine::error::LogError;
use crate::engine::ports::{Bounds, ChangelogChunk, Log, Offset, Partition, Position, TopicId};

pub use admin::{Admin, Created, Difference, Group, TopicSpec, TopicState};
pub use client::describe::Description as TopicDescription;
pub use client::properties;
pub use client::settings::{
    BATCH_MAX_BYTES, Cluster, MESSAGE_MAX_BYTES, REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS, Stage,
    TRANSACTION_TIMEOUT_MS,
};
pub use consumer::{GroupHold, KafkaInput, Membership};
pub use producer::{Cargo, Carrier, GroupOffsets, KafkaProducer, Overrun, Publisher, ReadTo};
pub use reader::{TableReader, TopicReader};

use consumer::InstanceIdConflict;
use producer::Watchdog;
use reader::{Reader, blocking};

/// Input and changelog of one stage.
pub struct KafkaLog {
    stage: Stage,
    reader: Arc<Reader>,
    watchdog: Watchdog,
    overrun: Overrun,
    conflict: Arc<InstanceIdConflict>,
}

impl KafkaLog {
    /// Asks nobody yet. `overrun` is what is done about a transaction that overruns its bound (E14):
    /// [`Overrun::end_process`], but for tests.
    pub fn new(stage: Stage, overrun: Overrun) -> Result<Self, LogError> {
        let topic = stage.changelog.clone().unwrap_or_else(|| stage.input.clone());
        let reader = Arc::new(Reader::new(&stage.reader(), topic)?);
        let watchdog = Watchdog::new(&overrun)
            .map_err(|e| LogError::Fatal(format!("no thread for the watchdog: {e}")))?;
        Ok(Self {
            stage,
            reader,
            watchdog,
            overrun,
            conflict: Arc::default(),
        })
    }

    /// For another reader of the stage's input: a client id for its `role`, the group, the topic.
    pub fn input_names(&self, role: &str) -> (String, String, Arc<str>) {
        let stage = &self.stage;
        (stage.client_id(role), stage.group(), stage.input.clone())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        blocking(&self.reader, ask).await
    }
}

impl Log for KafkaLog {
    type Membership = Membership;
    type Input = KafkaInput;
    type Producer = KafkaProducer;

    fn join(&self) -> impl Future<Output = Result<KafkaInput, LogError>> + Send {
        KafkaInput::join(&self.stage, self.conflict.clone(), self.reader.clone())
    }

    fn producer(&self, lane: u32) -> impl Future<Output = Result<KafkaProducer, LogError>> + Send {
        KafkaProducer::open(
            &self.stage,
            lane,
            self.watchdog.of_client(),
            self.overrun.left_after,
        )
    }

    async fn changelog(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<ChangelogChunk, LogError> {
        if self.stage.changelog.is_none() {
            let stage = &self.stage.stage;
            return Err(LogError::Fatal(format!("stage {stage} has no changelog")));
        }
        self.blocking(move |reader| reader.read(partition, from, limit))
            .await
    }

    async fn close_changelog(&self, partition: Partition) {
        let closed = self.blocking(move |reader| {
            reader.close(partition);
            Ok(())
        });
        // Nothing depends on it but memory.
        let _ = closed.await;
    }

    async fn input_bounds(&self, partition: Partition) -> Result<Bounds, LogError> {
        let topic = self.stage.input.clone();
        self.blocking(move |reader| reader.bounds(&topic, partition))
            .await
    }

    async fn input_topic(&self) -> Result<Option<TopicId>, LogError> {
        let topic = self.stage.input.clone();
        self.blocking(move |reader| reader.topic_id(&topic)).await
    }

    async fn committed(&self, partition: Partition) -> Result<Option<Position>, LogError> {
        let topic = self.stage.input.clone();
        self.blocking(move |reader| reader.committed(&topic, partition))
            .await
    }
}
