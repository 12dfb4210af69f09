//! The scenarios of levels, limits and caps as one stream, each a shop of its own, while accrual is
//! killed and Redis loses everything: the same events are out as `replay` prints, each once.

use std::time::Duration;

use crate::support::accrual::Accrual;
use crate::support::deployment::Deployment;
use crate::support::outputs::assert_same;
use crate::support::scenario::Scenario;
use crate::support::servers::{self, Redis, wait_for};
use crate::support::stream::{Line, Stream, one_of_each_shop};

const UNTIL: &str = "2027-01-01T00:00:00Z";
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(60);
/// Faults in the middle of what lines lead to.
const FAULTS: usize = 6;

fn is_about_levels_or_limits(scenario: &Scenario) -> bool {
    let prefixes = ["t-", "l-", "fine-tier-"];
    prefixes.iter().any(|prefix| scenario.name.starts_with(prefix))
}

/// Whether some of the lines change the state of an order.
fn has_orders(lines: &[&Line]) -> bool {
    lines.iter().any(|line| line.text.contains(r#""type":"order."#))
}

/// Kills, empties, and both at once by turns.
fn disturb(accrual: &Accrual, redis: &Redis, number: usize) {
    let (kills, empties) = match number % 3 {
        0 => (false, true),
        1 => (true, false),
        _ => (true, true),
    };
    if kills {
        accrual.kill();
    }
    if empties {
        redis.flush_all();
    }
    if kills {
        accrual.start_again();
    }
}

fn feed(deployment: &Deployment, lines: &[&Line]) {
    lines
        .iter()
        .for_each(|line| deployment.feed(&line.text, Some(&line.at)));
    deployment.topics.flush();
}

fn written(deployment: &Deployment) -> i64 {
    deployment
        .topics
        .written(&["ledger_entries", "points_events", "orders_changelog"])
}

#[test]
fn levels_and_limits_come_out_of_kills_and_an_emptied_redis_as_replay_prints_them() {
    let redis = servers::own_redis();
    let chosen = Scenario::all().into_iter().filter(is_about_levels_or_limits);
    let stream = Stream::of_scenarios(chosen, UNTIL);
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 1);
    deployment.publish_rules(&stream.rules);
    let accrual = deployment.start();
    let moments: Vec<(&str, Vec<Vec<&Line>>)> = stream
        .moments()
        .map(|lines| (lines[0].at.as_str(), one_of_each_shop(lines)))
        .collect();
    let rounds = moments.iter().flat_map(|(_, rounds)| rounds);
    let every = rounds.filter(|lines| has_orders(lines)).count() / FAULTS;
    let (mut fed, mut faults) = (0_usize, 0);
    for (at, rounds) in &moments {
        deployment.wait_quiet(&[&accrual]);
        accrual.set_clock(at);
        for lines in rounds {
            deployment.wait_quiet(&[&accrual]);
            fed += usize::from(has_orders(lines));
            if has_orders(lines) && fed.is_multiple_of(every) {
                let before = written(&deployment);
                feed(&deployment, lines);
                wait_for("the first output", OUTPUT_TIMEOUT, || {
                    written(&deployment) > before
                });
                disturb(&accrual, &redis, faults);
                accrual.set_clock(at);
                faults += 1;
            } else {
                feed(&deployment, lines);
            }
        }
    }
    assert!(faults >= FAULTS, "{faults} faults");
    deployment.run_until(&[&accrual], &stream.until);
    assert_same(&stream.wanted, &deployment.published());
    assert!(deployment.topics.read("dead_letters").is_empty());
}
