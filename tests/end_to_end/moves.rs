//! A system moves to topics with more partitions, under load, and what comes out over both sides is
//! what `replay` prints of the same input.
//!
//! Permitted: the move is killed at any point and run again. Survivable, because how far it is stands
//! in the same transactions as what it moved.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::accrual::{Accrual, Settings, process, run, succeed};
use crate::support::deployment::Deployment;
use crate::support::outputs::assert_same;
use crate::support::servers::{self, Control, Redis, new_dir, wait_for};
use crate::support::stream::{ALL_DAYS, Line, Stream, seed};

const MEMBERS: u32 = 300;
const OLD: i32 = 4;
const NEW: i32 = 12;
/// Issued ones, pending ones and lots are on both sides of this day's end.
const MOVED_AFTER_DAY: usize = 4;
const MOVE_TIMEOUT: Duration = Duration::from_secs(180);
const REFUSED_TIMEOUT: Duration = Duration::from_secs(60);
/// Transactions are small, so that a kill finds the move in the middle of its work.
const RECORDS_MAX: &str = "25";

/// An old side, a new one, and the old one's settings as a file.
struct Sides {
    old: Deployment,
    new: Deployment,
    from: PathBuf,
}

impl Sides {
    fn new(redis: &Redis) -> Sides {
        let old = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), OLD);
        let new = old.beside(servers::kafka(), NEW);
        let from = new_dir("move").join("old.toml");
        fs::write(&from, old.toml()).expect("a writable temp dir");
        Sides { old, new, from }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let from = self.from.to_str().expect("UTF-8");
        let mut arguments = vec!["topics", "move", "--from", from];
        arguments.extend(more);
        arguments
    }

    fn settings(&self) -> Settings {
        let mut settings = self.new.settings.clone();
        let small = (
            "ACCRUAL_LIMITS__BATCH_MAX_RECORDS".to_owned(),
            RECORDS_MAX.to_owned(),
        );
        settings.push(small);
        settings
    }

    /// Moves to the end; what it said.
    fn moved(&self, more: &[&str]) -> String {
        succeed(&self.arguments(more), &self.settings())
    }

    fn refused(&self) -> String {
        let Output { status, stderr, .. } = run(&self.arguments(&[]), &self.settings());
        let error = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(1), "{error}");
        error
    }

    /// Kills a move once so many more records were written to these topics of the new side; what it
    /// had said.
    fn killed_after(&self, topics: &[&str], records: i64) -> String {
        let written = || self.new.topics.written(topics);
        let before = written();
        let moving = process("move", &self.arguments(&[]), &self.settings());
        moving.start();
        wait_for("a part of the move", MOVE_TIMEOUT, || {
            let ended = moving.ended();
            assert!(
                ended.is_none(),
                "it ended before it was killed: {}",
                moving.log_tail()
            );
            written() >= before + records
        });
        moving.kill();
        moving.log_tail()
    }
}

fn order_of(line: &Line) -> Value {
    let event: Value = serde_json::from_str(&line.text).expect("JSON");
    event["data"]["order_id"].clone()
}

fn feed(deployment: &Deployment, lines: &[Line]) {
    lines
        .iter()
        .for_each(|line| deployment.feed(&line.text, Some(&line.at)));
    deployment.topics.flush();
}

/// Lives the days of a stream on one side.
fn live<'a>(deployment: &Deployment, accrual: &Accrual, days: impl Iterator<Item = &'a [Line]>) {
    for lines in days {
        accrual.set_clock(&lines[0].at);
        feed(deployment, lines);
        deployment.wait_quiet(&[accrual]);
    }
}

/// It does not start, and says why.
fn refuses_to_start(settings: &Settings, why: &str) {
    let accrual = Accrual::spawn(settings);
    assert_eq!(
        accrual.wait_for_end(REFUSED_TIMEOUT),
        Some(1),
        "{}",
        accrual.log()
    );
    assert!(accrual.log().contains(why), "{why:?} in {}", accrual.log());
}

/// An old instance that comes back is refused every partition.
fn wait_until_refused(frozen: &Accrual) {
    frozen.resume();
    wait_for("every old partition to be refused", MOVE_TIMEOUT, || {
        let reasons = frozen
            .probe("/readyz")
            .map(|answer| answer.body)
            .unwrap_or_default();
        let refused = |stage: &str, why: &str| {
            let line = |line: &&str| line.contains(stage) && line.contains(why);
            reasons.lines().filter(line).count() as i32
        };
        refused("orders ", "its states were moved to") == OLD && refused("commands ", "was left") == OLD
    });
    frozen.kill();
}

