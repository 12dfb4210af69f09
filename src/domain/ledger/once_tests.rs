//! Commands told again, while they are remembered and after.

use super::broadcast::Broadcasts;
use super::fixtures::*;
use super::member::Member;
use super::*;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::outcome::Body;

fn plain() -> RuleBook {
    book(&[rules()])
}

#[test]
fn a_command_is_carried_out_once() {
    let again = |arrival| event(arrival, "2024-05-01 10:00", "same", grant(10, None));
    check(
        &plain(),
        &[
            again("2024-05-01 10:00"),
            again("2024-05-01 10:00"),
            again("2024-07-30 09:59"),
            again("2024-07-30 10:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until never",
            "2024-05-01 10:00 issued granted 10 =20 #2 [10] until never",
        ],
    );
}

#[test]
fn refused_commands_are_answered_once_and_forgotten_in_time() {
    let terms = Terms {
        book: &plain(),
        gift_horizon: None,
        command_ids_days: 90,
    };
    let mut member = Member::default();
    let asked = |arrival| entry(at(arrival), at(arrival), "same", None, redeem(10, None));
    assert_eq!(
        line(&member.apply(&asked("2024-05-01 10:00"), &terms).outcomes[0]),
        "2024-05-01 10:00 rejected unknown_member 10"
    );
    assert!(member.apply(&asked("2024-05-01 10:00"), &terms).duplicate);
    assert!(!member.is_blank());
    assert_eq!(member.wake("acme", &terms), Some(at("2024-07-30 10:00")));
    assert_eq!(member.timer("acme", "m-1", at("2024-07-30 10:00"), &terms), []);
    assert!(member.is_blank());
}

/// Ids of the lots that were credited.
fn credited(outcomes: &[Outcome]) -> Vec<String> {
    let lot = |outcome: &Outcome| match &outcome.body {
        Body::Issued { lot_id, .. } => Some(lot_id.clone()),
        _ => None,
    };
    outcomes.iter().filter_map(lot).collect()
}

#[test]
fn carried_out_anew_it_makes_a_lot_of_its_own() {
    let again = |time| event(time, time, "same", grant(10, days(200)));
    let mut member = Member::default();
    let told = play_all(
        &mut member,
        &plain(),
        &[again("2024-01-01 10:00"), again("2024-04-10 10:00")],
    );
    let lots = credited(&told);
    let one = |points, id| {
        event(
            "2024-04-11 10:00",
            "2024-04-11 10:00",
            id,
            deduct(points, Some(&lots[0])),
        )
    };
    let rest = play_all(
        &mut member,
        &plain(),
        &[one(15, "d1"), one(4, "d2"), until("2025-01-01 00:00")],
    );
    assert_eq!(
        rest.iter().map(line).collect::<Vec<_>>(),
        [
            "2024-04-11 10:00 rejected insufficient_balance 15",
            "2024-04-11 10:00 adjusted deducted 4 =16 #3 [4]",
            "2024-07-19 10:00 expired expired 6 =10 #4 [6] at 2024-07-19 10:00",
            "2024-10-27 10:00 expired expired 10 =0 #5 [10] at 2024-10-27 10:00",
        ]
    );
    let ids: std::collections::BTreeSet<_> = told.iter().chain(&rest).map(|told| &told.id).collect();
    assert_eq!(ids.len(), 6);
}

/// What is redeemed may come back to its lot.
#[test]
fn a_lot_that_is_redeemed_keeps_its_id() {
    let again = |time| event(time, time, "same", grant(10, None));
    let told = play_all(
        &mut Member::default(),
        &plain(),
        &[
            again("2024-01-01 10:00"),
            of("A", "2024-01-02 10:00", redeem(10, None)),
            again("2024-04-10 10:00"),
            again("2024-07-20 10:00"),
        ],
    );
    let lots = credited(&told);
    assert_ne!(lots[0], lots[1]);
    assert_ne!(lots[1], lots[2]);
    assert_ne!(lots[0], lots[2]);
}

#[test]
fn a_broadcast_told_again_is_remembered_from_the_first_time() {
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
    };
    let again = |time| Entry {
        member_id: String::new().into(),
        ..entry(
            at(time),
            at(time),
            "same",
            None,
            EntryKind::GrantAll(granting(10, None)),
        )
    };
    let mut broadcasts = Broadcasts::default();
    assert!(broadcasts.take(&again("2024-01-01 10:00"), &terms));
    assert!(!broadcasts.take(&again("2024-03-01 10:00"), &terms));
    assert!(!broadcasts.take(&again("2024-03-31 09:59"), &terms));
    assert!(broadcasts.take(&again("2024-03-31 10:00"), &terms));
}
