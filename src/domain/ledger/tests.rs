//! Histories of credits, expiries, reversals and returns.

use super::fixtures::*;
use super::member::Member;
use super::*;
use crate::domain::entry::{Command, Entry, EntryKind, ImportExpiry, Invalid};
use crate::domain::rules::model::WhenShort;

fn plain() -> RuleBook {
    book(&[rules()])
}

#[test]
fn lots_expire_in_the_order_of_time() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, days(30))),
            on("2024-05-02 10:00", grant(50, days(10))),
            on("2024-05-03 10:00", grant(7, None)),
            until("2024-07-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 100 =100 #1 [100] until 2024-05-31 10:00",
            "2024-05-02 10:00 issued granted 50 =150 #2 [50] until 2024-05-12 10:00",
            "2024-05-03 10:00 issued granted 7 =157 #3 [7] until never",
            "2024-05-12 10:00 expired expired 50 =107 #4 [50] at 2024-05-12 10:00",
            "2024-05-31 10:00 expired expired 100 =7 #5 [100] at 2024-05-31 10:00",
        ],
    );
}

#[test]
fn a_lot_that_expires_at_this_instant_cannot_be_used() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, days(1))),
            on("2024-05-02 10:00", redeem(1, None)),
            on("2024-05-02 10:00", grant(5, None)),
            on("2024-05-02 10:00", redeem(6, None)),
            on("2024-05-02 10:00", redeem(5, None)),
            until("2024-05-02 10:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 100 =100 #1 [100] until 2024-05-02 10:00",
            "2024-05-02 10:00 rejected insufficient_balance 1",
            "2024-05-02 10:00 issued granted 5 =105 #2 [5] until never",
            "2024-05-02 10:00 rejected insufficient_balance 6",
            "2024-05-02 10:00 redeemed redeemed 5 =100 #3 [5]",
            "2024-05-02 10:00 expired expired 100 =0 #4 [100] at 2024-05-02 10:00",
        ],
    );
}

#[test]
fn several_lots_are_taken_the_one_that_never_expires_last() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(10, None)),
            on("2024-05-01 11:00", grant(20, days(90))),
            on("2024-05-01 12:00", grant(30, days(30))),
            on("2024-05-02 10:00", redeem(55, None)),
            until("2025-01-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-01 11:00 issued granted 20 =30 #2 [20] until 2024-07-30 11:00",
            "2024-05-01 12:00 issued granted 30 =60 #3 [30] until 2024-05-31 12:00",
            "2024-05-02 10:00 redeemed redeemed 55 =5 #4 [30 20 5]",
        ],
    );
}

#[test]
fn imports_keep_their_date_and_may_have_expired() {
    let on_a_day = |date: &str| import(40, ImportExpiry::On(date.parse().unwrap()));
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", on_a_day("2024-06-30")),
            on("2024-05-01 10:00", on_a_day("2024-04-30")),
            on(
                "2024-05-01 10:00",
                import(5, ImportExpiry::At(at("2024-05-01 10:00"))),
            ),
            on("2024-05-01 10:00", import(6, ImportExpiry::Never)),
            until("2024-07-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued imported 40 =40 #1 [40] until 2024-06-30 23:59",
            "2024-05-01 10:00 issued imported 40 =80 #2 [40] until 2024-04-30 23:59",
            "2024-05-01 10:00 expired expired 40 =40 #3 [40] at 2024-04-30 23:59",
            "2024-05-01 10:00 issued imported 5 =45 #4 [5] until 2024-05-01 10:00",
            "2024-05-01 10:00 issued imported 6 =51 #5 [6] until never",
            "2024-05-01 10:00 expired expired 5 =46 #6 [5] at 2024-05-01 10:00",
            "2024-06-30 23:59 expired expired 40 =6 #7 [40] at 2024-06-30 23:59",
        ],
    );
}

