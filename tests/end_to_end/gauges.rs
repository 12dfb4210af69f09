//! The gauges say what is true now: of partitions that were handed over, and of input that waits.

use std::time::Duration;

use serde_json::Value;

use crate::redis_losses::Shop;
use crate::support::accrual::Accrual;
use crate::support::servers::wait_for;

/// Gauges are brought up to date every five seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
const ORDERS: [&str; 12] = [
    "T-0", "T-1", "T-2", "T-3", "T-4", "T-5", "T-6", "T-7", "T-8", "T-9", "T-10", "T-11",
];
const BEFORE_DUE: &str = "2024-03-04T12:00:00Z";

/// The values of a gauge of a stage, one for each partition that has one.
fn gauge(accrual: &Accrual, name: &str, stage: &str) -> Vec<f64> {
    let text = accrual.get("/metrics").body;
    let start = format!("{name}{{stage=\"{stage}\",partition=");
    let of_it = text.lines().filter(|line| line.starts_with(&start));
    of_it
        .map(|line| {
            let value = line.rsplit(' ').next().expect("a value");
            value.parse().expect("a number")
        })
        .collect()
}

#[test]
fn a_partition_that_was_handed_over_is_counted_once() {
    let shop = Shop::new();
    let one = shop.start();
    shop.order(&ORDERS);
    shop.settle(&one, BEFORE_DUE);
    let pending = |instances: &[&Accrual]| -> f64 {
        let each = instances
            .iter()
            .map(|instance| gauge(instance, "accrual_timers_pending", "orders"));
        each.flatten().sum()
    };
    wait_for("one instance to show all timers", TIMEOUT, || {
        pending(&[&one]) == ORDERS.len() as f64
    });
    let two = shop.deployment.start_as("two");
    two.set_clock(BEFORE_DUE);
    shop.deployment.wait_quiet(&[&one, &two]);
    let owned = |instance: &Accrual| {
        instance.status()["stages"]["orders"]["partitions"]
            .as_i64()
            .unwrap_or(0)
    };
    assert!(owned(&one) > 0 && owned(&two) > 0, "nothing was handed over");
    wait_for("both to show each timer once", TIMEOUT, || {
        pending(&[&two]) > 0.0 && pending(&[&one, &two]) == ORDERS.len() as f64
    });
}

#[test]
fn input_that_waits_has_the_age_of_its_oldest_record() {
    let shop = Shop::new();
    let accrual = shop.start();
    shop.deployment.wait_quiet(&[&accrual]);
    shop.redis.kill();
    let begun = std::time::Instant::now();
    let now = chrono::Utc::now().to_rfc3339();
    // The first record that its partition ever had.
    let paid = serde_json::json!({
        "specversion": "1.0", "id": "late", "source": "/test", "type": "order.paid", "subject": "T-0",
        "time": now, "data": {"shop_id": "acme", "order_id": "T-0"},
    });
    shop.deployment.feed(&Value::to_string(&paid), Some(&now));
    shop.deployment.topics.flush();
    let ages = || gauge(&accrual, "accrual_behind_seconds", "orders");
    wait_for("an age to be shown", TIMEOUT, || {
        ages().iter().any(|age| *age > 3.0)
    });
    let oldest = ages().into_iter().fold(0.0, f64::max);
    let waits = begun.elapsed().as_secs_f64();
    assert!(oldest <= waits + 1.0, "{oldest} s, for a record of {waits} s");
    let behind: f64 = gauge(&accrual, "accrual_events_behind", "orders").iter().sum();
    assert_eq!(behind, 1.0);
    shop.redis.start();
    wait_for("nothing to wait", TIMEOUT, || {
        let behind = gauge(&accrual, "accrual_events_behind", "orders");
        ages().iter().chain(&behind).all(|value| *value == 0.0)
    });
}
