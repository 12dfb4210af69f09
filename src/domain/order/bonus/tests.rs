//! The contract's worked examples and fine points.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::*;
use crate::domain::rules::model::{
    Attributes, Between, DayOfWeek, Gives, Goods, Hours, Items, Rounding, When,
};
use crate::domain::wall_time::WallTime;

/// 1 point for each whole unit of money.
pub const RATE: Earning = Earning::Rate {
    every: Decimal::ONE,
    points: 1,
    rounding: Rounding::PerUnit,
};

const TEN_TO_ONE: Earning = Earning::Rate {
    every: Decimal::TEN,
    points: 1,
    rounding: Rounding::PerUnit,
};

fn amount(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

pub fn bonus(id: &str, gives: Gives) -> Bonus {
    Bonus {
        id: id.into(),
        when: When::default(),
        items: None,
        gives,
        instead: false,
        group: None,
        expiry: None,
        limits: None,
    }
}

fn skus(skus: &[&str]) -> Goods {
    Goods {
        skus: skus.iter().map(|sku| (*sku).into()).collect(),
        ..Goods::default()
    }
}

fn on(mut bonus: Bonus, include: &[&str]) -> Bonus {
    bonus.items = Some(Items {
        include: skus(include),
        ..Items::default()
    });
    bonus
}

fn instead(bonus: Bonus, include: &[&str]) -> Bonus {
    Bonus {
        instead: true,
        ..on(bonus, include)
    }
}

fn in_group(bonus: Bonus, group: &str) -> Bonus {
    Bonus {
        group: Some(group.into()),
        ..bonus
    }
}

fn times(multiplier: &str) -> Gives {
    Gives::Multiplier(amount(multiplier))
}

fn rate(every: &str, points: i64) -> Gives {
    Gives::Rate {
        every: amount(every),
        points,
        rounding: Rounding::Down,
    }
}

/// Lines as (sku, amount, quantity, how much came back), without discounts.
pub fn goods_of<'a>(lines: &[(&'a str, Decimal, i64, i64)]) -> SoldGoods<'a> {
    let line = |(sku, amount, quantity, back): &(&'a str, Decimal, i64, i64)| SoldLine {
        attributes: Attributes {
            sku: Some(sku),
            ..Attributes::default()
        },
        excluded: false,
        amount: Ratio::from(*amount),
        scale: amount.scale(),
        net: Ratio::from(*amount),
        list: Ratio::from(*amount),
        quantity: (*quantity).into(),
        quantity_back: (*back).into(),
    };
    SoldGoods {
        lines: Some(lines.iter().map(line).collect()),
        base: Ratio::from(lines.iter().map(|(_, amount, ..)| *amount).sum::<Decimal>()),
        scale: 0,
        back_by_amount: Ratio::ZERO,
    }
}

fn lines<'a>(lines: &[(&'a str, i64)]) -> SoldGoods<'a> {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, amount)| (*sku, (*amount).into(), 1, 0))
        .collect();
    goods_of(&lines)
}

/// An order without lines.
pub fn subtotal(amount: i64) -> SoldGoods<'static> {
    SoldGoods {
        lines: None,
        base: Ratio::whole(amount),
        scale: 0,
        back_by_amount: Ratio::ZERO,
    }
}

