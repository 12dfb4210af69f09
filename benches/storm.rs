//! A storm: very many lots expire at one instant while orders go on.
//!
//! `make bench-storm`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench storm -- [--lots 1000000] [--orders-per-second 200]`.
//!
//! Every lot belongs to a member of its own and came by `points.import`. Orders whose points are
//! due at once come at a steady rate; their latency is the time from the producer's call to the
//! moment at which a read_committed consumer holds their points, through all stages.

mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat};
use common::argument;
use common::system::{Instance as Accrual, System, now_millis, send};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::Producer;

const TIMEOUT: Duration = Duration::from_secs(900);
/// Orders alone, before the storm.
const CALM: Duration = Duration::from_secs(30);
/// Imports carried out each second, at least: how far ahead the storm is set.
const IMPORTS_PER_SECOND: usize = 10_000;

const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: \"100\", points: 1, rounding: per_unit}
issuance: {on: completed}
";

fn main() {
    let lots = argument("--lots", 1_000_000);
    let rate = argument("--orders-per-second", 200);
    let system = Arc::new(System::new(12, RULES));
    let accrual = system.start("bench");
    accrual.wait_ready();
    let ahead = Duration::from_secs((lots / IMPORTS_PER_SECOND) as u64) + 2 * CALM;
    let storm = now_millis() + ahead.as_millis() as i64;
    import(&system, &accrual, lots, storm);
    let left = storm - now_millis();
    println!("{lots} lots imported, {} s ahead of the storm", left / 1000);
    assert!(
        left > CALM.as_millis() as i64,
        "imported too slowly: no calm before the storm"
    );

    let flowing = orders(&system, rate);
    let issued = system.reader(&["points-issued"]);
    let expired = system.reader(&["points-expired"]);
    let drained = thread::spawn(move || drain(&expired, lots));
    let mut latencies = Latencies::new(&issued, storm);
    while !drained.is_finished() {
        latencies.read();
    }
    let end = drained.join().expect("drained");
    flowing.store(false, Ordering::Relaxed);
    let took = Duration::from_millis((end - storm).unsigned_abs());
    println!(
        "{lots} lots expired within {:.1} s of their instant: {:.0} lots/s",
        took.as_secs_f64(),
        lots as f64 / took.as_secs_f64()
    );
    latencies.tell(end);
    println!(
        "accrual: {:.1} CPU seconds, {} MiB resident",
        accrual.cpu_seconds(),
        accrual.resident_mib()
    );
}

fn import(system: &System, accrual: &Accrual, lots: usize, storm: i64) {
    let producer = system.producer();
    let (time, expires_at) = (rfc3339(now_millis()), rfc3339(storm));
    for lot in 0..lots {
        let member = format!("m-{lot}");
        let value = format!(
            r#"{{"specversion":"1.0","id":"i-{lot}","source":"/import","type":"points.import","time":"{time}","data":{{"shop_id":"acme","member_id":"{member}","points":10,"expires_at":"{expires_at}","reason":"moved"}}}}"#
        );
        send(&producer, "point-commands", &member, &value);
    }
    producer.flush(Duration::from_secs(60)).expect("all written");
    let (begun, mut shown) = (Instant::now(), Instant::now());
    loop {
        let held = accrual.status("ledger", "pending").unwrap_or(0);
        if held >= lots as u64 {
            return;
        }
        assert!(
            begun.elapsed() < TIMEOUT,
            "{held} of {lots} lots after {TIMEOUT:?}"
        );
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            eprintln!("{held} of {lots} lots imported");
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Orders at a steady rate until told to stop.
fn orders(system: &Arc<System>, per_second: usize) -> Arc<AtomicBool> {
    let (flowing, system) = (Arc::new(AtomicBool::new(true)), system.clone());
    let on = flowing.clone();
    thread::spawn(move || {
        let producer = system.producer();
        let begun = Instant::now();
        for number in 0.. {
            if !on.load(Ordering::Relaxed) {
                return;
            }
            let due = Duration::from_secs_f64(number as f64 / per_second as f64);
            thread::sleep(due.saturating_sub(begun.elapsed()));
            let now = now_millis();
            let (id, time) = (format!("o-{number}-{now}"), rfc3339(now));
            let value = format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"/shops/acme","type":"order.created","time":"{time}","data":{{"shop_id":"acme","order_id":"{id}","order":{{"revision":1,"created_at":"{time}","currency":"TWD","customer":{{"id":"b-{}","logged_in":true}},"subtotal":"280.00","completed_at":"{time}"}}}}}}"#,
                number % 5_000
            );
            send(&producer, "order-events", &id, &value);
        }
    });
    flowing
}

/// When the last of so many lots was seen to have expired.
fn drain(expired: &BaseConsumer, lots: usize) -> i64 {
    let (deadline, mut shown) = (Instant::now() + TIMEOUT, Instant::now());
    let mut seen = 0;
    while seen < lots {
        assert!(
            Instant::now() < deadline,
            "{seen} of {lots} expired after {TIMEOUT:?}"
        );
        if let Some(Ok(_)) = expired.poll(Duration::from_millis(100)) {
            seen += 1;
        }
        if seen > 0 && shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            eprintln!("{seen} of {lots} lots expired");
        }
    }
    now_millis()
}

/// Orders' latencies in ms with the time at which they were placed.
struct Latencies<'a> {
    issued: &'a BaseConsumer,
    storm: i64,
    all: Vec<(i64, i64)>,
}

impl<'a> Latencies<'a> {
    fn new(issued: &'a BaseConsumer, storm: i64) -> Self {
        Latencies {
            issued,
            storm,
            all: Vec::new(),
        }
    }

    fn read(&mut self) {
        let Some(Ok(message)) = self.issued.poll(Duration::from_millis(100)) else {
            return;
        };
        let data: serde_json::Value = serde_json::from_slice(message.payload().expect("data")).expect("JSON");
        let Some(order) = data["order_id"].as_str() else {
            return;
        };
        let placed = order.rsplit('-').next().and_then(|at| at.parse::<i64>().ok());
        let placed = placed.expect("a time");
        self.all.push((placed, now_millis() - placed));
    }

    fn tell(&self, end: i64) {
        let warm = self.storm - CALM.as_millis() as i64;
        for (name, from, to) in [("before", warm, self.storm), ("during", self.storm, end)] {
            let within = self.all.iter().filter(|(placed, _)| (from..to).contains(placed));
            let mut latencies: Vec<i64> = within.map(|(_, latency)| *latency).collect();
            latencies.sort_unstable();
            let at = |share: f64| {
                let last = latencies.len().saturating_sub(1);
                latencies
                    .get((last as f64 * share) as usize)
                    .copied()
                    .unwrap_or(0)
            };
            println!(
                "orders {name} the storm: {} with points, latency p50 {} ms, p99 {} ms, longest {} ms",
                latencies.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}

fn rfc3339(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).expect("a time");
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
