use rust_decimal::Decimal;

use super::super::model::*;
use super::*;

fn version(number: u32, effective_from: i64, apply_to_open_orders: bool) -> RuleVersion {
    let mut rules = RuleVersion::new(Required {
        shop_id: "acme".into(),
        version: number,
        effective_from: Instant(effective_from),
        timezone: chrono_tz::UTC,
        currency: Currency {
            code: "EUR".into(),
            digits: 2,
        },
        earning: Earning::Rate {
            every: Decimal::ONE,
            points: 1,
            rounding: Rounding::Down,
        },
    });
    rules.issuance.apply_to_open_orders = apply_to_open_orders;
    rules
}

/// Versions as (number, effective from, published).
fn book(versions: &[(u32, i64, i64)], apply_to_open_orders: bool) -> RuleBook {
    let mut book = RuleBook::default();
    for (position, (number, effective, published)) in (0i64..).zip(versions) {
        let rules = version(*number, *effective, apply_to_open_orders);
        assert_eq!(
            book.publish(rules, Instant(*published), position),
            Publication::New
        );
    }
    book
}

#[test]
fn which_version_is_in_force() {
    let check = |versions: &[(u32, i64, i64)], at: i64, wanted: Option<u32>| {
        let book = book(versions, false);
        let found = book.in_force("acme", Instant(at)).map(|v| v.rules.version);
        assert_eq!(found, wanted, "{versions:?} at {at}");
    };
    check(&[], 5, None);
    check(&[(1, 10, 0)], 9, None);
    check(&[(1, 10, 0)], 10, Some(1));
    // Effective before it was published: counts when published.
    check(&[(1, 10, 20)], 19, None);
    check(&[(1, 10, 20)], 20, Some(1));
    // The greatest effective time, not the highest number or the last published.
    check(&[(1, 30, 0), (2, 10, 5)], 40, Some(1));
    check(&[(1, 30, 0), (2, 10, 5)], 20, Some(2));
    // Of equals the higher number, in any order of publishing.
    check(&[(1, 10, 0), (2, 10, 0)], 10, Some(2));
    check(&[(2, 10, 0), (1, 10, 0)], 10, Some(2));
    check(&[(1, 10, 0), (2, 10, 15)], 12, Some(1));
}

#[test]
fn which_versions_take_over() {
    let check = |versions: &[(u32, i64, i64)], bound: u32, wanted: &[u32]| {
        let book = book(versions, true);
        let bound = book.version("acme", bound).unwrap();
        let found: Vec<u32> = book
            .takeovers("acme", bound)
            .iter()
            .map(|v| v.rules.version)
            .collect();
        assert_eq!(found, wanted, "{versions:?}");
    };
    check(&[(1, 10, 0), (2, 20, 0), (3, 30, 0)], 1, &[2, 3]);
    check(&[(1, 10, 0), (2, 20, 0), (3, 30, 0)], 2, &[3]);
    // Never in force: published when a later one already counted.
    check(&[(1, 10, 0), (2, 20, 40), (3, 30, 0)], 1, &[3]);
    // Both count from the same moment: the one in force then.
    check(&[(1, 10, 0), (2, 20, 40), (3, 30, 40)], 1, &[3]);
    check(&[(1, 10, 0), (2, 5, 40)], 1, &[]);
}

#[test]
fn a_version_that_another_outranks_takes_nothing_over() {
    let mut book = RuleBook::default();
    for (number, effective, published, takes_over) in [
        (1, 10, 0, false),
        (2, 20, 0, false),
        (3, 15, 40, true),
        (4, 50, 0, true),
    ] {
        let rules = version(number, effective, takes_over);
        assert_eq!(book.publish(rules, Instant(published), 0), Publication::New);
    }
    let bound = book.version("acme", 1).unwrap();
    let found: Vec<u32> = book
        .takeovers("acme", bound)
        .iter()
        .map(|v| v.rules.version)
        .collect();
    assert_eq!(found, [4]);
}

#[test]
fn a_number_is_published_once() {
    let mut book = book(&[(1, 10, 0)], false);
    let publish = |book: &mut RuleBook, effective| book.publish(version(1, effective, false), Instant(9), 9);
    assert_eq!(publish(&mut book, 10), Publication::Duplicate);
    assert_eq!(publish(&mut book, 11), Publication::Refused);
    assert_eq!(book.version("acme", 1).unwrap().published, Instant(0));
}

#[test]
fn when_a_shop_opens_again() {
    let told = |changes: &[(i64, ShopStatus)]| {
        let mut book = RuleBook::default();
        for (position, (at, status)) in (0i64..).zip(changes) {
            let change = StatusChange {
                at: Instant(*at),
                status: *status,
                event_id: format!("s{position}"),
            };
            assert!(book.set_status("acme", change.clone(), position));
            assert!(!book.set_status("acme", change, position), "told twice");
        }
        book
    };
    let check = |changes: &[(i64, ShopStatus)], since: i64, status: ShopStatus, opens: Option<i64>| {
        let book = told(changes);
        assert_eq!(
            book.status("acme", Instant(since)),
            status,
            "{changes:?} at {since}"
        );
        let found = book.next_open("acme", Instant(since)).map(|change| change.at.0);
        assert_eq!(found, opens, "{changes:?} since {since}");
    };
    use ShopStatus::{Open, Resting};
    check(&[], 5, Open, None);
    check(&[(10, Resting)], 9, Open, None);
    check(&[(10, Resting)], 10, Resting, None);
    check(&[(10, Resting), (20, Open)], 10, Resting, Some(20));
    // Told out of order.
    check(&[(20, Open), (10, Resting)], 15, Resting, Some(20));
    // An opening before `since` that was told late.
    check(&[(10, Resting), (14, Open)], 15, Open, Some(14));
    // Of two at one instant the one told last.
    check(
        &[(10, Resting), (20, Open), (20, Resting), (30, Open)],
        12,
        Resting,
        Some(30),
    );
    check(&[(10, Resting), (20, Resting), (20, Open)], 20, Open, Some(20));
}

#[test]
fn which_orders_look_at_a_version() {
    let asked = |book: &RuleBook, after: i64| {
        let asked = book.nudges(after).map(|(_, position, asked)| (position, asked));
        let mut asked: Vec<_> = asked.collect();
        asked.sort_by_key(|(position, _)| *position);
        asked
    };
    let with_tiers = |number: u32, takes_over: bool| {
        let mut rules = version(number, 10, takes_over);
        rules.tiers = Some(Tiers {
            told: ToldTier::Prefer,
            counts: Counts::of(&Base::default()),
            on_refund: OnRefund::Recheck,
            on_expiry: OnExpiry::Fitting,
            retroactive: false,
            levels: vec![Level::new("member")],
        });
        rules
    };
    let mut book = book(&[(1, 10, 0)], false);
    assert_eq!(asked(&book, -1), []);
    // Tiers for the first time: ended orders too, once.
    book.publish(with_tiers(2, true), Instant(0), 1);
    assert_eq!(asked(&book, -1), [(1, Asked::All)]);
    book.publish(with_tiers(3, true), Instant(0), 2);
    assert_eq!(asked(&book, -1), [(1, Asked::All), (2, Asked::Open)]);
    assert_eq!(asked(&book, 1), [(2, Asked::Open)]);
    assert_eq!(asked(&book, 2), []);
}
