//! A shop with levels and a cap: why an order has its points, and a member its level.

use serde_json::json;

use crate::lookups::order_event;
use crate::support::accrual::succeed;
use crate::support::deployment::Deployment;

pub const RULES: &str = "
shop_id: tea
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: 100, points: 10}, tiers: {silver: {rate: {every: 100, points: 20}}}}
issuance: {on: paid}
caps: {per_member: [{per: day, points: 300}]}
tiers:
  levels:
    - {name: everybody}
    - {name: silver, enter: [{amount: 1500}], within: {months: 12}, valid: {after_months: 12}}
    - {name: gold, enter: [{amount: 5000}], within: {months: 12}, valid: {after_months: 12}}
";

/// An order of 2,000 at the beginning, and one of 1,000 a second later.
pub fn events() -> Vec<String> {
    let orders = [
        ("T-1", "2024-03-04T00:00:00Z", "2000"),
        ("T-2", "2024-03-04T00:00:01Z", "1000"),
    ];
    let of_tea = |line: String| line.replace(r#""shop_id":"acme""#, r#""shop_id":"tea""#);
    let events = |(order, time, subtotal): (&str, &str, &str)| {
        let snapshot = json!({"order": {
            "revision": 1, "created_at": time, "subtotal": subtotal, "customer": {"id": "t-1"},
        }});
        let created = order_event("order.created", order, time, snapshot);
        [created, order_event("order.paid", order, time, json!({}))].map(of_tea)
    };
    orders.into_iter().flat_map(events).collect()
}

#[track_caller]
fn check(deployment: &Deployment, what: [&str; 2], wanted: &[&str]) {
    let words = succeed(&["explain", what[0], "tea", what[1]], &deployment.settings);
    for wanted in wanted {
        assert!(
            words.lines().any(|line| line.trim() == *wanted),
            "{wanted}\n{words}"
        );
    }
}

/// The order that reaches a level earns as before it; the next one is cut by the day's cap.
pub fn explained(deployment: &Deployment) {
    check(
        deployment,
        ["order", "T-1"],
        &[
            "it was priced for tier everybody",
            "the order itself: 200 points were credited",
        ],
    );
    check(
        deployment,
        ["order", "T-2"],
        &[
            "issued, 100 points",
            "it was priced for tier silver",
            "the order itself: 100 points were credited of 200, cut by the caps of a member",
        ],
    );
    check(
        deployment,
        ["member", "t-1"],
        &[
            "level silver, since 2024-03-04T08:00:00+08:00, until 2025-03-04T23:59:00+08:00",
            "because the conditions of a level were met (reached)",
            "to keep it: amount 500 more (1000 of 1500)",
            "to reach gold: amount 2000 more (3000 of 5000)",
        ],
    );
}
