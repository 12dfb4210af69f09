//! A processor's topics: names of its own, records in with every detail, everything out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset};

use super::accrual::Settings;
use super::servers::{Kafka, wait_for};

const TIMEOUT: Duration = Duration::from_secs(30);
const RECORD_MAX_BYTES: &str = "16777216";
/// Every topic by the name of its setting.
const NAMES: [&str; 10] = [
    "order_events",
    "point_commands",
    "point_rules",
    "points_issued",
    "points_expired",
    "points_events",
    "dead_letters",
    "ledger_entries",
    "orders_changelog",
    "ledger_changelog",
];

/// Those whose names begin with accrual's by default.
const OWN: [&str; 4] = [
    "dead_letters",
    "ledger_entries",
    "orders_changelog",
    "ledger_changelog",
];
const APPLICATION: &str = "accrual";

/// One header; it may stand without a value.
pub type HeaderPair = (String, Option<Vec<u8>>);

/// A record to be produced. Without a partition it goes where its key belongs.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<HeaderPair>,
    pub partition: Option<i32>,
    pub timestamp: Option<i64>,
}

impl Outgoing {
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Outgoing {
        Outgoing {
            key: Some(key.into()),
            value: Some(value.into()),
            ..Outgoing::default()
        }
    }

    pub fn on(mut self, partition: i32) -> Outgoing {
        self.partition = Some(partition);
        self
    }

    pub fn at(mut self, timestamp: i64) -> Outgoing {
        self.timestamp = Some(timestamp);
        self
    }

    pub fn header(mut self, name: &str, value: &[u8]) -> Outgoing {
        self.headers.push((name.to_owned(), Some(value.to_owned())));
        self
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<HeaderPair>,
}

impl Incoming {
    /// A header's value as text; empty without one.
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .iter()
            .find(|(present, _)| present == name)
            .and_then(|(_, value)| value.as_deref());
        std::str::from_utf8(value.unwrap_or_default()).expect("a header of text")
    }
}

/// The topics of one deployment.
pub struct Topics {
    pub prefix: String,
    pub partitions: i32,
    client: ClientConfig,
    producer: ThreadedProducer<Deliveries>,
}

impl Topics {
    /// Names only; `accrual topics create` makes them.
    pub fn new(kafka: &Kafka, partitions: i32) -> Topics {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("t{:08x}-{number}", rand::random::<u32>());
        Topics::open(kafka, prefix, partitions)
    }

    /// With the names that they have by default: for a broker of the test's own.
    pub fn of_defaults(kafka: &Kafka, partitions: i32) -> Topics {
        Topics::open(kafka, APPLICATION.to_owned(), partitions)
    }

    /// The same topics by new clients.
    pub fn reopened(&self, kafka: &Kafka) -> Topics {
        Topics::open(kafka, self.prefix.clone(), self.partitions)
    }

    fn open(kafka: &Kafka, prefix: String, partitions: i32) -> Topics {
        let client = kafka.client();
        let mut config = client.clone();
        config
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("acks", "all");
        config
            .set("enable.idempotence", "true")
            .set("reconnect.backoff.max.ms", "500")
            .set("message.max.bytes", RECORD_MAX_BYTES);
        let producer = config
            .create_with_context(Deliveries::default())
            .expect("a producer");
        Topics {
            prefix,
            partitions,
            client,
            producer,
        }
    }

    /// The full name of a topic, by its setting.
    pub fn name(&self, topic: &str) -> String {
        assert!(NAMES.contains(&topic), "no topic is called {topic}");
        match (self.prefix.as_str(), OWN.contains(&topic)) {
            (APPLICATION, false) => topic.replace('_', "-"),
            (APPLICATION, true) => format!("{APPLICATION}-{}", topic.replace('_', "-")),
            (prefix, _) => format!("{prefix}-{topic}"),
        }
    }

    pub fn settings(&self) -> Settings {
        let names = NAMES.map(|topic| {
            (
                format!("ACCRUAL_TOPICS__{}", topic.to_uppercase()),
                self.name(topic),
            )
        });
        let partitions = (
            "ACCRUAL_TOPICS__PARTITIONS".to_owned(),
            self.partitions.to_string(),
        );
        names.into_iter().chain([partitions]).collect()
    }

