//! How fast `accrual replay` is: a million order events from a file, everything computed and
//! written out, by one thread. Once up to the day after the last event, as one who wants to know
//! what orders earned; once to the last timer, every lot's expiry ten years later included.
//!
//! `make bench-replay`, or after `cargo build --release`:
//! `cargo bench --profile dev --bench replay -- [--orders 200000] [--runs 5]`.
//!
//! The rate is of the process as a whole, from its start to its end, outputs written to a file.
//! Whatever else the machine does only makes a run longer, so the shortest one is the one that was
//! not disturbed. CPU time is given beside it, and the median.

mod common;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};
use common::replaying::replay;
use common::{EVENTS_PER_ORDER, RULES, argument};

/// Between two orders of the made-up shop, and between an order's steps.
const ORDERS_MILLIS_APART: i64 = 10;
const STEPS_SECONDS_APART: i64 = 10;

fn main() {
    let orders = argument("--orders", 200_000);
    let runs = argument("--runs", 5);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-replay");
    std::fs::create_dir_all(&dir).expect("a directory");
    let (rules, events, out) = (
        dir.join("rules.yaml"),
        dir.join("events.jsonl"),
        dir.join("out.jsonl"),
    );
    std::fs::write(&rules, RULES).expect("rules written");
    let bytes = write_events(&events, orders);
    let count = orders * EVENTS_PER_ORDER;
    println!("{count} events of {} bytes", bytes / count as u64);
    let modes = [
        ("to the day after", Some("2026-03-15T00:00:00Z"), orders),
        ("to the last timer", None, 2 * orders),
    ];
    let mut taken = modes.map(|_| Vec::with_capacity(runs));
    for run in 1..=runs {
        for ((name, until, outputs), taken) in modes.iter().zip(&mut taken) {
            let (wall, cpu) = replay(&rules, &events, *until, &out);
            taken.push(wall);
            println!(
                "run {run} {name:17}: {wall:5.2} s {:9.0} events/s; {cpu:5.2} CPU s {:9.0} events/s",
                count as f64 / wall,
                count as f64 / cpu
            );
            let lines = std::fs::read(&out).expect("outputs");
            let lines = lines.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines, *outputs, "outputs");
        }
    }
    for ((name, ..), mut taken) in modes.iter().zip(taken) {
        taken.sort_by(f64::total_cmp);
        let [best, median] = [taken[0], taken[taken.len() / 2]].map(|wall| count as f64 / wall);
        println!("{name:17}: undisturbed {best:9.0} events/s, median {median:9.0} events/s");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// Every order's steps, those of many orders mingled, in the order of time.
fn write_events(path: &Path, orders: usize) -> u64 {
    let start = DateTime::parse_from_rfc3339("2026-02-01T08:00:00+08:00").expect("a time");
    let mut file = BufWriter::new(File::create(path).expect("created"));
    let lag = (STEPS_SECONDS_APART * 1000 / ORDERS_MILLIS_APART) as usize;
    for tick in 0..orders + lag * (EVENTS_PER_ORDER - 1) {
        for step in 0..EVENTS_PER_ORDER {
            let Some(order) = tick.checked_sub(step * lag).filter(|order| *order < orders) else {
                continue;
            };
            let event = common::event(order, step, &time(start, tick), "");
            writeln!(file, "{event}").expect("written");
        }
    }
    file.flush().expect("written");
    // The disk is to have done with it before a clock runs.
    file.get_ref().sync_all().expect("on the disk");
    std::fs::metadata(path).expect("written").len()
}

fn time(start: DateTime<FixedOffset>, tick: usize) -> String {
    let at = start + TimeDelta::milliseconds(tick as i64 * ORDERS_MILLIS_APART);
    at.to_rfc3339_opts(SecondsFormat::Millis, false)
}
