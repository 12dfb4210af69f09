use super::*;
use crate::domain::entry::{Command, EntryKind, RedeemByOrder};
use crate::domain::ledger::fixtures::*;
use crate::domain::rules::model::{Currency, RedemptionPer, Tier};

fn with(change: impl Fn(&mut Redemption)) -> RuleVersion {
    let mut value = redemption();
    change(&mut value);
    RuleVersion {
        redemption: Some(value),
        ..rules()
    }
}

/// A member with 1000 points asks to use so many for an order of that much.
#[track_caller]
fn asks(rules: RuleVersion, points: i64, subtotal: Option<&str>, expected: &str) {
    let book = book(&[rules]);
    let mut member = Member::default();
    play(&mut member, &book, &[on("2024-05-01 10:00", grant(1000, None))]);
    let asked = event(
        "2024-05-02 10:00",
        "2024-05-02 10:00",
        "r",
        redeem(points, subtotal),
    );
    let told = play(&mut member, &book, &[asked]);
    let told: Vec<_> = told
        .iter()
        .map(|line| line.trim_start_matches("2024-05-02 10:00 "))
        .collect();
    assert_eq!(told, [expected]);
}

#[test]
fn worth_is_rounded_down_and_written_in_full() {
    let in_yen = |digits| RuleVersion {
        currency: Currency {
            code: "X".into(),
            digits,
        },
        ..with(|_| {})
    };
    asks(
        with(|_| {}),
        40,
        None,
        "redeemed redeemed 40 =960 #2 [40] worth 0.40",
    );
    asks(
        with(|_| {}),
        387,
        None,
        "redeemed redeemed 387 =613 #2 [387] worth 3.87",
    );
    asks(
        in_yen(0),
        399,
        None,
        "redeemed redeemed 399 =601 #2 [399] worth 3",
    );
    asks(
        in_yen(3),
        400,
        None,
        "redeemed redeemed 400 =600 #2 [400] worth 4.000",
    );
    asks(
        with(|v| v.points = 3),
        2,
        None,
        "redeemed redeemed 2 =998 #2 [2] worth 0.66",
    );
    asks(rules(), 40, None, "redeemed redeemed 40 =960 #2 [40]");
}

#[test]
fn limits_are_those_of_the_rule() {
    let percent = || with(|v| (v.points, v.max_percent) = (1, Some(amount("30"))));
    asks(percent(), 301, Some("1000"), "rejected over_limit 301");
    asks(
        percent(),
        300,
        Some("1000"),
        "redeemed redeemed 300 =700 #2 [300] worth 300.00",
    );
    asks(
        percent(),
        301,
        None,
        "redeemed redeemed 301 =699 #2 [301] worth 301.00",
    );

    let least = || with(|v| v.min_order = Some(amount("1000")));
    asks(least(), 10, Some("999.99"), "rejected below_minimum 10");
    asks(
        least(),
        10,
        Some("1000"),
        "redeemed redeemed 10 =990 #2 [10] worth 0.10",
    );

    let per = || {
        with(|v| {
            v.per = Some(RedemptionPer {
                amount: amount("1000"),
                points: 100,
            })
        })
    };
    asks(per(), 101, Some("1999"), "rejected over_limit 101");
    asks(
        per(),
        100,
        Some("1999"),
        "redeemed redeemed 100 =900 #2 [100] worth 1.00",
    );
    asks(per(), 1, Some("999.99"), "rejected over_limit 1");

    let payable = || with(|v| (v.points, v.min_payable) = (1, Some(amount("1"))));
    asks(payable(), 10, Some("10.99"), "rejected over_limit 10");
    asks(
        payable(),
        10,
        Some("11"),
        "redeemed redeemed 10 =990 #2 [10] worth 10.00",
    );

    asks(
        with(|_| {}),
        1001,
        Some("10.01"),
        "rejected insufficient_balance 1001",
    );
}

#[test]
fn a_tier_replaces_the_whole_section() {
    let mut gold = with(|v| v.min_order = Some(amount("1000")));
    let tier = Tier {
        redemption: Some(Redemption {
            points: 1,
            ..redemption()
        }),
        ..Tier::default()
    };
    gold.accrual.tiers.insert("gold".into(), tier);
    let asked = |tier: &str| {
        let tier = Some(tier.to_owned());
        let subtotal = Some(amount("10"));
        EntryKind::Command(Command::Redeem {
            points: 5,
            subtotal,
            payable: None,
            tier,
            note: None,
            actor: None,
        })
    };
    check(
        &book(&[gold]),
        &[
            on("2024-05-01 10:00", grant(10, None)),
            on("2024-05-02 10:00", asked("silver")),
            on("2024-05-02 10:00", asked("gold")),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-02 10:00 rejected below_minimum 5",
            "2024-05-02 10:00 redeemed redeemed 5 =5 #2 [5] worth 5.00",
        ],
    );
}

