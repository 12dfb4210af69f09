//! The main job at full load: order events through `accrual run`, all three stages, on a real
//! Kafka and a real Redis of this machine, until the last point is issued.
//!
//! `make bench`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench throughput -- [--orders 200000] [--partitions 12]`
//! (only the load is made by the development build; accrual itself is the release build).
//! With `--regular` each member orders twenty times; with `--levels` as well, in a shop with five
//! levels of membership.
//!
//! The events stand on the topic before accrual starts. Time runs from the start of the process
//! to the Kafka timestamp of the last issued point, joining the group included; the rate is also
//! given from the first issued point's read event on, as `from ready`.

mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use common::system::{Instance as Accrual, System, now_millis, send};
use common::{Buyers, EVENTS_PER_ORDER, RULES, argument, rules_with_levels};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::Producer;

/// Orders under way at the same time in the made-up traffic.
const OPEN_ORDERS: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(600);

fn main() {
    let orders = argument("--orders", 200_000);
    let partitions = argument("--partitions", 12);
    let asked = |name: &str| std::env::args().any(|argument| argument == name);
    let (rules, buyers) = match (asked("--levels"), asked("--regular")) {
        (true, _) => (rules_with_levels(), Buyers::regular(orders)),
        (false, true) => (RULES.to_owned(), Buyers::regular(orders)),
        (false, false) => (RULES.to_owned(), Buyers::MANY),
    };
    let system = System::new(partitions, &rules);
    let (bytes, took) = preload(&system, orders, buyers);
    let events = orders * EVENTS_PER_ORDER;
    println!(
        "{events} events, {} bytes each, produced at {:.0}/s",
        bytes / events,
        events as f64 / took.as_secs_f64()
    );
    let issued = system.reader(&["points-issued"]);
    let begun = now_millis();
    let mut accrual = system.start("bench");
    let (first, last) = wait_for_lots(&issued, orders, &mut accrual);
    let (cpu, memory) = (accrual.cpu_seconds(), accrual.resident_mib());
    // SAFETY: plain kill(2) of our own child.
    unsafe { libc::kill(accrual.child.id() as i32, libc::SIGTERM) };
    let status = accrual.child.wait().expect("ended");
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

/// Writes five events for each order, many orders under way at once.
fn preload(system: &System, orders: usize, buyers: Buyers) -> (usize, Duration) {
    let producer = system.producer();
    let begun = Instant::now();
    let mut bytes = 0;
    for wave in (0..orders).step_by(OPEN_ORDERS) {
        for step in 0..EVENTS_PER_ORDER {
            for order in wave..(wave + OPEN_ORDERS).min(orders) {
                let (key, value) = (common::order_id(order), event(buyers, order, step));
                bytes += value.len();
                send(&producer, "order-events", &key, &value);
            }
        }
    }
    producer.flush(Duration::from_secs(60)).expect("all written");
    (bytes, begun.elapsed())
}

fn event(buyers: Buyers, order: usize, step: usize) -> String {
    let time = format!(
        "2026-02-{:02}T{:02}:{:02}:{:02}.{:03}+08:00",
        order / 20_000 % 28 + 1,
        8 + step,
        order / 60 % 60,
        order % 60,
        order % 1000
    );
    let attributes = r#""datacontenttype":"application/json","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#;
    common::event_of(buyers, order, step, &time, attributes)
}

/// Kafka timestamps of the first and the last of so many issued lots, in ms.
fn wait_for_lots(issued: &BaseConsumer, lots: usize, accrual: &mut Accrual) -> (i64, i64) {
    let deadline = Instant::now() + TIMEOUT;
    let (mut seen, mut first, mut last) = (0, i64::MAX, 0);
    let mut shown = Instant::now();
    while seen < lots {
        assert!(
            Instant::now() < deadline,
            "{seen} of {lots} lots after {TIMEOUT:?}"
        );
        if let Some(status) = accrual.child.try_wait().expect("a child") {
            panic!("accrual ended with {status} after {seen} of {lots} lots");
        }
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            eprintln!("{seen} of {lots} lots issued");
        }
        let Some(Ok(message)) = issued.poll(Duration::from_millis(100)) else {
            continue;
        };
        let at = message.timestamp().to_millis().expect("a timestamp");
        (first, last, seen) = (first.min(at), last.max(at), seen + 1);
    }
    (first, last)
}
