//! How large the state of a member with very many orders gets. `benches/member.rs` measures the
//! limits that were aimed at; this holds the bytes of a row.

use super::*;
use crate::domain::entry::{
    Entry, EntryKind, Issue, IssueOrigin, IssuePart, RedeemByOrder, Return, Reverse, ReverseReason,
};
use crate::domain::instant::Instant;
use crate::domain::ledger::{Terms, fixtures};
use crate::domain::price_list::{Price, PriceList, PricedFor};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::{CapOf, Extent, LimitPeriod, MemberCap, WhenShort};

const HOUR_MICROS: i64 = 3_600_000_000;
const START_MICROS: i64 = 1_700_000_000_000_000;
const ORDERS_BEHIND: i64 = 2_000;
const OPEN_LOTS: i64 = 1_000;

fn entry(number: i64, step: u32, hours: i64, kind: EntryKind) -> Entry {
    let at = Instant(START_MICROS + hours * HOUR_MICROS + number * 1_234_567);
    Entry {
        shop_id: "acme".into(),
        member_id: "m-1".into(),
        at,
        effective_at: at,
        // As a producer makes them: nothing of one is in the next.
        cause_id: format!("{:032x}", crate::domain::digest::digest(&[&number.to_string()]))
            .chars()
            .enumerate()
            .flat_map(|(place, char)| {
                let hyphen = matches!(place, 8 | 12 | 16 | 20).then_some('-');
                hyphen.into_iter().chain([char])
            })
            .collect(),
        cause_source: "/shops/acme".into(),
        order_id: Some(format!("order-2024-{number:014}").into()),
        step,
        rule_version: Some(1),
        traceparent: None,
        kind,
    }
}

fn issue(points: i64, expires_at: Option<i64>) -> EntryKind {
    EntryKind::Issue(Issue {
        origin: IssueOrigin::Due,
        number: 0,
        parts: vec![IssuePart {
            bonus_id: None,
            points,
            base_amount: points.into(),
            expires_at: expires_at.map(Instant),
        }],
        currency: "TWD".into(),
        adjust: None,
    })
}

/// Issued and expired; a tenth of it refunded before, and a tenth paid with points.
fn with_orders_behind() -> Member {
    let book = RuleBook::default();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 0,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    for number in 0..ORDERS_BEHIND {
        let expires_at = START_MICROS + (number + 48) * HOUR_MICROS;
        let mut kinds = vec![issue(100, Some(expires_at))];
        match number % 10 {
            1 => kinds.push(EntryKind::Reverse(Reverse {
                reason: ReverseReason::Refunded,
                issued: 100,
                kept: 60,
                when_short: WhenShort::Refuse,
                by_cancellation: false,
            })),
            2 => {
                let redeem = RedeemByOrder {
                    by_level: None,
                    points: 30,
                    subtotal: 100.into(),
                    payable: None,
                    tier: None,
                    currency_mismatch: false,
                    cancelled: false,
                };
                kinds.push(EntryKind::RedeemByOrder(redeem));
                kinds.push(EntryKind::Return(Return {
                    reason: ReverseReason::Refunded,
                    numerator: 1.into(),
                    denominator: 3.into(),
                }));
            }
            _ => {}
        }
        for (step, kind) in (1..).zip(kinds) {
            assert!(!member.apply(&entry(number, step, number, kind), &terms).duplicate);
        }
    }
    let end = Instant(START_MICROS + (ORDERS_BEHIND + 100) * HOUR_MICROS);
    member.timer("acme", "m-1", end, &terms);
    assert!(member.lots.is_empty());
    member
}

#[test]
fn a_lot_takes_40_bytes_and_an_order_behind_a_few() {
    let mut member = with_orders_behind();
    let behind = encode_member(&member).len() as i64;
    let book = RuleBook::default();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 0,
        tier_facts_months: 36,
    };
    for number in ORDERS_BEHIND..ORDERS_BEHIND + OPEN_LOTS {
        let at = START_MICROS + (number + 200) * HOUR_MICROS + number * 1_234_567;
        let kind = issue(number % 500 + 1, Some(at + 365 * 24 * HOUR_MICROS));
        member.apply(&entry(number, 1, number + 200, kind), &terms);
    }
    let bytes = encode_member(&member);
    assert_eq!(decode_member("acme", &bytes).unwrap(), member);
    // The order that a lot is of is remembered beside it.
    let lot = (bytes.len() as i64 - behind) / OPEN_LOTS;
    let order = behind / ORDERS_BEHIND;
    println!("{lot} bytes a lot, {order} bytes an order behind, a tenth refunded, a tenth redeemed");
    assert!(lot <= 40, "{lot} bytes a lot");
    assert!(order <= 16, "{order} bytes an order");
}

