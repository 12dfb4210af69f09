//! After the issue: taking points back, adjusting to an edit.

use super::case::Case;
use super::earning::{self, Earned, IssuedAs};
use super::facts::{Cancelled, News, OrderEvent, Refund};
use super::settlement::{bonus_expires_at, expires_at};
use super::{CausedBy, Issued, Progress};
use crate::domain::entry::{EntryKind, Issue, IssueOrigin, IssuePart, Reverse, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{Extent, RuleVersion};

/// What an event asks of points that were issued.
pub(super) struct Change {
    /// The newest snapshot is another, and the rule adjusts to edits.
    pub(super) edited: bool,
    /// A cancellation or a refund that takes points became known, or a cancellation was withdrawn.
    pub(super) reversed: bool,
    /// A refund of a cancelled order is forgiven: it leaves more with the member.
    pub(super) forgiven: bool,
    /// A cancellation stands that takes points.
    pub(super) cancelled: bool,
}

/// Points by part of an order: its own, and each bonus that was given.
struct Parts {
    own: i64,
    bonuses: Vec<i64>,
}

impl Parts {
    fn total(&self) -> i64 {
        self.bonuses.iter().copied().fold(self.own, i64::saturating_add)
    }

    /// Each part by what is kept of it and what it earns.
    fn each(issued: &Issued, earned: &Earned, part: impl Fn(Part) -> i64) -> Self {
        let bonuses = issued.bonuses.iter().map(|given| {
            let earned = earned.bonus(&given.bonus_id).map_or(0, |bonus| bonus.points);
            part(Part {
                kept: given.kept,
                earned,
            })
        });
        let bonuses = bonuses.collect();
        let own = part(Part {
            kept: issued.own_kept(),
            earned: earned.own,
        });
        Parts { own, bonuses }
    }
}

#[derive(Clone, Copy)]
struct Part {
    kept: i64,
    earned: i64,
}

impl Case<'_> {
    /// What an event after the issue takes back or adds, under the bound rule.
    pub(super) fn reverse(&mut self, event: &OrderEvent, news: News) {
        let (Progress::Issued(issued), Some(bound)) = (&self.order.progress, self.bound) else {
            return;
        };
        let rules = &bound.rules;
        let change = self.change(rules, event, news);
        if !change.edited && !change.reversed && !change.forgiven {
            return;
        }
        let facts = &self.order.facts;
        if !issued.by_member.is_empty() {
            return self.revise(event, news, &change);
        }
        let Some(earned) = earning::after_issue(facts, &IssuedAs::of(facts, issued), rules, false) else {
            return;
        };
        let mut issued = issued.clone();
        if news.reopened {
            // What the cancellation took is credited again first.
            issued.keep_as_before();
        }
        let entitled = self.entitled(&issued, &earned, rules);
        let cause = CausedBy::from(event);
        let raises = (change.edited || news.reopened) && !change.cancelled && issued.grows_to(&entitled);
        if raises {
            let at = event.time.max(issued.at);
            let issue = self.raise(&mut issued, &entitled, &earned, at, bound);
            self.send(&issued.member_id, at, cause, EntryKind::Issue(issue));
        } else {
            if change.cancelled {
                issued.note_kept();
            }
            // Nothing but what the merchant forgives leaves more with the member.
            issued.keep(&entitled, |kept, entitled| match change.forgiven {
                true => kept.max(entitled),
                false => kept.min(entitled),
            });
            let (reason, at) = match change.reversed {
                true => self.reversing_fact(event, news),
                false => (ReverseReason::Edited, event.time),
            };
            // What was refused before is asked for again, also when nothing is added to it.
            if (change.edited || change.reversed) && issued.kept < issued.points {
                let reverse = issued.reversal(reason, rules, change.cancelled);
                self.send(&issued.member_id, at, cause, EntryKind::Reverse(reverse));
            }
        }
        self.order.progress = Progress::Issued(issued);
    }

    fn change(&self, rules: &RuleVersion, event: &OrderEvent, news: News) -> Change {
        let facts = &self.order.facts;
        let cancelled = self.cancel_takes(rules);
        let refund = event
            .refund
            .as_ref()
            .filter(|_| news.refund && rules.reversal.after_refund != Extent::None);
        let refunded = refund.is_some_and(|refund| facts.takes_back(refund));
        Change {
            edited: news.snapshot && rules.reversal.after_edit_adjusts,
            reversed: (news.cancelled && cancelled) || refunded || news.reopened,
            forgiven: refund.is_some() && !refunded && cancelled,
            cancelled,
        }
    }

    /// What each part may keep by now. `earned` is what the newest snapshot earns after the
    /// refunds that count.
    fn entitled(&self, issued: &Issued, earned: &Earned, rules: &RuleVersion) -> Parts {
        let facts = &self.order.facts;
        if self.cancel_takes(rules) {
            // What the merchant once left with the member stays there.
            let by_all = earning::after_issue(facts, &IssuedAs::of(facts, issued), rules, true);
            let left = Parts::each(issued, earned, |part| part.earned);
            let by_all = by_all.map(|by_all| Parts::each(issued, &by_all, |part| part.earned));
            let by_all = by_all.unwrap_or_else(|| Parts::each(issued, earned, |_| 0));
            let bonuses = left.bonuses.iter().zip(&by_all.bonuses).zip(&issued.bonuses);
            return Parts {
                own: (left.own - by_all.own).clamp(0, issued.own_points()),
                bonuses: bonuses
                    .map(|((left, by_all), given)| (left - by_all).clamp(0, given.points))
                    .collect(),
            };
        }
        let refunded = self.refund_takes(rules);
        let adjusts = rules.reversal.after_edit_adjusts;
        Parts::each(issued, earned, |part| {
            if adjusts {
                part.earned
            } else if refunded {
                part.earned.min(part.kept)
            } else {
                part.kept
            }
        })
    }

    /// Whether a refund that became known after the issue takes points back.
    pub(super) fn refund_takes(&self, rules: &RuleVersion) -> bool {
        let facts = &self.order.facts;
        let takes = |refund: &Refund| refund.after_issue && facts.takes_back(refund);
        rules.reversal.after_refund != Extent::None && facts.refunds.iter().any(takes)
    }

    /// Whether a cancellation that became known after the issue takes the points back.
    pub(super) fn cancel_takes(&self, rules: &RuleVersion) -> bool {
        let takes = |cancelled: Cancelled| cancelled.after_issue && cancelled.take_back;
        self.order.facts.cancelled().is_some_and(takes) && rules.reversal.after_cancel != Extent::None
    }

    /// An edit lets the order keep more: each part that grew is a lot of its own. That all of it
    /// is credited is assumed from here on; the ledger, which alone knows what could be taken
    /// back before, works out the rest.
    fn raise(
        &self,
        issued: &mut Issued,
        entitled: &Parts,
        earned: &Earned,
        at: Instant,
        bound: &Published,
    ) -> Issue {
        let tier = earning::tier_of(&self.order.facts, issued);
        let number = issued.parts;
        let mut parts = Vec::new();
        let own = entitled.own - issued.own_kept();
        if own > 0 {
            parts.push(IssuePart {
                bonus_id: None,
                points: own,
                base_amount: earned.base.to_decimal(),
                expires_at: expires_at(self, bound, at, tier),
            });
        }
        for (given, kept) in issued.bonuses.iter().zip(&entitled.bonuses) {
            let (points, bonus) = (kept - given.kept, earned.bonus(&given.bonus_id));
            if let (true, Some(bonus)) = (points > 0, bonus) {
                parts.push(IssuePart {
                    bonus_id: Some(bonus.id.clone()),
                    points,
                    base_amount: bonus.amount.to_decimal(),
                    expires_at: bonus_expires_at(self, bound, at, tier, bonus.expiry),
                });
            }
        }
        issued.parts += 1;
        issued.grow(entitled);
        Issue {
            origin: IssueOrigin::Edited,
            number,
            parts,
            currency: bound.rules.currency.code.clone(),
            adjust: Some(issued.reversal(ReverseReason::Edited, &bound.rules, false)),
        }
    }
}

