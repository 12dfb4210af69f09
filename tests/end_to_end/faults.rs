//! A generated stream is fed day by day; in the middle of some days something goes wrong. In
//! the end the same events are out as `replay` prints, each once.
//!
//! Permitted: any process of ours or of Kafka or Redis dies, freezes or loses its memory, one
//! at a time. Survivable, because everything decided is in Kafka's log.

use std::time::Duration;

use crate::support::accrual::Accrual;
use crate::support::deployment::{Deployment, set_clocks};
use crate::support::outputs::assert_same;
use crate::support::servers::{self, Jvm, Redis, wait_for};
use crate::support::stream::{ALL_DAYS, Line, Stream, seed};

const MEMBERS: u32 = 300;
const PARTITIONS: i32 = 4;
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(180);

/// Whether something goes wrong on a day.
fn is_bad(day: usize) -> bool {
    day % 3 == 1
}

/// Feeds half a day's lines, waits until the first of what comes of them is being written, lets
/// `fault` happen and feeds the other half.
fn interrupt(deployment: &Deployment, lines: &[Line], fault: impl FnOnce()) {
    let written = || {
        deployment
            .topics
            .written(&["ledger_entries", "points_events", "orders_changelog"])
    };
    let (first, second) = lines.split_at(lines.len() / 2);
    let before = written();
    feed(deployment, first);
    wait_for("the first of a day's outputs", TAKEOVER_TIMEOUT, || {
        written() > before
    });
    fault();
    feed(deployment, second);
}

fn feed(deployment: &Deployment, lines: &[Line]) {
    lines
        .iter()
        .for_each(|line| deployment.feed(&line.text, Some(&line.at)));
    deployment.topics.flush();
}

/// Runs a whole stream with a fault on every bad day.
fn survive(stream: &Stream, deployment: &Deployment, mut fault: impl FnMut(&Accrual, usize)) {
    deployment.publish_rules(&stream.rules);
    let accrual = deployment.start();
    for (day, lines) in stream.moments().enumerate() {
        accrual.set_clock(&lines[0].at);
        match is_bad(day) {
            true => interrupt(deployment, lines, || fault(&accrual, day)),
            false => feed(deployment, lines),
        }
        // One that was started again has its clock at the beginning of time.
        accrual.set_clock(&lines[0].at);
        deployment.wait_quiet(&[&accrual]);
    }
    deployment.run_until(&[&accrual], &stream.until);
    assert_same(&stream.wanted, &deployment.published());
}

fn on_shared_kafka(redis: &Redis) -> Deployment {
    Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), PARTITIONS)
}

#[test]
fn killed_in_the_middle_nothing_is_lost_or_issued_twice() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |accrual, _| {
        accrual.kill();
        accrual.start_again();
    });
}

#[test]
fn asked_to_stop_it_ends_in_good_order_and_goes_on_later() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |accrual, _| {
        assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());
        accrual.start_again();
    });
}

#[test]
fn a_redis_that_forgets_everything_is_healed_from_the_changelog() {
    let redis = servers::own_redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |_, _| redis.flush_all());
}

#[test]
fn a_redis_that_comes_back_with_an_old_snapshot_is_noticed() {
    let redis = servers::own_redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |_, day| {
        if day > 1 {
            redis.load_old_snapshot();
        }
        redis.save();
    });
}

#[test]
fn a_redis_that_answers_nobody_for_a_while_loses_nothing() {
    let redis = servers::own_redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |_, _| {
        redis.pause();
        assert!(!redis.answers(), "frozen for as long as an answer may take");
        redis.resume();
    });
}

#[test]
fn killed_with_redis_beside_it_everything_comes_from_the_changelog() {
    let redis = servers::own_redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    survive(&stream, &on_shared_kafka(&redis), |accrual, _| {
        accrual.kill();
        redis.kill();
        redis.start();
        accrual.start_again();
    });
}

#[test]
fn a_broker_that_dies_and_comes_back_loses_nothing() {
    let (kafka, redis) = (servers::own_kafka(Jvm::QuickStart), servers::redis());
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    let deployment = Deployment::new(&kafka, std::slice::from_ref(&redis.url), PARTITIONS);
    // A lone broker that was killed is accepted again when its session is over: twice is enough.
    survive(&stream, &deployment, |_, day| {
        if day < ALL_DAYS / 2 {
            kafka.kill();
            kafka.start();
        }
    });
}

/// Points and expiries of many weeks fall due at once, and still in their order.
#[test]
fn timers_that_came_due_while_nobody_ran_fire_once_afterwards() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, 5);
    let deployment = on_shared_kafka(&redis);
    deployment.publish_rules(&stream.rules);
    let accrual = deployment.start();
    for lines in stream.moments() {
        accrual.set_clock(&lines[0].at);
        feed(&deployment, lines);
        deployment.wait_quiet(&[&accrual]);
    }
    accrual.kill();
    accrual.start_again();
    set_clocks(&[&accrual], &stream.until);
    deployment.wait_quiet(&[&accrual]);
    assert_same(&stream.wanted, &deployment.published());
}

/// Its successor takes over; what it wakes up with must not count.
#[test]
fn an_instance_frozen_beyond_its_session_comes_back_and_changes_nothing() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    let deployment = on_shared_kafka(&redis);
    deployment.publish_rules(&stream.rules);
    let (one, two) = (deployment.start(), deployment.start_as("two"));
    for (day, lines) in stream.moments().enumerate() {
        set_clocks(&[&one, &two], &lines[0].at);
        match day {
            4 => interrupt(&deployment, lines, || {
                one.pause();
                wait_for("the successor to own everything", TAKEOVER_TIMEOUT, || {
                    two.status()["stages"]["orders"]["partitions"] == PARTITIONS
                });
                one.resume();
            }),
            _ => feed(&deployment, lines),
        }
        deployment.wait_quiet(&[&one, &two]);
    }
    deployment.run_until(&[&one, &two], &stream.until);
    assert_same(&stream.wanted, &deployment.published());
}
