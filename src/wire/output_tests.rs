use crate::domain::reason::Reason;
use rust_decimal::Decimal;

use super::*;
use crate::domain::instant::Instant;
use crate::domain::outcome::Worth;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn outcome(body: Body) -> Outcome {
    Outcome {
        id: "i1".into(),
        shop_id: "acme".into(),
        member_id: Some("m-7".into()),
        order_id: None,
        rule_version: None,
        reason: Reason::Granted,
        effective_at: at("2024-01-01T08:00:00+08:00"),
        cause_id: "e1".into(),
        note: None,
        notify: true,
        actor: None,
        traceparent: None,
        body,
    }
}

fn movement_of(points: i64, lots: Vec<LotPart>) -> Movement {
    Movement {
        points,
        balance_after: points,
        sequence: 1,
        lots,
    }
}

fn check(outcome: Outcome, topic: TopicKind, key: &str, expected: &str) {
    let published = encode(&outcome);
    assert_eq!(published.topic, topic);
    assert_eq!(published.key, key);
    assert_eq!(std::str::from_utf8(&published.value).unwrap(), expected);
    serde_json::from_slice::<serde_json::Value>(&published.value).unwrap();
    // Both modes say the same.
    let line: serde_json::Value = serde_json::from_str(&line_of(&outcome)).unwrap();
    assert_eq!(
        line["data"],
        serde_json::from_str::<serde_json::Value>(expected).unwrap()
    );
    let mut attributes = line.as_object().unwrap().clone();
    attributes.remove("data");
    for (name, text) in &published.headers {
        let name = match &**name {
            "content-type" => "datacontenttype",
            name => name.strip_prefix("ce_").unwrap_or(name),
        };
        let text = std::str::from_utf8(text.as_deref().unwrap()).unwrap();
        assert_eq!(attributes.remove(name), Some(text.into()), "{name}");
    }
    assert!(attributes.is_empty(), "{attributes:?}");
}

fn line_of(outcome: &Outcome) -> String {
    let mut line = Vec::new();
    write_line(outcome, &mut line);
    String::from_utf8(line).unwrap()
}

const HEAD: &str = r#"{"shop_id":"acme","member_id":"m-7","order_id":null,"rule_version":null,"reason":"granted","effective_at":"2024-01-01T00:00:00Z","cause_id":"e1","note":null,"notify":true"#;

#[test]
fn every_type_in_its_order_of_fields() {
    let lot = LotPart {
        lot_id: "l1".into(),
        points: 5,
        expires_at: None,
    };
    let issued = Body::Issued {
        tier: None,
        movement: movement_of(5, vec![lot.clone()]),
        lot_id: "l1".into(),
        issued_at: at("2024-01-01T00:00:00.5Z"),
        expires_at: None,
        base: Some((Decimal::new(10050, 2), "TWD".into())),
        bonus_id: Some("tea".into()),
    };
    let expected = format!(
        r#"{HEAD},"points":5,"balance_after":5,"sequence":1,"lots":[{{"lot_id":"l1","points":5,"expires_at":null}}],"lot_id":"l1","issued_at":"2024-01-01T00:00:00.500Z","expires_at":null,"base_amount":"100.50","currency":"TWD","bonus_id":"tea"}}"#
    );
    check(outcome(issued), TopicKind::Issued, "m-7", &expected);

    let expired = Body::Expired {
        movement: movement_of(5, vec![]),
        lot_id: "l1".into(),
        issued_at: at("2024-01-01T00:00:00Z"),
        expired_at: at("2024-02-01T00:00:00Z"),
    };
    let expected = format!(
        r#"{HEAD},"points":5,"balance_after":5,"sequence":1,"lots":[],"lot_id":"l1","issued_at":"2024-01-01T00:00:00Z","expired_at":"2024-02-01T00:00:00Z"}}"#
    );
    check(outcome(expired), TopicKind::Expired, "m-7", &expected);

    let pending = Body::Pending {
        points: 7,
        due_at: Some(at("2024-02-01T00:00:00Z")),
    };
    let expected = format!(r#"{HEAD},"points":7,"due_at":"2024-02-01T00:00:00Z"}}"#);
    check(outcome(pending), TopicKind::Events, "m-7", &expected);

    let revoked = Body::Revoked {
        movement: movement_of(5, vec![]),
        requested: 9,
    };
    let expected = format!(r#"{HEAD},"points":5,"balance_after":5,"sequence":1,"lots":[],"requested":9}}"#);
    check(outcome(revoked), TopicKind::Events, "m-7", &expected);

    let worth = Some(Worth {
        amount: Decimal::new(40, 2),
        currency: "MYR".into(),
    });
    let redeemed = Body::Redeemed {
        movement: movement_of(40, vec![]),
        worth,
    };
    let expected = format!(
        r#"{HEAD},"points":40,"balance_after":40,"sequence":1,"lots":[],"amount":"0.40","currency":"MYR"}}"#
    );
    check(outcome(redeemed), TopicKind::Events, "m-7", &expected);

    let expiring = Body::Expiring {
        points: 5,
        expires_at: at("2024-02-01T00:00:00Z"),
        days_left: 7,
        lots: vec![lot],
    };
    let expected = format!(
        r#"{HEAD},"points":5,"expires_at":"2024-02-01T00:00:00Z","days_left":7,"lots":[{{"lot_id":"l1","points":5,"expires_at":null}}]}}"#
    );
    check(outcome(expiring), TopicKind::Events, "m-7", &expected);

    let rejected = Body::Rejected {
        points: None,
        detail: None,
    };
    check(outcome(rejected), TopicKind::Events, "m-7", &format!("{HEAD}}}"));
}

#[test]
fn guests_are_keyed_by_their_order_and_texts_are_escaped() {
    let guest = Outcome {
        member_id: None,
        order_id: Some("A \"1\"\\\n\u{1}é".into()),
        rule_version: Some(3),
        reason: Reason::Guest,
        note: Some("謝謝".into()),
        actor: Some("amy".into()),
        notify: false,
        traceparent: Some("00-aa-bb-01".into()),
        ..outcome(Body::Withheld { points: Some(3) })
    };
    let expected = r#"{"shop_id":"acme","member_id":null,"order_id":"A \"1\"\\\n\u0001é","rule_version":3,"reason":"guest","effective_at":"2024-01-01T00:00:00Z","cause_id":"e1","note":"謝謝","notify":false,"actor":"amy","points":3}"#;
    let head = r#"{"specversion":"1.0","id":"i1","source":"/accrual/shops/acme","type":"points-withheld","subject":"A \"1\"\\\n\u0001é","time":"2024-01-01T00:00:00Z","datacontenttype":"application/json","traceparent":"00-aa-bb-01","data":"#;
    assert_eq!(line_of(&guest), format!("{head}{expected}}}\n"));
    check(guest, TopicKind::Events, "A \"1\"\\\n\u{1}é", expected);
}

#[test]
fn a_source_is_a_path() {
    assert_eq!(source("acme"), "/accrual/shops/acme");
    assert_eq!(source("a b/ü"), "/accrual/shops/a%20b%2F%C3%BC");
}
