//! Points of the instant at which a period ends: they come after the end.

use chrono::NaiveTime;
use proptest::prelude::*;

use super::fixtures::{Row, check, learn, level, of_amount, order, shop};
use super::{Rules, Timeline};
use crate::domain::instant::Instant;
use crate::domain::ledger::fixtures::{at, book};
use crate::domain::rules::model::*;

fn of_points(points: i64) -> Condition {
    Condition {
        points: Some(points),
        ..Condition::default()
    }
}

/// Entered by an amount within 20 days, held for so many days to 10:00, renewed by 5 points.
fn gold(days: u32) -> Level {
    Level {
        within: Within::Days(20),
        valid: Expiry {
            at: NaiveTime::from_hms_opt(10, 0, 0).unwrap().into(),
            ..Expiry::of(ExpirySpan::AfterDays(days))
        },
        renew: Renew::By(vec![of_points(5)]),
        ..level("gold", "1000", 1)
    }
}

fn silver() -> Level {
    Level {
        enter: vec![of_points(5)],
        within: Within::Days(20),
        ..level("silver", "0", 1)
    }
}

#[test]
fn points_of_the_end_do_not_renew_what_ends() {
    let book = book(&[shop(vec![silver(), gold(30)], |_| {})]);
    let rows = |time| {
        [
            order(1, &[("2024-05-01 10:00", "1000")]),
            Row::Points(2, at(time), 6),
        ]
    };
    let reached = "gold 2024-05-01 10:00..2024-05-31 10:00 reached";
    check(
        &book,
        &rows("2024-05-31 09:59"),
        "2024-06-10 00:00",
        &[reached, "gold 2024-05-31 10:00..2024-06-30 10:00 renewed"],
    );
    check(
        &book,
        &rows("2024-05-31 10:00"),
        "2024-06-10 00:00",
        &[
            reached,
            "member 2024-05-31 10:00..ever not_renewed",
            "silver 2024-05-31 10:00..2024-06-30 23:59 reached",
        ],
    );
}

#[test]
fn points_of_the_end_count_for_what_begins_there() {
    let book = book(&[shop(vec![gold(30)], |_| {})]);
    let rows = |time| {
        [
            order(1, &[("2024-05-01 10:00", "1000")]),
            order(2, &[("2024-05-25 10:00", "1000")]),
            Row::Points(3, at(time), 6),
        ]
    };
    let first = [
        "gold 2024-05-01 10:00..2024-05-31 10:00 reached",
        "gold 2024-05-31 10:00..2024-06-30 10:00 renewed",
    ];
    for (time, wanted) in [
        ("2024-05-31 09:59", "member 2024-06-30 10:00..ever not_renewed"),
        (
            "2024-05-31 10:00",
            "gold 2024-06-30 10:00..2024-07-30 10:00 renewed",
        ),
        ("2024-06-30 10:00", "member 2024-06-30 10:00..ever not_renewed"),
    ] {
        check(
            &book,
            &rows(time),
            "2024-07-05 00:00",
            &[first[0], first[1], wanted],
        );
    }
}

/// As those of an order that is older than facts are kept.
#[test]
fn what_is_taken_back_of_points_that_do_not_count_counts_nothing() {
    let book = book(&[shop(vec![silver()], |_| {})]);
    let points = |id, time, points| Row::Points(id, at(time), points);
    check(
        &book,
        &[
            points(1, "2024-05-01 10:00", -3),
            points(2, "2024-05-02 10:00", 5),
        ],
        "2024-05-10 00:00",
        &["silver 2024-05-02 10:00..2024-06-02 23:59 reached"],
    );
    check(
        &book,
        &[
            points(1, "2024-05-01 10:00", 6),
            points(1, "2024-05-01 11:00", -3),
            points(2, "2024-05-02 10:00", 1),
        ],
        "2024-05-10 00:00",
        &[
            "silver 2024-05-01 10:00..2024-06-01 23:59 reached",
            "member 2024-05-01 11:00..ever refunded",
        ],
    );
}

/// Midnights and 10:00 of few days, so that ends, facts and points often meet.
fn instants() -> impl Strategy<Value = Instant> {
    (0i64..40, any::<bool>()).prop_map(|(day, late)| {
        let hours = day * 24 + if late { 10 } else { 0 };
        Instant(at("2024-05-01 00:00").0 + hours * 3_600_000_000)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn shuffled_points_give_the_same_timeline(
        (rows, order, pauses) in proptest::collection::vec(
            prop_oneof![
                (instants(), 0usize..3).prop_map(|(at, amount)| {
                    Row::Order(0, vec![(at, ["300", "600", "1000"][amount])])
                }),
                (instants(), -6i64..8).prop_map(|(at, points)| Row::Points(0, at, points)),
            ],
            1..12,
        ).prop_flat_map(|mut rows| {
            for (id, row) in (1..).zip(&mut rows) {
                if let Row::Order(known, _) | Row::Points(known, ..) = row {
                    *known = id;
                }
            }
            let places: Vec<usize> = (0..rows.len()).collect();
            let pauses = proptest::collection::vec((instants(), any::<bool>()), rows.len());
            (Just(rows), Just(places).prop_shuffle(), pauses)
        }),
        when_met: bool,
        in_tier: bool,
    ) {
        let with = |mut level: Level| {
            level.renew_when = if when_met { RenewWhen::WhenMet } else { RenewWhen::AtExpiry };
            level.within = if in_tier { Within::InTierDays(7) } else { level.within };
            level
        };
        let mut top = gold(3);
        top.name = "top".into();
        top.enter = vec![of_points(9), of_amount("1500")];
        let book = book(&[shop(vec![silver(), gold(5), top].into_iter().map(with).collect(), |_| {})]);
        let rules = Rules { book: &book, shop_id: "acme" };
        let end = at("2024-08-01 00:00");
        let mut at_once = Timeline::default();
        for row in &rows {
            learn(&mut at_once, row);
        }
        at_once.advance(rules, end, end);
        let mut shuffled = Timeline::default();
        let mut now = Instant::MIN;
        for (place, (pause, ends_too)) in order.into_iter().zip(pauses) {
            now = now.max(pause);
            let ends = Instant(now.0 + i64::from(ends_too));
            shuffled.advance(rules, now, ends);
            learn(&mut shuffled, &rows[place]);
            shuffled.advance(rules, now, ends);
        }
        shuffled.advance(rules, end, end);
        prop_assert_eq!(&shuffled.periods, &at_once.periods);
    }
}
