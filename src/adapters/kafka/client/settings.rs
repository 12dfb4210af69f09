//! How the clients are set up, and what of it a user may change.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;

/// Below the session time-out, so that a frozen owner's transaction is gone before its
/// partitions have a new owner (E6).
pub const TRANSACTION_TIMEOUT_MS: u64 = 10_000;
pub const SESSION_TIMEOUT_MS: u64 = 30_000;
/// The group waits this long for a member that must give partitions up.
pub const REBALANCE_TIMEOUT_MS: u64 = 120_000;
/// Largest message a client takes or sends; the topic's own limit is what counts.
pub const MESSAGE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// One batch of records on the wire. A broker refuses a batch above the topic's
/// `max.message.bytes` (1,048,588 by default) whole, and librdkafka does not split it.
pub const BATCH_MAX_BYTES: u64 = 1_000_000;
/// A failed attempt waits this long. The coordinator is still writing markers when the next
/// transaction begins: the default of 100 ms would then be the price of every transaction.
const RETRY_BACKOFF_MS: u64 = 2;
/// How long a question to a broker waits for its answer.
pub const QUERY_TIMEOUT_MS: u64 = 10_000;
const FETCH_WAIT_MAX_MS: u64 = 100;
const QUEUED_MAX_KBYTES: u64 = 16 * 1024;
const PRODUCER_QUEUE_MESSAGES: u64 = 500_000;
const PRODUCER_QUEUE_KBYTES: u64 = 256 * 1024;

/// A cluster and how to reach it.
#[derive(Clone, Debug)]
pub struct Cluster {
    brokers: String,
    properties: BTreeMap<String, String>,
}

impl Cluster {
    /// `properties` are the user's: none of those that the clients below set themselves.
    pub fn new(brokers: impl Into<String>, properties: BTreeMap<String, String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties,
        }
    }

    /// What every client has in common, the user's properties on top.
    pub fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("client.id", client_id)
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            .set("reconnect.backoff.max.ms", "2000")
            .set("topic.metadata.refresh.interval.ms", "60000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Reads what was committed, from where it is told to and nowhere else (E12).
    pub fn consumer(&self, client_id: &str, group: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        self.default(&mut config, "fetch.wait.max.ms", FETCH_WAIT_MAX_MS);
        self.default(&mut config, "fetch.max.bytes", 2 * MESSAGE_MAX_BYTES);
        self.default(&mut config, "receive.message.max.bytes", 4 * MESSAGE_MAX_BYTES);
        self.default(&mut config, "queued.max.messages.kbytes", QUEUED_MAX_KBYTES);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string());
        config
    }

    /// Writes with every in-sync replica's word for it.
    pub fn producer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        self.default(&mut config, "retry.backoff.ms", RETRY_BACKOFF_MS);
        self.default(&mut config, "linger.ms", 1);
        self.default(&mut config, "compression.type", "lz4");
        self.default(
            &mut config,
            "queue.buffering.max.messages",
            PRODUCER_QUEUE_MESSAGES,
        );
        self.default(&mut config, "queue.buffering.max.kbytes", PRODUCER_QUEUE_KBYTES);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("batch.num.messages", "10000")
            .set("batch.size", BATCH_MAX_BYTES.to_string())
            .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string());
        config
    }

    fn default(&self, config: &mut ClientConfig, name: &str, value: impl ToString) {
        if !self.properties.contains_key(name) {
            config.set(name, value.to_string());
        }
    }
}

/// One stage of one instance.
#[derive(Clone, Debug)]
pub struct Stage {
    pub cluster: Cluster,
    pub application: String,
    pub stage: String,
    /// Stable over restarts, unique among those that run.
    pub instance: String,
    pub input: Arc<str>,
    /// A stage without state has none.
    pub changelog: Option<Arc<str>>,
}

impl Stage {
    pub fn group(&self) -> String {
        format!("{}-{}", self.application, self.stage)
    }

    pub fn client_id(&self, role: &str) -> String {
        format!("{}-{}-{}-{role}", self.application, self.stage, self.instance)
    }

    /// A member of the stage's group.
    pub fn member(&self) -> ClientConfig {
        let mut config = self.cluster.consumer(&self.client_id("input"), &self.group());
        config
            .set("group.instance.id", format!("{}-{}", self.instance, self.stage))
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS.to_string())
            .set("max.poll.interval.ms", REBALANCE_TIMEOUT_MS.to_string());
        config
    }

    /// Asks and reads, without ever being a member.
    pub fn reader(&self) -> ClientConfig {
        self.cluster.consumer(&self.client_id("reader"), &self.group())
    }

    pub fn lane(&self, lane: u32) -> ClientConfig {
        let id = self.client_id(&lane.to_string());
        let mut config = self.cluster.producer(&id);
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_properties_win_over_defaults() {
        let properties = BTreeMap::from([("compression.type".to_owned(), "zstd".to_owned())]);
        let cluster = Cluster::new("b:1", properties);
        assert_eq!(cluster.producer("c").get("compression.type"), Some("zstd"));
        assert_eq!(cluster.producer("c").get("linger.ms"), Some("1"));
    }

    #[test]
    fn a_transaction_ends_before_a_session_does() {
        const { assert!(TRANSACTION_TIMEOUT_MS < SESSION_TIMEOUT_MS) };
    }
}
