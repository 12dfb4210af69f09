//! How long points stand still when the owner of a partition dies, and when Redis is lost.
//!
//! `make bench-recovery`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench recovery -- [--pending 1000000]`.
//!
//! One partition holds so many orders with a timer far ahead. Beside them an order whose points
//! are due at once comes every 50 ms. Measured is the time from `kill -9` of the owner, or from
//! `FLUSHALL`, to the first points of an order that came afterwards, as a consumer sees them.

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

/// What the group gives a member that went without a word.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// Nothing moves any more.
const SETTLED: Duration = Duration::from_secs(3);
const HEARTBEAT: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(600);
const LEAST_PENDING: usize = 10_000;

/// Online orders wait for ten years, those at the till not at all.
const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
channels: [online, pos]
accrual:
  rate: {every: \"100\", points: 1, rounding: per_unit}
issuance:
  on: completed
  delay_days: 3650
  by_channel: {pos: {on: completed, delay_days: 0}}
";

fn main() {
    let most = argument("--pending", 1_000_000);
    let system = Arc::new(System::new(1, RULES));
    let reader = system.reader(&["points-issued"]);
    let beating = heartbeat(&system);
    let (mut pending, mut owners) = (0, 0);
    let mut owner = system.start("owner-0");
    println!(
        "pending timers | killed to first timer | of it beyond the session time-out | Redis lost to first timer | keys/s"
    );
    let mut wanted = LEAST_PENDING.min(most);
    loop {
        fill(&system, &owner, pending..wanted);
        pending = wanted;

        owners += 1;
        let (mut killed_one, heir) = settled(owner, system.start(&format!("owner-{owners}")));
        first_points_after(&reader, now_millis());
        killed_one.kill();
        let killed = first_points_after(&reader, now_millis());
        owner = heir;

        system.redis.flush_all();
        let lost = first_points_after(&reader, now_millis());
        println!(
            "{pending:14} | {:19.1} s | {:31.1} s | {:23.1} s | {:.0}",
            killed.as_secs_f64(),
            killed.saturating_sub(SESSION_TIMEOUT).as_secs_f64(),
            lost.as_secs_f64(),
            pending as f64 / lost.as_secs_f64()
        );
        if pending == most {
            break;
        }
        wanted = (pending * 10).min(most);
    }
    beating.store(false, Ordering::Relaxed);
}

/// Waits until the two have shared the partitions out: the owner of the orders first.
fn settled(one: Accrual, other: Accrual) -> (Accrual, Accrual) {
    let (begun, mut since, mut last) = (Instant::now(), Instant::now(), None);
    loop {
        let shares = ["orders", "ledger"]
            .map(|stage| [&one, &other].map(|instance| instance.status(stage, "partitions").unwrap_or(0)));
        if last != Some(shares) {
            (since, last) = (Instant::now(), Some(shares));
        }
        let whole = shares.iter().all(|share| share.iter().sum::<u64>() == 1);
        if whole && since.elapsed() > SETTLED {
            return if shares[0][0] == 1 {
                (one, other)
            } else {
                (other, one)
            };
        }
        assert!(begun.elapsed() < TIMEOUT, "not shared out: {shares:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Orders at the till, one every while, each named after the time at which it came.
fn heartbeat(system: &Arc<System>) -> Arc<AtomicBool> {
    let (beating, system) = (Arc::new(AtomicBool::new(true)), system.clone());
    let on = beating.clone();
    thread::spawn(move || {
        let producer = system.producer();
        while on.load(Ordering::Relaxed) {
            let now = now_millis();
            let id = format!("till-{now}");
            send(&producer, "order-events", &id, &order(&id, "pos", now));
            thread::sleep(HEARTBEAT);
        }
    });
    beating
}

/// Adds orders that wait, and waits until the owner holds their timers.
fn fill(system: &System, owner: &Accrual, orders: std::ops::Range<usize>) {
    let producer = system.producer();
    let end = orders.end as u64;
    for order_number in orders {
        let id = common::order_id(order_number);
        send(
            &producer,
            "order-events",
            &id,
            &order(&id, "online", now_millis()),
        );
    }
    producer.flush(Duration::from_secs(60)).expect("all written");
    let (begun, mut shown) = (Instant::now(), Instant::now());
    loop {
        let held = owner.status("orders", "pending").unwrap_or(0);
        if held >= end {
            return;
        }
        assert!(
            begun.elapsed() < TIMEOUT,
            "{held} of {end} timers after {TIMEOUT:?}"
        );
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            eprintln!("{held} of {end} timers set");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// How long after `since` the first points came of an order that came after it.
fn first_points_after(reader: &BaseConsumer, since: i64) -> Duration {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        assert!(Instant::now() < deadline, "no points within {TIMEOUT:?}");
        let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) else {
            continue;
        };
        let data: serde_json::Value = serde_json::from_slice(message.payload().expect("data")).expect("JSON");
        let order = data["order_id"].as_str().expect("an order");
        let came = order
            .strip_prefix("till-")
            .and_then(|came| came.parse::<i64>().ok());
        if came.is_some_and(|came| came > since) {
            return Duration::from_millis((now_millis() - since).unsigned_abs());
        }
    }
}

fn order(id: &str, channel: &str, now: i64) -> String {
    let time = DateTime::from_timestamp_millis(now).expect("a time");
    let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        r#"{{"specversion":"1.0","id":"{id}-0","source":"/shops/acme","type":"order.created","time":"{time}","data":{{"shop_id":"acme","order_id":"{id}","order":{{"revision":1,"created_at":"{time}","channel":"{channel}","currency":"TWD","customer":{{"id":"m-{id}","logged_in":true}},"subtotal":"280.00","completed_at":"{time}"}}}}}}"#
    )
}
