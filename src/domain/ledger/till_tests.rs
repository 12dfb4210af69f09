//! What tills and edited orders do to redeemed points, and what a withdrawn cancellation undoes.

use super::fixtures::*;
use crate::domain::entry::{Command, EntryKind, RedeemByOrder, Reopen, Return, Reverse, ReverseReason};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::{Redemption, RuleVersion, WhenShort};

const GRANTED_100: &str = "2024-05-01 10:00 issued granted 100 =100 #1 [100] until never";

fn shop(change: impl Fn(&mut Redemption)) -> RuleBook {
    let mut section = redemption();
    change(&mut section);
    book(&[RuleVersion {
        redemption: Some(section),
        ..rules()
    }])
}

fn plain() -> RuleBook {
    shop(|_| {})
}

fn returning(redeem_id: Option<&str>, points: Option<i64>) -> EntryKind {
    EntryKind::Command(Command::Return {
        redeem_id: redeem_id.map(str::to_owned),
        points,
        note: None,
        actor: None,
    })
}

fn cancelling(issued: i64, reason: ReverseReason, when_short: WhenShort) -> EntryKind {
    EntryKind::Reverse(Reverse {
        reason,
        issued,
        kept: 0,
        when_short,
        by_cancellation: true,
    })
}

fn giving_all_back() -> EntryKind {
    EntryKind::Return(Return {
        reason: ReverseReason::Cancelled,
        numerator: 1.into(),
        denominator: 1.into(),
    })
}

fn reopening(expires_at: &str) -> EntryKind {
    EntryKind::Reopen(Reopen {
        base_amount: 1.into(),
        currency: "TWD".into(),
        expires_at: Some(at(expires_at)),
    })
}

fn told(points: i64, change: impl Fn(&mut RedeemByOrder)) -> EntryKind {
    match snapshot(points, "200") {
        EntryKind::RedeemByOrder(mut redeem) => {
            change(&mut redeem);
            EntryKind::RedeemByOrder(redeem)
        }
        other => other,
    }
}

#[test]
fn the_newest_number_of_an_order_counts() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(80, "200")),
            of("A", "2024-05-03 10:00", snapshot(30, "200")),
            of("A", "2024-05-04 10:00", snapshot(45, "200")),
            of("A", "2024-05-04 11:00", snapshot(45, "200")),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 80 =20 #2 [80] worth 0.80",
            "2024-05-03 10:00 returned edited 50 =70 #3 [50]",
            "2024-05-04 10:00 redeemed redeemed 15 =55 #4 [15] worth 0.15",
        ],
    );
}

#[test]
fn a_number_that_was_refused_is_tried_again_when_it_changes() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(130, "200")),
            on("2024-05-03 10:00", grant(100, None)),
            of("A", "2024-05-04 10:00", snapshot(130, "200")),
            of("A", "2024-05-05 10:00", snapshot(131, "200")),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 rejected insufficient_balance 130",
            "2024-05-03 10:00 issued granted 100 =200 #2 [100] until never",
            "2024-05-05 10:00 redeemed redeemed 131 =69 #3 [100 31] worth 1.31",
        ],
    );
}

#[test]
fn limits_look_at_the_sum() {
    check(
        &shop(|v| v.max_points = Some(50)),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(40, "200")),
            of("A", "2024-05-03 10:00", snapshot(51, "200")),
            of("A", "2024-05-04 10:00", snapshot(50, "200")),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 40 =60 #2 [40] worth 0.40",
            "2024-05-03 10:00 rejected over_limit 11",
            "2024-05-04 10:00 redeemed redeemed 10 =50 #3 [10] worth 0.10",
        ],
    );
}

#[test]
fn an_order_whose_points_came_back_whole_may_redeem_anew() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(30, "200")),
            of("A", "2024-05-03 10:00", returning(None, None)),
            of("A", "2024-05-03 11:00", snapshot(30, "200")),
            of("A", "2024-05-04 10:00", snapshot(20, "200")),
            of("A", "2024-05-04 11:00", redeem(10, None)),
            of("A", "2024-05-05 10:00", snapshot(0, "200")),
            of("A", "2024-05-06 10:00", redeem(10, None)),
            of("A", "2024-05-07 10:00", snapshot(25, "200")),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 30 =70 #2 [30] worth 0.30",
            "2024-05-03 10:00 returned returned 30 =100 #3 [30]",
            "2024-05-04 10:00 redeemed redeemed 20 =80 #4 [20] worth 0.20",
            "2024-05-04 11:00 rejected already_redeemed 10",
            "2024-05-05 10:00 returned edited 20 =100 #5 [20]",
            "2024-05-06 10:00 redeemed redeemed 10 =90 #6 [10] worth 0.10",
        ],
    );
}

