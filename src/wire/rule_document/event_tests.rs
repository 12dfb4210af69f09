//! Rule events, and an expiry by itself.

use super::tests::{SMALL, one};
use super::*;
use crate::domain::rules::model::*;

#[test]
fn events_of_the_rules_topic() {
    let read = |kind: &str, data: &str| {
        let event = format!(
            r#"{{"specversion":"1.0","id":"s1","source":"/s","type":"{kind}","time":"2022-03-02T10:00:00Z","data":{data}}}"#
        );
        let envelope = crate::wire::envelope::read(Some(event.as_bytes()), [].into_iter()).unwrap();
        read_event(&envelope).map_err(|e| e.to_string())
    };
    let at = Instant::parse("2022-03-02T10:00:00Z").unwrap();
    let rules = one(SMALL).unwrap();
    assert_eq!(
        read("rules.published", &to_json(&rules)),
        Ok(RuleEvent::Published {
            rules: Box::new(rules),
            at
        })
    );
    let change = StatusChange {
        at,
        status: ShopStatus::Resting,
        event_id: "s1".into(),
    };
    assert_eq!(
        read("shop.status_changed", r#"{"shop_id":"acme","status":"resting"}"#),
        Ok(RuleEvent::Status {
            shop_id: "acme".into(),
            change
        })
    );
    let check = |kind: &str, data: &str, wanted: &str| assert_eq!(read(kind, data), Err(wanted.to_owned()));
    check(
        "shop.status_changed",
        r#"{"shop_id":"acme","status":"asleep"}"#,
        "data.status: must be open or resting",
    );
    check(
        "shop.status_changed",
        r#"{"status":"open"}"#,
        "data.shop_id: missing",
    );
    check(
        "shop.status_changed",
        r#"["acme","resting"]"#,
        "data: invalid type: sequence, expected an object at line 1 column 0",
    );
    check("order.paid", "{}", "type: order.paid is not a rule event");
    let twice = to_json(&one(SMALL).unwrap()).replacen("\"every\":", "\"every\":\"7\",\"every\":", 1);
    check(
        "rules.published",
        &twice,
        "data.accrual.rate.every: stands here twice",
    );
}

#[test]
fn an_expiry_by_itself() {
    let read = |text: &str| read_expiry(&serde_json::from_str(text).unwrap());
    assert_eq!(
        read(r#"{"after_days":30}"#).unwrap().span,
        ExpirySpan::AfterDays(30)
    );
    assert_eq!(
        read(r#"{"after_days":-1}"#).unwrap_err()[0].field,
        "expiry.after_days"
    );
    assert_eq!(read(r#"{"bind":"order"}"#).unwrap_err()[0].field, "expiry.bind");
    assert_eq!(read("[]").unwrap_err()[0].field, "expiry");
}
