//! Topics that change under a running process: one that grows, one that is deleted and created again,
//! one that is missing. Nothing is skipped in silence.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::accrual::{Accrual, run, succeed};
use crate::support::deployment::Deployment;
use crate::support::servers::{self, new_dir, wait_for};
use crate::support::topics::Outgoing;

const PARTITIONS: i32 = 2;
/// Any change of a topic is noticed within this time.
const NOTICED: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(120);
const CREATED: &str = "2024-03-04T00:00:00Z";
const PAID: &str = "2024-03-05T00:00:00Z";
/// Of a start and one trouble.
const LOG_MAX_LINES: usize = 60;
/// The points of the orders are due between the two.
const LATER: &str = "2024-03-10T00:00:00Z";

const RULES: &str = "\
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: UTC
currency: TWD
require_login: true
accrual:
  rate: {every: \"100\", points: 10, rounding: per_unit}
issuance: {on: paid, delay_days: 3}
expiry: {after_months: 12, at: \"23:59\"}
reversal:
  before_issue: {cancel: full, refund: proportional}
  after_issue: {cancel: full, refund: proportional}
  when_short: clamp
  redeemed: proportional
redemption: {points: 10, amount: \"1\", max_percent: \"30\"}
";

fn deployment() -> (servers::Redis, Deployment) {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), PARTITIONS);
    let rules = new_dir("rules").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a file");
    deployment.publish_rules(&rules);
    (redis, deployment)
}

fn event(kind: &str, order_id: &str, time: &str, mut data: Value) -> String {
    data["shop_id"] = json!("acme");
    data["order_id"] = json!(order_id);
    json!({
        "specversion": "1.0", "id": format!("{order_id}-{kind}"), "source": "/shops/acme", "type": kind,
        "subject": order_id, "time": time, "data": data,
    })
    .to_string()
}

/// The events of an order that earns 10 points three days after `PAID`.
fn earning(order_id: &str) -> [String; 2] {
    let order = json!({
        "revision": 1, "created_at": CREATED, "currency": "TWD", "subtotal": "100",
        "customer": {"id": format!("m-{order_id}")},
    });
    [
        event("order.created", order_id, CREATED, json!({ "order": order })),
        event("order.paid", order_id, PAID, json!({})),
    ]
}

fn feed(deployment: &Deployment, orders: impl Iterator<Item = String>) {
    for order in orders {
        earning(&order)
            .iter()
            .for_each(|line| deployment.feed(line, None));
    }
    deployment.topics.flush();
}

/// Orders whose points were issued, each of them once.
fn issued(deployment: &Deployment) -> BTreeSet<String> {
    let all = deployment.topics.read("points_issued");
    let of = |record: &[u8]| -> String {
        let data: Value = serde_json::from_slice(record).expect("JSON");
        data["order_id"].as_str().expect("an order").to_owned()
    };
    let orders: Vec<String> = all
        .iter()
        .map(|record| of(record.value.as_deref().expect("a value")))
        .collect();
    let once: BTreeSet<String> = orders.iter().cloned().collect();
    assert_eq!(once.len(), orders.len(), "each order once: {orders:?}");
    once
}

/// Waits until it is not ready, for a reason that holds all these words.
fn wait_not_ready(accrual: &Accrual, words: &[&str]) {
    let mut last = String::new();
    wait_for(&format!("/readyz to say {words:?}"), NOTICED, || {
        let answer = accrual.probe("/readyz");
        last = answer.map_or_else(String::new, |answer| match answer.status {
            200 => "ready".to_owned(),
            _ => answer.body.clone(),
        });
        words.iter().all(|word| last.contains(word))
    });
}

#[test]
fn an_input_that_grows_is_named_and_no_timer_fires() {
    let (_redis, deployment) = deployment();
    let input = deployment.topics.name("order_events");
    let accrual = deployment.start();
    accrual.set_clock(PAID);
    feed(&deployment, (0..6).map(|n| format!("A-{n}")));
    deployment.wait_quiet(&[&accrual]);

    deployment.topics.grow("order_events", 4);
    wait_not_ready(
        &accrual,
        &[&input, "has 4 partitions and 2 are read", "topics move"],
    );
    // Cancellations lie where nobody reads them.
    for (number, partition) in [2, 3, 3].into_iter().enumerate() {
        let line = event("order.cancelled", &format!("A-{number}"), PAID, json!({}));
        let record = Outgoing::new(format!("A-{number}"), line).on(partition);
        deployment.topics.produce("order_events", &record);
    }
    deployment.topics.flush();
    accrual.set_clock(LATER);
    feed(&deployment, ["B-0".to_owned()].into_iter());
    let orders = |status: &Value, field: &str| status["stages"]["orders"][field].as_i64();
    let fed = deployment.topics.read("order_events");
    let unread = fed.iter().filter(|record| record.partition >= PARTITIONS).count();
    assert!(unread >= 3, "{fed:?}");
    wait_for("all but the unread records to be read", SETTLED, || {
        let status = accrual.status();
        orders(&status, "behind") == Some(unread as i64) && orders(&status, "due") >= Some(6)
    });
    assert_eq!(accrual.status()["quiet"], false);
    assert_eq!(issued(&deployment), BTreeSet::new(), "held back");
    let metrics = accrual.get("/metrics").body;
    assert!(
        metrics.contains("accrual_partitions_unread{stage=\"orders\"} 2"),
        "{metrics}"
    );
    let log = accrual.log();
    assert!(log.contains("has 4 partitions and 2 are read"), "{log}");
    assert_eq!(accrual.stop(), Some(0));

    let refused = run(&["run"], &deployment.settings);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for word in [&*input, "4 partitions", "has 2", "topics move"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn an_input_created_again_is_not_read_until_somebody_accepts_it() {
    let (_redis, deployment) = deployment();
    let input = deployment.topics.name("order_events");
    let first: BTreeSet<String> = (0..20).map(|n| format!("A-{n}")).collect();
    let second: BTreeSet<String> = (0..40).map(|n| format!("B-{n}")).collect();
    let accrual = deployment.start();
    accrual.set_clock(LATER);
    feed(&deployment, first.iter().cloned());
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(issued(&deployment), first);

    assert_eq!(accrual.stop(), Some(0));
    deployment.topics.create_again("order_events");
    // More than was read of the other topic: the kept positions lie inside.
    feed(&deployment, second.iter().cloned());
    for restart in 0..2 {
        accrual.launch();
        wait_not_ready(&accrual, &[&input, "deleted and created again", "topics accept"]);
        accrual.set_clock(LATER);
        assert_eq!(accrual.stop(), Some(0), "restart {restart}: {}", accrual.log());
    }
    assert_eq!(issued(&deployment), first, "nothing was read, nothing skipped");

    let printed = succeed(&["topics", "accept", &input], &deployment.settings);
    assert!(printed.contains("80 records"), "{printed}");
    let again = run(&["topics", "accept", &input], &deployment.settings);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("read already"), "{said}");
    accrual.start_again();
    accrual.set_clock(LATER);
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(issued(&deployment), &first | &second);
}

#[test]
fn an_input_created_again_under_a_running_process_stops_it() {
    let (_redis, deployment) = deployment();
    let input = deployment.topics.name("order_events");
    let accrual = deployment.start();
    accrual.set_clock(LATER);
    feed(&deployment, ["A-0".to_owned()].into_iter());
    deployment.wait_quiet(&[&accrual]);
    deployment.topics.create_again("order_events");
    feed(&deployment, (0..10).map(|n| format!("B-{n}")));
    wait_not_ready(&accrual, &[&input, "deleted and created again", "topics accept"]);
    wait_not_ready(&accrual, &["orders", "stopped"]);
}

#[test]
fn a_missing_output_is_named_and_all_comes_once_it_is_there() {
    let (_redis, deployment) = deployment();
    let output = deployment.topics.name("points_issued");
    deployment.topics.delete("points_issued");
    let orders: BTreeSet<String> = (0..20).map(|n| format!("A-{n}")).collect();
    feed(&deployment, orders.iter().cloned());
    let log = new_dir("missing").join("log");
    let accrual = Accrual::new(&deployment.settings, log.clone());
    accrual.launch();
    wait_not_ready(&accrual, &[&output, "does not exist", "topics create"]);
    accrual.set_clock(LATER);
    wait_for("the ledger to have something to write to it", SETTLED, || {
        accrual.status()["stages"]["ledger"]["behind"].as_u64() > Some(0)
    });
    succeed(&["topics", "create"], &deployment.settings);
    accrual.wait_ready();
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(issued(&deployment), orders);
    let said = std::fs::read_to_string(&log).expect("a log");
    let names_it = |line: &&str| line.contains("does not exist") && line.contains("ERROR");
    assert_eq!(said.lines().filter(names_it).count(), 1, "{said}");
    assert!(said.lines().count() < LOG_MAX_LINES, "{said}");
}
