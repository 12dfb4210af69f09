//! The worked examples of levels, one by one, on the fold alone.

use super::fixtures::{Row, check, level, of_amount, order, set, shop};
use crate::domain::ledger::fixtures::{amount, at, book};
use crate::domain::rules::model::*;
use crate::domain::wall_time::WallTime;

#[test]
fn all_parts_of_a_condition_and_any_of_the_conditions() {
    let mut gold = level("gold", "50000", 12);
    gold.enter.insert(
        0,
        Condition {
            order_amount: Some(amount("10000")),
            orders: Some(10),
            ..Condition::default()
        },
    );
    let book = book(&[shop(vec![gold], |_| {})]);
    let orders = |last: &'static str| {
        let mut rows: Vec<Row> = (1..10)
            .map(|id| Row::Order(id, vec![(at(&format!("2024-01-0{id} 10:00")), "100")]))
            .collect();
        rows.push(order(10, &[("2024-01-10 10:00", last)]));
        rows
    };
    let until = "2024-03-01 00:00";
    let wanted = ["gold 2024-01-10 10:00..2025-01-10 23:59 reached"];
    check(&book, &orders("10000"), until, &wanted);
    check(&book, &orders("9999"), until, &[]);
    let three = [
        order(1, &[("2024-02-01 10:00", "20000")]),
        order(2, &[("2024-02-02 10:00", "20000")]),
        order(3, &[("2024-02-03 10:00", "20000")]),
    ];
    check(
        &book,
        &three,
        until,
        &["gold 2024-02-03 10:00..2025-02-03 23:59 reached"],
    );
}

#[test]
fn a_rolling_window_holds_the_days_after_its_first() {
    let book = book(&[shop(vec![level("gold", "12000", 12)], |_| {})]);
    let rows = |first: &'static str| {
        [
            Row::Order(1, vec![(at(first), "7000")]),
            order(2, &[("2021-10-25 10:00", "5000")]),
        ]
    };
    let wanted = ["gold 2021-10-25 10:00..2022-10-25 23:59 reached"];
    check(&book, &rows("2020-10-26 00:00"), "2021-11-01 00:00", &wanted);
    check(&book, &rows("2020-10-25 23:59"), "2021-11-01 00:00", &[]);
}

#[test]
fn blocks_begin_where_the_level_did() {
    let mut gold = level("gold", "500", 6);
    gold.enter.push(Condition {
        order_amount: Some(amount("700")),
        ..Condition::default()
    });
    gold.within = Within::InTierMonths(6);
    gold.valid = Expiry::default();
    let book = book(&[shop(vec![Level::new("silver"), gold], |_| {})]);
    let begins = "silver 2025-04-01 00:00..ever set";
    let rows = |orders: &[Row]| [&[set("2025-04-01 00:00", Some("silver"))], orders].concat();
    let until = "2025-12-01 00:00";
    let both = rows(&[
        order(1, &[("2025-09-01 10:00", "300")]),
        order(2, &[("2025-09-30 10:00", "250")]),
    ]);
    check(
        &book,
        &both,
        until,
        &[begins, "gold 2025-09-30 10:00..ever reached"],
    );
    let apart = rows(&[
        order(1, &[("2025-09-30 10:00", "300")]),
        order(2, &[("2025-10-02 10:00", "250")]),
    ]);
    check(&book, &apart, until, &[begins]);
    let one = rows(&[order(1, &[("2025-10-02 10:00", "700")])]);
    check(
        &book,
        &one,
        until,
        &[begins, "gold 2025-10-02 10:00..ever reached"],
    );
    // The order of the very beginning is out.
    let reaching = rows(&[
        order(1, &[("2025-04-01 00:00", "300")]),
        order(2, &[("2025-04-02 00:00", "250")]),
    ]);
    check(&book, &reaching, until, &[begins]);
}

