//! What the tests on Kafka share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accrual::adapters::kafka::{
    Admin, Cluster, Created, KafkaInput, KafkaLog, Membership, Overrun, Publisher, Stage, TopicSpec,
};
use accrual::engine::error::LogError;
use accrual::engine::ports::{
    ChangelogChunk, Input, InputEvent, Log, OutRecord, Position, Record, Released, Transaction,
};
use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::fresh;
use super::servers::{self, Kafka};

pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Event = InputEvent<Membership>;

/// One stage of a fresh application with topics of its own.
pub struct World {
    pub application: String,
    pub cluster: Cluster,
    pub admin: Admin,
    pub input: Arc<str>,
    pub changelog: Arc<str>,
    pub output: Arc<str>,
}

impl World {
    pub async fn new(partitions: i32) -> Self {
        Self::with(partitions, BTreeMap::new()).await
    }

    pub async fn with(partitions: i32, output: BTreeMap<String, String>) -> Self {
        Self::on(servers::kafka(), partitions, output).await
    }

    /// On a broker of the test's own.
    pub async fn on(kafka: &Kafka, partitions: i32, output: BTreeMap<String, String>) -> Self {
        let application = fresh("test");
        let cluster = Cluster::new(kafka.brokers.clone(), BTreeMap::new());
        let world = Self {
            admin: Admin::new(&cluster, "test").expect("an admin"),
            input: format!("{application}-in").into(),
            changelog: format!("{application}-changelog").into(),
            output: format!("{application}-out").into(),
            application,
            cluster,
        };
        let compacted = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let plain = BTreeMap::new();
        for (name, config) in [
            (&world.input, plain),
            (&world.changelog, compacted),
            (&world.output, output),
        ] {
            let spec = TopicSpec {
                name: name.to_string(),
                partitions,
                replication: None,
                config,
            };
            world.admin.create(&spec).await.expect("a topic");
        }
        world
    }

    pub fn stage(&self, instance: &str) -> Stage {
        Stage {
            cluster: self.cluster.clone(),
            application: self.application.clone(),
            stage: "orders".into(),
            instance: instance.into(),
            input: self.input.clone(),
            changelog: Some(self.changelog.clone()),
        }
    }

    pub fn log(&self, instance: &str) -> KafkaLog {
        KafkaLog::new(self.stage(instance), Overrun::end_process()).expect("a log")
    }

