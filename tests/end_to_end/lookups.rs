//! Look-ups over HTTP and by command say what was published.

use serde_json::{Value, json};

use crate::lookups_levels;
use crate::support::accrual::{Accrual, run, succeed};
use crate::support::deployment::Deployment;
use crate::support::servers;
use crate::support::servers::new_dir;

pub const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
labels: {owner: crm}
accrual: {rate: {every: 100, points: 10}}
issuance: {on: delivered, delay_days: 3}
redemption: {points: 1, amount: 1, max_percent: 30, min_order: 1000}
";

pub fn order_event(kind: &str, order: &str, time: &str, more: Value) -> String {
    let mut data = json!({"shop_id": "acme", "order_id": order});
    let fields = data.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    json!({
        "specversion": "1.0", "id": format!("{kind}-{order}"), "source": "/s", "type": kind,
        "subject": order, "time": time, "data": data,
    })
    .to_string()
}

pub fn created(order: &str, customer: Value) -> String {
    let snapshot = json!({"order": {
        "revision": 1, "created_at": "2024-03-04T00:00:00Z", "subtotal": "1000", "customer": customer,
    }});
    order_event("order.created", order, "2024-03-04T00:00:00Z", snapshot)
}

pub fn import(member: &str, expires_at: Option<&str>) -> String {
    let data = json!({"shop_id": "acme", "member_id": member, "points": 250, "expires_at": expires_at});
    json!({
        "specversion": "1.0", "id": format!("c-{member}"), "source": "/s", "type": "points.import",
        "subject": member, "time": "2024-03-04T00:00:00Z", "data": data,
    })
    .to_string()
}

#[track_caller]
fn check(accrual: &Accrual, path: &str, wanted: Value) -> Value {
    let answer = accrual.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let got = answer.json();
    for (field, wanted) in wanted.as_object().expect("an object") {
        assert_eq!(&got[field], wanted, "{path}: {field} in {got}");
    }
    got
}

#[test]
fn orders_members_and_quotes_are_looked_up() {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 3);
    let rules = new_dir("lookups").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a writable temp dir");
    deployment.publish_rules(&rules);
    let file = rules.to_str().expect("UTF-8");
    let again = succeed(&["rules", "publish", file], &deployment.settings);
    assert_eq!(again, "acme version 1 is published already\n");
    let shown = succeed(&["rules", "show", "acme"], &deployment.settings);
    assert!(shown.ends_with("\ttrue\t{\"owner\":\"crm\"}\n"), "{shown}");
    let with_levels = new_dir("lookups").join("levels.yaml");
    std::fs::write(&with_levels, lookups_levels::RULES).expect("a writable temp dir");
    deployment.publish_rules(&with_levels);
    let accrual = deployment.start();
    accrual.set_clock("2024-03-04T00:00:00Z");
    deployment.feed(&import("m-1", None), None);
    deployment.feed(&import("m-3", Some("2024-06-01T00:00:00Z")), None);
    deployment.feed(&created("A-1", json!({"id": "m-1"})), None);
    deployment.feed(&created("A-2", Value::Null), None);
    let delivered = order_event("order.delivered", "A-1", "2024-03-04T00:00:00Z", json!({}));
    deployment.feed(&delivered, None);
    let of_levels = lookups_levels::events();
    of_levels.iter().for_each(|line| deployment.feed(line, None));
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);

    check(
        &accrual,
        "/v1/shops/acme/orders/A-1",
        json!({
            "member_id": "m-1", "rule_version": 1, "outcome": "pending", "points": 100,
            "due_at": "2024-03-07T00:00:00Z", "base_amount": "1000", "currency": "TWD",
            "facts": {"created": "2024-03-04T00:00:00Z", "delivered": "2024-03-04T00:00:00Z"},
            "told_by": {"created": "order.created-A-1", "delivered": "order.delivered-A-1"},
        }),
    );
    let guest = json!({"outcome": "open", "reason": "guest", "member_id": null, "points": 0});
    check(&accrual, "/v1/shops/acme/orders/A-2", guest);
    let now = "2024-03-04T00:00:00Z";
    let before = json!({"balance": 250, "usable": 250, "pending": 100, "sequence": 1, "as_of": now});
    check(&accrual, "/v1/shops/acme/members/m-1", before);
    for path in ["/v1/shops/acme/orders/A-3", "/v1/shops/acme/members/m-2"] {
        assert_eq!(accrual.get(path).status, 404, "{path}");
    }
    for (subtotal, points, limit) in [
        ("1000", 250, "balance"),
        ("999.99", 0, "min_order"),
        ("1000.00", 250, "balance"),
    ] {
        let asked = json!({"subtotal": subtotal});
        let answer = accrual.post("/v1/shops/acme/members/m-1/quote", &asked);
        let got = answer.json();
        assert_eq!(
            (got["points"].as_i64(), got["limit"].as_str()),
            (Some(points), Some(limit)),
            "{got}"
        );
    }

    for subtotal in ["1_000", "+5.", "-1", ""] {
        let answer = accrual.post(
            "/v1/shops/acme/members/m-1/quote",
            &json!({ "subtotal": subtotal }),
        );
        assert_eq!(answer.status, 400, "{subtotal}: {answer:?}");
    }

    deployment.run_until(&[&accrual], "2024-03-08T00:00:00Z");
    let issued = json!({"outcome": "issued", "points": 100, "due_at": null});
    check(&accrual, "/v1/shops/acme/orders/A-1", issued);
    let after = json!({"balance": 350, "pending": 0, "sequence": 2});
    let member = check(&accrual, "/v1/shops/acme/members/m-1", after);
    assert_eq!(member["lots"][1]["order_id"], "A-1", "{member}");
    let quote = accrual.post("/v1/shops/acme/members/m-1/quote", &json!({"subtotal": "1000"}));
    assert_eq!(
        quote.json()["limit"],
        "max_percent",
        "300 of 350: {:?}",
        quote.json()
    );

    let words = succeed(&["explain", "order", "acme", "A-1"], &deployment.settings);
    assert!(words.contains("100 points were issued to member m-1"), "{words}");
    let json = succeed(
        &["explain", "member", "acme", "m-1", "--json"],
        &deployment.settings,
    );
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["balance"], 350);
    let quote = succeed(
        &["quote", "acme", "m-1", "--subtotal", "1000"],
        &deployment.settings,
    );
    assert!(quote.starts_with("300 points, worth 300.00 TWD"), "{quote}");
    // By the clock of the rehearsal, not by the wall's, which is long past the expiry.
    let words = succeed(&["explain", "member", "acme", "m-3"], &deployment.settings);
    let as_of = "2024-03-07T00:00:00.001Z";
    let told = "as of 2024-03-07T08:00:00.001+08:00\n  balance 250, usable 250,";
    assert!(words.contains(told), "{words}");
    let quote = succeed(
        &["quote", "acme", "m-3", "--subtotal", "1000", "--json"],
        &deployment.settings,
    );
    let quote: Value = serde_json::from_str(&quote).expect("JSON");
    let wanted = json!({
        "points": 250, "amount": "250.00", "currency": "TWD", "limit": "balance", "as_of": as_of,
        "last_change": quote["last_change"], "timezone": "Asia/Taipei",
    });
    assert_eq!(quote, wanted);
    assert!(quote["last_change"].is_string(), "{quote}");
    let unknown = run(&["explain", "order", "acme", "A-9"], &deployment.settings);
    assert_eq!(unknown.status.code(), Some(1));
    lookups_levels::explained(&deployment);
}