/// Moved after some days, with lines that the old side has not read or read in part: of one day the
/// first half stands in the old ledger's input and the second in its order events; of the next day
/// one half is in the new topics already, and the other comes to the old ones after the move. An old
/// instance that was only frozen wakes up in the end.
#[test]
fn four_partitions_become_twelve_under_load_and_kills() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    let sides = Sides::new(&redis);
    sides.old.publish_rules(&stream.rules);
    let days: Vec<&[Line]> = stream.moments().collect();
    let (before, rest) = days.split_at(MOVED_AFTER_DAY);
    let [unread, split, after @ ..] = rest else {
        panic!("a stream of {} days", days.len());
    };
    let (of_ledger, of_orders) = unread.split_at(unread.len() / 2);
    // What an order says on the way depends on the order of its events, as ever: no event comes by
    // the new topics while an earlier one of its order waits in the old ones.
    let waits = |line: &&Line| of_orders.iter().any(|unread| order_of(unread) == order_of(line));
    let (by_old, free): (Vec<&Line>, Vec<&Line>) = split.iter().partition(waits);
    let (by_new, late) = free.split_at(free.len() / 2);
    let by_old: Vec<Line> = by_old.into_iter().chain(late.iter().copied()).cloned().collect();
    let by_new: Vec<Line> = by_new.iter().copied().cloned().collect();
    assert!(!by_old.is_empty() && !by_new.is_empty(), "a day with events");
    let old = sides.old.start();
    live(&sides.old, &old, before.iter().copied());
    old.kill();
    let frozen = sides.old.start_with("ACCRUAL_STAGES", "orders,commands");
    frozen.set_clock(&unread[0].at);
    feed(&sides.old, of_ledger);
    wait_for("the orders stage", MOVE_TIMEOUT, || {
        frozen.status()["quiet"] == true
    });
    frozen.pause();
    feed(&sides.old, of_orders);
    feed(&sides.new, &by_new);

    sides.killed_after(&["orders_changelog", "ledger_changelog"], 200);
    refuses_to_start(&sides.new.settings, "are still being moved from");
    let said = sides.killed_after(&["order_events"], 1);
    refuses_to_start(&sides.old.settings, "its states were moved to");
    if !said.contains("4/4") {
        refuses_to_start(&sides.new.settings, "are still being moved from");
    }
    let said = sides.moved(&[]);
    assert!(said.contains("late records forwarded"), "{said}");

    let new = sides.new.start();
    new.set_clock(&split[0].at);
    sides.new.wait_quiet(&[&new]);
    feed(&sides.old, &by_old);
    let said = sides.moved(&["--forget-old"]);
    let late = format!("{} late records forwarded", by_old.len());
    assert!(said.contains(&late), "{late} in {said}");
    sides.new.wait_quiet(&[&new]);
    wait_until_refused(&frozen);
    live(&sides.new, &new, after.iter().copied());
    sides.new.run_until(&[&new], &stream.until);
    assert_same(&stream.wanted, &sides.old.published());
    assert!(sides.old.topics.read("dead_letters").is_empty());
    assert!(sides.moved(&[]).starts_with("0 late records"));
}

/// What an input has grown by is read by nobody before the move.
#[test]
fn an_input_that_was_grown_in_place_is_moved_with_what_nobody_has_read() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    let mut sides = Sides::new(&redis);
    // The new side goes on under the old name, with what Redis holds under it.
    let application = (
        "ACCRUAL_APPLICATION_ID".to_owned(),
        sides.old.topics.prefix.clone(),
    );
    sides.new.settings.push(application);
    sides.old.publish_rules(&stream.rules);
    let days: Vec<&[Line]> = stream.moments().collect();
    let (before, rest) = days.split_at(MOVED_AFTER_DAY);
    let (grown, after) = rest.split_first().expect("more days");
    let old = sides.old.start();
    live(&sides.old, &old, before.iter().copied());
    sides.old.topics.grow("order_events", NEW);
    feed(&sides.old.reopened(servers::kafka()), grown);
    old.set_clock(&grown[0].at);
    assert_eq!(old.stop(), Some(0), "{}", old.log());

    let said = sides.moved(&[]);
    assert!(said.contains("4/4 done"), "{said}");
    let new = sides.new.start();
    new.set_clock(&grown[0].at);
    sides.new.wait_quiet(&[&new]);
    live(&sides.new, &new, after.iter().copied());
    sides.new.run_until(&[&new], &stream.until);
    assert_same(&stream.wanted, &sides.old.published());
}

/// A grant to all members is for the old partitions: it comes before the move or not at all.
#[test]
fn a_grant_to_all_that_is_not_carried_out_is_waited_for() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), 40, 3);
    let sides = Sides::new(&redis);
    sides.old.publish_rules(&stream.rules);
    let old = sides.old.start();
    live(&sides.old, &old, stream.moments());
    assert_eq!(old.stop(), Some(0), "{}", old.log());
    let at = "2024-03-03T05:00:00Z";
    let commands = sides.old.start_with("ACCRUAL_STAGES", "commands");
    commands.set_clock(at);
    sides.old.feed(&grant_all(at), Some(at));
    sides.old.topics.flush();
    wait_for("the grant to reach the ledger", MOVE_TIMEOUT, || {
        commands.status()["stages"]["commands"]["behind"] == json!(0)
            && commands.status()["quiet"] == json!(true)
    });
    assert_eq!(commands.stop(), Some(0), "{}", commands.log());
    let error = sides.refused();
    assert!(error.contains("ACCRUAL_STAGES=ledger accrual run"), "{error}");

    let ledger = sides.old.start_with("ACCRUAL_STAGES", "ledger");
    ledger.set_clock(at);
    wait_for("the grant", MOVE_TIMEOUT, || {
        ledger.status()["quiet"] == json!(true)
    });
    assert_eq!(ledger.stop(), Some(0), "{}", ledger.log());
    let granted = || {
        sides
            .old
            .published()
            .iter()
            .filter(|event| is_gift(&event.data()))
            .count()
    };
    let once = granted();
    assert!(once > 0, "somebody was granted");
    sides.moved(&[]);
    let new = sides.new.start();
    new.set_clock(at);
    // The same command again, on the new side: no member has it twice.
    sides.new.feed(&grant_all(at), Some(at));
    sides.new.topics.flush();
    sides.new.wait_quiet(&[&new]);
    assert_eq!(granted(), once);
}

fn grant_all(at: &str) -> String {
    json!({
        "specversion": "1.0", "id": "all-1", "source": "/shops/acme", "type": "points.grant_all",
        "subject": "acme", "time": at, "data": {"shop_id": "acme", "points": 77, "reason": "event"},
    })
    .to_string()
}

fn is_gift(data: &Value) -> bool {
    data["points"] == json!(77)
}
