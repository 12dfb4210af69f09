use std::borrow::Cow;

use chrono::NaiveDate;
use serde_json::json;

use super::*;
use crate::domain::rules::model::ExpirySpan;

fn read_data(kind: &str, data: &str) -> Result<Entry, CommandError> {
    let envelope = Envelope {
        id: Cow::Borrowed("c1"),
        source: Cow::Borrowed("/shops/acme"),
        kind: Cow::Borrowed(kind),
        subject: None,
        time: Instant(1_000_000),
        traceparent: Some(Cow::Borrowed("00-aa-bb-01")),
        data,
    };
    read(&envelope, Instant(5_000_000))
}

/// `fields` beside shop, member, points and reason.
fn kind_of(kind: &str, fields: &str) -> EntryKind {
    let comma = if fields.is_empty() { "" } else { "," };
    let data = format!(r#"{{"shop_id":"acme","member_id":"m-1","points":5,"reason":"r"{comma}{fields}}}"#);
    read_data(kind, &data).unwrap().kind
}

#[track_caller]
fn invalid(kind: &str, fields: &str, expected: &str) {
    match kind_of(kind, fields) {
        EntryKind::Command(Command::Invalid(invalid)) => assert_eq!(invalid.detail, expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn expires(fields: &str, span: ExpirySpan, at: &str) {
    let EntryKind::Command(Command::Grant(grant)) = kind_of("points.grant", &format!(r#""expiry":{fields}"#))
    else {
        panic!("{fields} is not read");
    };
    assert_eq!(
        grant.expiry,
        Some(Expiry {
            span,
            at: local_time::time_of_day(at).unwrap().into(),
            round_up_to: None,
        })
    );
}

#[test]
fn an_entry_knows_its_command() {
    let data = r#"{"shop_id":"acme","member_id":"m-1","points":5,"order_id":"A","subtotal":"10.5","tier":"gold","reason":null,"actor":"amy"}"#;
    let entry = read_data("points.redeem", data).unwrap();
    let expected = Entry {
        shop_id: "acme".into(),
        member_id: "m-1".into(),
        at: Instant(5_000_000),
        effective_at: Instant(1_000_000),
        cause_id: "c1".into(),
        cause_source: "/shops/acme".into(),
        order_id: Some("A".into()),
        step: 0,
        rule_version: None,
        traceparent: Some("00-aa-bb-01".into()),
        kind: EntryKind::Command(Command::Redeem {
            points: 5,
            subtotal: Some(Decimal::new(105, 1)),
            payable: None,
            tier: Some("gold".into()),
            note: None,
            actor: Some("amy".into()),
        }),
    };
    assert_eq!(entry, expected);
}

#[test]
fn every_type_is_read() {
    let plain = Grant {
        points: 5,
        note: Some("r".into()),
        expiry: None,
        notify: true,
        actor: None,
    };
    let command = |kind: &str, fields: &str| match kind_of(kind, fields) {
        EntryKind::Command(command) => command,
        other => panic!("{other:?}"),
    };
    assert_eq!(command("points.grant", ""), Command::Grant(plain.clone()));
    assert_eq!(
        command("points.grant", r#""notify":false"#),
        Command::Grant(Grant {
            notify: false,
            ..plain.clone()
        })
    );
    assert_eq!(kind_of("points.grant_all", ""), EntryKind::GrantAll(plain));
    let note = || Some("r".to_owned());
    assert_eq!(
        command("points.deduct", r#""lot_id":"l""#),
        Command::Deduct {
            points: 5,
            lot_id: Some("l".into()),
            note: note(),
            actor: None
        }
    );
    let import = |expires| Command::Import {
        points: 5,
        expires,
        note: note(),
        actor: None,
    };
    let june = NaiveDate::from_ymd_opt(2024, 6, 30).unwrap();
    assert_eq!(command("points.import", ""), import(ImportExpiry::Never));
    assert_eq!(
        command("points.import", r#""expires_on":"2024-06-30""#),
        import(ImportExpiry::On(june))
    );
    assert_eq!(
        command("points.import", r#""expires_at":"1970-01-01T00:00:01Z""#),
        import(ImportExpiry::At(Instant(1_000_000)))
    );
    for (text, birthday) in [
        ("1990-04-15", (4, 15)),
        ("04-15", (4, 15)),
        ("02-29", (2, 29)),
        ("2000-02-29", (2, 29)),
    ] {
        let birthday = Some(Birthday {
            month: birthday.0,
            day: birthday.1,
        });
        let fields = format!(r#""birthday":"{text}""#);
        assert_eq!(
            command("member.registered", &fields),
            Command::Registered { birthday }
        );
    }
    assert_eq!(
        command("member.registered", ""),
        Command::Registered { birthday: None }
    );
}

#[test]
fn an_expiry_has_the_rules_form() {
    expires(r#"{"never":true}"#, ExpirySpan::Never, "23:59");
    expires(r#"{"after_days":30}"#, ExpirySpan::AfterDays(30), "23:59");
    expires(
        r#"{"after_months":6,"at":"12:30"}"#,
        ExpirySpan::AfterMonths(6),
        "12:30",
    );
    expires(
        r#"{"at":"00:00","yearly":"12-31"}"#,
        ExpirySpan::Yearly { month: 12, day: 31 },
        "00:00",
    );
    expires(
        r#"{"after_days":0,"yearly":null}"#,
        ExpirySpan::AfterDays(0),
        "23:59",
    );
    expires("{}", ExpirySpan::Never, "23:59");
    expires(r#"{"at":"12:00"}"#, ExpirySpan::Never, "12:00");
    expires(
        r#"{"never":false,"after_days":3}"#,
        ExpirySpan::AfterDays(3),
        "23:59",
    );
}

#[test]
fn an_expiry_is_read_as_that_of_a_gift() {
    for expiry in [
        json!({}),
        json!({"at": "12:00"}),
        json!({"never": true, "at": "08:00"}),
        json!({"never": false, "after_days": 3}),
        json!({"never": false}),
        json!({"never": true, "after_days": 3}),
        json!({"after_days": 1_000_000}),
        json!({"after_days": 1_000_001}),
        json!({"after_days": "30"}),
        json!({"after_days": 1.5}),
        json!({"after_days": 1, "after_months": 1}),
        json!({"after_days": 3, "x-why": "spring"}),
        json!({"after_days": 3, "bind": "order"}),
        json!({"after_months": 1, "at": " 9:30"}),
        json!({"yearly": "02-29"}),
        json!({"yearly": "02-30"}),
        json!(30),
        json!([]),
    ] {
        let rules = json!({
            "shop_id": "acme", "version": 1, "effective_from": "2022-03-01T00:00:00+08:00",
            "timezone": "Asia/Taipei", "currency": "TWD",
            "accrual": {"rate": {"every": "100", "points": 10}},
            "gifts": {"registration": {"points": 1, "expiry": expiry}},
        });
        let of_gift = rule_document::read_json(&rules).map(|rules| rules.gifts.registration.unwrap().expiry);
        let of_grant = match kind_of("points.grant", &format!(r#""expiry":{expiry}"#)) {
            EntryKind::Command(Command::Grant(grant)) => Some(grant.expiry),
            _ => None,
        };
        assert_eq!(of_grant, of_gift.ok(), "{expiry}");
    }
}

#[test]
fn what_cannot_be_carried_out_names_its_field() {
    let points = |points: &str| format!(r#""points":{points}"#);
    invalid("points.grant", &points("0"), "data.points: must be more than 0");
    invalid("points.redeem", &points("-1"), "data.points: must be more than 0");
    invalid(
        "points.import",
        &points("1.5"),
        "data.points: must be a whole number",
    );
    invalid(
        "points.import",
        &points("\"5\""),
        "data.points: must be a whole number",
    );
    invalid("points.import", &points("null"), "data.points: missing");
    invalid(
        "points.grant",
        &points("1000000000000001"),
        "data.points: is more than 1000000000000000",
    );
    invalid("points.grant", r#""reason":null"#, "data.reason: missing");
    invalid("points.deduct", r#""reason":null"#, "data.reason: missing");
    invalid(
        "points.grant",
        r#""notify":"no""#,
        "data.notify: must be true or false",
    );
    invalid(
        "points.redeem",
        r#""order_id":"""#,
        "data.order_id: must not be empty",
    );
    invalid(
        "points.redeem",
        r#""subtotal":"1e3""#,
        "data.subtotal: is not a decimal number",
    );
    invalid(
        "points.redeem",
        r#""subtotal":1.5"#,
        "data.subtotal: must be a decimal string such as \"30.98\"",
    );
    invalid(
        "points.redeem",
        r#""subtotal":"-1""#,
        "data.subtotal: must not be negative",
    );
    invalid(
        "points.import",
        r#""expires_on":"2024-02-30""#,
        "data.expires_on: must be a day that exists, as YYYY-MM-DD",
    );
    for text in ["2024- 6- 1", " 024-06-01", "+024-06-01"] {
        let expires_on = format!(r#""expires_on":"{text}""#);
        invalid(
            "points.import",
            &expires_on,
            "data.expires_on: must be a day that exists, as YYYY-MM-DD",
        );
    }
    invalid(
        "points.import",
        r#""expires_at":"tomorrow""#,
        "data.expires_at: must be an RFC 3339 time",
    );
    let both = r#""expires_at":"2024-01-01T00:00:00Z","expires_on":"2024-01-01""#;
    invalid("points.import", both, "data.expires_on: stands beside expires_at");
    for text in [
        "1990-02-29",
        "02-30",
        "4-15",
        "15.04.",
        "1990-4-15",
        "+1990-04-15",
        "+990-05-20",
        " 990-05-20",
        "1990- 5-20",
        "05-20-1990",
    ] {
        let birthday = format!(r#""birthday":"{text}""#);
        invalid(
            "member.registered",
            &birthday,
            "data.birthday: must be a day that exists, as YYYY-MM-DD or MM-DD",
        );
    }
}

#[test]
fn a_wrong_expiry_names_its_field() {
    for (expiry, expected) in [
        (
            "30",
            "data.expiry: must be an object such as {\"after_days\": 30}",
        ),
        (
            r#"{"never":false}"#,
            "data.expiry.never: does not say when; add after_days, after_months, yearly or round_up_to",
        ),
        (
            r#"{"after_days":-1}"#,
            "data.expiry.after_days: -1 is not such a number; write a whole number from 0 to 1000000",
        ),
        (
            r#"{"after_month":1}"#,
            "data.expiry.after_month: is not known; known here: never, after_days, after_months, yearly, at, round_up_to",
        ),
        (
            r#"{"yearly":"13-01"}"#,
            "data.expiry.yearly: 13-01 is not a month and day; write it as \"12-31\"",
        ),
        (
            r#"{"at":" 9:30"}"#,
            "data.expiry.at:  9:30 is not a time of day; write it as \"23:59\"",
        ),
        (
            r#"{"never":true,"after_days":1}"#,
            "data.expiry.after_days: stands beside never; leave one of the two out",
        ),
    ] {
        invalid("points.grant", &format!(r#""expiry":{expiry}"#), expected);
    }
}

#[test]
fn a_reason_has_fifty_characters_of_any_script() {
    let reason = |text: &str| format!(r#""reason":"{text}""#);
    assert!(matches!(
        kind_of("points.grant", &reason(&"謝".repeat(50))),
        EntryKind::Command(Command::Grant(_))
    ));
    invalid(
        "points.grant",
        &reason(&"謝".repeat(51)),
        "data.reason: is longer than 50 characters",
    );
}

#[test]
fn of_what_cannot_be_carried_out_the_rest_is_kept() {
    let kept = |kind: &str, fields: &str| {
        let data = format!(r#"{{"shop_id":"acme","member_id":"m-1",{fields}}}"#);
        let entry = read_data(kind, &data).unwrap();
        let EntryKind::Command(Command::Invalid(invalid)) = entry.kind else {
            panic!("{fields} is not refused");
        };
        (invalid.points, invalid.note, invalid.notify, invalid.actor)
    };
    let (why, amy) = (|| Some("why".to_owned()), || Some("amy".to_owned()));
    assert_eq!(
        kept(
            "points.grant",
            r#""points":5,"reason":"why","notify":false,"expiry":30,"actor":"amy""#
        ),
        (Some(5), why(), false, amy())
    );
    assert_eq!(
        kept("points.grant_all", r#""points":0,"reason":"why""#),
        (None, why(), true, None)
    );
    assert_eq!(
        kept("points.deduct", r#""points":5,"notify":false"#),
        (Some(5), None, true, None)
    );
    assert_eq!(
        kept("points.redeem", r#""points":5,"reason":7,"actor":7"#),
        (Some(5), None, true, None)
    );
    assert_eq!(
        kept(
            "member.registered",
            r#""birthday":"soon","points":5,"reason":"why""#
        ),
        (None, None, true, None)
    );
}

#[test]
fn what_is_wrong_is_told_in_few_words() {
    let long = format!(r#""expiry":{{"{}":1}}"#, "x".repeat(1_000));
    let EntryKind::Command(Command::Invalid(invalid)) = kind_of("points.grant", &long) else {
        panic!("it is not refused");
    };
    let chars = invalid.detail.chars().count();
    assert!((200..=DETAIL_CHARS_MAX).contains(&chars), "{chars}");
}

#[test]
fn without_shop_and_member_nobody_can_be_answered() {
    for (kind, data, expected) in [
        ("points.grant", r#"{"member_id":"m"}"#, "data.shop_id: missing"),
        ("points.grant", r#"{"shop_id":"s"}"#, "data.member_id: missing"),
        (
            "points.grant",
            r#"{"shop_id":"s","member_id":7}"#,
            "data.member_id: must be text",
        ),
        (
            "points.grant",
            "{\"shop_id\":\"s\\u0000\",\"member_id\":\"m\"}",
            "data.shop_id: must not hold a zero byte",
        ),
        ("points.give", "{}", "type: points.give is not a command"),
    ] {
        assert_eq!(read_data(kind, data).unwrap_err().to_string(), expected);
    }
    for data in ["[]", "7", "", "{"] {
        assert!(
            read_data("points.grant", data)
                .unwrap_err()
                .to_string()
                .starts_with("data: "),
            "{data}"
        );
    }
}

#[test]
fn a_return_names_one_redemption() {
    let read = |fields: &str| {
        let data = format!(r#"{{"shop_id":"acme","member_id":"m-1","reason":"coupon"{fields}}}"#);
        read_data("points.return", &data).unwrap()
    };
    let by_id = read(r#","redeem_id":"red-1","points":20"#);
    assert_eq!(by_id.order_id, None);
    assert_eq!(
        by_id.kind,
        EntryKind::Command(Command::Return {
            redeem_id: Some("red-1".to_owned()),
            points: Some(20),
            note: Some("coupon".to_owned()),
            actor: None,
        })
    );
    let by_order = read(r#","order_id":"A-1","actor":"amy""#);
    assert_eq!(by_order.order_id.as_deref(), Some("A-1"));
    assert_eq!(
        by_order.kind,
        EntryKind::Command(Command::Return {
            redeem_id: None,
            points: None,
            note: Some("coupon".to_owned()),
            actor: Some("amy".to_owned()),
        })
    );
    invalid("points.return", "", "data.redeem_id: missing, as is order_id");
    invalid(
        "points.return",
        r#""redeem_id":"r","order_id":"A""#,
        "data.redeem_id: stands beside order_id",
    );
    invalid(
        "points.return",
        r#""redeem_id":"""#,
        "data.redeem_id: must not be empty",
    );
    invalid(
        "points.return",
        r#""redeem_id":"r","points":0"#,
        "data.points: must be more than 0",
    );
    invalid(
        "points.return",
        r#""order_id":"A","reason":null"#,
        "data.reason: missing",
    );
    invalid(
        "points.redeem",
        r#""payable":"-1""#,
        "data.payable: must not be negative",
    );
}