#[test]
fn a_command_counts_from_its_own_time() {
    check(
        &plain(),
        &[
            event(
                "2024-05-20 10:00",
                "2024-05-01 10:00",
                "late",
                grant(10, days(30)),
            ),
            event(
                "2024-07-20 10:00",
                "2024-05-02 10:00",
                "later",
                grant(10, days(30)),
            ),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until 2024-05-31 10:00",
            "2024-05-31 10:00 expired expired 10 =0 #2 [10] at 2024-05-31 10:00",
            "2024-05-02 10:00 issued granted 10 =10 #3 [10] until 2024-06-01 10:00",
            "2024-06-01 10:00 expired expired 10 =0 #4 [10] at 2024-06-01 10:00",
        ],
    );
}

#[test]
fn without_any_rule_points_never_expire() {
    check(
        &RuleBook::default(),
        &[
            on("2024-05-01 10:00", grant(10, days(30))),
            on("2024-05-02 10:00", registered(Some((5, 3)))),
            on("2024-05-03 10:00", redeem(10, Some("5"))),
            until("2026-05-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-03 10:00 redeemed redeemed 10 =0 #2 [10]",
        ],
    );
}

#[test]
fn deductions_take_lots_or_one_lot() {
    let book = plain();
    let mut member = Member::default();
    play(
        &mut member,
        &book,
        &[
            on("2024-05-01 10:00", grant(10, days(9))),
            on("2024-05-01 11:00", grant(20, None)),
        ],
    );
    let ids: Vec<String> = member.lots.iter().map(|lot| lot.lot_id()).collect();
    let one = |points, id: &'static str, lot: &str| {
        event(
            "2024-05-02 10:00",
            "2024-05-02 10:00",
            id,
            deduct(points, Some(lot)),
        )
    };
    let told = play(
        &mut member,
        &book,
        &[
            one(21, "d1", &ids[1]),
            one(15, "d2", &ids[1]),
            one(1, "d3", "no-such-lot"),
            event("2024-05-02 10:00", "2024-05-02 10:00", "d4", deduct(12, None)),
            event("2024-05-02 10:00", "2024-05-02 10:00", "d5", deduct(4, None)),
            event(
                "2024-05-02 10:00",
                "2024-05-02 10:00",
                "d6",
                EntryKind::Command(Command::Invalid(Invalid {
                    detail: "points".into(),
                    points: Some(7),
                    note: None,
                    notify: true,
                    actor: None,
                })),
            ),
        ],
    );
    assert_eq!(
        told,
        [
            "2024-05-02 10:00 rejected insufficient_balance 21",
            "2024-05-02 10:00 adjusted deducted 15 =15 #3 [15]",
            "2024-05-02 10:00 rejected insufficient_balance 1",
            "2024-05-02 10:00 adjusted deducted 12 =3 #4 [10 2]",
            "2024-05-02 10:00 rejected insufficient_balance 4",
            "2024-05-02 10:00 rejected invalid 7",
        ]
    );
    check(
        &book,
        &[on("2024-05-01 10:00", deduct(1, None))],
        &["2024-05-01 10:00 rejected unknown_member 1"],
    );
}

