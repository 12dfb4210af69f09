//! What events after the issue ask of points that the member's ledger priced.

use super::case::Case;
use super::earning::{self, Earned, IssuedAs};
use super::facts::{News, OrderEvent};
use super::reversal::Change;
use super::settlement::{bonus_expires_at, expires_at};
use super::{CausedBy, PossibleIssue, Progress};
use crate::domain::entry::{EntryKind, IssuePart, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::price_list::{Keeps, Price, Revision};
use crate::domain::rules::book::Published;
use crate::domain::short_text::ShortText;

impl Case<'_> {
    /// The order does not know which of its prices was credited, nor what limits and caps left of
    /// it: it tells what each is worth by now, and the ledger does the rest.
    pub(super) fn revise(&mut self, event: &OrderEvent, news: News, change: &Change) {
        let (Progress::Issued(issued), Some(bound)) = (&self.order.progress, self.bound) else {
            return;
        };
        let rules = &bound.rules;
        let keeps = if self.cancel_takes(rules) {
            Keeps::AtMostIssued
        } else if rules.reversal.after_edit_adjusts {
            Keeps::Worth
        } else if self.refund_takes(rules) {
            Keeps::AtMostKept
        } else {
            // It keeps all.
            return;
        };
        let at = event.time.max(issued.at);
        let prices = issued.by_member.iter();
        let prices = prices.map(|possible| self.price_of_rest(bound, possible, keeps, at));
        let told = bound.rules.told_tier(issued.tier.as_deref()).map(Into::into);
        let list = self.list_of(bound, told, prices.collect());
        let raises = (change.edited || news.reopened) && !change.cancelled;
        let (reason, reversed_at) = match change.reversed {
            true => self.reversing_fact(event, news),
            false => (ReverseReason::Edited, event.time),
        };
        let revision = Revision {
            list,
            reason,
            when_short: rules.reversal.when_short,
            by_cancellation: change.cancelled,
            keeps,
            raises,
            asks: change.edited || change.reversed,
            forgiven: change.forgiven,
            reversed_at,
        };
        let member_id = issued.member_id.clone();
        self.send(&member_id, at, CausedBy::from(event), EntryKind::Revise(revision));
    }

    /// What is left of the order is worth this on the terms of one of its prices. Of an order that
    /// is cancelled: what the merchant left with the member.
    fn price_of_rest(&self, bound: &Published, possible: &PossibleIssue, keeps: Keeps, at: Instant) -> Price {
        let (rules, facts) = (&bound.rules, &self.order.facts);
        let tier = possible.of.tier.as_deref();
        let issued = IssuedAs {
            tier,
            bonuses: possible.bonuses.clone(),
        };
        let left = earning::after_issue(facts, &issued, rules, false);
        let by_all = match keeps {
            Keeps::AtMostIssued => earning::after_issue(facts, &issued, rules, true),
            Keeps::Worth | Keeps::AtMostKept => None,
        };
        let parts = left.map(|left| self.parts_of_rest(bound, &issued, (&left, by_all.as_ref()), at));
        Price {
            of: possible.of.clone(),
            reason: None,
            parts: parts.unwrap_or_default(),
            lost: 0,
        }
    }

    fn parts_of_rest(
        &self,
        bound: &Published,
        issued: &IssuedAs<'_>,
        (left, by_all): (&Earned, Option<&Earned>),
        at: Instant,
    ) -> Vec<IssuePart> {
        let own = IssuePart {
            bonus_id: None,
            points: left.own - by_all.map_or(0, |all| all.own),
            base_amount: left.base.to_decimal(),
            expires_at: expires_at(self, bound, at, issued.tier),
        };
        let of_bonus = |id: &ShortText| {
            let bonus = left.bonus(id)?;
            let all = by_all.and_then(|all| all.bonus(id));
            Some(IssuePart {
                bonus_id: Some(id.clone()),
                points: bonus.points - all.map_or(0, |all| all.points),
                base_amount: bonus.amount.to_decimal(),
                expires_at: bonus_expires_at(self, bound, at, issued.tier, bonus.expiry),
            })
        };
        let bonuses = issued.bonuses.iter().filter_map(of_bonus);
        let parts = [own].into_iter().chain(bonuses);
        parts.filter(|part| part.points > 0).collect()
    }
}
