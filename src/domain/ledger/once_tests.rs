//! Commands told again, while they are remembered and after.

use super::broadcast::Broadcasts;
use super::fixtures::*;
use super::member::Member;
use super::*;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::outcome::Body;
use crate::domain::rules::model::WhenShort;

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
        tier_facts_months: 36,
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

/// An order's entries are numbered: one written a second time moves nothing, whatever came since.
#[test]
fn entries_written_a_second_time_move_nothing() {
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let kinds = [
        snapshot(30, "100"),
        issue(0, 100, Some("2024-05-20 00:00")),
        reverse(100, 60, WhenShort::Refuse),
        give_back(1, 3),
        adjust(1, 20, 120, 90, WhenShort::Refuse),
        EntryKind::OrderCancelled,
        EntryKind::Expect(7),
    ];
    let mut entries = vec![entry(
        at("2024-05-01 10:00"),
        at("2024-05-01 10:00"),
        "g",
        None,
        grant(50, None),
    )];
    for (step, kind) in (1..).zip(kinds) {
        let time = at(&format!("2024-05-02 10:0{step}"));
        let id = format!("e{step}");
        entries.push(Entry {
            step,
            ..entry(time, time, &id, Some("A"), kind)
        });
    }
    let share = EntryKind::GrantedToAll(granting(5, None));
    let time = at("2024-05-03 10:00");
    entries.push(entry(time, time, "b", None, share));
    let mut member = Member::default();
    for entry in &entries {
        let decision = member.apply(entry, &terms);
        assert!(!decision.duplicate, "{entry:?}");
        let silent = matches!(entry.kind, EntryKind::OrderCancelled | EntryKind::Expect(_));
        assert_eq!(decision.outcomes.is_empty(), silent, "{entry:?}");
    }
    // The lots of the order have expired by then.
    for later in ["2024-05-03 10:00", "2024-06-01 00:00"] {
        member.timer("acme", "m-1", at(later), &terms);
        let before = member.clone();
        for entry in &entries {
            let decision = member.apply(entry, &terms);
            assert!(decision.duplicate && decision.outcomes.is_empty(), "{entry:?}");
        }
        assert_eq!(member, before);
    }
}

/// Entries of the first version have no number.
#[test]
fn an_issue_without_a_number_is_dropped_while_its_lot_is_there() {
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let time = at("2024-05-01 10:00");
    let issued = entry(time, time, "e1", Some("A"), issue(0, 100, None));
    let mut member = Member::default();
    assert_eq!(member.apply(&issued, &terms).outcomes.len(), 1);
    assert!(member.apply(&issued, &terms).duplicate);
    // And not at all after numbered ones.
    let numbered = Entry {
        step: 1,
        ..entry(time, time, "e2", Some("A"), reverse(100, 0, WhenShort::Refuse))
    };
    assert_eq!(member.apply(&numbered, &terms).outcomes.len(), 1);
    assert!(member.apply(&issued, &terms).duplicate);
    assert_eq!(member.balance(), 0);
}

/// What is known of an order's last entry alone goes as ids of commands do.
#[test]
fn the_last_entry_of_an_order_is_forgotten_in_time() {
    let book = plain();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut member = Member::default();
    let time = at("2024-05-01 10:00");
    for (order, kind) in [
        ("A", issue(0, 100, Some("2024-05-02 10:00"))),
        ("B", issue(0, 10, None)),
    ] {
        let numbered = Entry {
            step: 1,
            ..entry(time, time, order, Some(order), kind)
        };
        member.apply(&numbered, &terms);
    }
    let taken = Entry {
        step: 2,
        ..entry(time, time, "r", Some("B"), reverse(10, 5, WhenShort::Refuse))
    };
    member.apply(&taken, &terms);
    member.timer("acme", "m-1", at("2024-07-29 10:00"), &terms);
    assert_eq!(member.orders.iter().len(), 2);
    member.timer("acme", "m-1", at("2024-08-01 10:00"), &terms);
    assert_eq!(
        member.orders.iter().len(),
        1,
        "what was taken back is still needed"
    );
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
        tier_facts_months: 36,
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
