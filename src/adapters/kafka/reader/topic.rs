//! Topics read whole, for the command line.

use std::sync::Arc;

use crate::adapters::kafka::client::settings::Cluster;
use crate::engine::error::LogError;
use crate::engine::ports::{Bounds, ChangelogChunk, Millis, Offset, Partition, Position, TopicId};

use super::{Reader, blocking};

/// Reads a topic's committed records, partition by partition, outside any group's sight.
pub struct TopicReader {
    topic: Arc<str>,
    reader: Arc<Reader>,
}

impl TopicReader {
    /// `group` is only a name for access rights: nothing is joined or committed.
    pub fn new(cluster: &Cluster, client_id: &str, group: &str, topic: &str) -> Result<Self, LogError> {
        let topic: Arc<str> = topic.into();
        let reader = Reader::new(&cluster.consumer(client_id, group), topic.clone())?;
        Ok(Self {
            topic,
            reader: Arc::new(reader),
        })
    }

    pub async fn partitions(&self) -> Result<Partition, LogError> {
        let topic = self.topic.clone();
        blocking(&self.reader, move |reader| reader.partitions(&topic)).await
    }

    pub async fn bounds(&self, partition: Partition) -> Result<Bounds, LogError> {
        let topic = self.topic.clone();
        blocking(&self.reader, move |reader| reader.bounds(&topic, partition)).await
    }

    /// The end with what belongs to transactions that are still open: nothing that was written
    /// before this call lies behind it.
    pub async fn written_end(&self, partition: Partition) -> Result<Offset, LogError> {
        let topic = self.topic.clone();
        blocking(&self.reader, move |reader| reader.written_end(&topic, partition)).await
    }

    /// The stable committed offset of the group that this reader was named after (E5).
    pub async fn committed(&self, partition: Partition) -> Result<Option<Position>, LogError> {
        let topic = self.topic.clone();
        blocking(&self.reader, move |reader| reader.committed(&topic, partition)).await
    }

    /// The topic that stands under this name now; `None` where the brokers have no ids.
    pub async fn topic_id(&self) -> Result<Option<TopicId>, LogError> {
        let topic = self.topic.clone();
        blocking(&self.reader, move |reader| reader.topic_id(&topic)).await
    }

    /// When the first record from `from` on arrived, by its timestamp; `None`: there is none yet, or
    /// it has none.
    pub async fn arrival(&self, partition: Partition, from: Offset) -> Result<Option<Millis>, LogError> {
        blocking(&self.reader, move |reader| {
            let read = reader.read(partition, from, 1);
            reader.close(partition);
            Ok(read?.records.first().and_then(|record| record.timestamp))
        })
        .await
    }

    /// At most `limit` records from `from` on (or the oldest kept), up to the end as it now is.
    pub async fn read(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<ChangelogChunk, LogError> {
        blocking(&self.reader, move |reader| reader.read(partition, from, limit)).await
    }

    /// Frees what a reading that was given up half-way holds.
    pub async fn close(&self, partition: Partition) {
        let closed = blocking(&self.reader, move |reader| {
            reader.close(partition);
            Ok(())
        });
        // Nothing depends on it but memory.
        let _ = closed.await;
    }
}
