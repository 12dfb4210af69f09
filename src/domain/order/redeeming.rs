//! Points that an order's snapshot says were used, and giving them back.

use rust_decimal::Decimal;

use super::amounts::Amounts;
use super::case::{Case, Told};
use super::earning;
use super::facts::{Facts, News, OrderEvent, Snapshot};
use super::{CausedBy, Order, Progress, Reason};
use crate::domain::entry::{ByLevel, EntryKind, LevelAmounts, RedeemByOrder, Return, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::money::{Ratio, SCALE_MAX};
use crate::domain::outcome::Body;
use crate::domain::rules::model::{Base, Goods, RuleVersion};

impl Case<'_> {
    /// Asks for the points that the newest snapshot says were used, when the order binds and
    /// whenever the number changes, whatever becomes of the order. While it is cancelled nothing
    /// is asked for: a cancellation that is withdrawn has it looked at again.
    pub(super) fn redeem_by_snapshot(&mut self, event: &OrderEvent, at: Instant) {
        let facts = &self.order.facts;
        let (Some(snapshot), Some(bound)) = (facts.snapshot.clone(), &self.order.bound) else {
            return;
        };
        let points = snapshot.points_redeemed;
        if points == bound.redeemed || facts.cancelled().is_some() {
            return;
        }
        let buyer = facts.buyer().map(|buyer| buyer.id.clone());
        let named = snapshot.points_redeemed_by.clone();
        let redeemer = bound.redeemer.clone().or(named).or(buyer.clone());
        let is_own = redeemer == buyer;
        let tier = facts.tier().filter(|_| is_own);
        let redeem = self.redemption(&snapshot, tier, is_own);
        if let Some(bound) = &mut self.order.bound {
            bound.redeemed = points;
            bound.redeemer = redeemer.clone();
        }
        match redeemer {
            Some(member_id) => {
                let kind = EntryKind::RedeemByOrder(redeem);
                self.send(&member_id, at, CausedBy::from(event), kind);
            }
            None => self.reject_guest(event, points, at),
        }
    }

    /// `is_own`: the customer pays, so the limits of a level may count.
    fn redemption(&self, snapshot: &Snapshot, tier: Option<&str>, is_own: bool) -> RedeemByOrder {
        let rules = self.bound.map(|bound| &*bound.rules);
        let tier = rules.map_or(tier, |rules| rules.told_tier(tier));
        let excluded = rules.and_then(|rules| redemption_excludes(rules, tier));
        let is_other = |rules: &RuleVersion| {
            snapshot
                .currency
                .as_ref()
                .is_some_and(|own| *own != rules.currency.code)
        };
        RedeemByOrder {
            points: snapshot.points_redeemed,
            subtotal: payable_subtotal(snapshot, excluded),
            payable: Some(payable(snapshot, excluded)),
            tier: tier.map(Into::into),
            by_level: rules
                .filter(|rules| is_own && tier.is_none() && rules.tiers.is_some())
                .map(|rules| self.by_level(snapshot, rules)),
            currency_mismatch: rules.is_some_and(is_other),
            cancelled: false,
        }
    }

    fn by_level(&self, snapshot: &Snapshot, rules: &RuleVersion) -> ByLevel {
        let created = self.order.bound.as_ref().map(|bound| bound.created_at);
        let usual = redemption_excludes(rules, None);
        let amounts = rules.accrual.tiers.keys().filter_map(|level| {
            let excluded = redemption_excludes(rules, Some(level));
            (excluded != usual).then(|| LevelAmounts {
                level: level.as_str().into(),
                subtotal: payable_subtotal(snapshot, excluded),
                payable: payable(snapshot, excluded),
            })
        });
        ByLevel {
            created_at: created.unwrap_or(self.now),
            amounts: amounts.collect(),
        }
    }

    /// A guest has no points.
    fn reject_guest(&mut self, event: &OrderEvent, points: i64, at: Instant) {
        let cause = CausedBy::from(event);
        let told = Told {
            kind: "rejected",
            parts: &[cause.source, cause.id],
            reason: Reason::Invalid,
            at,
            cause,
        };
        let body = Body::Rejected {
            points: Some(points),
            detail: Some("data.order.points_redeemed: the order names no member".to_owned()),
        };
        self.publish(told, body);
    }

    /// A cancellation or refund gives redeemed points back, whether the order earned or not.
    /// What had been redeemed and returned the ledger knows: it gives what a higher share adds,
    /// and never takes any again.
    ///
    /// Refunds come off the newest snapshot, so a later one of fewer goods makes them a greater
    /// part: in either order of arrival as much returns as if it had been known at the refund.
    pub(super) fn give_back(&mut self, event: &OrderEvent, news: News) {
        let facts = &self.order.facts;
        let other_share = news.snapshot || news.refund_replaced || news.reopened;
        let reversed = news.cancelled || news.refund || (other_share && !facts.refunds.is_empty());
        // By an event that is to return nothing, neither does what an earlier one may not have found.
        let kept = (news.cancelled || news.refund) && !event.return_redeemed;
        if !reversed || kept || self.bound.is_some_and(|v| !v.rules.reversal.returns_redeemed) {
            return;
        }
        let share = share_to_return(facts);
        if !share.is_positive() {
            return;
        }
        let (by_event, at) = self.reversing_fact(event, news);
        let reason = match facts.cancelled() {
            // A refund or an edit meanwhile: what it returns is undone when the order is reopened.
            Some(cancelled) if cancelled.return_redeemed => ReverseReason::Cancelled,
            _ => by_event,
        };
        let (numerator, denominator) = share.min(Ratio::ONE).to_parts();
        let kind = EntryKind::Return(Return {
            reason,
            numerator,
            denominator,
        });
        for member_id in self.order.redeemers() {
            self.send(&member_id, at, CausedBy::from(event), kind.clone());
        }
    }

    /// From here on redeeming for the order is refused.
    pub(super) fn tell_cancelled(&mut self, event: &OrderEvent) {
        let cancelled = self.order.facts.cancelled();
        let at = cancelled.map_or(event.time, |cancelled| cancelled.at);
        for member_id in self.order.redeemers() {
            self.send(&member_id, at, CausedBy::from(event), EntryKind::OrderCancelled);
        }
    }

    /// Why and when something is reversed. Of both at once the cancellation says it.
    pub(super) fn reversing_fact(&self, event: &OrderEvent, news: News) -> (ReverseReason, Instant) {
        let facts = &self.order.facts;
        match facts.cancelled() {
            Some(cancelled) if news.cancelled => (ReverseReason::Cancelled, cancelled.at),
            _ if news.reopened => (ReverseReason::Refunded, event.time),
            _ => {
                let told = event.refund.as_ref().map(|refund| refund.time);
                let last = facts.refunds.iter().map(|refund| refund.time).max();
                (ReverseReason::Refunded, told.or(last).unwrap_or(event.time))
            }
        }
    }
}

