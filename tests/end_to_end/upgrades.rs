//! A system of the version before goes on with this one: pending orders, lots and members are there,
//! and levels begin with what is known of them.
//!
//! `ACCRUAL_BEFORE_BINARY` names the binary of the version before; without it this build's own plays
//! its part.

use std::fs;

use serde_json::{Value, json};

use crate::support::accrual::{Accrual, replay};
use crate::support::deployment::Deployment;
use crate::support::outputs::{assert_same, printed};
use crate::support::servers::{self, new_dir};

const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2021-01-01T00:00:00Z
timezone: UTC
currency: EUR
accrual: {rate: {every: '10', points: 1}, tiers: {gold: {rate: {every: '10', points: 3}}}}
issuance: {on: paid, delay_days: 10}
expiry: {after_days: 90}
";
const CREATED: &str = "2024-05-01T00:00:00Z";
const UNTIL: &str = "2024-12-01T00:00:00Z";

fn event(id: &str, kind: &str, time: &str, data: Value) -> String {
    json!({
        "specversion": "1.0", "id": id, "source": "/shops/acme", "type": kind, "time": time, "data": data,
    })
    .to_string()
}

/// An order, created and paid at once.
fn order(id: &str, member: &str, subtotal: &str, time: &str) -> [String; 2] {
    let order = json!({
        "revision": 1, "created_at": time, "currency": "EUR", "subtotal": subtotal,
        "customer": {"id": member, "logged_in": true},
    });
    let data = json!({"shop_id": "acme", "order_id": id, "order": order});
    let paid = json!({"shop_id": "acme", "order_id": id});
    [
        event(&format!("{id}-created"), "order.created", time, data),
        event(&format!("{id}-paid"), "order.paid", time, paid),
    ]
}

fn levels() -> String {
    let levels = json!([
        {"name": "member"},
        {"name": "gold", "enter": [{"amount": "1000"}], "within": {"months": 12}},
    ]);
    let data = json!({
        "shop_id": "acme", "version": 2, "effective_from": "2024-06-01T00:00:00Z", "timezone": "UTC",
        "currency": "EUR", "issuance": {"on": "paid", "delay_days": 10}, "expiry": {"after_days": 90},
        "accrual": {"rate": {"every": "10", "points": 1}, "tiers": {"gold": {"rate": {"every": "10", "points": 3}}}},
        "tiers": {"retroactive": true, "levels": levels},
    });
    event("v2", "rules.published", "2024-06-01T00:00:00Z", data)
}

#[test]
fn pending_orders_and_members_go_on_and_levels_begin_with_what_is_known() {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 2);
    let dir = new_dir("upgrade");
    let rules = dir.join("rules.yaml");
    fs::write(&rules, RULES).expect("a writable dir");
    deployment.publish_rules(&rules);
    let mut fed = Vec::new();
    let mut feed = |accrual: &Accrual, time: &str, lines: &[String]| {
        accrual.set_clock(time);
        for line in lines {
            deployment.feed(line, Some(time));
            deployment.topics.flush();
            deployment.wait_quiet(&[accrual]);
            fed.push(line.clone());
        }
    };

    let before = Accrual::start_before(&deployment.settings);
    // Issued before the upgrade, and alone enough for a level.
    feed(&before, CREATED, &order("A-1", "m-1", "1200", CREATED));
    // Pending then.
    let late_may = "2024-05-28T00:00:00Z";
    feed(&before, late_may, &order("A-2", "m-2", "900", late_may));
    deployment.run_until(&[&before], "2024-05-30T00:00:00Z");
    assert_eq!(before.stop(), Some(0));

    let accrual = deployment.start();
    feed(&accrual, "2024-06-01T00:00:00Z", &[levels()]);
    let july = "2024-07-01T00:00:00Z";
    deployment.run_until(&[&accrual], "2024-06-30T00:00:00Z");
    feed(&accrual, july, &order("A-3", "m-1", "100", july));
    let next_day = "2024-07-02T00:00:00Z";
    feed(&accrual, next_day, &order("A-4", "m-2", "100", next_day));
    deployment.run_until(&[&accrual], UNTIL);
    assert_eq!(accrual.stop(), Some(0));

    let events = dir.join("events.jsonl");
    fs::write(&events, fed.join("\n")).expect("a writable dir");
    let wanted = printed(&replay(&[&rules], &[&events], Some(UNTIL)));
    let reached = wanted.iter().filter(|event| event.kind == "tier-changed");
    let reached: Vec<_> = reached
        .map(|event| (&*event.subject, event.data()["since"].clone()))
        .collect();
    let since = |time: &str| Value::from(time);
    assert_eq!(
        reached,
        [("m-1", since("2024-06-01T00:00:00Z")), ("m-2", since(next_day))]
    );
    assert_same(&wanted, &deployment.published());
}
