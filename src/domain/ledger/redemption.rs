//! What points are worth, and how many may be used.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::Terms;
use super::account::{Account, Head};
use super::member::{Member, Redeemed};
use crate::domain::entry::{Entry, RedeemByOrder};
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Worth};
use crate::domain::reason::Reason;
use crate::domain::rules::model::{Redemption, RuleVersion};

/// How many points could be used for an order, and why no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub points: i64,
    /// What they are worth; `None` where the rule gives points no value.
    pub amount: Option<Decimal>,
    pub limit: Limit,
}

/// What decided a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Disabled,
    MinOrder,
    Per,
    MaxPercent,
    MinPayable,
    Balance,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Disabled => "disabled",
            Limit::MinOrder => "min_order",
            Limit::Per => "per",
            Limit::MaxPercent => "max_percent",
            Limit::MinPayable => "min_payable",
            Limit::Balance => "balance",
        }
    }
}

/// The most points whose exact worth keeps to every limit. Of equal limits the first of `per`,
/// `max_percent`, `min_payable`, balance is named.
pub fn quote(
    subtotal: Decimal,
    tier: Option<&str>,
    rules: Option<&RuleVersion>,
    member: &Member,
    at: Instant,
) -> Quote {
    let value = rules.and_then(|rules| value(rules, tier));
    let (points, limit) = most(subtotal, rules, value, member.usable(at));
    let amount = rules
        .zip(value)
        .and_then(|(rules, value)| worth(points, value, rules.currency.digits));
    Quote {
        points,
        amount,
        limit,
    }
}

/// The section that counts for a tier: its own, whole, or the rule's.
pub fn value<'r>(rules: &'r RuleVersion, tier: Option<&str>) -> Option<&'r Redemption> {
    let own = tier
        .and_then(|tier| rules.accrual.tiers.get(tier))
        .and_then(|tier| tier.redemption.as_ref());
    own.or(rules.redemption.as_ref())
}

/// What points are worth: down to the currency's digits, written in full. `None` beyond what
/// an amount can hold.
pub fn worth(points: i64, value: &Redemption, digits: u32) -> Option<Decimal> {
    let exact = Decimal::from(points)
        .checked_mul(value.amount)?
        .checked_div(Decimal::from(value.points))?;
    let mut amount = exact.trunc_with_scale(digits);
    amount.rescale(digits);
    Some(amount)
}

/// One use of points, whoever asks for it.
pub(super) struct Use<'e> {
    pub points: i64,
    pub subtotal: Option<Decimal>,
    pub tier: Option<&'e str>,
    pub cancelled: bool,
}

impl Account<'_> {
    /// By a snapshot of an order, with the limits of the version it is bound to. After a
    /// `points.redeem` for that order it is left out in silence.
    pub fn redeem_by_order(&mut self, entry: &Entry, redeem: &RedeemByOrder, at: Instant) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        if redeem.points <= 0 || self.member.redemptions.contains_key(order) {
            return;
        }
        let book = self.terms.book;
        let bound = entry
            .rule_version
            .and_then(|version| book.version(self.shop_id, version));
        let asked = Use {
            points: redeem.points,
            subtotal: Some(redeem.subtotal),
            tier: redeem.tier.as_deref(),
            cancelled: redeem.cancelled,
        };
        let head = Head::of(entry, Reason::Redeemed);
        self.redeem(entry, head, &asked, bound.map(|bound| &*bound.rules), at);
    }

    pub fn redeem(
        &mut self,
        entry: &Entry,
        head: Head,
        asked: &Use,
        rules: Option<&RuleVersion>,
        at: Instant,
    ) {
        if let Some(reason) = self.refusal(entry, asked, rules, at) {
            return self.reject(Head { reason, ..head }, entry, Some(asked.points), None);
        }
        let taken = self.member.lots.take(asked.points, at, |_| true);
        let parts = taken.iter().map(|lot| lot.part(lot.points)).collect();
        if let Some(order) = &entry.order_id {
            self.member
                .redemptions
                .insert(order.clone(), Redeemed { taken, returned: 0 });
        }
        let movement = self.movement(asked.points, parts, 0);
        let worth = rules.and_then(|rules| {
            let value = value(rules, asked.tier)?;
            let amount = worth(asked.points, value, rules.currency.digits)?;
            Some(Worth {
                amount,
                currency: rules.currency.code.clone(),
            })
        });
        let id = Self::outcome_id("redeemed", entry);
        self.tell(id, head, Body::Redeemed { movement, worth });
    }

    /// The first reason against it, in the order of the contract.
    fn refusal(
        &self,
        entry: &Entry,
        asked: &Use,
        rules: Option<&RuleVersion>,
        at: Instant,
    ) -> Option<Reason> {
        let order = entry.order_id.as_deref();
        let member = &self.member;
        if asked.cancelled || order.is_some_and(|order| member.cancelled_orders.contains(order)) {
            return Some(Reason::Invalid);
        }
        if rules.is_some_and(|rules| !rules.enabled) {
            return Some(Reason::Disabled);
        }
        if order.is_some_and(|order| member.redemptions.contains_key(order)) {
            return Some(Reason::AlreadyRedeemed);
        }
        if let Some((rules, value)) = rules.and_then(|rules| Some((rules, value(rules, asked.tier)?)))
            && let Some(reason) = over(asked, value, rules.currency.digits)
        {
            return Some(reason);
        }
        if member.known_since.is_none() {
            return Some(Reason::UnknownMember);
        }
        (member.usable(at) < asked.points).then_some(Reason::InsufficientBalance)
    }
}