#[test]
fn refusals_have_an_order() {
    let all = |enabled| RuleVersion {
        enabled,
        ..with(|v| {
            v.min_order = Some(amount("1000"));
            v.max_percent = Some(amount("1"));
        })
    };
    let about = |order, time, kind| of(order, time, kind);
    let cancelled = about("A", "2024-05-01 11:00", EntryKind::OrderCancelled);
    check(
        &book(&[all(false)]),
        &[
            cancelled,
            about("A", "2024-05-02 10:00", redeem(9, Some("1"))),
            about("B", "2024-05-02 10:00", redeem(9, Some("1"))),
        ],
        &[
            "2024-05-02 10:00 rejected invalid 9",
            "2024-05-02 10:00 rejected disabled 9",
        ],
    );
    check(
        &book(&[all(true)]),
        &[
            on("2024-05-02 10:00", redeem(9000, Some("1"))),
            on("2024-05-02 10:00", redeem(9000, Some("1000"))),
            on("2024-05-02 10:00", redeem(900, Some("1000"))),
            on("2024-05-02 10:00", grant(10, None)),
            on("2024-05-02 10:00", redeem(900, Some("1000"))),
            about("B", "2024-05-02 10:00", redeem(4, Some("1000"))),
            about("B", "2024-05-02 10:00", redeem(4, Some("1"))),
        ],
        &[
            "2024-05-02 10:00 rejected below_minimum 9000",
            "2024-05-02 10:00 rejected over_limit 9000",
            "2024-05-02 10:00 rejected unknown_member 900",
            "2024-05-02 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-02 10:00 rejected insufficient_balance 900",
            "2024-05-02 10:00 redeemed redeemed 4 =6 #2 [4] worth 0.04",
            "2024-05-02 10:00 rejected already_redeemed 4",
        ],
    );
}

#[test]
fn an_order_redeems_once() {
    let cancelled = EntryKind::RedeemByOrder(RedeemByOrder {
        by_level: None,
        points: 3,
        subtotal: amount("10"),
        payable: None,
        tier: None,
        currency_mismatch: false,
        cancelled: true,
    });
    check(
        &book(&[with(|v| v.min_order = Some(amount("10")))]),
        &[
            on("2024-05-01 10:00", grant(10, None)),
            of("A", "2024-05-02 10:00", redeem(3, None)),
            of("A", "2024-05-02 11:00", snapshot(3, "10")),
            of("B", "2024-05-02 12:00", snapshot(3, "10")),
            of("B", "2024-05-02 13:00", redeem(3, None)),
            of("C", "2024-05-02 14:00", snapshot(3, "9")),
            of("C", "2024-05-02 15:00", redeem(3, None)),
            of("D", "2024-05-02 16:00", cancelled),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-02 10:00 redeemed redeemed 3 =7 #2 [3] worth 0.03",
            "2024-05-02 12:00 redeemed redeemed 3 =4 #3 [3] worth 0.03",
            "2024-05-02 13:00 rejected already_redeemed 3",
            "2024-05-02 14:00 rejected below_minimum 3",
            "2024-05-02 15:00 redeemed redeemed 3 =1 #4 [3] worth 0.03",
        ],
    );
}

#[test]
fn quotes_name_the_limit_that_decided() {
    #[track_caller]
    fn check(rules: RuleVersion, subtotal: &str, points: i64, worth: Option<&str>, limit: Limit) {
        let mut member = Member::default();
        play(
            &mut member,
            &book(&[super::tests::rules()]),
            &[on("2024-05-01 10:00", grant(1000, None))],
        );
        let amounts = Amounts {
            subtotal: Some(amount(subtotal)),
            payable: None,
        };
        let quoted = quote(amounts, None, Some(&rules), &member, at("2024-05-02 10:00"));
        let worth = worth.map(str::to_owned);
        assert_eq!(
            (quoted.points, quoted.amount.map(|a| a.to_string()), quoted.limit),
            (points, worth, limit)
        );
    }
    check(rules(), "10", 1000, None, Limit::Balance);
    check(
        RuleVersion {
            enabled: false,
            ..rules()
        },
        "10",
        0,
        None,
        Limit::Disabled,
    );
    check(with(|_| {}), "100", 1000, Some("10.00"), Limit::Balance);
    check(
        with(|v| v.max_percent = Some(amount("30"))),
        "10",
        300,
        Some("3.00"),
        Limit::MaxPercent,
    );
    check(
        with(|v| v.min_payable = Some(amount("1"))),
        "10.5",
        950,
        Some("9.50"),
        Limit::MinPayable,
    );
    check(
        with(|v| v.min_payable = Some(amount("1"))),
        "0.5",
        0,
        Some("0.00"),
        Limit::MinPayable,
    );
    check(
        with(|v| v.min_order = Some(amount("11"))),
        "10",
        0,
        Some("0.00"),
        Limit::MinOrder,
    );
    let per = || {
        with(|v| {
            v.per = Some(RedemptionPer {
                amount: amount("1000"),
                points: 100,
            })
        })
    };
    check(per(), "1999", 100, Some("1.00"), Limit::Per);
    check(per(), "999", 0, Some("0.00"), Limit::Per);
}
