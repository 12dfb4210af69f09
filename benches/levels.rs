//! What levels of membership cost: the same orders through `accrual replay` with the rules of a shop
//! that has none and of one that has five, by turns. Each member orders twenty times a year.
//!
//! `make bench-levels`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench levels -- [--orders 100000] [--runs 3]`.
//!
//! The ratio is that of the CPU time of the shortest runs: what the throughput of a shop with
//! levels is to that of one without, where the CPU is what limits it. The aim is 0.85 at least.

mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta};
use common::replaying::replay;
use common::{Buyers, EVENTS_PER_ORDER, RULES, argument, rules_with_levels};

/// From an order's creation to each of its steps.
const STEP_SECONDS: [i64; EVENTS_PER_ORDER] = [0, 60, 86_400, 3 * 86_400, 10 * 86_400];
const YEAR_MILLIS: i64 = 365 * 86_400_000;
/// When all orders are completed.
const UNTIL: &str = "2026-01-20T00:00:00Z";
const AIM: f64 = 0.85;

fn main() {
    let orders = argument("--orders", 100_000);
    let runs = argument("--runs", 3);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-levels");
    std::fs::create_dir_all(&dir).expect("a directory");
    let (events, out) = (dir.join("events.jsonl"), dir.join("out.jsonl"));
    write_events(&events, orders);
    let shops = [
        ("without levels", RULES.to_owned()),
        ("with five levels", rules_with_levels()),
    ];
    let files = shops.each_ref().map(|(name, rules)| {
        let file = dir.join(format!("{}.yaml", name.replace(' ', "-")));
        std::fs::write(&file, rules).expect("rules written");
        file
    });
    let count = (orders * EVENTS_PER_ORDER) as f64;
    let mut shortest = [f64::MAX; 2];
    for run in 1..=runs {
        for (((name, _), rules), shortest) in shops.iter().zip(&files).zip(&mut shortest) {
            let (wall, cpu) = replay(rules, &events, Some(UNTIL), &out);
            *shortest = shortest.min(cpu);
            println!(
                "run {run} {name:16}: {wall:6.2} s {:9.0} events/s; {cpu:6.2} CPU s {:9.0} events/s",
                count / wall,
                count / cpu
            );
            let outputs = std::fs::read_to_string(&out).expect("outputs");
            let issued = outputs.lines().filter(|line| line.contains("points-issued"));
            assert_eq!(issued.count(), orders, "orders that were credited");
        }
    }
    let ratio = shortest[0] / shortest[1];
    println!("throughput with five levels to without: {ratio:.2} (aim: {AIM} at least)");
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// The orders of a year, spread evenly, in the order of time.
fn write_events(path: &Path, orders: usize) {
    let start = DateTime::parse_from_rfc3339("2025-01-01T00:00:00+08:00").expect("a time");
    let buyers = Buyers::regular(orders);
    let millis = |order: usize, step: usize| {
        let created = order as i64 * (YEAR_MILLIS / orders.max(1) as i64);
        created + STEP_SECONDS[step] * 1_000
    };
    let mut file = BufWriter::new(File::create(path).expect("created"));
    // The next event of each step, the earliest first.
    let next = |order, step| std::cmp::Reverse((millis(order, step), order, step));
    let mut waiting: BinaryHeap<_> = (0..EVENTS_PER_ORDER).map(|step| next(0, step)).collect();
    while let Some(std::cmp::Reverse((at, order, step))) = waiting.pop() {
        let time = (start + TimeDelta::milliseconds(at)).to_rfc3339_opts(SecondsFormat::Millis, false);
        let event = common::event_of(buyers, order, step, &time, "");
        writeln!(file, "{event}").expect("written");
        if order + 1 < orders {
            waiting.push(next(order + 1, step));
        }
    }
    file.flush().expect("written");
    // The disk is to have done with it before a clock runs.
    file.get_ref().sync_all().expect("on the disk");
}