impl Issued {
    /// Of the order's own rule.
    fn own_points(&self) -> i64 {
        self.points - self.bonuses.iter().map(|given| given.points).sum::<i64>()
    }

    fn own_kept(&self) -> i64 {
        self.kept - self.bonuses.iter().map(|given| given.kept).sum::<i64>()
    }

    fn grows_to(&self, entitled: &Parts) -> bool {
        let bonuses = self.bonuses.iter().zip(&entitled.bonuses);
        entitled.own > self.own_kept() || bonuses.into_iter().any(|(given, kept)| *kept > given.kept)
    }

    /// What a cancellation finds.
    fn note_kept(&mut self) {
        self.kept_before.get_or_insert(self.kept);
        for given in &mut self.bonuses {
            given.kept_before.get_or_insert(given.kept);
        }
    }

    /// What the last cancellation found.
    fn keep_as_before(&mut self) {
        // Cancelled under the version before: that it had taken nothing else is the best guess.
        let unknown = (self.kept_before.is_none() && self.kept == 0).then_some(self.points);
        self.kept = self.kept_before.take().or(unknown).unwrap_or(self.kept);
        for given in &mut self.bonuses {
            let unknown = unknown.map(|_| given.points);
            given.kept = given.kept_before.take().or(unknown).unwrap_or(given.kept);
        }
    }

    /// What is kept of each part, out of what was kept and what it is entitled to.
    fn keep(&mut self, entitled: &Parts, kept: impl Fn(i64, i64) -> i64) {
        let mut left = Parts {
            own: kept(self.own_kept(), entitled.own),
            bonuses: Vec::with_capacity(self.bonuses.len()),
        };
        for (given, entitled) in self.bonuses.iter_mut().zip(&entitled.bonuses) {
            given.kept = kept(given.kept, *entitled);
            left.bonuses.push(given.kept);
        }
        self.kept = left.total();
    }

    /// Parts that grew count as issued; each keeps what it is entitled to.
    fn grow(&mut self, entitled: &Parts) {
        let own = (entitled.own - self.own_kept()).max(0);
        self.points = self.points.saturating_add(own);
        for (given, kept) in self.bonuses.iter_mut().zip(&entitled.bonuses) {
            let more = (kept - given.kept).max(0);
            given.points = given.points.saturating_add(more);
            given.kept = *kept;
            self.points = self.points.saturating_add(more);
        }
        self.kept = entitled.total();
    }

    /// What is asked back as things stand.
    fn reversal(&self, reason: ReverseReason, rules: &RuleVersion, by_cancellation: bool) -> Reverse {
        Reverse {
            reason,
            issued: self.points,
            kept: self.kept,
            when_short: rules.reversal.when_short,
            by_cancellation,
        }
    }
}