#[test]
fn calendar_years_are_renewed_over_the_period() {
    let mut gold = level("gold", "500", 12);
    gold.within = Within::Calendar(RoundUpTo::Year);
    gold.valid = Expiry::of(ExpirySpan::Yearly { month: 12, day: 31 });
    let book = book(&[shop(vec![gold], |_| {})]);
    let first = order(1, &[("2024-06-10 10:00", "500")]);
    let begins = "gold 2024-06-10 10:00..2025-12-31 23:59 reached";
    check(
        &book,
        std::slice::from_ref(&first),
        "2026-06-01 00:00",
        &[begins, "member 2025-12-31 23:59..ever not_renewed"],
    );
    check(
        &book,
        &[first, order(2, &[("2025-11-10 10:00", "500")])],
        "2026-06-01 00:00",
        &[begins, "gold 2025-12-31 23:59..2026-12-31 23:59 renewed"],
    );
}

#[test]
fn renewed_when_met_begins_then() {
    let mut gold = level("gold", "20000", 12);
    gold.renew_when = RenewWhen::WhenMet;
    let book = book(&[shop(vec![gold], |_| {})]);
    check(
        &book,
        &[
            order(1, &[("2025-09-01 10:00", "20000")]),
            order(2, &[("2026-01-10 10:00", "8000")]),
            order(3, &[("2026-04-20 10:00", "12000")]),
        ],
        "2026-12-01 00:00",
        &[
            "gold 2025-09-01 10:00..2026-09-01 23:59 reached",
            "gold 2026-04-20 10:00..2027-04-20 23:59 renewed",
        ],
    );
}

fn three_levels(on_expiry: OnExpiry) -> RuleVersion {
    let days = |name, enter, renew| Level {
        within: Within::Days(365),
        valid: Expiry::of(ExpirySpan::AfterDays(365)),
        renew: Renew::By(vec![of_amount(renew)]),
        ..level(name, enter, 12)
    };
    let levels = vec![
        days("one", "10000", "5000"),
        days("two", "60000", "30000"),
        days("three", "100000", "50000"),
    ];
    shop(levels, |tiers| tiers.on_expiry = on_expiry)
}

#[test]
fn who_is_not_renewed_falls_as_the_rule_says() {
    let begins = "three 2023-03-01 10:00..2024-02-29 10:00 reached";
    let rows = |left| {
        [
            order(1, &[("2023-03-01 10:00", "100000")]),
            order(2, &[("2023-09-01 10:00", left)]),
        ]
    };
    for (on_expiry, wanted) in [
        (
            OnExpiry::Fitting,
            "two 2024-02-29 10:00..2025-02-28 10:00 not_renewed",
        ),
        (
            OnExpiry::OneDown,
            "two 2024-02-29 10:00..2025-02-28 10:00 not_renewed",
        ),
        (OnExpiry::Default, "member 2024-02-29 10:00..ever not_renewed"),
    ] {
        let book = book(&[three_levels(on_expiry)]);
        check(&book, &rows("40000"), "2024-04-01 00:00", &[begins, wanted]);
        let renewed = "three 2024-02-29 10:00..2025-02-28 10:00 renewed";
        check(&book, &rows("50000"), "2024-04-01 00:00", &[begins, renewed]);
    }
}

#[test]
fn a_refund_lowers_at_once_or_not_before_the_end() {
    let levels = || vec![level("silver", "5000", 12), level("gold", "10000", 12)];
    let recheck = book(&[shop(levels(), |_| {})]);
    let keep = book(&[shop(levels(), |tiers| tiers.on_refund = OnRefund::Keep)]);
    let rows = |left: &'static str| {
        [
            order(1, &[("2024-01-10 10:00", "4000")]),
            order(2, &[("2024-03-01 10:00", "6500"), ("2024-03-06 10:00", left)]),
        ]
    };
    let silver = "silver 2024-01-10 10:00";
    assert!(!silver.is_empty());
    let gold = "gold 2024-03-01 10:00..2025-03-01 23:59 reached";
    let ends = "member 2025-03-01 23:59..ever not_renewed";
    check(&recheck, &rows("6100"), "2025-03-02 00:00", &[gold, ends]);
    check(
        &recheck,
        &rows("5900"),
        "2025-03-02 00:00",
        &[gold, "silver 2024-03-06 10:00..2025-03-06 23:59 refunded"],
    );
    check(&keep, &rows("5900"), "2025-03-02 00:00", &[gold, ends]);
    // After the window has moved on, what began the period is looked at.
    let late = |left: &'static str| {
        [
            order(1, &[("2024-01-10 10:00", "4000"), ("2025-01-25 10:00", left)]),
            order(2, &[("2024-03-01 10:00", "6500")]),
        ]
    };
    check(&recheck, &late("3700"), "2025-02-10 00:00", &[gold]);
    check(
        &recheck,
        &late("3400"),
        "2025-02-10 00:00",
        &[gold, "silver 2025-01-25 10:00..2026-01-25 23:59 refunded"],
    );
}