#[test]
fn a_number_that_changes_after_a_part_came_back_keeps_its_share() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(60, "200")),
            of("A", "2024-05-03 10:00", give_back(1, 3)),
            of("A", "2024-05-04 10:00", snapshot(30, "200")),
            of("A", "2024-05-05 10:00", snapshot(90, "200")),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 60 =40 #2 [60] worth 0.60",
            "2024-05-03 10:00 returned refunded 20 =60 #3 [20]",
            "2024-05-04 10:00 returned edited 20 =80 #4 [20]",
            "2024-05-05 10:00 redeemed redeemed 60 =20 #5 [60] worth 0.60",
            "2024-05-05 10:00 returned refunded 20 =40 #6 [20]",
        ],
    );
}

#[test]
fn what_a_command_gave_back_counts_within_a_refunds_share() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(60, "200")),
            of("A", "2024-05-03 10:00", returning(None, Some(15))),
            of("A", "2024-05-04 10:00", give_back(1, 3)),
            of("A", "2024-05-05 10:00", give_back(1, 2)),
            of("A", "2024-05-06 10:00", returning(None, Some(31))),
            of("A", "2024-05-07 10:00", returning(None, None)),
            of("A", "2024-05-08 10:00", returning(None, None)),
            of("B", "2024-05-09 10:00", returning(None, None)),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 60 =40 #2 [60] worth 0.60",
            "2024-05-03 10:00 returned returned 15 =55 #3 [15]",
            "2024-05-04 10:00 returned refunded 5 =60 #4 [5]",
            "2024-05-05 10:00 returned refunded 10 =70 #5 [10]",
            "2024-05-06 10:00 rejected unknown_redemption 31",
            "2024-05-07 10:00 returned returned 30 =100 #6 [30]",
            "2024-05-08 10:00 rejected unknown_redemption",
            "2024-05-09 10:00 rejected unknown_redemption",
        ],
    );
}

#[test]
fn a_redemption_by_command_is_given_back_by_its_id_or_its_order() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            event("2024-05-02 10:00", "2024-05-02 10:00", "r1", redeem(40, None)),
            event(
                "2024-05-03 10:00",
                "2024-05-03 10:00",
                "b1",
                returning(Some("r1"), Some(15)),
            ),
            event(
                "2024-05-04 10:00",
                "2024-05-04 10:00",
                "b2",
                returning(Some("r1"), Some(26)),
            ),
            event(
                "2024-05-05 10:00",
                "2024-05-05 10:00",
                "b3",
                returning(Some("r1"), None),
            ),
            event(
                "2024-05-06 10:00",
                "2024-05-06 10:00",
                "b4",
                returning(Some("r1"), None),
            ),
            event(
                "2024-05-07 10:00",
                "2024-05-07 10:00",
                "b5",
                returning(Some("b1"), None),
            ),
            of("A", "2024-05-08 10:00", redeem(30, None)),
            of("A", "2024-05-09 10:00", snapshot(50, "200")),
            event(
                "2024-05-10 10:00",
                "2024-05-10 10:00",
                "b6",
                returning(Some("e8"), None),
            ),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 redeemed redeemed 40 =60 #2 [40] worth 0.40",
            "2024-05-03 10:00 returned returned 15 =75 #3 [15]",
            "2024-05-04 10:00 rejected unknown_redemption 26",
            "2024-05-05 10:00 returned returned 25 =100 #4 [25]",
            "2024-05-06 10:00 rejected unknown_redemption",
            "2024-05-07 10:00 rejected unknown_redemption",
            "2024-05-08 10:00 redeemed redeemed 30 =70 #5 [30] worth 0.30",
            "2024-05-10 10:00 returned returned 30 =100 #6 [30]",
        ],
    );
}

