//! Which orders earn nothing, whatever their amount.

use super::Reason;
use super::facts::{Facts, Snapshot};
use crate::domain::rules::model::{Channels, NotWhen, OnDisable, RuleVersion};

/// The first reason for which the order earns nothing, whatever its amount. `in_force` is the
/// version in force when the points are due.
pub fn excluded(
    facts: &Facts,
    snapshot: &Snapshot,
    rules: &RuleVersion,
    in_force: Option<&RuleVersion>,
) -> Option<Reason> {
    let reason = excluded_for_every_tier(facts, snapshot, rules, in_force);
    let tier_earns = || rules.earning(facts.tier()).is_some();
    reason.or_else(|| (!tier_earns()).then_some(Reason::TierExcluded))
}

/// The same without a look at the tier.
pub fn excluded_for_every_tier(
    facts: &Facts,
    snapshot: &Snapshot,
    rules: &RuleVersion,
    in_force: Option<&RuleVersion>,
) -> Option<Reason> {
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
    let Some(buyer) = facts.buyer() else {
        return Some(Reason::Guest);
    };
    if rules.require_login && !buyer.logged_in {
        return Some(Reason::NotLoggedIn);
    }
    paid_as_not_wanted(snapshot, rules).then_some(Reason::Excluded)
}

pub(super) fn not_for_this_sale(snapshot: &Snapshot, rules: &RuleVersion) -> Option<Reason> {
    let currency = snapshot.currency.as_ref();
    if currency.is_some_and(|currency| *currency != rules.currency.code) {
        return Some(Reason::CurrencyMismatch);
    }
    match &rules.channels {
        Channels::Only(channels) if !channels.contains(&snapshot.channel) => Some(Reason::ChannelExcluded),
        Channels::Only(_) | Channels::All => None,
    }
}

/// The rule names a way of paying that keeps an order from earning.
pub(super) fn paid_as_not_wanted(snapshot: &Snapshot, rules: &RuleVersion) -> bool {
    let applies = |not_when: &NotWhen| match not_when {
        NotWhen::Discounted => {
            let mut lines = snapshot.lines().iter();
            !snapshot.discount_total.is_zero() || lines.any(|line| !line.discount_total.is_zero())
        }
        NotWhen::PointsRedeemed => snapshot.points_redeemed > 0 || !snapshot.points_redeemed_amount.is_zero(),
        NotWhen::StoreCredit => !snapshot.store_credit.is_zero(),
    };
    rules.accrual.not_when.iter().any(applies)
}
