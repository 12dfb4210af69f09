//! Without faults: what is published is what `replay` prints.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::deployment::{Deployment, set_clocks};
use crate::support::outputs::{Published, assert_same, assert_same_set};
use crate::support::scenario::Scenario;
use crate::support::servers;
use crate::support::stream::{ALL_DAYS, Stream, one_of_each_shop, seed};

/// Beyond everything in the scenarios but birthdays, which come every year.
const UNTIL: &str = "2027-01-01T00:00:00Z";

/// Where it is not the rules that are looked at.
const A_PART: usize = 4;

/// How the clock goes from one line to the next.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// At once.
    Jump,
    /// By way of every timer in between.
    EachTimer,
}

/// Feeds a stream to one instance, each line at its time, and reads what comes out.
fn run(stream: &Stream, deployment: &Deployment, pace: Pace) -> Vec<Published> {
    deployment.publish_rules(&stream.rules);
    let accrual = deployment.start();
    for lines in stream.moments() {
        if pace == Pace::EachTimer {
            deployment.step_timers(&[&accrual], &lines[0].at);
        }
        // What was fed before is decided at its own time, not at this one.
        deployment.wait_quiet(&[&accrual]);
        accrual.set_clock(&lines[0].at);
        for lines in one_of_each_shop(lines) {
            // What fell due before a line arrives is on its way to the ledger until quiet.
            deployment.wait_quiet(&[&accrual]);
            lines.iter().for_each(|line| deployment.feed(&line.text, None));
            deployment.topics.flush();
        }
    }
    deployment.run_until(&[&accrual], &stream.until);
    accrual.stop();
    deployment.published()
}

#[test]
fn every_scenario_publishes_what_replay_prints() {
    let redis = servers::redis();
    let stream = Stream::of_scenarios(Scenario::all(), UNTIL);
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 1);
    assert_same(&stream.wanted, &run(&stream, &deployment, Pace::Jump));
    assert!(deployment.topics.read("dead_letters").is_empty());
}

/// Orders of one member on several partitions may reach the ledger in either order when they
/// are due at one instant: the balance in between is then another, everything else the same.
#[test]
fn every_scenario_publishes_the_same_over_several_partitions_of_a_redis_cluster() {
    let cluster = servers::redis_cluster();
    let part = Scenario::all().into_iter().step_by(A_PART);
    let stream = Stream::of_scenarios(part, UNTIL);
    let deployment = Deployment::new(servers::kafka(), &cluster.urls(), 3);
    let got = run(&stream, &deployment, Pace::EachTimer);
    assert_same_set(&without_balances(&stream.wanted), &without_balances(&got));
}

fn without_balances(events: &[Published]) -> Vec<Published> {
    let strip = |event: &Published| {
        let mut data = event.data();
        for field in ["balance_after", "sequence"] {
            data.as_object_mut().expect("an object").remove(field);
        }
        Published {
            data: data.to_string(),
            ..event.clone()
        }
    };
    events.iter().map(strip).collect()
}

/// By what the scenario expects, not by what `replay` of the same build prints.
#[test]
fn a_zero_date_counts_as_the_orders_creation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fine-zero-date");
    let scenario = Scenario::load(&folder);
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 1);
    deployment.publish_rules(&scenario.rules);
    let accrual = deployment.start();
    let events = std::fs::read_to_string(&scenario.events).expect("events.jsonl");
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        accrual.set_clock(event["time"].as_str().expect("a time"));
        deployment.feed(line, None);
        deployment.topics.flush();
        deployment.wait_quiet(&[&accrual]);
    }
    deployment.run_until(&[&accrual], UNTIL);
    let published = deployment.published();
    let outputs: Vec<Value> = published
        .iter()
        .map(|event| json!({ "type": event.kind, "data": event.data() }))
        .collect();
    let complaints = scenario.complaints(&outputs);
    assert!(complaints.is_empty(), "{complaints:#?} in {published:#?}");
}

#[test]
fn two_instances_publish_what_one_does() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), 200, ALL_DAYS);
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 4);
    deployment.publish_rules(&stream.rules);
    let (one, two) = (deployment.start(), deployment.start_as("two"));
    for lines in stream.moments() {
        set_clocks(&[&one, &two], &lines[0].at);
        lines
            .iter()
            .for_each(|line| deployment.feed(&line.text, Some(&line.at)));
        deployment.topics.flush();
        deployment.wait_quiet(&[&one, &two]);
    }
    deployment.run_until(&[&one, &two], &stream.until);
    assert_same(&stream.wanted, &deployment.published());
}
