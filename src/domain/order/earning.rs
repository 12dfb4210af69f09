//! How many points an order's facts earn under a rule, and why none.

use super::Reason;
use super::base::{self, BaseAmount};
use super::facts::{Facts, Refund, Snapshot};
use crate::domain::money::{self, Ratio};
use crate::domain::rules::model::{Base, Channels, Earning, Extent, OnDisable, RuleVersion};

/// What an order earns, and what refunds took off.
#[derive(Clone, Copy, Debug)]
pub struct Earned {
    pub points: i64,
    /// Without any refund.
    pub whole: i64,
    pub base: BaseAmount,
}

impl RuleVersion {
    /// The earning that counts for a tier; `None`: the tier earns nothing.
    pub fn earning(&self, tier: Option<&str>) -> Option<&Earning> {
        let of_tier = tier
            .and_then(|tier| self.accrual.tiers.get(tier))
            .and_then(|tier| tier.earning.as_ref());
        of_tier.or(self.accrual.enabled.then_some(&self.accrual.earning))
    }
}

/// The first reason for which the order earns nothing, whatever its amount. `in_force` is the
/// version in force when the points are due.
pub fn excluded(snapshot: &Snapshot, rules: &RuleVersion, in_force: Option<&RuleVersion>) -> Option<Reason> {
    let stopped = in_force.is_some_and(|later| !later.enabled && later.on_disable == OnDisable::Stop);
    if snapshot.test {
        return Some(Reason::TestOrder);
    }
    if !rules.enabled || stopped {
        return Some(Reason::Disabled);
    }
    if let Some(reason) = not_for_this_sale(snapshot, rules) {
        return Some(reason);
    }
    let Some(customer) = &snapshot.customer else {
        return Some(Reason::Guest);
    };
    if rules.require_login && !customer.logged_in {
        return Some(Reason::NotLoggedIn);
    }
    rules
        .earning(snapshot.tier())
        .is_none()
        .then_some(Reason::TierExcluded)
}

/// What the newest snapshot earns after refunds, before the points are credited.
pub fn before_issue(facts: &Facts, snapshot: &Snapshot, rules: &RuleVersion) -> Earned {
    let Some(earning) = rules.earning(snapshot.tier()) else {
        let base = base::base_amount(snapshot, &rules.accrual.base, [].into_iter());
        return Earned {
            points: 0,
            whole: 0,
            base,
        };
    };
    let whole = base::base_amount(snapshot, &rules.accrual.base, [].into_iter());
    let whole_points = money::earn(earning, whole.amount);
    let mut counting = facts
        .refunds
        .iter()
        .filter(|refund| extent(refund, rules) != Extent::None && facts.takes_back(refund))
        .peekable();
    if counting.peek().is_none() {
        return Earned {
            points: whole_points,
            whole: whole_points,
            base: whole,
        };
    }
    if rules.reversal.before_refund == Extent::Full {
        return Earned {
            points: 0,
            whole: whole_points,
            base: whole,
        };
    }
    let base = base::base_amount(snapshot, &rules.accrual.base, counting);
    // Fewer goods never earn more.
    let points = money::earn(earning, base.amount).min(whole_points);
    Earned {
        points,
        whole: whole_points,
        base,
    }
}

/// What the newest snapshot would earn once issued, for the member who got the points. The
/// shop's status and switches are not looked at. `also_forgiven`: with refunds that the
/// merchant chose not to count.
pub fn after_issue(
    facts: &Facts,
    tier: Option<&str>,
    rules: &RuleVersion,
    also_forgiven: bool,
) -> Option<(i64, BaseAmount)> {
    let snapshot = facts.snapshot.as_ref()?;
    let counting = facts.refunds.iter().filter(|refund| {
        extent(refund, rules) != Extent::None && (also_forgiven || facts.takes_back(refund))
    });
    let base = base::base_amount(snapshot, &rules.accrual.base, counting.clone());
    let takes_all = counting
        .clone()
        .any(|refund| extent(refund, rules) == Extent::Full);
    if takes_all || snapshot.test || not_for_this_sale(snapshot, rules).is_some() {
        return Some((0, base));
    }
    let points = rules
        .earning(tier)
        .map_or(0, |earning| money::earn(earning, base.amount));
    Some((points, base))
}

/// The part of what was redeemed that goes back, from 0 to 1. What the merchant chose to keep
/// stays kept.
pub fn share_to_return(facts: &Facts, base: &Base) -> Ratio {
    let Some(snapshot) = &facts.snapshot else {
        return Ratio::ZERO;
    };
    let share = |returns: bool| {
        let refunds = facts
            .refunds
            .iter()
            .filter(move |refund| facts.counts_for_redeemed(refund) && refund.return_redeemed == returns);
        base::returned_share(snapshot, base, refunds)
    };
    match &facts.cancelled {
        Some(cancelled) if cancelled.return_redeemed => Ratio::ONE.minus(share(false)),
        _ => share(true).min(Ratio::ONE.minus(share(false))),
    }
}

/// What a refund takes by the rule for the time at which it became known.
fn extent(refund: &Refund, rules: &RuleVersion) -> Extent {
    match refund.after_issue {
        true => rules.reversal.after_refund,
        false => rules.reversal.before_refund,
    }
}

fn not_for_this_sale(snapshot: &Snapshot, rules: &RuleVersion) -> Option<Reason> {
    if snapshot
        .currency
        .as_ref()
        .is_some_and(|currency| *currency != rules.currency.code)
    {
        return Some(Reason::CurrencyMismatch);
    }
    match &rules.channels {
        Channels::Only(channels) if !channels.contains(&snapshot.channel) => Some(Reason::ChannelExcluded),
        Channels::Only(_) | Channels::All => None,
    }
}
