//! Topics: what is there, what ought to be, and making it so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::engine::error::LogError;
use crate::engine::ports::Partition;

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::describe::{Description, describe};
use crate::adapters::kafka::client::reach;
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::{Cluster, QUERY_TIMEOUT_MS};

const OPERATION_TIMEOUT_MS: u64 = 30_000;
const APPEARS_POLL_MS: u64 = 20;

/// A topic as it ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: Partition,
    /// `None`: the broker's default.
    pub replication: Option<i32>,
    /// `cleanup.policy`, `retention.ms` and the like.
    pub config: BTreeMap<String, String>,
}

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicState {
    pub partitions: Partition,
    /// Smallest number of replicas of any partition.
    pub replication: usize,
    pub config: BTreeMap<String, String>,
}

impl TopicState {
    pub fn number(&self, name: &str) -> Option<i64> {
        self.config.get(name)?.parse().ok()
    }

    /// `cleanup.policy` holds this word.
    pub fn cleans_by(&self, word: &str) -> bool {
        let policy = self.config.get("cleanup.policy");
        policy.is_some_and(|policy| policy.split(',').any(|part| part.trim() == word))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Now,
    Before,
}

/// Asks about and creates topics.
#[derive(Clone)]
pub struct Admin {
    client: Arc<AdminClient<Context>>,
    config: Arc<ClientConfig>,
}

impl Admin {
    pub fn new(cluster: &Cluster, client_id: &str) -> Result<Self, LogError> {
        let config = cluster.client(client_id);
        let client = config
            .create_with_context(Context)
            .map_err(|e| classify::reading("admin", &e))?;
        Ok(Self {
            client: Arc::new(client),
            config: Arc::new(config),
        })
    }

    /// Names the cluster in the identity of a store (E7).
    pub async fn cluster_id(&self) -> Result<String, LogError> {
        let config = self.config.clone();
        self.ask(move |client| {
            let id = client
                .inner()
                .fetch_cluster_id(Duration::from_millis(QUERY_TIMEOUT_MS));
            id.ok_or_else(|| LogError::Retry(format!("the cluster's id, {}", reach::unanswered(&config))))
        })
        .await
    }

    /// Identity and size of each topic that exists, by one request.
    pub async fn identify(&self, topics: &[&str]) -> Result<BTreeMap<String, Description>, LogError> {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let config = self.config.clone();
        self.ask(move |client| {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            describe(client.inner(), &config, &names)
        })
        .await
    }

    /// Who is a member of a group, each as its client id and its host. A static member that was
    /// stopped is one until its session ends.
    pub async fn members(&self, group: &str) -> Result<Vec<(String, String)>, LogError> {
        let name = group.to_owned();
        self.ask(move |client| {
            let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
            let found = client.inner().fetch_group_list(Some(&name), timeout);
            let found = found.map_err(|e| classify::reading(&format!("group {name}"), &e))?;
            let members = found.groups().iter().flat_map(|group| group.members());
            let shown = members.map(|m| (m.client_id().to_owned(), m.client_host().to_owned()));
            Ok(shown.collect())
        })
        .await
    }

    /// The topic, or nothing where there is none. Without settings where Kafka does not show them.
    pub async fn describe(&self, topic: &str) -> Result<Option<TopicState>, LogError> {
        let name = topic.to_owned();
        let config = self.config.clone();
        let found = self.ask(move |client| layout(client, &config, &name)).await?;
        let Some(mut state) = found else {
            return Ok(None);
        };
        let options = AdminOptions::new().request_timeout(Some(Duration::from_millis(OPERATION_TIMEOUT_MS)));
        let described = self
            .client
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
            .await
            .map_err(|e| classify::reading(&format!("settings of {topic}"), &e))?;
        for resource in described {
            let resource =
                resource.map_err(|code| classify::reading_code(&format!("settings of {topic}"), code))?;
            let entries = resource.entries.into_iter();
            state.config = entries
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect();
        }
        Ok(Some(state))
    }

    /// Creates a topic, if it is not there: then it is left as it is.
    pub async fn create(&self, spec: &TopicSpec) -> Result<Created, LogError> {
        let replication = TopicReplication::Fixed(spec.replication.unwrap_or(-1));
        let mut topic = NewTopic::new(&spec.name, spec.partitions, replication);
        for (name, value) in &spec.config {
            topic = topic.set(name, value);
        }
        let timeout = Some(Duration::from_millis(OPERATION_TIMEOUT_MS));
        let options = AdminOptions::new()
            .request_timeout(timeout)
            .operation_timeout(timeout);
        let what = format!("creating {}", spec.name);
        let results = match self.client.create_topics([&topic], &options).await {
            Ok(results) => results,
            Err(error) => return Err(self.unanswered(what, error).await),
        };
        match results.into_iter().next() {
            Some(Ok(_)) => {
                self.appears(&spec.name).await?;
                Ok(Created::Now)
            }
            Some(Err((_, Code::TopicAlreadyExists))) => Ok(Created::Before),
            Some(Err((_, code @ (Code::InvalidReplicationFactor | Code::InvalidPartitions)))) => {
                Err(LogError::Fatal(format!("{what}: {code}")))
            }
            Some(Err((_, code))) => {
                let needs = [Right::topic("Create", &spec.name)];
                Err(rights::reading_code(&what, code, &needs))
            }
            None => Err(LogError::Retry(format!("{what}: no answer"))),
        }
    }

