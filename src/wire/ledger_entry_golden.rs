//! Entries as the first version wrote them: they wait in the topic through an upgrade.

use chrono::NaiveTime;

use super::*;
use crate::domain::entry::{Grant, Issue, IssueOrigin, IssuePart, Reverse, ReverseReason};
use crate::domain::rules::model::{Expiry, ExpirySpan, WhenShort};

const ENTRIES: &str = include_str!("golden/entries_v1.txt");

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn granted() -> Grant {
    Grant {
        points: 9,
        note: Some("hello".into()),
        expiry: Some(Expiry {
            span: ExpirySpan::AfterDays(30),
            at: NaiveTime::from_hms_opt(23, 59, 0).unwrap().into(),
            round_up_to: None,
        }),
        notify: false,
        actor: Some("amy".into()),
    }
}

fn issue(
    number: u32,
    points: i64,
    base: &str,
    expires_at: Option<i64>,
    adjust: Option<Reverse>,
) -> EntryKind {
    EntryKind::Issue(Issue {
        origin: if number > 0 {
            IssueOrigin::Edited
        } else {
            IssueOrigin::Due
        },
        number,
        parts: vec![IssuePart {
            bonus_id: None,
            points,
            base_amount: dec(base),
            expires_at: expires_at.map(Instant),
        }],
        currency: "TWD".into(),
        adjust,
    })
}

fn expected(name: &str) -> EntryKind {
    let reverse = |reason, issued, kept, when_short| Reverse {
        reason,
        issued,
        kept,
        when_short,
        by_cancellation: reason == ReverseReason::Cancelled,
    };
    let amy = || Some("amy".to_owned());
    match name {
        "issue" => issue(0, 100, "1000.50", Some(1_710_000_000_000_000), None),
        "edited" => {
            let adjust = reverse(ReverseReason::Edited, 120, 90, WhenShort::Clamp);
            issue(2, 20, "12", None, Some(adjust))
        }
        "reverse" => EntryKind::Reverse(reverse(ReverseReason::Cancelled, 100, 0, WhenShort::Negative)),
        "redeem_by_order" => EntryKind::RedeemByOrder(RedeemByOrder {
            by_level: None,
            points: 30,
            subtotal: dec("200.00"),
            payable: None,
            tier: Some("gold".into()),
            currency_mismatch: false,
            cancelled: true,
        }),
        "return" => EntryKind::Return(Return {
            reason: ReverseReason::Refunded,
            numerator: dec("1"),
            denominator: dec("3"),
        }),
        "order_cancelled" => EntryKind::OrderCancelled,
        "expect" => EntryKind::Expect(44),
        "grant" => EntryKind::Command(Command::Grant(granted())),
        "deduct" => EntryKind::Command(Command::Deduct {
            points: 5,
            lot_id: Some("00ff".into()),
            note: Some("oops".into()),
            actor: None,
        }),
        "redeem" => EntryKind::Command(Command::Redeem {
            points: 60,
            subtotal: Some(dec("1000")),
            payable: None,
            tier: Some("gold".into()),
            note: Some("till".into()),
            actor: amy(),
        }),
        "import" => EntryKind::Command(Command::Import {
            points: 8,
            expires: ImportExpiry::On(NaiveDate::from_ymd_opt(2025, 1, 31).unwrap()),
            note: None,
            actor: None,
        }),
        "registered" => EntryKind::Command(Command::Registered {
            birthday: Some(Birthday { month: 2, day: 29 }),
        }),
        "invalid" => EntryKind::Command(Command::Invalid(Invalid {
            detail: "data.points: missing".into(),
            points: Some(3),
            note: None,
            notify: true,
            actor: None,
        })),
        "grant_all" => EntryKind::GrantAll(granted()),
        "share" => EntryKind::GrantedToAll(granted()),
        other => panic!("{other}"),
    }
}

#[test]
fn entries_of_the_first_version_are_read() {
    for line in ENTRIES.lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let entry = Entry {
            shop_id: "acme".into(),
            member_id: if name == "grant_all" { "" } else { "m-1" }.into(),
            at: Instant(1_700_000_000_000_000),
            effective_at: Instant(1_699_999_999_000_000),
            cause_id: "e1".into(),
            cause_source: "/shops/acme".into(),
            order_id: Some("A-1".into()),
            step: 0,
            rule_version: Some(3),
            traceparent: Some("00-1-2-01".into()),
            kind: expected(name),
        };
        assert_eq!(decode(&bytes), Ok(entry), "{name}");
    }
    assert_eq!(ENTRIES.lines().count(), 15);
}
