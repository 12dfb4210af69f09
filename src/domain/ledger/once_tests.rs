//! Commands told again, while they are remembered and after.

use super::broadcast::Broadcasts;
use super::fixtures::*;
use super::member::Member;
use super::*;
use crate::domain::entry::{Entry, EntryKind};

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

#[test]
fn a_broadcast_told_again_is_remembered_from_the_first_time() {
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
    };
    let again = |time| Entry {
        member_id: String::new(),
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
