//! After the fact: giving redeemed points back, taking issued ones back, adjusting to an edit.

use rust_decimal::Decimal;

use super::earning;
use super::facts::{Cancelled, News, OrderEvent, Refund};
use super::settlement::expires_at;
use super::{CausedBy, Decisions, Issued, Order, OrderKey, Progress};
use crate::domain::entry::{EntryKind, Issue, IssueOrigin, IssuePart, Return, Reverse, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::money::Ratio;
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::{Base, Extent, RuleVersion};

impl Order {
    /// A cancellation or refund gives redeemed points back, whether the order earned or not.
    /// What had been redeemed and returned the ledger knows: it gives what a higher share adds,
    /// and never takes any again.
    ///
    /// Refunds come off the newest snapshot, so a later one of fewer goods makes them a greater
    /// part: in either order of arrival as much returns as if it had been known at the refund.
    pub(super) fn give_back(
        &self,
        key: OrderKey<'_>,
        bound: Option<&Published>,
        event: &OrderEvent,
        news: News,
        now: Instant,
        out: &mut Decisions,
    ) {
        let other_share = (news.snapshot || news.refund_replaced) && !self.facts.refunds.is_empty();
        let reversed = news.cancelled || news.refund || other_share;
        // By an event that is to return nothing, neither does what an earlier one may not have found.
        let kept = (news.cancelled || news.refund) && !event.return_redeemed;
        if !reversed || kept || bound.is_some_and(|v| !v.rules.reversal.returns_redeemed) {
            return;
        }
        let base = bound.map_or(Base::default(), |v| v.rules.accrual.base.clone());
        let share = earning::share_to_return(&self.facts, &base);
        if !share.is_positive() {
            return;
        }
        let (reason, at) = self.reversing_fact(event, news);
        let (numerator, denominator) = share.min(Ratio::ONE).to_parts();
        let kind = EntryKind::Return(Return {
            reason,
            numerator,
            denominator,
        });
        for member_id in self.redeemers() {
            let entry = self.entry(key, member_id, now, at, CausedBy::from(event), kind.clone());
            out.entries.push(entry);
        }
    }

    /// From here on redeeming for the order is refused.
    pub(super) fn tell_cancelled(
        &self,
        key: OrderKey<'_>,
        event: &OrderEvent,
        now: Instant,
        out: &mut Decisions,
    ) {
        let at = self
            .facts
            .cancelled
            .as_ref()
            .map_or(event.time, |cancelled| cancelled.told.at);
        for member_id in self.redeemers() {
            let kind = EntryKind::OrderCancelled;
            let entry = self.entry(key, member_id, now, at, CausedBy::from(event), kind);
            out.entries.push(entry);
        }
    }

    /// What an event after the issue takes back or adds, under the bound rule.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn reverse(
        &mut self,
        key: OrderKey<'_>,
        bound: &Published,
        event: &OrderEvent,
        news: News,
        now: Instant,
        book: &RuleBook,
        out: &mut Decisions,
    ) {
        let Progress::Issued(issued) = &self.progress else {
            return;
        };
        let rules = &bound.rules;
        let cancelled = self.cancel_takes(rules);
        let edited = news.snapshot && rules.reversal.after_edit_adjusts;
        let refund = event
            .refund
            .as_ref()
            .filter(|_| news.refund && rules.reversal.after_refund != Extent::None);
        let refunded = refund.is_some_and(|refund| self.facts.takes_back(refund));
        let reversed = (news.cancelled && cancelled) || refunded;
        let forgiven = refund.is_some() && !refunded && cancelled;
        if !edited && !reversed && !forgiven {
            return;
        }
        let tier = self.tier_of(issued);
        let Some((earned, base)) = earning::after_issue(&self.facts, tier, rules, false) else {
            return;
        };
        let entitled = self.entitled(issued, earned, rules);
        let mut issued = issued.clone();
        let cause = CausedBy::from(event);
        if edited && !cancelled && entitled > issued.kept {
            let at = event.time.max(issued.at);
            let expires_at = expires_at(key, bound, book, at, tier);
            let issue = issued.raise(entitled, base.to_decimal(), expires_at, rules);
            let kind = EntryKind::Issue(issue);
            out.entries
                .push(self.entry(key, &issued.member_id, now, at, cause, kind));
        } else {
            // Nothing but what the merchant forgives leaves more with the member.
            issued.kept = match forgiven {
                true => issued.kept.max(entitled),
                false => issued.kept.min(entitled),
            };
            let (reason, at) = match reversed {
                true => self.reversing_fact(event, news),
                false => (ReverseReason::Edited, event.time),
            };
            // What was refused before is asked for again, also when nothing is added to it.
            if (edited || reversed) && issued.kept < issued.points {
                let kind = EntryKind::Reverse(issued.reversal(reason, rules));
                out.entries
                    .push(self.entry(key, &issued.member_id, now, at, cause, kind));
            }
        }
        self.progress = Progress::Issued(issued);
    }

    /// What the order may keep by now. `earned` is what its newest snapshot earns after the
    /// refunds that count.
    fn entitled(&self, issued: &Issued, earned: i64, rules: &RuleVersion) -> i64 {
        if self.cancel_takes(rules) {
            // What the merchant once left with the member stays there.
            let tier = self.tier_of(issued);
            let all = earning::after_issue(&self.facts, tier, rules, true).map_or(0, |(points, _)| points);
            return (earned - all).clamp(0, issued.points);
        }
        let takes = |refund: &Refund| refund.after_issue && self.facts.takes_back(refund);
        let refunded = rules.reversal.after_refund != Extent::None && self.facts.refunds.iter().any(takes);
        if rules.reversal.after_edit_adjusts {
            earned
        } else if refunded {
            earned.min(issued.kept)
        } else {
            issued.kept
        }
    }

    /// Whether a cancellation that became known after the issue takes the points back.
    fn cancel_takes(&self, rules: &RuleVersion) -> bool {
        let takes = |cancelled: &Cancelled| cancelled.after_issue && cancelled.take_back;
        self.facts.cancelled.as_ref().is_some_and(takes) && rules.reversal.after_cancel != Extent::None
    }

    fn tier_of<'a>(&'a self, issued: &'a Issued) -> Option<&'a str> {
        let customer = self
            .facts
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.customer.as_ref());
        match customer {
            Some(customer) if customer.id == issued.member_id => customer.tier.as_deref(),
            _ => issued.tier.as_deref(),
        }
    }

    /// Who may have redeemed points for the order: by its snapshot, or by a command while it was
    /// theirs. The ledgers know whether they did; those of others do nothing.
    fn redeemers(&self) -> Vec<&str> {
        let by_snapshot = self.bound.as_ref().and_then(|bound| bound.redeemer.as_deref());
        let issued_to = match &self.progress {
            Progress::Issued(issued) => Some(issued.member_id.as_str()),
            _ => None,
        };
        let customer = self
            .facts
            .snapshot
            .as_ref()
            .and_then(|newest| newest.customer.as_ref());
        let known = [
            by_snapshot,
            issued_to,
            customer.map(|customer| customer.id.as_str()),
        ];
        let others = self.facts.other_customers.iter().map(|id| id.as_str());
        let mut redeemers = Vec::with_capacity(1);
        for member_id in known.into_iter().flatten().chain(others) {
            if !redeemers.contains(&member_id) {
                redeemers.push(member_id);
            }
        }
        redeemers
    }

    /// Why and when something is reversed. Of both at once the cancellation says it.
    fn reversing_fact(&self, event: &OrderEvent, news: News) -> (ReverseReason, Instant) {
        match &self.facts.cancelled {
            Some(cancelled) if news.cancelled => (ReverseReason::Cancelled, cancelled.told.at),
            _ => {
                let told = event.refund.as_ref().map(|refund| refund.time);
                let last = self.facts.refunds.iter().map(|refund| refund.time).max();
                (ReverseReason::Refunded, told.or(last).unwrap_or(event.time))
            }
        }
    }
}

impl Issued {
    /// An edit lets the order keep more. That it is all credited anew is assumed from here on;
    /// the ledger, which alone knows what could be taken back before, reckons the rest.
    fn raise(
        &mut self,
        kept: i64,
        base_amount: Decimal,
        expires_at: Option<Instant>,
        rules: &RuleVersion,
    ) -> Issue {
        let (number, points) = (self.parts, kept - self.kept);
        self.parts += 1;
        self.points = self.points.saturating_add(points);
        self.kept = kept;
        Issue {
            origin: IssueOrigin::Edited,
            number,
            parts: vec![IssuePart {
                bonus_id: None,
                points,
                base_amount,
                expires_at,
            }],
            currency: rules.currency.code.clone(),
            adjust: Some(self.reversal(ReverseReason::Edited, rules)),
        }
    }

    /// What is asked back as things stand.
    fn reversal(&self, reason: ReverseReason, rules: &RuleVersion) -> Reverse {
        Reverse {
            reason,
            issued: self.points,
            kept: self.kept,
            when_short: rules.reversal.when_short,
            by_cancellation: reason == ReverseReason::Cancelled,
        }
    }
}