#[test]
fn a_late_fact_gives_the_timeline_that_it_would_have_given() {
    let mut silver = level("silver", "60000", 12);
    silver.within = Within::Calendar(RoundUpTo::Year);
    silver.valid = Expiry::of(ExpirySpan::Yearly { month: 12, day: 31 });
    let book = book(&[shop(vec![silver], |_| {})]);
    let mut rows = vec![
        order(1, &[("2022-06-10 10:00", "60000")]),
        order(2, &[("2023-05-10 10:00", "55000")]),
    ];
    let begins = "silver 2022-06-10 10:00..2023-12-31 23:59 reached";
    let ends = "member 2023-12-31 23:59..ever not_renewed";
    check(&book, &rows, "2024-02-01 00:00", &[begins, ends]);
    rows.push(order(3, &[("2023-12-30 10:00", "10000")]));
    let renewed = "silver 2023-12-31 23:59..2024-12-31 23:59 renewed";
    check(&book, &rows, "2024-02-01 00:00", &[begins, renewed]);
}

#[test]
fn ends_are_rounded_up_and_the_next_end_is_another() {
    let ends = |valid: Expiry, until: &str| {
        let mut gold = level("gold", "1000", 1);
        gold.valid = valid;
        gold.within = Within::Lifetime;
        let book = book(&[shop(vec![gold], |_| {})]);
        let rows = [order(1, &[("2024-03-10 10:00", "1000")])];
        super::fixtures::periods(&book, &rows, until)
    };
    let month = Expiry {
        round_up_to: Some(RoundUpTo::Month),
        ..Expiry::of(ExpirySpan::OfIssue)
    };
    // It enters at each end, for its window never ends.
    let wanted = [
        "gold 2024-03-10 10:00..2024-03-31 23:59 reached",
        "gold 2024-03-31 23:59..2024-04-30 23:59 renewed",
        "gold 2024-04-30 23:59..2024-05-31 23:59 renewed",
    ];
    assert_eq!(ends(month, "2024-05-02 00:00"), wanted);
    let plus = Expiry {
        span: ExpirySpan::AfterMonths(1),
        ..month
    };
    assert_eq!(
        ends(plus, "2024-04-02 00:00"),
        ["gold 2024-03-10 10:00..2024-04-30 23:59 reached"]
    );
    // An end at 24:00 belongs to the day that it ends.
    let yearly = Expiry {
        at: WallTime::END_OF_DAY,
        ..Expiry::of(ExpirySpan::Yearly { month: 12, day: 31 })
    };
    assert_eq!(
        ends(yearly, "2026-01-02 00:00"),
        [
            "gold 2024-03-10 10:00..2026-01-01 00:00 reached",
            "gold 2026-01-01 00:00..2027-01-01 00:00 renewed",
        ]
    );
}

