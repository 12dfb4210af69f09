//! A member with 50,000 open lots and 100,000 orders behind it: bytes of the state, and how long
//! it takes to write it, to read it, and to take in one entry.
//!
//! `cargo bench --bench member -- [--lots 50000] [--orders 100000]`. Two shapes of ids: order ids
//! that count up with random event ids (UUIDs), and both random.

use std::time::Instant as Timer;

use accrual::domain::digest::{digest, hex};
use accrual::domain::entry::{
    Command, Entry, EntryKind, Issue, IssueOrigin, IssuePart, RedeemByOrder, Return, Reverse, ReverseReason,
};
use accrual::domain::instant::Instant;
use accrual::domain::ledger::Terms;
use accrual::domain::ledger::member::Member;
use accrual::domain::rules::book::RuleBook;
use accrual::domain::rules::model::WhenShort;
use accrual::wire::member_state::{decode_member, encode_member};

const HOUR_MICROS: i64 = 3_600_000_000;
const START_MICROS: i64 = 1_700_000_000_000_000;
const YEAR_HOURS: i64 = 365 * 24;
const RUNS: u32 = 20;

#[derive(Clone, Copy)]
enum Ids {
    /// `order-2024-00000000012345`
    Counted,
    /// 25 characters of a hash.
    Random,
}

/// A number of the command line.
fn argument(name: &str, default: i64) -> i64 {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|argument| argument == name);
    let given = place.and_then(|place| arguments.get(place + 1)?.parse().ok());
    given.unwrap_or(default)
}

fn uuid(number: i64) -> String {
    let mut text = hex(digest(&["event", &number.to_string()]));
    [8, 13, 18, 23].iter().for_each(|place| text.insert(*place, '-'));
    text
}

fn entry(ids: Ids, number: i64, step: u32, at: i64, kind: EntryKind) -> Entry {
    let at = Instant(at);
    let order = match ids {
        Ids::Counted => format!("order-2024-{number:014}"),
        Ids::Random => hex(digest(&["order", &number.to_string()]))[..25].to_owned(),
    };
    Entry {
        shop_id: "acme".into(),
        member_id: "m-1".into(),
        at,
        effective_at: at,
        cause_id: uuid(number).into(),
        cause_source: "/shops/acme".into(),
        order_id: Some(order.into()),
        step,
        rule_version: Some(1),
        traceparent: None,
        kind,
    }
}

fn issue(points: i64, expires_at: i64) -> EntryKind {
    EntryKind::Issue(Issue {
        origin: IssueOrigin::Due,
        number: 0,
        parts: vec![IssuePart {
            bonus_id: None,
            points,
            base_amount: points.into(),
            expires_at: Some(Instant(expires_at)),
        }],
        currency: "TWD".into(),
        adjust: None,
    })
}

/// What an order behind did: a tenth was refunded, a tenth paid with points, all expired.
fn kinds(number: i64, expires_at: i64) -> Vec<EntryKind> {
    let mut kinds = vec![issue(100, expires_at)];
    match number % 10 {
        1 => kinds.push(EntryKind::Reverse(Reverse {
            reason: ReverseReason::Refunded,
            issued: 100,
            kept: 60,
            when_short: WhenShort::Refuse,
            by_cancellation: false,
        })),
        2 => {
            kinds.push(EntryKind::RedeemByOrder(RedeemByOrder {
                by_level: None,
                points: 30,
                subtotal: 100.into(),
                payable: None,
                tier: None,
                currency_mismatch: false,
                cancelled: false,
            }));
            kinds.push(EntryKind::Return(Return {
                reason: ReverseReason::Refunded,
                numerator: 1.into(),
                denominator: 3.into(),
            }));
        }
        _ => {}
    }
    kinds
}

/// Milliseconds of one of many runs.
fn millis(mut run: impl FnMut()) -> f64 {
    let start = Timer::now();
    (0..RUNS).for_each(|_| run());
    start.elapsed().as_secs_f64() * 1_000.0 / f64::from(RUNS)
}

fn main() {
    let (lots, orders) = (argument("--lots", 50_000), argument("--orders", 100_000));
    for (name, ids) in [("counted", Ids::Counted), ("random", Ids::Random)] {
        measure(name, ids, lots, orders);
    }
}

fn measure(name: &str, ids: Ids, lots: i64, orders: i64) {
    let book = RuleBook::default();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 0,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    let start = Timer::now();
    for number in 0..orders {
        let at = START_MICROS + number * HOUR_MICROS / 4;
        for (step, kind) in (1..).zip(kinds(number, at + 48 * HOUR_MICROS)) {
            member.apply(&entry(ids, number, step, at, kind), &terms);
        }
    }
    let now = START_MICROS + orders * HOUR_MICROS / 4 + 100 * HOUR_MICROS;
    member.timer("acme", "m-1", Instant(now), &terms);
    let behind = encode_member(&member).len();
    for number in orders..orders + lots {
        let at = now + (number - orders) * 61_234_567;
        let kind = issue(number % 900 + 1, at + YEAR_HOURS * HOUR_MICROS);
        member.apply(&entry(ids, number, 1, at, kind), &terms);
    }
    let filled = start.elapsed().as_secs_f64();
    let bytes = encode_member(&member);
    println!(
        "{name}: {} bytes; {:.1} a lot, {:.1} an order behind; {filled:.1} s to fill",
        bytes.len(),
        (bytes.len() - behind) as f64 / lots as f64,
        behind as f64 / orders as f64,
    );
    let write = millis(|| drop(encode_member(&member)));
    let read = millis(|| drop(decode_member("acme", &bytes).expect("as written")));
    let wake = millis(|| {
        member.wake("acme", &terms);
    });
    let mut number = orders + lots;
    let last = now + lots * 61_234_567;
    let mut next = |kind: &dyn Fn(i64) -> EntryKind| {
        number += 1;
        let at = last + (number - orders - lots) * 1_000_000;
        entry(ids, number, 1, at, kind(at))
    };
    let credit = millis(|| {
        let entry = next(&|at| issue(5, at + YEAR_HOURS * HOUR_MICROS));
        member.apply(&entry, &terms);
    });
    let redeem = millis(|| {
        let kind = EntryKind::Command(Command::Redeem {
            points: 5_000,
            subtotal: None,
            payable: None,
            tier: None,
            note: None,
            actor: None,
        });
        let entry = Entry {
            order_id: None,
            ..next(&|_| kind.clone())
        };
        member.apply(&entry, &terms);
    });
    println!(
        "{name}: write {write:.2} ms, read {read:.2} ms, wake {wake:.4} ms, an issue {credit:.4} ms, \
         a redemption {redeem:.4} ms"
    );
}
