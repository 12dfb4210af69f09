//! The log on Kafka.

mod admin;
mod classify;
mod context;
mod deliveries;
mod input;
mod namesake;
mod outbox;
mod poller;
mod producer;
pub mod properties;
mod publish;
mod queue;
mod reader;
mod settings;
mod silence;
mod table;
mod watchdog;

use std::future::Future;
use std::sync::Arc;

use crate::engine::error::LogError;
use crate::engine::ports::{Bounds, ChangelogChunk, Log, Offset, Partition};

pub use admin::{Admin, Created, TopicSpec, TopicState};
pub use input::{KafkaInput, Membership};
pub use producer::KafkaProducer;
pub use publish::{Publisher, TopicReader};
pub use settings::{
    BATCH_MAX_BYTES, Cluster, MESSAGE_MAX_BYTES, REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS, Stage,
    TRANSACTION_TIMEOUT_MS,
};
pub use table::TableReader;
pub use watchdog::{Overrun, end_process};

use namesake::Namesake;
use reader::Reader;
use watchdog::Watchdog;

/// Input and changelog of one stage.
pub struct KafkaLog {
    stage: Stage,
    reader: Arc<Reader>,
    watchdog: Watchdog,
    namesake: Arc<Namesake>,
}

impl KafkaLog {
    /// Asks nobody yet. `overrun` is what is done when a transaction call overruns its bound
    /// (E14): [`end_process`], but for tests.
    pub fn new(stage: Stage, overrun: Overrun) -> Result<Self, LogError> {
        let topic = stage.changelog.clone().unwrap_or_else(|| stage.input.clone());
        let reader = Arc::new(Reader::new(&stage.reader(), topic)?);
        let watchdog = Watchdog::new(overrun)
            .map_err(|e| LogError::Fatal(format!("no thread for the watchdog: {e}")))?;
        Ok(Self {
            stage,
            reader,
            watchdog,
            namesake: Arc::default(),
        })
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
        KafkaInput::join(&self.stage, self.namesake.clone(), self.reader.clone())
    }

    fn producer(&self, lane: u32) -> impl Future<Output = Result<KafkaProducer, LogError>> + Send {
        KafkaProducer::open(&self.stage, lane, self.watchdog.clone())
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

    async fn committed(&self, partition: Partition) -> Result<Option<Offset>, LogError> {
        let topic = self.stage.input.clone();
        self.blocking(move |reader| reader.committed(&topic, partition))
            .await
    }
}

async fn blocking<T: Send + 'static>(
    reader: &Arc<Reader>,
    ask: impl FnOnce(&Reader) -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let reader = reader.clone();
    tokio::task::spawn_blocking(move || ask(&reader))
        .await
        .unwrap_or_else(|e| Err(LogError::Retry(format!("reading: {e}"))))
}