#[test]
fn what_was_refused_is_asked_for_again() {
    use WhenShort::*;
    check(
        &plain(),
        &[
            of("A", "2024-05-01 10:00", issue(0, 100, None)),
            on("2024-05-02 10:00", redeem(80, None)),
            of("A", "2024-05-03 10:00", reverse(100, 70, Refuse)),
            on("2024-05-04 10:00", grant(50, None)),
            of("A", "2024-05-05 10:00", reverse(100, 60, Refuse)),
            of("A", "2024-05-06 10:00", reverse(100, 60, Refuse)),
            of("A", "2024-05-07 10:00", reverse(100, 0, Clamp)),
            of("A", "2024-05-08 10:00", reverse(100, 0, Clamp)),
            of("A", "2024-05-09 10:00", reverse(100, 0, Negative)),
            on("2024-05-10 10:00", grant(10, None)),
            on("2024-05-11 10:00", grant(25, days(1))),
            until("2024-06-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued order 100 =100 #1 [100] until never",
            "2024-05-02 10:00 redeemed redeemed 80 =20 #2 [80]",
            "2024-05-03 10:00 rejected insufficient_balance 30",
            "2024-05-04 10:00 issued granted 50 =70 #3 [50] until never",
            "2024-05-05 10:00 revoked refunded 40 =30 #4 [20 20] of 40",
            "2024-05-07 10:00 revoked refunded 30 =0 #5 [30] of 60",
            "2024-05-08 10:00 rejected insufficient_balance 30",
            "2024-05-09 10:00 revoked refunded 30 =-30 #6 [] of 30",
            "2024-05-10 10:00 issued granted 10 =-20 #7 [] until never",
            "2024-05-11 10:00 issued granted 25 =5 #8 [5] until 2024-05-12 10:00",
            "2024-05-12 10:00 expired expired 5 =0 #9 [5] at 2024-05-12 10:00",
        ],
    );
}

#[test]
fn a_reversal_takes_the_orders_own_lots_first() {
    use WhenShort::*;
    check(
        &plain(),
        &[
            on("2024-05-01 09:00", grant(5, days(3))),
            of("A", "2024-05-01 10:00", issue(0, 10, None)),
            of("A", "2024-05-01 11:00", issue(1, 10, Some("2024-06-01 10:00"))),
            of("A", "2024-05-02 10:00", reverse(20, 8, Refuse)),
            of("A", "2024-05-02 11:00", reverse(20, 8, Refuse)),
            of("A", "2024-07-02 10:00", reverse(20, 0, Refuse)),
            on("2024-07-03 10:00", grant(9, None)),
            of("A", "2024-07-04 10:00", reverse(20, 0, Refuse)),
        ],
        &[
            "2024-05-01 09:00 issued granted 5 =5 #1 [5] until 2024-05-04 09:00",
            "2024-05-01 10:00 issued order 10 =15 #2 [10] until never",
            "2024-05-01 11:00 issued edited 10 =25 #3 [10] until 2024-06-01 10:00",
            "2024-05-02 10:00 revoked refunded 12 =13 #4 [10 2] of 12",
            "2024-05-04 09:00 expired expired 5 =8 #5 [5] at 2024-05-04 09:00",
            "2024-06-01 10:00 expired expired 8 =0 #6 [8] at 2024-06-01 10:00",
            "2024-07-02 10:00 rejected insufficient_balance 8",
            "2024-07-03 10:00 issued granted 9 =9 #7 [9] until never",
            "2024-07-04 10:00 revoked refunded 8 =1 #8 [8] of 8",
        ],
    );
}

#[test]
fn returns_go_to_the_lots_they_came_from() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(10, days(10))),
            on("2024-05-01 10:00", grant(20, None)),
            of("A", "2024-05-02 10:00", snapshot(25, "100")),
            of("A", "2024-05-03 10:00", give_back(1, 3)),
            of("A", "2024-05-04 10:00", give_back(1, 3)),
            of("A", "2024-05-20 10:00", give_back(2, 3)),
            of("A", "2024-05-21 10:00", give_back(3, 3)),
            of("A", "2024-05-22 10:00", give_back(1, 1)),
            of("B", "2024-05-22 10:00", give_back(1, 1)),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until 2024-05-11 10:00",
            "2024-05-01 10:00 issued granted 20 =30 #2 [20] until never",
            "2024-05-02 10:00 redeemed redeemed 25 =5 #3 [10 15]",
            "2024-05-03 10:00 returned refunded 8 =13 #4 [8]",
            "2024-05-11 10:00 expired expired 8 =5 #5 [8] at 2024-05-11 10:00",
            "2024-05-20 10:00 returned refunded 8 =13 #6 [2 6]",
            "2024-05-20 10:00 expired expired 2 =11 #7 [2] at 2024-05-11 10:00",
            "2024-05-21 10:00 returned refunded 9 =20 #8 [9]",
        ],
    );
}