    /// Hands a record over; `flush` waits until it is stored.
    pub fn produce(&self, topic: &str, record: &Outgoing) {
        let name = self.name(topic);
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            let value = value.as_ref();
            headers = headers.insert(Header { key, value });
        }
        let mut base: BaseRecord<'_, Vec<u8>, Vec<u8>> = BaseRecord::to(&name).headers(headers);
        base.key = record.key.as_ref();
        base.payload = record.value.as_ref();
        base.partition = record.partition;
        base.timestamp = record.timestamp;
        let deadline = Instant::now() + TIMEOUT;
        while let Err((why, unsent)) = self.producer.send(base) {
            let full = why.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull);
            assert!(full && Instant::now() < deadline, "{name}: {why}");
            std::thread::sleep(Duration::from_millis(5));
            base = unsent;
        }
    }

    pub fn flush(&self) {
        self.producer
            .flush(TIMEOUT)
            .expect("every record delivered in time");
        let failed = self.producer.context().failed.lock().expect("never poisoned");
        assert!(failed.is_empty(), "not delivered: {failed:?}");
    }

    /// Whether every record handed over is stored within that time; the rest is tried on.
    pub fn try_flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout).is_ok()
    }

    /// Makes one topic with the broker's defaults, for tests that run no processor.
    pub fn create(&self, topic: &str) {
        let name = self.name(topic);
        let new = NewTopic::new(&name, self.partitions, TopicReplication::Fixed(1));
        let done = block_on(self.admin().create_topics([&new], &admin_options())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{name}: {done:?}");
    }

    /// Gives a topic more partitions.
    pub fn grow(&self, topic: &str, partitions: i32) {
        let name = self.name(topic);
        let partitions = usize::try_from(partitions).expect("a count");
        let more = NewPartitions::new(&name, partitions);
        let done = block_on(self.admin().create_partitions([&more], &admin_options())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{name}: {done:?}");
        wait_for("the producer to know the new partitions", TIMEOUT, || {
            let metadata = self.producer.client().fetch_metadata(Some(&name), TIMEOUT);
            metadata.expect("metadata").topics()[0].partitions().len() == partitions
        });
    }

    pub fn delete(&self, topic: &str) {
        let name = self.name(topic);
        let done = block_on(self.admin().delete_topics(&[&name], &admin_options())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{name}: {done:?}");
    }

    /// Deletes a topic and creates another one under its name.
    pub fn create_again(&self, topic: &str) {
        self.delete(topic);
        let name = self.name(topic);
        let new = NewTopic::new(&name, self.partitions, TopicReplication::Fixed(1));
        // The broker still knows the name for a moment.
        wait_for(&format!("{name} to be created again"), TIMEOUT, || {
            let done = block_on(self.admin().create_topics([&new], &admin_options()));
            done.expect("an answer").iter().all(Result::is_ok)
        });
    }

    /// Sets one setting of a topic, others going back to their defaults.
    pub fn configure(&self, topic: &str, name: &str, value: &str) {
        let topic = self.name(topic);
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set(name, value);
        let done = block_on(self.admin().alter_configs([&change], &admin_options())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{topic}: {done:?}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("an admin client")
    }

    /// Offsets used in a topic so far, those of transactions still open included.
    pub fn written(&self, topics: &[&str]) -> i64 {
        let consumer: BaseConsumer = self.client.create().expect("a consumer");
        let end = |name: &str, partition| {
            consumer
                .fetch_watermarks(name, partition, TIMEOUT)
                .map_or(0, |(_, end)| end)
        };
        let of_topic = |topic: &&str| {
            let name = self.name(topic);
            (0..self.partitions)
                .map(|partition| end(&name, partition))
                .sum::<i64>()
        };
        topics.iter().map(of_topic).sum()
    }

    /// Everything committed, partition by partition in order of offsets.
    pub fn read(&self, topic: &str) -> Vec<Incoming> {
        let name = self.name(topic);
        let mut config = self.client.clone();
        config
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true");
        config
            .set("fetch.wait.max.ms", "10")
            .set("fetch.message.max.bytes", RECORD_MAX_BYTES);
        config
            .set("group.id", format!("{name}-reader"))
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut open = assign_all(&consumer, &name);
        let mut records = BTreeMap::new();
        let deadline = Instant::now() + TIMEOUT;
        while open > 0 {
            assert!(Instant::now() < deadline, "{name} has no end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    records.insert((message.partition(), message.offset()), received(&message));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(why)) => panic!("{name}: {why}"),
                None => {}
            }
        }
        records.into_values().collect()
    }
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// How many partitions there are, each to be read from its beginning.
pub fn assign_all<C: ConsumerContext>(consumer: &impl Consumer<C>, name: &str) -> usize {
    assign_from(consumer, name, |_| Offset::Beginning)
}

/// How many partitions there are, each to be read from where `from` says.
pub fn assign_from<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    name: &str,
    from: impl Fn(i32) -> Offset,
) -> usize {
    let mut partitions = TopicPartitionList::new();
    wait_for(&format!("metadata of {name}"), TIMEOUT, || {
        let metadata = consumer.fetch_metadata(Some(name), TIMEOUT).expect("metadata");
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            partitions
                .add_partition_offset(name, partition.id(), from(partition.id()))
                .expect("a valid offset");
        }
        partitions.count() > 0
    });
    consumer.assign(&partitions).expect("an assignment");
    partitions.count()
}

pub fn received(message: &impl Message) -> Incoming {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Incoming {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

/// Remembers what was not delivered.
#[derive(Default)]
struct Deliveries {
    failed: std::sync::Mutex<Vec<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((why, message)) = result {
            let mut failed = self.failed.lock().expect("never poisoned");
            failed.push(format!("{}: {why}", message.topic()));
        }
    }
}
