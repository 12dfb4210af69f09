//! When an order's points are due, and by which version's issuance part.

use super::facts::{Delivery, Fact, Facts, Occurred};
use crate::domain::calendar;
use crate::domain::instant::Instant;
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::{Issuance, IssuanceTerms, RuleVersion, Trigger};

/// A due time, the event that set it and the version whose issuance part counts.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub at: Instant,
    pub cause_id: &'a str,
    pub traceparent: Option<&'a str>,
    pub rules: &'a RuleVersion,
    /// The version that took over, if it is not the bound one.
    pub takeover: Option<&'a Published>,
}

/// The first of what the bound version and each that takes over from it say. A trigger before
/// a takeover keeps its due time; later ones follow the new version, and a trigger of the new
/// version that had happened before counts from the takeover.
pub fn due<'a>(facts: &'a Facts, shop_id: &str, bound: &'a Published, book: &'a RuleBook) -> Option<Due<'a>> {
    let takeovers = book.takeovers(shop_id, bound);
    let mut first = None;
    for i in 0..=takeovers.len() {
        let (version, from) = match i.checked_sub(1) {
            None => (bound, Instant::MIN),
            Some(before) => (takeovers[before], takeovers[before].counts_from()),
        };
        let until = takeovers
            .get(i)
            .map_or(Instant(i64::MAX), |next| next.counts_from());
        for mut candidate in candidates(facts, &version.rules, from, until)
            .into_iter()
            .flatten()
        {
            candidate.takeover = i.checked_sub(1).map(|_| version);
            if first.as_ref().is_none_or(|first: &Due| candidate.at < first.at) {
                first = Some(candidate);
            }
        }
    }
    first
}

/// What one version says while it counts: its trigger with the delay, and completion at once
/// where it wants that.
fn candidates<'a>(
    facts: &'a Facts,
    rules: &'a RuleVersion,
    from: Instant,
    until: Instant,
) -> [Option<Due<'a>>; 2] {
    let candidate = |fact: Occurred<'a>, terms: Option<IssuanceTerms>| {
        let (told, met) = (fact.told, fact.at.max(from));
        let at = match terms {
            Some(terms) => calendar::due_at(rules.timezone, met, terms.delay_days, terms.at),
            None => met,
        };
        let due = Due {
            at,
            cause_id: &told.event_id,
            traceparent: told.traceparent.as_deref(),
            rules,
            takeover: None,
        };
        (met < until).then_some(due)
    };
    let terms = terms(&rules.issuance, facts);
    let by_trigger = trigger(facts, terms.on).and_then(|fact| candidate(fact, Some(terms)));
    let completed = match rules.issuance.or_on_completed {
        true => facts.fact(Fact::Completed),
        false => None,
    };
    [by_trigger, completed.and_then(|fact| candidate(fact, None))]
}

pub(super) fn terms(issuance: &Issuance, facts: &Facts) -> IssuanceTerms {
    // Most rules have no such exceptions, and most orders need not be looked at further.
    if issuance.by_channel.is_empty() {
        return issuance.terms;
    }
    let channel = facts
        .snapshot
        .as_ref()
        .map_or("", |snapshot| snapshot.channel.as_str());
    *issuance.by_channel.get(channel).unwrap_or(&issuance.terms)
}

/// The fact that an order waits for, if it has happened.
pub(super) fn trigger(facts: &Facts, on: Trigger) -> Option<Occurred<'_>> {
    let delivery = || {
        let snapshot = facts.snapshot.as_ref();
        snapshot.map_or(Delivery::Home, |snapshot| snapshot.delivery)
    };
    match on {
        Trigger::Created => facts.created(),
        Trigger::Paid => facts.fact(Fact::Paid),
        Trigger::PaidAndShipped => match delivery() {
            Delivery::None => facts.fact(Fact::Paid),
            Delivery::Home | Delivery::Pickup => {
                let (paid, shipped) = (facts.fact(Fact::Paid)?, facts.fact(Fact::Shipped)?);
                let is_last = (paid.at, paid.told) >= (shipped.at, shipped.told);
                Some(if is_last { paid } else { shipped })
            }
        },
        Trigger::Delivered => facts.fact(match delivery() {
            Delivery::Home => Fact::Delivered,
            Delivery::Pickup => Fact::PickedUp,
            Delivery::None => Fact::Paid,
        }),
        Trigger::Completed => facts.fact(Fact::Completed),
    }
}
