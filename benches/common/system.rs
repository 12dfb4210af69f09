//! The release build on a real Kafka and a real Redis of its own.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use serde_json::Value;

use super::binary;
use super::support::http;
use super::support::servers::{self, Jvm, Kafka, Redis, free_port, wait_for};

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Topics, rules and servers, ready for instances.
pub struct System {
    pub kafka: Kafka,
    pub redis: Redis,
    environment: BTreeMap<&'static str, String>,
}

impl System {
    pub fn new(partitions: usize, rules: &str) -> System {
        let kafka = servers::own_kafka(Jvm::FullSpeed);
        let redis = servers::own_redis();
        let log = std::env::var("ACCRUAL_LOG").unwrap_or_else(|_| "warn".into());
        let environment = BTreeMap::from([
            ("ACCRUAL_KAFKA__BROKERS", kafka.brokers.clone()),
            ("ACCRUAL_REDIS__URL", redis.url.clone()),
            ("ACCRUAL_TOPICS__PARTITIONS", partitions.to_string()),
            ("ACCRUAL_LOG", log),
        ]);
        let system = System {
            kafka,
            redis,
            environment,
        };
        let file = servers::new_dir("bench").join("rules.yaml");
        std::fs::write(&file, rules).expect("rules written");
        let file = file.to_str().expect("a path");
        system.command(&["topics", "create"]);
        system.command(&["rules", "publish", file, "--time", "2024-01-01T00:00:00+08:00"]);
        system
    }

    fn command(&self, arguments: &[&str]) {
        let status = Command::new(binary())
            .args(arguments)
            .envs(&self.environment)
            .status();
        assert!(status.expect("accrual starts").success(), "accrual {arguments:?}");
    }

    /// Starts an instance and waits for nothing.
    pub fn start(&self, name: &str) -> Instance {
        let port = free_port();
        let child = Command::new(binary())
            .arg("run")
            .envs(&self.environment)
            .env("ACCRUAL_INSTANCE_ID", name)
            .env("ACCRUAL_HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .spawn()
            .expect("accrual starts");
        Instance { child, port }
    }

    pub fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        let mut client = self.kafka.client();
        client
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "200000");
        client.create().expect("a producer")
    }

    /// A reader of committed records, from the beginning.
    pub fn reader(&self, topics: &[&str]) -> BaseConsumer {
        let mut client = self.kafka.client();
        client
            .set("group.id", format!("bench-{}", topics.join("-")))
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = client.create().expect("a consumer");
        consumer.subscribe(topics).expect("subscribed");
        consumer
    }
}

/// Produces, waiting while the queue is full.
pub fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, key: &str, value: &str) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((_, back)) = producer.send(record) {
        record = back;
        producer.poll(Duration::from_millis(5));
    }
}

/// A running process; killed when dropped.
pub struct Instance {
    pub child: Child,
    port: u16,
}

impl Instance {
    pub fn wait_ready(&self) {
        wait_for("accrual to be ready", READY_TIMEOUT, || {
            http::get(self.port, "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// A number of its status, by stage and name.
    pub fn status(&self, stage: &str, name: &str) -> Option<u64> {
        let answer = http::get(self.port, "/v1/status").ok()?;
        let status: Value = serde_json::from_str(&answer.body).ok()?;
        status["stages"][stage][name].as_u64()
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("a running process");
        let behind_name = stat.rsplit(')').next().expect("fields");
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
        // SAFETY: sysconf has no preconditions.
        (ticks(11) + ticks(12)) / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
    }

    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("resident size") / 1024
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn now_millis() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_millis() as i64
}