#[test]
fn by_hand_and_given_back_to_the_facts() {
    let book = book(&[shop(
        vec![level("silver", "5000", 12), level("gold", "10000", 12)],
        |_| {},
    )]);
    let by_hand = Row::Set(
        at("2024-02-01 00:00"),
        Some("silver"),
        Some(at("2024-06-30 00:00")),
    );
    check(
        &book,
        &[by_hand, order(1, &[("2024-04-01 10:00", "10000")])],
        "2024-05-01 00:00",
        &[
            "silver 2024-02-01 00:00..2024-06-30 00:00 set",
            "gold 2024-04-01 10:00..2025-04-01 23:59 reached",
        ],
    );
    check(
        &book,
        &[
            order(1, &[("2024-02-01 10:00", "6000"), ("2024-04-01 10:00", "0")]),
            set("2024-03-01 12:00", Some("gold")),
            set("2024-05-01 10:00", None),
        ],
        "2024-05-02 00:00",
        &[
            "silver 2024-02-01 10:00..2025-02-01 23:59 reached",
            // What began by hand is not looked at again.
            "gold 2024-03-01 12:00..2025-03-01 23:59 set",
            "member 2024-05-01 10:00..ever set",
        ],
    );
    // Set below what the facts hold: the next fact raises.
    check(
        &book,
        &[
            order(1, &[("2024-02-01 10:00", "10000")]),
            set("2024-03-01 10:00", Some("silver")),
            order(2, &[("2024-04-01 10:00", "1")]),
        ],
        "2024-05-02 00:00",
        &[
            "gold 2024-02-01 10:00..2025-02-01 23:59 reached",
            "silver 2024-03-01 10:00..2025-03-01 23:59 set",
            "gold 2024-04-01 10:00..2025-04-01 23:59 reached",
        ],
    );
}

#[test]
fn versions_judge_anew_or_with_the_next_fact() {
    let first = shop(
        vec![level("silver", "5000", 12), level("gold", "9000", 12)],
        |_| {},
    );
    let second = |levels: Vec<Level>, retroactive| {
        let mut rules = shop(levels, |tiers| tiers.retroactive = retroactive);
        (rules.version, rules.effective_from) = (2, at("2024-06-01 00:00"));
        rules
    };
    let easier = || vec![level("silver", "3000", 12), level("gold", "5000", 12)];
    let rows = [
        order(1, &[("2024-05-01 10:00", "5500")]),
        order(2, &[("2024-07-01 10:00", "1")]),
    ];
    let begins = "silver 2024-05-01 10:00..2025-05-01 23:59 reached";
    for (rules, wanted) in [
        (
            second(easier(), true),
            "gold 2024-06-01 00:00..2025-06-01 23:59 rule_changed",
        ),
        (
            second(easier(), false),
            "gold 2024-07-01 10:00..2025-07-01 23:59 reached",
        ),
        (
            second(vec![level("gold", "9000", 12)], false),
            "member 2024-06-01 00:00..ever tier_removed",
        ),
        (
            second(
                vec![level("bronze", "3000", 12), level("gold", "9000", 12)],
                false,
            ),
            "bronze 2024-06-01 00:00..2025-06-01 23:59 tier_removed",
        ),
    ] {
        let book = book(&[first.clone(), rules]);
        check(&book, &rows, "2024-08-01 00:00", &[begins, wanted]);
    }
}

#[test]
fn points_and_qualified_amounts_count() {
    let mut gold = level("gold", "1000", 12);
    gold.enter[0].orders = Some(2);
    let mut points = level("points", "1", 12);
    points.enter = vec![Condition {
        points: Some(100),
        ..Condition::default()
    }];
    let book = book(&[shop(vec![gold, points], |_| {})]);
    let rows = |more: Row| {
        vec![
            Row::Qualify(at("2024-04-20 10:00"), "700", 1),
            more,
            order(1, &[("2024-05-02 10:00", "300")]),
        ]
    };
    let nothing = Row::Qualify(at("2024-04-21 10:00"), "0", 0);
    let less = Row::Qualify(at("2024-04-21 10:00"), "-1", 0);
    check(
        &book,
        &rows(nothing),
        "2024-06-01 00:00",
        &["gold 2024-05-02 10:00..2025-05-02 23:59 reached"],
    );
    check(&book, &rows(less), "2024-06-01 00:00", &[]);
    check(
        &book,
        &[
            Row::Points(1, at("2024-05-01 10:00"), 60),
            Row::Points(2, at("2024-05-02 10:00"), 40),
            Row::Points(1, at("2024-05-03 10:00"), -1),
        ],
        "2024-06-01 00:00",
        &[
            "points 2024-05-02 10:00..2025-05-02 23:59 reached",
            "member 2024-05-03 10:00..ever refunded",
        ],
    );
}