#[test]
fn refusals_stand_in_their_order() {
    let till = shop(|v| {
        (v.points, v.min_points, v.step, v.max_points) = (1, Some(20), Some(10), Some(50));
        v.min_order = Some(amount("100"));
    });
    check(
        &till,
        &[
            on("2024-05-01 10:00", grant(100, None)),
            on("2024-05-02 10:00", redeem(15, None)),
            on("2024-05-02 11:00", redeem(55, Some("99"))),
            on("2024-05-02 12:00", redeem(55, Some("100"))),
            on("2024-05-02 13:00", redeem(60, Some("100"))),
            of(
                "A",
                "2024-05-02 14:00",
                told(15, |redeem| redeem.currency_mismatch = true),
            ),
            of(
                "A",
                "2024-05-02 15:00",
                told(50, |redeem| redeem.payable = Some(amount("49.99"))),
            ),
            of(
                "A",
                "2024-05-02 16:00",
                told(40, |redeem| redeem.payable = Some(amount("40"))),
            ),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 rejected below_minimum 15",
            "2024-05-02 11:00 rejected below_minimum 55",
            "2024-05-02 12:00 rejected invalid_step 55",
            "2024-05-02 13:00 rejected over_limit 60",
            "2024-05-02 14:00 rejected currency_mismatch 15",
            "2024-05-02 15:00 rejected over_limit 50",
            "2024-05-02 16:00 redeemed redeemed 40 =60 #2 [40] worth 40.00",
        ],
    );
    check(
        &shop(|v| v.digits = Some(0)),
        &[
            on("2024-05-01 10:00", grant(100, None)),
            on("2024-05-02 10:00", redeem(99, None)),
            on("2024-05-02 11:00", redeem(100, None)),
        ],
        &[
            GRANTED_100,
            "2024-05-02 10:00 rejected below_minimum 99",
            "2024-05-02 11:00 redeemed redeemed 100 =0 #2 [100] worth 1",
        ],
    );
}

#[test]
fn a_withdrawn_cancellation_gives_again_what_it_took_and_its_debt_last() {
    check(
        &plain(),
        &[
            on("2024-05-01 10:00", grant(40, days(1))),
            of("A", "2024-05-01 11:00", issue(0, 100, Some("2024-06-01 00:00"))),
            on("2024-05-01 12:00", deduct(90, None)),
            of(
                "A",
                "2024-05-01 13:00",
                cancelling(100, ReverseReason::Cancelled, WhenShort::Negative),
            ),
            of("A", "2024-05-01 13:00", EntryKind::OrderCancelled),
            of("A", "2024-05-03 10:00", reopening("2024-07-01 00:00")),
            of("A", "2024-05-04 10:00", redeem(10, None)),
        ],
        &[
            "2024-05-01 10:00 issued granted 40 =40 #1 [40] until 2024-05-02 10:00",
            "2024-05-01 11:00 issued order 100 =140 #2 [100] until 2024-06-01 00:00",
            "2024-05-01 12:00 adjusted deducted 90 =50 #3 [40 50]",
            "2024-05-01 13:00 revoked cancelled 100 =-50 #4 [50] of 100",
            "2024-05-03 10:00 issued reopened 50 =0 #5 [] until 2024-06-01 00:00",
            "2024-05-03 10:00 issued reopened 50 =50 #6 [50] until 2024-07-01 00:00",
            "2024-05-04 10:00 redeemed redeemed 10 =40 #7 [10] worth 0.10",
        ],
    );
}

#[test]
fn what_is_given_again_to_a_lot_that_expired_expires_at_once() {
    check(
        &plain(),
        &[
            of("A", "2024-05-01 10:00", issue(0, 100, Some("2024-05-10 00:00"))),
            of(
                "A",
                "2024-05-02 10:00",
                cancelling(100, ReverseReason::Cancelled, WhenShort::Refuse),
            ),
            of("A", "2024-05-20 00:00", reopening("2024-05-10 00:00")),
            of("A", "2024-05-20 00:00", reopening("2024-05-10 00:00")),
        ],
        &[
            "2024-05-01 10:00 issued order 100 =100 #1 [100] until 2024-05-10 00:00",
            "2024-05-02 10:00 revoked cancelled 100 =0 #2 [100] of 100",
            "2024-05-20 00:00 issued reopened 100 =100 #3 [100] until 2024-05-10 00:00",
            "2024-05-20 00:00 expired expired 100 =0 #4 [100] at 2024-05-10 00:00",
        ],
    );
}

