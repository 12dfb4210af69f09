//! A consumer group, looked at and set from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer};

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::positions::{add_position, position};
use crate::adapters::kafka::client::queue::Client;
use crate::adapters::kafka::client::settings::{Cluster, QUERY_TIMEOUT_MS};
use crate::engine::error::LogError;
use crate::engine::ports::{Partition, Position};

const TIMEOUT: Duration = Duration::from_millis(QUERY_TIMEOUT_MS);

/// A group that this client never joins.
pub struct Group {
    name: String,
    client: Arc<Client>,
}

impl Group {
    pub fn new(cluster: &Cluster, client_id: &str, name: &str) -> Result<Self, LogError> {
        let client: Client = cluster
            .consumer(client_id, name)
            .create_with_context(Context)
            .map_err(|e| classify::reading("group", &e))?;
        Ok(Self {
            name: name.to_owned(),
            client: Arc::new(client),
        })
    }

    /// Client ids of its members.
    pub async fn members(&self) -> Result<Vec<String>, LogError> {
        let name = self.name.clone();
        self.ask(move |client| {
            let list = client
                .fetch_group_list(Some(&name), TIMEOUT)
                .map_err(|e| classify::reading(&format!("group {name}"), &e))?;
            let groups = list.groups().iter().filter(|group| group.name() == name);
            let members = groups.flat_map(|group| group.members());
            Ok(members.map(|member| member.client_id().to_owned()).collect())
        })
        .await
    }

    /// What it has committed of these partitions.
    pub async fn committed(
        &self,
        topic: &str,
        partitions: Partition,
    ) -> Result<BTreeMap<Partition, Position>, LogError> {
        let (name, topic) = (self.name.clone(), topic.to_owned());
        self.ask(move |client| {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, partitions - 1);
            let list = client
                .committed_offsets(list, TIMEOUT)
                .map_err(|e| classify::reading(&format!("offsets of group {name}"), &e))?;
            let elements = list.elements();
            let found = elements
                .iter()
                .filter_map(|e| Some((e.partition(), position(e)?)));
            Ok(found.collect())
        })
        .await
    }

    /// Sets its offsets. The broker refuses that while the group has members.
    pub async fn commit(
        &self,
        topic: &str,
        positions: BTreeMap<Partition, Position>,
    ) -> Result<(), LogError> {
        let (name, topic) = (self.name.clone(), topic.to_owned());
        self.ask(move |client| {
            let failed = |e| classify::reading(&format!("setting offsets of group {name}"), &e);
            let mut list = TopicPartitionList::new();
            for (partition, position) in positions {
                add_position(&mut list, &topic, partition, position).map_err(failed)?;
            }
            client.commit(&list, CommitMode::Sync).map_err(failed)
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let client = self.client.clone();
        tokio::task::spawn_blocking(move || ask(&client))
            .await
            .unwrap_or_else(|e| Err(LogError::Retry(format!("asking: {e}"))))
    }
}
