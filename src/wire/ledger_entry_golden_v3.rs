//! Entries of the third version, of levels and of orders that their member prices: their bytes wait
//! in the topic through an upgrade.

use super::*;
use crate::domain::entry::{
    ByLevel, FactStep, IssuePart, LevelAmounts, OrderFact, Qualify, ReverseReason, TierSet,
};
use crate::domain::price_list::{Forecast, ForecastBy, Keeps, Price, PriceList, PricedFor, Revision};
use crate::domain::reason::Reason;
use crate::domain::rules::model::{BirthdaySpan, WhenShort};

const ENTRIES: &str = include_str!("golden/entries_v3.txt");

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// One price for two kinds of members, one for those whose birthday it is, and a reason for none.
fn price_list() -> PriceList {
    let part = |bonus_id: Option<&str>, points, base, expires_at: Option<i64>| IssuePart {
        bonus_id: bonus_id.map(Into::into),
        points,
        base_amount: dec(base),
        expires_at: expires_at.map(Instant),
    };
    let of = |tier: Option<&str>, birthday, first_order| PricedFor {
        tier: tier.map(Into::into),
        birthday,
        first_order,
    };
    let price = |of, reason, parts, lost| Price {
        of,
        reason,
        parts,
        lost,
    };
    let own = || part(None, 12, "1200.50", Some(1_710_000_000_000_000));
    let tea = || part(Some("tea-weekend"), 5, "500", None);
    PriceList {
        created_at: Instant(1_699_000_000_000_000),
        told_tier: Some("gold".into()),
        currency: "TWD".into(),
        again: Some(2),
        prices: vec![
            price(of(None, None, false), None, vec![own()], 3),
            price(of(Some("silver"), None, false), None, vec![own()], 3),
            price(
                of(Some("gold"), Some(BirthdaySpan::Day), true),
                None,
                vec![own(), tea()],
                0,
            ),
            price(
                of(Some("staff"), Some(BirthdaySpan::Month), false),
                Some(Reason::TierExcluded),
                Vec::new(),
                0,
            ),
        ],
    }
}

fn revision(reason: ReverseReason, when_short: WhenShort, keeps: Keeps, flags: [bool; 4]) -> EntryKind {
    let [by_cancellation, raises, asks, forgiven] = flags;
    EntryKind::Revise(Revision {
        list: price_list(),
        reason,
        reversed_at: Instant(1_699_999_998_000_000),
        when_short,
        by_cancellation,
        keeps,
        raises,
        asks,
        forgiven,
    })
}

fn forecast(list: Option<PriceList>, due_at: Option<i64>, by: ForecastBy) -> EntryKind {
    EntryKind::Forecast(Forecast {
        list,
        due_at: due_at.map(Instant),
        by,
    })
}

fn entries() -> Vec<(&'static str, EntryKind)> {
    let step = |at, amount, goods| FactStep {
        at: Instant(at),
        amount: dec(amount),
        goods,
    };
    let amounts = |level: &str, subtotal, payable| LevelAmounts {
        level: level.into(),
        subtotal: dec(subtotal),
        payable: dec(payable),
    };
    vec![
        (
            "redeem_by_level",
            EntryKind::RedeemByOrder(RedeemByOrder {
                points: 30,
                subtotal: dec("200.00"),
                payable: Some(dec("190")),
                tier: None,
                currency_mismatch: true,
                cancelled: false,
                by_level: Some(ByLevel {
                    created_at: Instant(1_699_000_000_000_000),
                    amounts: vec![amounts("", "200", "190.5"), amounts("gold", "150", "140")],
                }),
            }),
        ),
        ("issue_by_price_list", EntryKind::IssueByPriceList(price_list())),
        (
            "revise_cancelled",
            revision(
                ReverseReason::Cancelled,
                WhenShort::Negative,
                Keeps::AtMostKept,
                [true, false, true, false],
            ),
        ),
        (
            "revise_edited",
            revision(
                ReverseReason::Edited,
                WhenShort::Clamp,
                Keeps::Worth,
                [false, true, true, false],
            ),
        ),
        (
            "revise_refunded",
            revision(
                ReverseReason::Refunded,
                WhenShort::Refuse,
                Keeps::AtMostIssued,
                [false, false, false, true],
            ),
        ),
        (
            "forecast",
            forecast(Some(price_list()), Some(1_701_000_000_000_000), ForecastBy::Event),
        ),
        ("forecast_of_nothing", forecast(None, None, ForecastBy::Change)),
        (
            "forecast_takeover",
            forecast(Some(price_list()), None, ForecastBy::Takeover(7)),
        ),
        (
            "order_fact",
            EntryKind::OrderFact(OrderFact {
                created_at: Instant(1_699_000_000_000_000),
                live: true,
                steps: vec![
                    step(1_699_000_060_000_000, "1234.5", true),
                    step(1_699_500_000_000_001, "0", false),
                ],
            }),
        ),
        ("order_fact_of_nothing", EntryKind::OrderFact(OrderFact::NOTHING)),
        (
            "tier_set",
            EntryKind::Command(Command::TierSet(TierSet {
                tier: Some("gold".into()),
                since: Some(Instant(1_698_000_000_000_000)),
                until: Some(Instant(1_720_000_000_000_000)),
                note: Some("hello".into()),
                actor: Some("amy".into()),
            })),
        ),
        (
            "qualify",
            EntryKind::Command(Command::Qualify(Qualify {
                amount: Some(dec("-12.30")),
                orders: Some(-1),
                at: Some(Instant(1_698_000_000_000_000)),
                note: Some("hello".into()),
                actor: Some("amy".into()),
            })),
        ),
    ]
}

/// Both ways: what was written is read by later versions, and during a rolling upgrade what a
/// later version writes is read by this one.
#[test]
fn entries_of_the_third_version_keep_their_bytes() {
    let mut written = String::new();
    for (name, kind) in entries() {
        let entry = Entry {
            shop_id: "acme".into(),
            member_id: "m-1".into(),
            at: Instant(1_700_000_000_000_000),
            effective_at: Instant(1_699_999_999_000_000),
            cause_id: "e1".into(),
            cause_source: "/shops/acme".into(),
            order_id: Some("A-1".into()),
            step: 4,
            rule_version: Some(3),
            traceparent: Some("00-1-2-01".into()),
            kind,
        };
        let bytes = encode(&entry);
        assert_eq!(decode(&bytes).as_ref(), Ok(&entry), "{name}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        written.push_str(&format!("{name} {hex}\n"));
    }
    assert!(
        written == ENTRIES,
        "golden/entries_v3.txt holds other bytes than are written now:\n{written}"
    );
}