/// The cancellation had been refused; a refund then took all of it.
#[test]
fn what_a_refund_took_for_a_cancellation_belongs_to_the_cancellation() {
    check(
        &plain(),
        &[
            of("A", "2024-05-01 10:00", issue(0, 100, None)),
            on("2024-05-01 11:00", deduct(100, None)),
            of(
                "A",
                "2024-05-02 10:00",
                cancelling(100, ReverseReason::Cancelled, WhenShort::Refuse),
            ),
            on("2024-05-03 10:00", grant(100, None)),
            of(
                "A",
                "2024-05-04 10:00",
                cancelling(100, ReverseReason::Refunded, WhenShort::Refuse),
            ),
            of("A", "2024-05-05 10:00", reopening("2024-07-01 00:00")),
            of("A", "2024-05-05 10:00", reverse(100, 60, WhenShort::Refuse)),
        ],
        &[
            "2024-05-01 10:00 issued order 100 =100 #1 [100] until never",
            "2024-05-01 11:00 adjusted deducted 100 =0 #2 [100]",
            "2024-05-02 10:00 rejected insufficient_balance 100",
            "2024-05-03 10:00 issued granted 100 =100 #3 [100] until never",
            "2024-05-04 10:00 revoked refunded 100 =0 #4 [100] of 100",
            "2024-05-05 10:00 issued reopened 100 =100 #5 [100] until never",
            "2024-05-05 10:00 revoked refunded 40 =60 #6 [40] of 40",
        ],
    );
}

#[test]
fn what_a_cancellation_gave_back_is_redeemed_again_unless_the_balance_is_short() {
    let steps = |spent: i64| {
        vec![
            on("2024-05-01 10:00", grant(100, None)),
            of("A", "2024-05-02 10:00", snapshot(60, "200")),
            of("A", "2024-05-03 10:00", give_back(1, 3)),
            of("A", "2024-05-04 10:00", giving_all_back()),
            of("A", "2024-05-04 10:00", EntryKind::OrderCancelled),
            of("A", "2024-05-04 11:00", snapshot(70, "200")),
            on("2024-05-05 10:00", deduct(spent, None)),
            of("A", "2024-05-06 10:00", reopening("2024-07-01 00:00")),
        ]
    };
    let begins = [
        GRANTED_100,
        "2024-05-02 10:00 redeemed redeemed 60 =40 #2 [60] worth 0.60",
        "2024-05-03 10:00 returned refunded 20 =60 #3 [20]",
        "2024-05-04 10:00 returned cancelled 40 =100 #4 [40]",
    ];
    let ends = |ends: &[&'static str]| [&begins[..], ends].concat();
    check(
        &plain(),
        &steps(60),
        &ends(&[
            "2024-05-05 10:00 adjusted deducted 60 =40 #5 [60]",
            "2024-05-06 10:00 redeemed redeemed 40 =0 #6 [40] worth 0.40",
        ]),
    );
    check(
        &plain(),
        &steps(61),
        &ends(&[
            "2024-05-05 10:00 adjusted deducted 61 =39 #5 [61]",
            "2024-05-06 10:00 rejected insufficient_balance 40",
        ]),
    );
}

#[test]
fn a_bonus_is_a_lot_of_its_own_and_an_edit_adds_to_both() {
    check(
        &plain(),
        &[
            of(
                "A",
                "2024-05-01 10:00",
                EntryKind::Issue(issue_of(
                    0,
                    &[(None, 100, None), (Some("tea"), 30, Some("2024-05-11 10:00"))],
                )),
            ),
            of("A", "2024-05-02 10:00", reverse(130, 65, WhenShort::Refuse)),
            of(
                "A",
                "2024-05-03 10:00",
                EntryKind::Issue(issue_of(1, &[(None, 10, None), (Some("tea"), 5, None)])),
            ),
            until("2024-06-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued order 100 =100 #1 [100] until never",
            "2024-05-01 10:00 issued bonus 30 =130 #2 [30] until 2024-05-11 10:00",
            "2024-05-02 10:00 revoked refunded 65 =65 #3 [65] of 65",
            "2024-05-03 10:00 issued edited 10 =75 #4 [10] until never",
            "2024-05-03 10:00 issued edited 5 =80 #5 [5] until never",
            "2024-05-11 10:00 expired expired 30 =50 #6 [30] at 2024-05-11 10:00",
        ],
    );
}
