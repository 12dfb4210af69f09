//! Orders that had ended and go on: a cancellation withdrawn or forgiven, a guest's order claimed.

use rust_decimal::Decimal;

use super::case::Case;
use super::earning::{self, IssuedAs};
use super::facts::{Fact, OrderEvent};
use super::settlement::expires_at;
use super::{Again, CausedBy, Progress, Reason};
use crate::domain::entry::{EntryKind, Reopen};
use crate::domain::instant::Instant;

impl Case<'_> {
    /// The cancellation was withdrawn. Ledgers undo what it did there; an order that it ended
    /// goes on.
    pub(super) fn reopen(&mut self, event: &OrderEvent) {
        let withdrawal = self.order.facts.withdrawal(Fact::Cancelled).cloned();
        let at = withdrawal
            .as_ref()
            .map_or(event.time, |withdrawal| withdrawal.time);
        let kind = EntryKind::Reopen(self.reopening());
        for member_id in self.order.redeemers() {
            self.send(&member_id, at, CausedBy::from(event), kind.clone());
        }
        let ended = matches!(
            self.order.progress,
            Progress::Withheld {
                by_cancellation: true,
                ..
            }
        );
        if let Some(withdrawal) = withdrawal.filter(|_| ended) {
            self.go_on(Again {
                at,
                event_id: withdrawal.event_id,
                traceparent: withdrawal.traceparent,
                times: 1,
            });
        }
    }

    /// An earlier telling of the cancellation that ended the order turned up, and that one takes
    /// nothing: the order goes on.
    pub(super) fn go_on_if_forgiven(&mut self, event: &OrderEvent) {
        let ended = matches!(
            self.order.progress,
            Progress::Withheld {
                by_cancellation: true,
                ..
            }
        );
        let cancelled = self.order.facts.cancelled();
        if ended && cancelled.is_some_and(|cancelled| !cancelled.take_back) {
            self.go_on(Again {
                at: event.time,
                event_id: event.id.clone(),
                traceparent: event.traceparent.clone(),
                times: 1,
            });
        }
    }

    /// A claim decides an order again that ended because it was nobody's.
    pub(super) fn decide_claimed(&mut self) {
        let nobodys = matches!(
            self.order.progress,
            Progress::Withheld {
                reason: Reason::Guest | Reason::NotLoggedIn,
                ..
            }
        );
        let facts = &self.order.facts;
        let (Some(claim), Some(buyer)) = (&facts.claim, facts.buyer()) else {
            return;
        };
        if nobodys && self.bound.is_some() && *buyer.id == claim.member_id {
            self.go_on(Again {
                at: claim.time,
                event_id: claim.event_id.clone(),
                traceparent: claim.traceparent.clone(),
                times: 1,
            });
        }
    }

    fn go_on(&mut self, again: Again) {
        let before = self.order.again.take();
        let times = before.as_ref().map_or(0, |before| before.times);
        self.order.again = Some(Again {
            at: before.map_or(again.at, |before| before.at.max(again.at)),
            times: times.saturating_add(again.times),
            ..again
        });
        self.order.progress = Progress::Open;
    }

    /// What the ledger needs to credit what the cancellation took.
    fn reopening(&self) -> Reopen {
        let currency = self.bound.map(|bound| bound.rules.currency.code.clone());
        let (mut base_amount, mut expires) = (Decimal::ZERO, None::<Instant>);
        if let (Progress::Issued(issued), Some(bound)) = (&self.order.progress, self.bound) {
            let facts = &self.order.facts;
            if let Some(earned) =
                earning::after_issue(facts, &IssuedAs::of(facts, issued), &bound.rules, false)
            {
                base_amount = earned.base.to_decimal();
            }
            expires = expires_at(self, bound, issued.at, issued.tier.as_deref());
        }
        Reopen {
            base_amount,
            currency: currency.unwrap_or_default(),
            expires_at: expires,
        }
    }
}
