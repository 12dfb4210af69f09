//! Over any history points are conserved and movements are numbered without a gap.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Terms;
use super::fixtures::*;
use super::member::Member;
use crate::domain::entry::{EntryKind, ImportExpiry};
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Movement, Outcome};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::*;

const ORDERS: [&str; 3] = ["A", "B", "C"];

/// What happens, about which order, how many milliseconds after the last, and how long before
/// its arrival it took effect.
type Happening = (EntryKind, usize, i64, i64);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let expiry = || proptest::option::of((0u32..40).prop_map(|d| span(ExpirySpan::AfterDays(d))));
    let short = prop_oneof![
        Just(WhenShort::Refuse),
        Just(WhenShort::Clamp),
        Just(WhenShort::Negative)
    ];
    let kind = prop_oneof![
        (1i64..200, expiry()).prop_map(|(points, expiry)| grant(points, expiry)),
        (0u32..3, 1i64..200).prop_map(|(part, points)| issue(part, points, Some("2024-06-01 00:00"))),
        (1i64..300).prop_map(|points| redeem(points, None)),
        (1i64..300).prop_map(|points| snapshot(points, "100")),
        (1i64..100).prop_map(|points| deduct(points, None)),
        (1i64..300, 0i64..100, short.clone()).prop_map(|(issued, kept, short)| reverse(issued, kept, short)),
        (3u32..9, 1i64..100, 0i64..300, 0i64..300, short)
            .prop_map(|(part, points, issued, kept, short)| adjust(part, points, issued, kept, short)),
        (0i64..5).prop_map(|part| give_back(part, 4)),
        (1i64..100, 0i64..60).prop_map(|(points, day)| {
            let day = at("2024-04-20 00:00").0 + day * 86_400_000_000;
            import(points, ImportExpiry::At(Instant(day)))
        }),
        Just(registered(Some((5, 20)))),
        Just(EntryKind::OrderCancelled),
        (0i64..50).prop_map(EntryKind::Expect),
    ];
    let gap = prop_oneof![Just(0), 0i64..86_400_000, 0i64..2_000_000_000];
    let late = prop_oneof![4 => Just(0), 1 => 0i64..2_000_000_000];
    vec((kind, 0usize..ORDERS.len(), gap, late), 0..40)
}

fn busy_book() -> RuleBook {
    let mut busy = rules();
    busy.gifts = Gifts {
        registration: Some(RegistrationGift {
            points: 11,
            expiry: days(3),
        }),
        birthday: Some(BirthdayGift {
            points: 13,
            on: BirthdayOn::Day,
            at: time("08:00"),
            expiry: days(2),
        }),
    };
    busy.notices.expiring_days_before = vec![5, 1];
    book(&[busy])
}

fn movement(outcome: &Outcome) -> Option<(i64, &Movement)> {
    match &outcome.body {
        Body::Issued { movement, .. } | Body::Returned { movement } => Some((1, movement)),
        Body::Expired { movement, .. }
        | Body::Revoked { movement, .. }
        | Body::Redeemed { movement, .. }
        | Body::Adjusted { movement } => Some((-1, movement)),
        Body::Pending { .. } | Body::Withheld { .. } | Body::Expiring { .. } | Body::Rejected { .. } => None,
        Body::TierChanged { .. } | Body::TierRenewed { .. } | Body::TierExpiring { .. } => None,
    }
}

/// Plays a history. With `timers` every timer has its own turn, else they are caught up.
fn outcomes_of(member: &mut Member, book: &RuleBook, history: &[Happening], timers: bool) -> Vec<Outcome> {
    let terms = Terms {
        book,
        gift_horizon: Some(at("2026-01-01 00:00")),
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut now = at("2024-05-01 00:00");
    let mut told = Vec::new();
    let fire = |member: &mut Member, until: Instant, told: &mut Vec<Outcome>| {
        while let Some(wake) = member.wake("acme", &terms).filter(|wake| *wake < until) {
            let due = Instant::from_millis(wake.ceil_millis());
            told.extend(member.timer("acme", "m-1", due, &terms));
            assert!(
                member.wake("acme", &terms).is_none_or(|next| next > due),
                "the timer moves on"
            );
        }
    };
    for (index, (kind, order, gap, late)) in history.iter().enumerate() {
        now = Instant(now.0 + gap * 1_000);
        if timers {
            fire(member, now, &mut told);
        }
        let effective_at = Instant(now.0 - late * 1_000);
        let order = Some(ORDERS[*order]);
        let entry = entry(now, effective_at, &format!("e{index}"), order, kind.clone());
        told.extend(member.apply(&entry, &terms).outcomes);
    }
    fire(member, at("2030-01-01 00:00"), &mut told);
    told
}

proptest! {
    #[test]
    fn points_are_conserved(history in happenings()) {
        let mut member = Member::default();
        let told = outcomes_of(&mut member, &busy_book(), &history, true);
        let (mut balance, mut sequence) = (0, 0);
        for outcome in &told {
            let Some((sign, movement)) = movement(outcome) else { continue };
            prop_assert!(movement.points > 0, "{:?}", outcome);
            balance += sign * movement.points;
            sequence += 1;
            prop_assert_eq!(movement.balance_after, balance, "{:?}", outcome);
            prop_assert_eq!(movement.sequence, sequence, "{:?}", outcome);
            let parts: i64 = movement.lots.iter().map(|part| part.points).sum();
            prop_assert!(parts <= movement.points && movement.lots.iter().all(|part| part.points > 0));
        }
        prop_assert_eq!(member.balance(), balance);
        prop_assert_eq!(member.sequence, sequence);
        prop_assert!(member.debt == 0 || member.lots.is_empty(), "who owes has no points");
    }

    #[test]
    fn an_outage_changes_nothing(history in happenings()) {
        let book = busy_book();
        let in_time = outcomes_of(&mut Member::default(), &book, &history, true);
        let caught_up = outcomes_of(&mut Member::default(), &book, &history, false);
        prop_assert_eq!(in_time, caught_up);
    }
}