/// On Saturday, 4 May 2024, 12:00 in Taipei, online, by card, at 1 point for 1.
pub fn sale_of(goods: SoldGoods<'_>) -> Sale<'_> {
    Sale {
        created_at: Instant::parse("2024-05-04T12:00:00+08:00").unwrap(),
        zone: Tz::Asia__Taipei,
        channel: "online",
        payment_method: Some("credit_card"),
        buyer: MemberTraits::default(),
        goods,
        general: General {
            earning: &RATE,
            min_order: None,
            extras: Ratio::ZERO,
        },
    }
}

fn at<'a>(earning: &'a Earning, goods: SoldGoods<'a>) -> Sale<'a> {
    let mut sale = sale_of(goods);
    sale.general.earning = earning;
    sale
}

/// What each bonus gives, in words where it gives nothing, and the goods left to the general rate.
#[track_caller]
pub fn check(sale: &Sale<'_>, bonuses: &[Bonus], wanted: &[Result<i64, NotGiven>], general: i64) {
    let assessed = assess(sale, bonuses);
    check_assessed(&assessed, wanted, general);
}

#[track_caller]
fn check_assessed(assessed: &Assessment<'_>, wanted: &[Result<i64, NotGiven>], general: i64) {
    let found: Vec<_> = assessed
        .bonuses
        .iter()
        .map(|assessed| assessed.result.clone().map(|given| given.points))
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(assessed.general.left, Ratio::whole(general));
}

#[test]
fn multipliers_add_and_never_multiply_each_other() {
    let bonuses = [bonus("two", times("2")), bonus("three", times("3"))];
    check(&sale_of(subtotal(100)), &bonuses, &[Ok(100), Ok(200)], 100);
}

#[test]
fn a_multiplier_rounds_down_once() {
    for (points, multiplier, more) in [(5, "3", 10), (4, "1.5", 2), (5, "1.5", 2), (3, "1.3333", 0)] {
        let bonuses = [bonus("m", times(multiplier))];
        let wanted = if more == 0 {
            Err(NotGiven::TooLittle)
        } else {
            Ok(more)
        };
        check(&sale_of(subtotal(points)), &bonuses, &[wanted], points);
    }
    // The order's own rule rounds first: 19 gives 1, not 1.9.
    check(
        &at(&TEN_TO_ONE, subtotal(19)),
        &[bonus("m", times("2"))],
        &[Ok(1)],
        19,
    );
}

#[test]
fn a_multiplier_repeats_the_rule_for_the_matching_amount_alone() {
    let threshold = Earning::ThresholdPoints {
        at_least: 100.into(),
        points: 10,
        cumulative: true,
    };
    let bonuses = [on(bonus("tea", times("3")), &["T"]), bonus("all", times("2"))];
    let sale = at(&threshold, lines(&[("T", 90), ("U", 200)]));
    check(&sale, &bonuses, &[Err(NotGiven::TooLittle), Ok(20)], 290);
    let mut below = sale_of(lines(&[("T", 90)]));
    below.general.min_order = Some(Ratio::whole(100));
    let wanted = [
        Err(NotGiven::BelowGeneralMinimum),
        Err(NotGiven::BelowGeneralMinimum),
        Ok(7),
    ];
    let bonuses = [
        bonuses[0].clone(),
        bonuses[1].clone(),
        bonus("p", Gives::Points(7)),
    ];
    check(&below, &bonuses, &wanted, 90);
    // Shipping counts towards the minimum and is not multiplied.
    below.general.extras = Ratio::whole(10);
    check(&below, &bonuses, &[Ok(180), Ok(90), Ok(7)], 90);
}

#[test]
fn goods_that_leave_the_general_rate() {
    let bonuses = [instead(bonus("c", rate("1", 1)), &["C"])];
    let sale = at(&TEN_TO_ONE, lines(&[("A", 100), ("B", 50), ("C", 30)]));
    check(&sale, &bonuses, &[Ok(30)], 150);
    // A multiplier of the whole order works on what is left, wherever it stands in the list; one
    // with items on its own goods.
    let bonuses = [
        bonus("all", times("2")),
        instead(bonus("c", rate("1", 1)), &["C"]),
        on(bonus("c2", times("2")), &["C"]),
        bonus("other", rate("10", 1)),
    ];
    check(&sale, &bonuses, &[Ok(15), Ok(30), Ok(3), Ok(18)], 150);
    // Of two that match one line the earlier takes it.
    let bonuses = [
        instead(bonus("bc", rate("10", 2)), &["B", "C"]),
        instead(bonus("c", rate("1", 1)), &["C"]),
        instead(bonus("ac", rate("1", 1)), &["A", "C"]),
    ];
    check(&sale, &bonuses, &[Ok(16), Err(NotGiven::LinesTaken), Ok(100)], 0);
    // One that does not come takes nothing; one that gives 0 does.
    let mut small = instead(bonus("small", rate("1000", 1)), &["C"]);
    check(&sale, &[small.clone()], &[Ok(0)], 150);
    small.items.as_mut().unwrap().min_amount = Some(31.into());
    check(
        &sale,
        &[small, bonuses[1].clone()],
        &[Err(NotGiven::BelowMinAmount), Ok(30)],
        150,
    );
}

#[test]
fn of_a_group_the_one_that_gives_most() {
    let group = |flat: i64| {
        [
            in_group(bonus("flat", Gives::Points(flat)), "spring"),
            in_group(bonus("double", times("2")), "spring"),
            in_group(bonus("other", Gives::Points(1)), "summer"),
        ]
    };
    let lost = |to: &str| Err(NotGiven::OtherOfGroup(to.into()));
    check(
        &sale_of(subtotal(30)),
        &group(50),
        &[Ok(50), lost("flat"), Ok(1)],
        30,
    );
    check(
        &sale_of(subtotal(60)),
        &group(50),
        &[lost("double"), Ok(60), Ok(1)],
        60,
    );
    // Of equals the first; conditions are looked at before.
    check(
        &sale_of(subtotal(50)),
        &group(50),
        &[Ok(50), lost("flat"), Ok(1)],
        50,
    );
    let mut with_condition = group(50);
    with_condition[0].when.channels = vec!["pos".into()];
    check(
        &sale_of(subtotal(30)),
        &with_condition,
        &[Err(NotGiven::Channel), Ok(30), Ok(1)],
        30,
    );
    // A multiplier is weighed on what is left to it; an `instead` alone, and given on free lines.
    let bonuses = [
        instead(bonus("c", rate("1", 1)), &["C"]),
        in_group(bonus("double", times("2")), "g"),
        in_group(instead(bonus("bc", rate("1", 2)), &["B", "C"]), "g"),
    ];
    let sale = sale_of(lines(&[("A", 100), ("B", 10), ("C", 50)]));
    check(&sale, &bonuses, &[Ok(50), lost("bc"), Ok(20)], 100);
}

#[test]
fn units_are_added_up_and_rounded_down() {
    let each = on(bonus("tea", Gives::PointsEach(10)), &["T", "U"]);
    let goods = |back: i64, half: &str| {
        let mut goods = goods_of(&[
            ("T", 12.into(), 3, back),
            ("U", 5.into(), 1, 0),
            ("V", 9.into(), 9, 0),
        ]);
        goods.lines.as_mut().unwrap()[1].quantity = amount(half);
        goods
    };
    check(
        &sale_of(goods(0, "1.5")),
        std::slice::from_ref(&each),
        &[Ok(40)],
        26,
    );
    check(
        &sale_of(goods(1, "0.5")),
        std::slice::from_ref(&each),
        &[Ok(20)],
        22,
    );
    let mut least = each.clone();
    least.items.as_mut().unwrap().min_quantity = Some(amount("3.5"));
    let bonuses = [least, bonus("all", Gives::PointsEach(1))];
    check(&sale_of(goods(0, "0.5")), &bonuses, &[Ok(30), Ok(12)], 26);
    check(
        &sale_of(goods(0, "0.4")),
        &bonuses,
        &[Err(NotGiven::BelowMinQuantity), Ok(12)],
        26,
    );
    // An amount that comes back leaves units as they are, unless it is all.
    let mut goods = goods(0, "1");
    goods.back_by_amount = Ratio::new(1, 2);
    check(
        &sale_of(goods.clone()),
        std::slice::from_ref(&each),
        &[Ok(40)],
        13,
    );
    goods.back_by_amount = Ratio::ONE;
    check(&sale_of(goods), &[each], &[Err(NotGiven::CameBack)], 0);
}

#[test]
fn without_items_the_whole_order_and_with_them_only_lines() {
    let bonuses = [
        bonus("rate", rate("10", 1)),
        bonus("each", Gives::PointsEach(1)),
        on(bonus("tea", Gives::Points(5)), &["T"]),
        on(bonus("any", Gives::Points(5)), &[]),
    ];
    let nothing = Err(NotGiven::NoGoods);
    let wanted = [Ok(20), Err(NotGiven::TooLittle), nothing.clone(), nothing.clone()];
    check(&sale_of(subtotal(200)), &bonuses, &wanted, 200);
    let mut goods = lines(&[("T", 100), ("G", 100)]);
    goods.lines.as_mut().unwrap()[1].excluded = true;
    goods.base = Ratio::whole(100);
    let sale = sale_of(goods);
    check(&sale, &bonuses, &[Ok(10), Ok(1), Ok(5), Ok(5)], 100);
    let excluded = on(bonus("gift", Gives::Points(5)), &["G"]);
    let mut but = on(bonus("but", Gives::Points(5)), &[]);
    but.items.as_mut().unwrap().exclude = skus(&["T"]);
    check(&sale, &[excluded, but], &[nothing.clone(), nothing], 100);
    // An order worth 0, or without any goods.
    let points = [bonus("points", Gives::Points(5))];
    check(&sale_of(subtotal(0)), &points, &[Ok(5)], 0);
    check(&sale_of(lines(&[])), &points, &[Ok(5)], 0);
}

#[test]
fn when_an_order_was_placed() {
    let holds = |created: &str, set: &dyn Fn(&mut When), wanted: Option<NotGiven>| {
        let mut one = bonus("one", Gives::Points(7));
        set(&mut one.when);
        let mut sale = sale_of(subtotal(500));
        sale.created_at = Instant::parse(created).unwrap();
        let found = assess(&sale, &[one]).bonuses[0].result.clone().err();
        assert_eq!(found, wanted, "{created}");
    };
    let night = |when: &mut When| {
        when.days_of_week = vec![DayOfWeek::Sat];
        when.hours = Some(Hours {
            start: WallTime::of(22, 0),
            end: WallTime::of(2, 0),
        });
    };
    for (created, wanted) in [
        ("2024-05-04T22:00:00+08:00", None),
        ("2024-05-04T21:59:59.999999+08:00", Some(NotGiven::Hours)),
        ("2024-05-04T01:59:59.999999+08:00", None),
        ("2024-05-04T02:00:00+08:00", Some(NotGiven::Hours)),
        ("2024-05-05T01:00:00+08:00", Some(NotGiven::DayOfWeek)),
        // Friday in UTC, Saturday there.
        ("2024-05-03T17:00:00Z", None),
    ] {
        holds(created, &night, wanted);
    }
    let to_midnight = |when: &mut When| {
        when.hours = Some(Hours {
            start: WallTime::of(10, 0),
            end: WallTime::END_OF_DAY,
        });
    };
    holds("2024-05-04T23:59:59.9+08:00", &to_midnight, None);
    holds("2024-05-05T00:00:00+08:00", &to_midnight, Some(NotGiven::Hours));
    let between = |when: &mut When| {
        when.between = Some(Between {
            start: Instant::parse("2024-05-04T12:00:00Z").unwrap(),
            end: Instant::parse("2024-05-05T12:00:00Z").unwrap(),
        });
        when.days_of_month = vec![4, 5];
    };
    holds("2024-05-04T12:00:00Z", &between, None);
    holds("2024-05-05T11:59:59.999999Z", &between, None);
    holds("2024-05-05T12:00:00Z", &between, Some(NotGiven::Between));
    // The 5th in UTC is the 6th there.
    let sixth = |when: &mut When| when.days_of_month = vec![6];
    holds("2024-05-05T16:00:00Z", &sixth, None);
    holds("2024-05-05T15:59:59Z", &sixth, Some(NotGiven::DayOfMonth));
}

#[test]
fn channel_payment_and_minimum() {
    let mut one = bonus("one", Gives::Points(7));
    one.when.channels = vec!["pos".into(), "online".into()];
    one.when.payment_methods = vec!["credit_card".into()];
    one.when.min_order = Some(500.into());
    let check = |sale: &Sale<'_>, wanted| check(sale, std::slice::from_ref(&one), &[wanted], 500);
    let good = sale_of(subtotal(500));
    check(&good, Ok(7));
    check(
        &Sale {
            channel: "social",
            ..good.clone()
        },
        Err(NotGiven::Channel),
    );
    for payment_method in [None, Some("cash")] {
        let sale = Sale {
            payment_method,
            ..good.clone()
        };
        check(&sale, Err(NotGiven::PaymentMethod));
    }
    let found = assess(&sale_of(subtotal(499)), std::slice::from_ref(&one)).bonuses[0]
        .result
        .clone();
    assert_eq!(found, Err(NotGiven::BelowMinOrder));
}

#[test]
fn a_bonus_shrinks_with_what_comes_back_and_goes() {
    let mut tea = on(bonus("tea", rate("10", 3)), &["T"]);
    tea.items.as_mut().unwrap().min_amount = Some(50.into());
    let bonuses = [tea, bonus("flat", Gives::Points(5))];
    let sale = |tea_back: i64, other_back: i64| {
        sale_of(goods_of(&[
            ("T", 100.into(), 4, tea_back),
            ("U", 100.into(), 4, other_back),
        ]))
    };
    check(&sale(0, 0), &bonuses, &[Ok(30), Ok(5)], 200);
    // Other goods that come back do not touch it.
    check(&sale(0, 4), &bonuses, &[Ok(30), Ok(5)], 100);
    check(&sale(2, 0), &bonuses, &[Ok(15), Ok(5)], 150);
    check(
        &sale(3, 0),
        &bonuses,
        &[Err(NotGiven::BelowMinAmount), Ok(5)],
        125,
    );
    check(
        &sale(4, 4),
        &bonuses,
        &[Err(NotGiven::CameBack), Err(NotGiven::CameBack)],
        0,
    );
    check(
        &sale(4, 0),
        &[bonuses[0].clone()],
        &[Err(NotGiven::CameBack)],
        100,
    );
    // A share of everything takes its part of each.
    let mut by_amount = sale(0, 0);
    by_amount.goods.back_by_amount = Ratio::new(1, 2);
    check(&by_amount, &bonuses, &[Ok(15), Ok(5)], 100);
    let whole = assess(&sale(2, 0), &bonuses).given().next().unwrap().1.whole;
    assert_eq!(whole, 30);
}

#[test]
fn after_the_issue_none_comes_and_no_group_is_chosen_again() {
    let bonuses = [
        in_group(bonus("double", times("2")), "g"),
        in_group(bonus("flat", Gives::Points(50)), "g"),
        instead(bonus("c", rate("1", 1)), &["C"]),
        bonus("late", Gives::Points(1)),
    ];
    let given: Vec<ShortText> = vec!["double".into(), "c".into()];
    let sale = |back: i64| {
        sale_of(goods_of(&[
            ("A", 60.into(), 6, back),
            ("C", 30.into(), 3, back / 2),
        ]))
    };
    let not = || Err(NotGiven::NotAtIssue);
    let at = |sale: &Sale<'_>, wanted: &[_], general| {
        check_assessed(&reckon(sale, &bonuses, &given), wanted, general)
    };
    at(&sale(0), &[Ok(60), not(), Ok(30), not()], 60);
    at(&sale(4), &[Ok(20), not(), Ok(10), not()], 20);
    // An `instead` that goes leaves its goods outside the general rate.
    at(
        &sale(6),
        &[Err(NotGiven::CameBack), not(), Err(NotGiven::CameBack), not()],
        0,
    );
    let mut gone = bonuses.clone();
    gone[2].items.as_mut().unwrap().min_quantity = Some(3.into());
    let found = reckon(&sale(2), &gone, &given);
    check_assessed(
        &found,
        &[Ok(40), not(), Err(NotGiven::BelowMinQuantity), not()],
        40,
    );
    // An edit upwards; the channel is not looked at again.
    let mut edited = sale_of(goods_of(&[("A", 90.into(), 1, 0), ("C", 31.into(), 1, 0)]));
    edited.channel = "pos";
    let mut online = bonuses.clone();
    online[0].when.channels = vec!["online".into()];
    let found = reckon(&edited, &online, &given);
    check_assessed(&found, &[Ok(90), not(), Ok(31), not()], 90);
    // `min_order` is.
    online[0].when.min_order = Some(122.into());
    let found = reckon(&edited, &online, &given);
    check_assessed(&found, &[Err(NotGiven::BelowMinOrder), not(), Ok(31), not()], 90);
}

#[test]
fn lines_worth_nothing_come_back_by_list_price_and_by_quantity() {
    let mut goods = goods_of(&[("T", 0.into(), 2, 1), ("U", 0.into(), 2, 0)]);
    let lines = goods.lines.as_mut().unwrap();
    let free = back_by_lines_of(lines);
    assert_eq!(free, Ratio::new(1, 4));
    lines[0].list = Ratio::whole(30);
    lines[1].list = Ratio::whole(10);
    assert_eq!(back_by_lines_of(lines), Ratio::new(3, 8));
    lines[1].net = Ratio::whole(1);
    assert_eq!(back_by_lines_of(lines), Ratio::ZERO);
}

fn back_by_lines_of(lines: &[SoldLine<'_>]) -> Ratio {
    goods::back_by_lines(&lines.iter().collect::<Vec<_>>())
}

#[test]
fn every_reason_is_a_sentence() {
    for reason in [
        NotGiven::Between,
        NotGiven::OtherOfGroup("x".into()),
        NotGiven::NotAtIssue,
    ] {
        let told = reason.to_string();
        assert!(told.contains(' ') && !told.ends_with('.'), "{told}");
    }
}