impl Order {
    /// Who may have redeemed points for the order: by its snapshot, or by a command while it was
    /// theirs. The ledgers know whether they did; those of others do nothing.
    pub(super) fn redeemers(&self) -> Vec<crate::domain::short_text::ShortText> {
        let by_snapshot = self.bound.as_ref().and_then(|bound| bound.redeemer.as_ref());
        let issued_to = match &self.progress {
            Progress::Issued(issued) => Some(&issued.member_id),
            _ => None,
        };
        let facts = &self.facts;
        let customer = facts
            .snapshot
            .as_ref()
            .and_then(|newest| newest.customer.as_ref());
        let known = [
            by_snapshot,
            issued_to,
            facts.buyer().map(|buyer| buyer.id),
            customer.map(|customer| &customer.id),
        ];
        let others = facts.customers.iter().map(|named| &named.id);
        let mut redeemers = Vec::with_capacity(1);
        for member_id in known.into_iter().flatten().chain(others) {
            if !redeemers.contains(member_id) {
                redeemers.push(member_id.clone());
            }
        }
        redeemers
    }
}

/// The part of what was redeemed that goes back, from 0 to 1. What the merchant chose to keep
/// stays kept.
fn share_to_return(facts: &Facts) -> Ratio {
    let Some(snapshot) = &facts.snapshot else {
        return Ratio::ZERO;
    };
    let amounts = Amounts::of(snapshot, &Base::default());
    let share = |returns: bool| {
        let refunds = facts
            .refunds
            .iter()
            .filter(|refund| facts.counts_for_redeemed(refund) && refund.return_redeemed == returns);
        amounts.returned_of_all(&amounts.back(snapshot, refunds)).share
    };
    match facts.cancelled() {
        Some(cancelled) if cancelled.return_redeemed => Ratio::ONE.minus(share(false)),
        _ => share(true).min(Ratio::ONE.minus(share(false))),
    }
}

/// The goods that points cannot pay for, if there are any.
fn redemption_excludes<'r>(rules: &'r RuleVersion, tier: Option<&str>) -> Option<&'r Goods> {
    let excluded = earning::redemption(rules, tier).map(|redemption| &redemption.exclude);
    excluded.filter(|goods| !goods.is_empty())
}

/// Of the goods that points can pay for, before discounts.
fn payable_subtotal(snapshot: &Snapshot, excluded: Option<&Goods>) -> Decimal {
    let Some((lines, excluded)) = snapshot.lines.as_ref().zip(excluded) else {
        return snapshot.subtotal;
    };
    let payable = lines.iter().filter(|line| !excluded.hold(line.attributes()));
    payable.fold(Decimal::ZERO, |sum, line| {
        let list = line.unit_price.checked_mul(line.quantity).unwrap_or(Decimal::MAX);
        sum.checked_add(list).unwrap_or(Decimal::MAX)
    })
}

/// What is to be paid for these goods after discounts and store credit.
fn payable(snapshot: &Snapshot, excluded: Option<&Goods>) -> Decimal {
    let base = Base {
        // Tax that the prices contain is paid with the goods.
        include_tax: true,
        subtract_points_redeemed: false,
        exclude: excluded.cloned().unwrap_or_default(),
        ..Base::default()
    };
    let goods = Amounts::of(snapshot, &base).goods(super::amounts::Returned::NOTHING);
    let written = goods.to_decimal();
    match Ratio::from(written) == goods.amount {
        true => written,
        // A share of what the order takes off may have more digits.
        false => goods.amount.to_decimal(SCALE_MAX),
    }
}