    /// Deletes a topic and creates another one under its name.
    pub async fn create_again(&self, topic: &str, partitions: i32) {
        let deleted = raw_admin().delete_topics(&[topic], &AdminOptions::new()).await;
        assert_eq!(deleted.expect("an answer"), [Ok(topic.to_owned())]);
        let spec = TopicSpec {
            name: topic.to_owned(),
            partitions,
            replication: None,
            config: BTreeMap::new(),
        };
        // The broker still knows the name for a moment.
        let deadline = Instant::now() + PATIENCE;
        while self.admin.create(&spec).await.expect("an answer") != Created::Now {
            assert!(Instant::now() < deadline, "{topic} was not created again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Gives a topic more partitions.
    pub async fn grow(&self, topic: &str, partitions: usize) {
        let admin = raw_admin();
        let more = NewPartitions::new(topic, partitions);
        let done = admin.create_partitions([&more], &AdminOptions::new()).await;
        assert_eq!(done.expect("an answer"), [Ok(topic.to_owned())]);
    }

    /// Writes `count` records to each input partition.
    pub async fn feed(&self, partitions: i32, count: usize) {
        let publisher = Publisher::new(&self.cluster, "feeder").expect("a publisher");
        for partition in 0..partitions {
            for i in 0..count {
                let record = out(&self.input, partition, &format!("k{i}"), Some(b"v"));
                publisher.publish(record).await.expect("published");
            }
        }
    }
}

fn raw_admin() -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers::kafka().brokers);
    config.create().expect("an admin")
}

pub fn out(topic: &Arc<str>, partition: i32, key: &str, value: Option<&[u8]>) -> OutRecord {
    OutRecord {
        topic: topic.clone(),
        partition: Some(partition),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(Bytes::copy_from_slice),
        headers: Vec::new(),
    }
}

pub fn transaction(
    records: Vec<OutRecord>,
    offsets: &[(i32, i64)],
    membership: &Membership,
) -> Transaction<Membership> {
    Transaction {
        records,
        offsets: offsets
            .iter()
            .map(|(partition, offset)| (*partition, at(*offset)))
            .collect(),
        membership: membership.clone(),
    }
}

/// An offset in a topic of no known id.
pub fn at(offset: i64) -> Position {
    Position { offset, topic: None }
}

/// The group's committed offset.
pub async fn committed(log: &KafkaLog, partition: i32) -> Option<i64> {
    let committed = log.committed(partition).await.expect("an answer");
    committed.map(|committed| committed.offset)
}

/// A member that owns everything of the input.
pub async fn join(log: &KafkaLog) -> (KafkaInput, Membership, Vec<i32>) {
    let mut input = log.join().await.expect("an input");
    let (partitions, membership) = assigned(&mut input).await;
    (input, membership, partitions)
}

pub async fn next(input: &mut KafkaInput) -> Event {
    tokio::time::timeout(PATIENCE, input.next())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// The next assignment that is not empty.
pub async fn assigned(input: &mut KafkaInput) -> (Vec<i32>, Membership) {
    loop {
        match next(input).await {
            InputEvent::Assigned {
                mut partitions,
                membership,
            } if !partitions.is_empty() => {
                partitions.sort_unstable();
                return (partitions, membership);
            }
            InputEvent::Revoked { done, .. } => drop(done),
            _ => {}
        }
    }
}

pub async fn revoked(input: &mut KafkaInput) -> (Vec<i32>, Released) {
    loop {
        if let InputEvent::Revoked { partitions, done } = next(input).await {
            return (partitions, done);
        }
    }
}

/// Records up to the end of a partition, and that end.
pub async fn to_the_end(input: &mut KafkaInput, of: i32) -> (Vec<Record>, i64) {
    let mut all = Vec::new();
    loop {
        match next(input).await {
            InputEvent::Records(records) => all.extend(records),
            InputEvent::End { partition, offset } if partition == of => return (all, offset),
            _ => {}
        }
    }
}

/// A changelog partition, once it is readable to an end. Markers are written after a commit or an
/// abort was answered, so the end moves a little later.
pub async fn changelog_to(log: &KafkaLog, partition: i32, end: i64) -> ChangelogChunk {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let chunk = log.changelog(partition, 0, usize::MAX).await.expect("a chunk");
        if chunk.end >= end {
            return chunk;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the end stays at {}",
            chunk.end
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn offsets(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.offset).collect()
}

pub fn is_fenced<T: std::fmt::Debug>(result: &Result<T, LogError>) -> bool {
    matches!(result, Err(LogError::Fenced(_)))
}

/// A transaction step by step, which the adapter's own producer does not offer.
pub struct Raw(ThreadedProducer<DefaultProducerContext>);

impl Raw {
    pub fn new(world: &World, id: &str) -> Self {
        let producer: ThreadedProducer<_> = servers::kafka()
            .client()
            .set("transactional.id", format!("{}-{id}", world.application))
            .create()
            .expect("a producer");
        producer.init_transactions(PATIENCE).expect("a producer id");
        Self(producer)
    }

    /// Begins, and writes a record to each partition.
    pub fn write(&self, topic: &str, partitions: &[i32]) {
        self.0.begin_transaction().expect("a transaction");
        for partition in partitions {
            let record = BaseRecord::to(topic)
                .partition(*partition)
                .key("k")
                .payload("open");
            self.0.send(record).map_err(|(e, _)| e).expect("sent");
        }
        self.0.flush(PATIENCE).expect("delivered");
    }

    pub fn abort(&self) {
        self.0.abort_transaction(PATIENCE).expect("aborted");
    }
}

/// Size of a record that only has to be there.
const FILL_BYTES: usize = 400;

/// Writes many records quickly, spread over partitions.
pub async fn fill(topic: &str, partitions: i32, count: usize) {
    let producer: ThreadedProducer<DefaultProducerContext> = servers::kafka()
        .client()
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .expect("a producer");
    let value = vec![b'x'; FILL_BYTES];
    for i in 0..count {
        let key = format!("k{i}");
        let record = BaseRecord::to(topic)
            .partition(i as i32 % partitions)
            .key(&key)
            .payload(&value);
        producer.send(record).map_err(|(e, _)| e).expect("sent");
    }
    producer.flush(Duration::from_secs(60)).expect("delivered");
}