    /// Says which brokers were asked, and what came of it.
    async fn unanswered(&self, what: String, error: KafkaError) -> LogError {
        let config = self.config.clone();
        let said = self.ask(move |_| Err::<(), _>(reach::asking(&what, &config, &error)));
        said.await
            .err()
            .unwrap_or_else(|| LogError::Retry("asking Kafka".into()))
    }

    /// Waits until a new topic is known: brokers hear of it a little after its creation.
    async fn appears(&self, topic: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + Duration::from_millis(OPERATION_TIMEOUT_MS);
        loop {
            let name = topic.to_owned();
            let config = self.config.clone();
            if self
                .ask(move |client| layout(client, &config, &name))
                .await?
                .is_some()
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LogError::Retry(format!(
                    "topic {topic} was created but does not appear"
                )));
            }
            tokio::time::sleep(Duration::from_millis(APPEARS_POLL_MS)).await;
        }
    }

    /// What a topic lacks; empty where it is as it ought to be.
    pub async fn check(&self, spec: &TopicSpec) -> Result<Vec<Difference>, LogError> {
        let state = self.describe(&spec.name).await?;
        // The wrapper drops the error of a single topic, and every topic has settings.
        if state.as_ref().is_some_and(|state| state.config.is_empty()) {
            let missing = rights::missing(&[Right::topic("DescribeConfigs", &spec.name)]);
            let reason = format!("settings of {}: Kafka shows none{missing}", spec.name);
            return Err(LogError::Fatal(reason));
        }
        Ok(differences(spec, state.as_ref()))
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&AdminClient<Context>) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let client = self.client.clone();
        tokio::task::spawn_blocking(move || ask(&client))
            .await
            .unwrap_or_else(|e| Err(LogError::Retry(format!("asking: {e}"))))
    }
}

fn layout(
    client: &AdminClient<Context>,
    config: &ClientConfig,
    topic: &str,
) -> Result<Option<TopicState>, LogError> {
    let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
    let metadata = client
        .inner()
        .fetch_metadata(Some(topic), timeout)
        .map_err(|e| reach::asking(topic, config, &e))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    if let Some(error) = found.error() {
        return match Code::from(error) {
            Code::UnknownTopicOrPartition | Code::UnknownTopic => Ok(None),
            code => Err(rights::reading_code(
                topic,
                code,
                &[Right::topic("Describe", topic)],
            )),
        };
    }
    if found.partitions().is_empty() {
        return Ok(None);
    }
    let replicas = found
        .partitions()
        .iter()
        .map(|partition| partition.replicas().len());
    Ok(Some(TopicState {
        partitions: Partition::try_from(found.partitions().len()).unwrap_or(Partition::MAX),
        replication: replicas.min().unwrap_or(0),
        config: BTreeMap::new(),
    }))
}

/// One way in which a topic is not as it ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Missing,
    Partitions {
        found: Partition,
        wanted: Partition,
    },
    Setting {
        name: String,
        found: Option<String>,
        wanted: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "does not exist"),
            Self::Partitions { found, wanted } => write!(f, "has {found} partitions instead of {wanted}"),
            Self::Setting { name, found, wanted } => {
                let found = found.as_deref().unwrap_or("nothing");
                write!(f, "has {name}={found} instead of {wanted}")
            }
        }
    }
}

fn differences(spec: &TopicSpec, state: Option<&TopicState>) -> Vec<Difference> {
    let Some(state) = state else {
        return vec![Difference::Missing];
    };
    let mut found = Vec::new();
    if state.partitions != spec.partitions {
        found.push(Difference::Partitions {
            found: state.partitions,
            wanted: spec.partitions,
        });
    }
    for (name, wanted) in &spec.config {
        let present = state.config.get(name);
        if present != Some(wanted) {
            found.push(Difference::Setting {
                name: name.clone(),
                found: present.cloned(),
                wanted: wanted.clone(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_told() {
        let config = |policy: &str| BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
        let spec = TopicSpec {
            name: "t".into(),
            partitions: 12,
            replication: None,
            config: config("compact"),
        };
        let state = |partitions, policy| TopicState {
            partitions,
            replication: 1,
            config: config(policy),
        };
        let rows = [
            (None, 1),
            (Some(state(12, "compact")), 0),
            (Some(state(3, "compact")), 1),
            (Some(state(3, "delete")), 2),
        ];
        for (state, count) in rows {
            assert_eq!(differences(&spec, state.as_ref()).len(), count, "{state:?}");
        }
        assert!(state(1, "compact,delete").cleans_by("compact"));
        assert!(!state(1, "delete").cleans_by("compact"));
    }
}
