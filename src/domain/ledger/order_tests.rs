//! An order that issues, is refunded, cancelled, reopened and edited, while the member uses points.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Terms;
use super::fixtures::*;
use super::member::Member;
use crate::domain::entry::{Command, Entry, EntryKind, Issue, IssueOrigin, Reopen, Reverse, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Outcome};
use crate::domain::reason::Reason;
use crate::domain::rules::model::WhenShort;

#[derive(Clone, Debug)]
enum Happening {
    Refund(i64),
    Edit(i64, i64),
    Cancel,
    Withdraw,
    Spend(i64),
    Grant(i64),
    RedeemBySnapshot(i64),
    RedeemByCommand(i64),
    GiveBackShare(i64),
    GiveBackByCommand(Option<i64>),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (1i64..60).prop_map(Happening::Refund),
        (0i64..50, 0i64..50).prop_map(|(own, bonus)| Happening::Edit(own, bonus)),
        Just(Happening::Cancel),
        Just(Happening::Withdraw),
        (1i64..150).prop_map(Happening::Spend),
        (1i64..150).prop_map(Happening::Grant),
        (0i64..80).prop_map(Happening::RedeemBySnapshot),
        (1i64..80).prop_map(Happening::RedeemByCommand),
        (1i64..5).prop_map(Happening::GiveBackShare),
        proptest::option::of(1i64..60).prop_map(Happening::GiveBackByCommand),
    ];
    vec(one, 0..25)
}

fn short() -> impl Strategy<Value = WhenShort> {
    prop_oneof![
        Just(WhenShort::Refuse),
        Just(WhenShort::Clamp),
        Just(WhenShort::Negative)
    ]
}

/// The order's side: what it knows of its points, and the entries it has sent.
struct Order {
    issued: i64,
    kept: i64,
    cancelled: bool,
    number: u32,
    short: WhenShort,
}

impl Order {
    fn reversal(&self, reason: ReverseReason) -> EntryKind {
        EntryKind::Reverse(Reverse {
            reason,
            issued: self.issued,
            kept: if self.cancelled { 0 } else { self.kept },
            when_short: self.short,
            by_cancellation: self.cancelled,
        })
    }

    fn entries(&mut self, happening: &Happening) -> Vec<EntryKind> {
        match *happening {
            Happening::Refund(points) => {
                self.kept = (self.kept - points).max(0);
                vec![self.reversal(ReverseReason::Refunded)]
            }
            Happening::Edit(own, bonus) if !self.cancelled => {
                let issue = issue_of(self.number, &[(None, own, None), (Some("tea"), bonus, None)]);
                self.number += 1;
                self.issued += own + bonus;
                self.kept += own + bonus;
                let EntryKind::Reverse(adjust) = self.reversal(ReverseReason::Edited) else {
                    return Vec::new();
                };
                vec![EntryKind::Issue(Issue {
                    origin: IssueOrigin::Edited,
                    adjust: Some(adjust),
                    ..issue
                })]
            }
            Happening::Cancel if !self.cancelled => {
                self.cancelled = true;
                vec![self.reversal(ReverseReason::Cancelled), EntryKind::OrderCancelled]
            }
            Happening::Withdraw if self.cancelled => {
                self.cancelled = false;
                let reopen = Reopen {
                    base_amount: 1.into(),
                    currency: "TWD".into(),
                    expires_at: None,
                };
                vec![EntryKind::Reopen(reopen), self.reversal(ReverseReason::Refunded)]
            }
            Happening::RedeemBySnapshot(points) => vec![snapshot(points, "100")],
            Happening::GiveBackShare(part) => vec![give_back(part, 5)],
            _ => Vec::new(),
        }
    }
}

fn commands(happening: &Happening) -> Option<EntryKind> {
    match *happening {
        Happening::Spend(points) => Some(deduct(points, None)),
        Happening::Grant(points) => Some(grant(points, days(20))),
        Happening::RedeemByCommand(points) => Some(redeem(points, None)),
        Happening::GiveBackByCommand(points) => Some(EntryKind::Command(Command::Return {
            redeem_id: None,
            points,
            note: None,
            actor: None,
        })),
        _ => None,
    }
}

/// What the order's events gave, less what they took.
fn given(outcomes: &[Outcome]) -> i64 {
    let points = |outcome: &Outcome| match (&outcome.body, outcome.reason) {
        (
            Body::Issued { movement, .. },
            Reason::Order | Reason::Bonus | Reason::Edited | Reason::Reopened,
        ) => movement.points,
        (Body::Revoked { movement, .. }, _) => -movement.points,
        _ => 0,
    };
    outcomes.iter().map(points).sum()
}

proptest! {
    #[test]
    fn never_more_is_taken_back_than_was_given(history in happenings(), short in short()) {
        let book = book(&[rules()]);
        let terms = Terms { book: &book, gift_horizon: None, command_ids_days: 90, tier_facts_months: 36 };
        let mut member = Member::default();
        let mut order = Order { issued: 100, kept: 100, cancelled: false, number: 1, short };
        let first = issue_of(0, &[(None, 70, Some("2024-06-01 00:00")), (Some("tea"), 30, None)]);
        let mut waiting = vec![(EntryKind::Issue(first), true)];
        let mut told = Vec::new();
        let (mut step, mut now) = (0, at("2024-05-01 00:00"));
        let happenings = history.iter().map(Some).chain([None]);
        for (index, happening) in happenings.enumerate() {
            for (kind, by_order) in waiting.drain(..) {
                let id = format!("e{index}");
                step += u32::from(by_order);
                let numbered = Entry {
                    step: if by_order { step } else { 0 },
                    ..entry(now, now, &id, Some("A"), kind)
                };
                told.extend(member.apply(&numbered, &terms).outcomes);
                let details = member.orders.get("A").cloned().unwrap_or_default();
                let left = given(&told);
                prop_assert!(left >= 0, "{left}");
                prop_assert_eq!(left, order.issued - details.taken_back);
                if let Some(redeemed) = &details.redeemed {
                    let taken: i64 = redeemed.taken.iter().map(|lot| lot.points).sum();
                    prop_assert_eq!(taken, redeemed.held());
                    prop_assert!(0 <= redeemed.returned && redeemed.returned <= redeemed.points);
                }
            }
            now = Instant(now.0 + 3_600_000_000);
            if let Some(happening) = happening {
                waiting.extend(order.entries(happening).into_iter().map(|kind| (kind, true)));
                waiting.extend(commands(happening).map(|kind| (kind, false)));
            }
        }
        // With points enough the order ends with what it may keep.
        for (kind, by_order) in [
            (grant(10_000, None), false),
            (order.reversal(ReverseReason::Refunded), true),
        ] {
            step += u32::from(by_order);
            let numbered = Entry {
                step: if by_order { step } else { 0 },
                ..entry(now, now, if by_order { "end" } else { "more" }, Some("A"), kind)
            };
            told.extend(member.apply(&numbered, &terms).outcomes);
        }
        let kept = if order.cancelled { 0 } else { order.kept };
        prop_assert_eq!(given(&told), kept);
    }
}
