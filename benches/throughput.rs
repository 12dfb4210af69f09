//! The main job at full load: order events through `accrual run`, all three stages, on a real
//! Kafka and a real Redis of this machine, until the last point is issued.
//!
//! `make bench`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench throughput -- [--orders 200000] [--partitions 12]`
//! (only the load is made by the development build; accrual itself is the release build).
//!
//! The events stand on the topic before accrual starts. Time runs from the start of the process
//! to the Kafka timestamp of the last issued point, joining the group included; the rate is also
//! given from the first issued point's read event on, as `from ready`.

mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{EVENTS_PER_ORDER, RULES, argument, binary};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use support::servers::{self, Jvm, free_port};

/// Orders under way at the same time in the made-up traffic.
const OPEN_ORDERS: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(600);

fn main() {
    let orders = argument("--orders", 200_000);
    let partitions = argument("--partitions", 12);
    let kafka = servers::own_kafka(Jvm::FullSpeed);
    let redis = servers::own_redis();
    let port = free_port();
    let environment: BTreeMap<&str, String> = BTreeMap::from([
        ("ACCRUAL_KAFKA__BROKERS", kafka.brokers.clone()),
        ("ACCRUAL_REDIS__URL", redis.url.clone()),
        ("ACCRUAL_HTTP__LISTEN", format!("127.0.0.1:{port}")),
        ("ACCRUAL_TOPICS__PARTITIONS", partitions.to_string()),
        ("ACCRUAL_INSTANCE_ID", "bench".to_string()),
        (
            "ACCRUAL_LOG",
            std::env::var("ACCRUAL_LOG").unwrap_or_else(|_| "warn".into()),
        ),
    ]);
    accrual(&environment, &["topics", "create"]);
    let rules = servers::new_dir("bench").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("rules written");
    accrual(
        &environment,
        &[
            "rules",
            "publish",
            rules.to_str().expect("a path"),
            "--time",
            "2024-01-01T00:00:00+08:00",
        ],
    );

    let (bytes, took) = preload(&kafka.client(), orders);
    let events = orders * EVENTS_PER_ORDER;
    println!(
        "{events} events, {} bytes each, produced at {:.0}/s",
        bytes / events,
        events as f64 / took.as_secs_f64()
    );

    let issued = Issued::new(&kafka.client());
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_millis() as i64;
    let mut child = spawn(&environment);
    let (first, last) = issued.wait_for(orders, &mut child);
    let cpu = cpu_seconds(child.id());
    let memory = resident_mib(child.id());
    // SAFETY: plain kill(2) of our own child.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let status = child.wait().expect("ended");
    let whole = (last - begun) as f64 / 1000.0;
    let flowing = (last - first) as f64 / 1000.0;
    println!(
        "start to last issued point   {whole:8.2} s   {:9.0} events/s",
        events as f64 / whole
    );
    println!(
        "first to last issued point   {flowing:8.2} s   {:9.0} events/s",
        events as f64 / flowing
    );
    println!("accrual: {cpu:.1} CPU seconds, {memory} MiB resident; ended with {status}");
}

fn accrual(environment: &BTreeMap<&str, String>, arguments: &[&str]) {
    let status = Command::new(binary()).args(arguments).envs(environment).status();
    assert!(status.expect("accrual starts").success(), "accrual {arguments:?}");
}

fn spawn(environment: &BTreeMap<&str, String>) -> Child {
    let mut command = Command::new(binary());
    command
        .arg("run")
        .envs(environment)
        .stdin(Stdio::null())
        .spawn()
        .expect("accrual starts")
}

/// Writes five events for each order, many orders under way at once.
fn preload(client: &ClientConfig, orders: usize) -> (usize, Duration) {
    let producer: ThreadedProducer<DefaultProducerContext> = client
        .clone()
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .expect("a producer");
    let begun = Instant::now();
    let mut bytes = 0;
    for wave in (0..orders).step_by(OPEN_ORDERS) {
        for step in 0..EVENTS_PER_ORDER {
            for order in wave..(wave + OPEN_ORDERS).min(orders) {
                let (key, value) = (common::order_id(order), event(order, step));
                bytes += value.len();
                let mut record = BaseRecord::to("order-events").key(&key).payload(&value);
                while let Err((_, back)) = producer.send(record) {
                    record = back;
                    producer.poll(Duration::from_millis(5));
                }
            }
        }
    }
    producer.flush(Duration::from_secs(60)).expect("all written");
    (bytes, begun.elapsed())
}

fn event(order: usize, step: usize) -> String {
    let time = format!(
        "2026-02-{:02}T{:02}:{:02}:{:02}.{:03}+08:00",
        order / 20_000 % 28 + 1,
        8 + step,
        order / 60 % 60,
        order % 60,
        order % 1000
    );
    let attributes = r#""datacontenttype":"application/json","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#;
    common::event(order, step, &time, attributes)
}

/// A reader of what was issued.
struct Issued(BaseConsumer);

impl Issued {
    fn new(client: &ClientConfig) -> Self {
        let consumer: BaseConsumer = client
            .clone()
            .set("group.id", "bench-reader")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "500")
            .create()
            .expect("a consumer");
        consumer.subscribe(&["points-issued"]).expect("subscribed");
        Self(consumer)
    }

    /// Kafka timestamps of the first and the last of so many issued lots, in ms.
    fn wait_for(&self, lots: usize, child: &mut Child) -> (i64, i64) {
        let deadline = Instant::now() + TIMEOUT;
        let (mut seen, mut first, mut last) = (0, i64::MAX, 0);
        let mut shown = Instant::now();
        while seen < lots {
            assert!(
                Instant::now() < deadline,
                "{seen} of {lots} lots after {TIMEOUT:?}"
            );
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("accrual ended with {status} after {seen} of {lots} lots");
            }
            if shown.elapsed() > Duration::from_secs(5) {
                shown = Instant::now();
                eprintln!("{seen} of {lots} lots issued");
            }
            let Some(message) = self.0.poll(Duration::from_millis(100)) else {
                continue;
            };
            let Ok(message) = message else { continue };
            let at = message.timestamp().to_millis().expect("a timestamp");
            (first, last, seen) = (first.min(at), last.max(at), seen + 1);
        }
        (first, last)
    }
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    // SAFETY: sysconf has no preconditions.
    ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("resident size");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        / 1024
}