/// What each of 200 orders of a year counts, a tenth of them refunded, beside their lots.
#[test]
fn what_200_orders_count_for_levels_takes_5_kilobytes() {
    use crate::domain::entry::{FactStep, OrderFact};
    use crate::domain::ledger::tiers::fixtures::{level, shop};

    let levels = ["a", "b", "c", "d"].map(|name| level(name, "10000", 12));
    let book = crate::domain::ledger::fixtures::book(&[shop(levels.to_vec(), |_| {})]);
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    for number in 0..200 {
        let hours = number * 43;
        let at = entry(number, 1, hours, EntryKind::OrderCancelled).at;
        let step = |at: i64, cents: i64| FactStep {
            at: Instant(at),
            amount: rust_decimal::Decimal::new(cents, 2).normalize(),
            goods: true,
        };
        let mut steps = vec![step(at.0, 123_450 + number * 7)];
        if number % 10 == 1 {
            steps.push(step(at.0 + 5 * HOUR_MICROS, 1_000));
        }
        let fact = OrderFact {
            created_at: Instant(at.0 - 1_800_123_000),
            live: true,
            steps,
        };
        member.apply(&entry(number, 1, hours, EntryKind::OrderFact(fact)), &terms);
        let expires_at = at.0 + 365 * 24 * HOUR_MICROS;
        member.apply(
            &entry(number, 2, hours + 1, issue(number + 1, Some(expires_at))),
            &terms,
        );
    }
    let bytes = encode_member(&member);
    assert_eq!(decode_member("acme", &bytes).unwrap(), member);
    let mut without = member.clone();
    without.standing = None;
    let lots = encode_member(&without).len();
    println!("{} bytes, {lots} of them lots and orders", bytes.len());
    assert!(bytes.len() - lots <= 5_500, "{} bytes", bytes.len() - lots);
}

/// A year's orders of a shop with a daily cap and a limited bonus: receipts, and a counter a day.
#[test]
fn an_order_priced_by_its_member_takes_40_bytes() {
    const ORDERS: i64 = 200;
    let mut rules = fixtures::rules();
    rules.caps.per_member = vec![MemberCap {
        per: LimitPeriod::Day,
        most: CapOf::Points(10_000),
    }];
    rules.reversal.after_refund = Extent::Proportional;
    let book = fixtures::book(&[rules]);
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    for number in 0..ORDERS {
        let hours = number * 365 * 24 / ORDERS;
        let part = |bonus_id: Option<&str>, points| IssuePart {
            bonus_id: bonus_id.map(Into::into),
            points,
            base_amount: 100.into(),
            expires_at: Some(Instant(START_MICROS + (hours + 24) * HOUR_MICROS)),
        };
        let price = Price {
            of: PricedFor {
                tier: Some("gold".into()),
                ..PricedFor::default()
            },
            reason: None,
            parts: vec![part(None, 100 + number), part(Some("tea-weekend"), 20)],
            lost: 0,
        };
        let list = PriceList {
            created_at: Instant(START_MICROS + hours * HOUR_MICROS),
            told_tier: Some("gold".into()),
            currency: "TWD".into(),
            again: None,
            prices: vec![price],
        };
        let told = member.apply(
            &entry(number, 1, hours, EntryKind::IssueByPriceList(list)),
            &terms,
        );
        assert_eq!(
            told.outcomes
                .iter()
                .filter(|told| told.reason.code() == "order")
                .count(),
            1
        );
    }
    let end = Instant(START_MICROS + 400 * 24 * HOUR_MICROS);
    member.timer("acme", "m-1", end, &terms);
    assert!(member.lots.is_empty());
    let bytes = encode_member(&member);
    assert_eq!(decode_member("acme", &bytes).unwrap(), member);
    let order = bytes.len() as i64 / ORDERS;
    println!(
        "{order} bytes an order priced by its member, {} in all",
        bytes.len()
    );
    assert!(order <= 40, "{order}");
}