#[test]
fn returned_points_pay_what_is_lacking_first() {
    check(
        &plain(),
        &[
            of("A", "2024-05-01 10:00", issue(0, 10, None)),
            on("2024-05-01 11:00", grant(20, days(10))),
            of("B", "2024-05-02 10:00", snapshot(30, "100")),
            of("A", "2024-05-03 10:00", reverse(10, 0, WhenShort::Negative)),
            of("B", "2024-05-20 10:00", give_back(1, 1)),
        ],
        &[
            "2024-05-01 10:00 issued order 10 =10 #1 [10] until never",
            "2024-05-01 11:00 issued granted 20 =30 #2 [20] until 2024-05-11 11:00",
            "2024-05-02 10:00 redeemed redeemed 30 =0 #3 [20 10]",
            "2024-05-03 10:00 revoked refunded 10 =-10 #4 [] of 10",
            "2024-05-20 10:00 returned refunded 30 =20 #5 [10 10]",
            "2024-05-20 10:00 expired expired 10 =10 #6 [10] at 2024-05-11 11:00",
        ],
    );
}

#[test]
fn outcomes_of_one_history_have_ids_of_their_own() {
    let steps = [
        of("A", "2024-05-01 10:00", issue(0, 10, Some("2024-05-05 10:00"))),
        of("B", "2024-05-02 10:00", snapshot(6, "100")),
        of("B", "2024-05-06 10:00", give_back(1, 2)),
        of("B", "2024-05-07 10:00", give_back(1, 1)),
        on("2024-05-08 10:00", deduct(1, None)),
        until("2024-06-01 10:00"),
    ];
    let told = play_all(&mut Member::default(), &plain(), &steps);
    assert_eq!(
        told,
        play_all(&mut Member::default(), &plain(), &steps),
        "the same cause, the same id"
    );
    let ids: std::collections::BTreeSet<_> = told.iter().map(|outcome| &outcome.id).collect();
    assert_eq!(ids.len(), told.len());
    assert_eq!(told.len(), 8);
}

#[test]
fn a_view_tells_what_may_be_used() {
    let mut member = Member::default();
    let steps = [
        on("2024-05-01 10:00", grant(10, days(1))),
        on("2024-05-01 11:00", grant(5, None)),
    ];
    play(&mut member, &plain(), &steps);
    let view = member.view(at("2024-05-02 10:00"));
    assert_eq!(
        (view.balance, view.usable, view.sequence, view.lots.len()),
        (15, 5, 2, 2)
    );
    assert_eq!(member.view(at("2024-05-02 09:59")).usable, 15);
}

#[test]
fn what_is_expected_is_pending_until_it_is_issued() {
    let mut member = Member::default();
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    for (order, kind, pending, balance) in [
        ("A", EntryKind::Expect(10), 10, 0),
        ("B", EntryKind::Expect(5), 15, 0),
        ("A", EntryKind::Expect(8), 13, 0),
        ("A", issue(0, 8, None), 5, 8),
        ("B", EntryKind::Expect(0), 0, 8),
    ] {
        let entry = Entry {
            shop_id: "acme".into(),
            member_id: "m-1".into(),
            at: at("2024-05-01 10:00"),
            effective_at: at("2024-05-01 10:00"),
            cause_id: "e1".into(),
            cause_source: String::new().into(),
            order_id: Some(order.into()),
            step: 0,
            rule_version: None,
            traceparent: None,
            kind,
        };
        member.apply(&entry, &terms);
        assert_eq!(
            (member.pending(), member.balance()),
            (pending, balance),
            "{order}"
        );
    }
}
