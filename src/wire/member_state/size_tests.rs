//! How large the state of a member with very many orders gets. `benches/member.rs` measures the
//! limits that were aimed at; this holds the bytes of a row.

use super::*;
use crate::domain::digest::{digest, hex};
use crate::domain::entry::{
    Entry, EntryKind, FactStep, Issue, IssueOrigin, IssuePart, OrderFact, RedeemByOrder, Return, Reverse,
    ReverseReason,
};
use crate::domain::instant::Instant;
use crate::domain::ledger::tiers::fixtures::{level, shop};
use crate::domain::ledger::{Terms, fixtures};
use crate::domain::price_list::{Keeps, Price, PriceList, PricedFor, Revision};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::{CapOf, Extent, LimitPeriod, MemberCap, WhenShort};

const HOUR_MICROS: i64 = 3_600_000_000;
const START_MICROS: i64 = 1_700_000_000_000_000;
const ORDERS_BEHIND: i64 = 2_000;
const OPEN_LOTS: i64 = 1_000;

fn uuid(seed: &str) -> String {
    let mut text = hex(digest(&[seed]));
    for place in [8, 13, 18, 23] {
        text.insert(place, '-');
    }
    text
}

fn entry(number: i64, step: u32, hours: i64, kind: EntryKind) -> Entry {
    let at = Instant(START_MICROS + hours * HOUR_MICROS + number * 1_234_567);
    Entry {
        shop_id: "acme".into(),
        member_id: "m-1".into(),
        at,
        effective_at: at,
        // As a producer makes them: nothing of one is in the next.
        cause_id: uuid(&number.to_string()).into(),
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
fn a_lot_takes_30_bytes_and_an_order_behind_a_few() {
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
    assert!(lot <= 30, "{lot} bytes a lot");
    assert!(order <= 16, "{order} bytes an order");
}

/// A year's orders of a member of a shop with five levels: each counts when it is paid, is
/// priced by the member's level and credited a week later; a tenth are refunded in part after that.
/// Times are to the millisecond, as most shop systems write them.
fn with_orders_and_levels(orders: i64, ids: impl Fn(i64) -> [String; 2]) -> (Member, Vec<u8>) {
    const MINUTE: i64 = 60_000_000;
    const DAY: i64 = 24 * HOUR_MICROS;
    let names = ["bronze", "silver", "gold", "black"];
    let levels = names.map(|name| level(name, "10000", 12));
    let mut rules = shop(levels.to_vec(), |_| {});
    rules.reversal.after_refund = Extent::Proportional;
    let book = fixtures::book(&[rules]);
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    let mut entries = Vec::new();
    for number in 0..orders {
        let created_at =
            START_MICROS + number * 365 * DAY / orders / 1_000 * 1_000 + number * 7_919_000 * 200 / orders;
        let paid_at = created_at + (number % 40 + 1) * MINUTE + number % 10 * 1_000;
        let due_at = paid_at + 7 * DAY;
        // Local midnight of the day a year later: most shops let points expire at an end of a day.
        let expires_at = (due_at + 366 * DAY) / DAY * DAY - 8 * HOUR_MICROS;
        let step = |at: i64, cents: i64| FactStep {
            at: Instant(at),
            amount: rust_decimal::Decimal::new(cents, 2).normalize(),
            goods: true,
        };
        let amount = 123_450 + number * 107;
        let mut fact = OrderFact {
            created_at: Instant(created_at),
            live: true,
            steps: vec![step(paid_at, amount)],
        };
        let price = |points| PriceList {
            created_at: Instant(created_at),
            told_tier: None,
            currency: "TWD".into(),
            again: None,
            prices: vec![Price {
                of: PricedFor::default(),
                reason: None,
                parts: vec![IssuePart {
                    bonus_id: None,
                    points,
                    base_amount: 1_234.into(),
                    expires_at: Some(Instant(expires_at)),
                }],
                lost: 0,
            }],
        };
        let points = 120 + number;
        let [order, cause] = ids(number);
        let mut of_order = |step, at, kind| {
            entries.push(Entry {
                order_id: Some(order.as_str().into()),
                cause_id: cause.as_str().into(),
                at: Instant(at),
                effective_at: Instant(at),
                ..entry(number, step, 0, kind)
            });
        };
        of_order(1, paid_at, EntryKind::OrderFact(fact.clone()));
        of_order(2, due_at, EntryKind::IssueByPriceList(price(points)));
        if number % 10 == 1 {
            let refunded_at = due_at + 3 * HOUR_MICROS;
            fact.steps.push(step(refunded_at, amount / 3));
            let revision = Revision {
                list: price(points / 3),
                reason: ReverseReason::Refunded,
                reversed_at: Instant(refunded_at),
                when_short: WhenShort::Refuse,
                by_cancellation: false,
                keeps: Keeps::AtMostKept,
                raises: false,
                asks: true,
                forgiven: false,
            };
            of_order(3, refunded_at, EntryKind::Revise(revision));
            of_order(4, refunded_at, EntryKind::OrderFact(fact));
        }
    }
    entries.sort_by_key(|entry| entry.at);
    for entry in &entries {
        assert!(!member.apply(entry, &terms).duplicate);
    }
    let facts = &member.standing.as_deref().unwrap().timeline.record.orders;
    assert_eq!(facts.len() as i64, orders);
    assert_eq!(member.lots.iter().len() as i64, orders);
    let bytes = encode_member(&member);
    assert_eq!(decode_member("acme", &bytes).unwrap(), member);
    (member, bytes)
}

#[test]
fn a_years_200_orders_and_what_they_count_for_levels_take_8_kilobytes() {
    // Numbers that a shop system counts up, among those of its other customers.
    let counted = |number: i64| {
        let spread = number * 4_391 + number * number % 977;
        [
            format!("T-{}", 100_234 + spread),
            format!("evt_{}", 8_842_019 + 5 * spread),
        ]
    };
    let (member, bytes) = with_orders_and_levels(200, counted);
    let mut without = member.clone();
    without.standing = None;
    let lots = encode_member(&without).len();
    println!("{} bytes, {lots} of them lots, orders and receipts", bytes.len());
    assert!(bytes.len() <= 8 * 1_024, "{} bytes", bytes.len());
    // Ids without anything in common cannot be written shorter than they are: 17 bytes each.
    let uuids = |number: i64| ["order", "event"].map(|kind| uuid(&format!("{kind}{number}")));
    let (_, bytes) = with_orders_and_levels(200, uuids);
    println!("{} bytes with UUIDs for orders and events", bytes.len());
    assert!(bytes.len() <= 13 * 1_024, "{} bytes", bytes.len());
}

/// A small part of what a state may take, `limits.state_max_bytes`.
#[test]
fn an_order_that_counts_for_levels_takes_62_bytes_however_many_there_are() {
    const ORDERS: i64 = 1_000;
    /// Where nothing else is configured.
    const STATE_MAX_BYTES: i64 = 8 * 1_024 * 1_024;
    let uuids = |number: i64| ["order", "event"].map(|kind| uuid(&format!("{kind}{number}")));
    let (_, bytes) = with_orders_and_levels(ORDERS, uuids);
    let order = bytes.len() as i64 / ORDERS;
    println!("{order} bytes an order, {} in all", bytes.len());
    assert!(order <= 62, "{order} bytes an order");
    assert!(order * 5_000 * 25 <= STATE_MAX_BYTES);
}

/// A year's orders of a shop with a daily cap and a limited bonus: receipts, and a counter a day.
#[test]
fn an_order_priced_by_its_member_takes_30_bytes() {
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
    assert!(order <= 30, "{order}");
}