/// Limits that need the order's amount are checked when it is known.
fn over(asked: &Use, value: &Redemption, digits: u32) -> Option<Reason> {
    let subtotal = asked.subtotal?;
    if value.min_order.is_some_and(|least| subtotal < least) {
        return Some(Reason::BelowMinimum);
    }
    let within = || -> Option<bool> {
        let worth = worth(asked.points, value, digits)?;
        let per = value
            .per
            .as_ref()
            .is_none_or(|_| per_limit(subtotal, value) >= asked.points);
        let percent = match value.max_percent {
            Some(percent) => worth <= share(subtotal, percent)?,
            None => true,
        };
        let payable = value.min_payable.is_none_or(|least| subtotal - worth >= least);
        Some(per && percent && payable)
    };
    // An amount too large to be worked out is over any limit.
    (!within().unwrap_or(false)).then_some(Reason::OverLimit)
}

fn most(
    subtotal: Decimal,
    rules: Option<&RuleVersion>,
    value: Option<&Redemption>,
    usable: i64,
) -> (i64, Limit) {
    if rules.is_some_and(|rules| !rules.enabled) {
        return (0, Limit::Disabled);
    }
    let Some(value) = value else {
        return (usable, Limit::Balance);
    };
    if value.min_order.is_some_and(|least| subtotal < least) {
        return (0, Limit::MinOrder);
    }
    let mut limits = Vec::with_capacity(4);
    if value.per.is_some() {
        limits.push((per_limit(subtotal, value), Limit::Per));
    }
    if let Some(percent) = value.max_percent {
        let cap = share(subtotal, percent).unwrap_or(Decimal::ZERO);
        limits.push((points_worth(cap, value), Limit::MaxPercent));
    }
    if let Some(least) = value.min_payable {
        limits.push((points_worth(subtotal - least, value), Limit::MinPayable));
    }
    limits.push((usable, Limit::Balance));
    limits
        .into_iter()
        .min_by_key(|(points, _)| *points)
        .unwrap_or((0, Limit::Balance))
}

/// Nothing below one full amount.
fn per_limit(subtotal: Decimal, value: &Redemption) -> i64 {
    let Some(per) = &value.per else {
        return i64::MAX;
    };
    let units = subtotal
        .checked_div(per.amount)
        .map_or(Decimal::ZERO, |units| units.floor());
    units
        .to_i64()
        .unwrap_or(i64::MAX)
        .max(0)
        .saturating_mul(per.points)
}

fn share(amount: Decimal, percent: Decimal) -> Option<Decimal> {
    amount.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)
}

/// The most points with this exact worth or less.
fn points_worth(amount: Decimal, value: &Redemption) -> i64 {
    let exact = amount
        .checked_mul(Decimal::from(value.points))
        .and_then(|product| product.checked_div(value.amount));
    exact.map_or(0, |points| points.floor().to_i64().unwrap_or(i64::MAX).max(0))
}

impl Terms<'_> {
    /// A quote under the version in force.
    pub fn quote(
        &self,
        shop_id: &str,
        member: &Member,
        subtotal: Decimal,
        tier: Option<&str>,
        at: Instant,
    ) -> Quote {
        let rules = self.book.in_force(shop_id, at).map(|published| &*published.rules);
        quote(subtotal, tier, rules, member, at)
    }
}

#[cfg(test)]
#[path = "redemption_tests.rs"]
mod tests;
