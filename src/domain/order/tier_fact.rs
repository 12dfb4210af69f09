//! What an order counts for the levels of its member.

use std::borrow::Cow;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::amounts::Amounts;
use super::case::Case;
use super::due;
use super::eligibility::not_for_this_sale;
use super::facts::{Fact, Facts, OrderEvent, Snapshot};
use super::{CausedBy, Stated};
use crate::domain::calendar;
use crate::domain::entry::{EntryKind, FactStep, OrderFact};
use crate::domain::instant::Instant;
use crate::domain::money::Ratio;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::Tiers;

/// Digits behind those of the amounts themselves: what refunds leave is rounded down to them, so
/// that it never seems to reach more than it does.
const MORE_DIGITS: u32 = 6;

impl Case<'_> {
    /// Keeps the newest snapshot where it comes too late to earn: for levels it counts.
    pub(super) fn note_newest(&mut self, event: &OrderEvent, is_frozen: bool) {
        let Some(snapshot) = event.snapshot.as_ref().filter(|_| is_frozen) else {
            return;
        };
        if !self.book.looks_at_order_facts(self.key.shop_id) {
            return;
        }
        let known = self.order.newest.as_ref().or(self.order.facts.snapshot.as_ref());
        if known.is_none_or(|known| snapshot.replaces(known)) {
            self.order.newest = Some(snapshot.clone());
        }
    }

    /// The tiers by which the order has told what it counts: no later version changes it.
    fn told_by(&self) -> Option<&Tiers> {
        let is_told = self.order.stated.is_some() && self.order.newest.is_none();
        self.bound.filter(|_| is_told)?.rules.tiers.as_ref()
    }

    /// Tells what the order counts where time alone may have changed that.
    pub(super) fn state_fact_by_time(&mut self) {
        if self.told_by().is_none() {
            self.state_fact(None);
        }
    }

    /// From when on the order counts, where nothing else of what it counts can change by an event;
    /// `None`: something may.
    pub(super) fn counted_from(&self, event: &OrderEvent) -> Option<Option<Instant>> {
        let tiers = self.told_by()?;
        let happens_alone = event.snapshot.is_none()
            && event.refund.is_none()
            && event.claim.is_none()
            && event.withdraws.is_empty()
            && event.tells.get(Fact::Cancelled).is_none();
        let met = due::trigger(&self.order.facts, tiers.counts.on);
        happens_alone.then(|| met.map(|met| met.at))
    }

    /// Tells the member's ledger what the order counts, if that has changed; a member whose order
    /// it is no more learns that it counts nothing.
    pub(super) fn state_fact(&mut self, event: Option<&OrderEvent>) {
        if !self.book.looks_at_order_facts(self.key.shop_id) || self.order.bound.is_none() {
            return;
        }
        let facts = self.facts_for_levels();
        let fact = self.order_fact(&facts);
        let member_id = facts.buyer().map(|buyer| buyer.id.clone());
        drop(facts);
        let is_nothing = fact == OrderFact::NOTHING;
        let stated = member_id.filter(|_| !is_nothing).map(|member_id| Stated {
            member_id,
            digest: fact.digest(),
        });
        if stated == self.order.stated {
            return;
        }
        let Some(created) = self.order.facts.created.clone() else {
            return;
        };
        let (cause, at) = match event {
            Some(event) => (CausedBy::from(event), event.time),
            None => (CausedBy::from(&created), created.at),
        };
        let before = std::mem::replace(&mut self.order.stated, stated.clone());
        if let Some(before) = before
            && stated
                .as_ref()
                .is_none_or(|stated| stated.member_id != before.member_id)
        {
            let nothing = EntryKind::OrderFact(OrderFact::NOTHING);
            self.send(&before.member_id, at, cause, nothing);
        }
        if let Some(stated) = stated {
            self.send(&stated.member_id, at, cause, EntryKind::OrderFact(fact));
        }
    }

    /// As if the newest snapshot had come in time.
    fn facts_for_levels(&self) -> Cow<'_, Facts> {
        let Some(newest) = &self.order.newest else {
            return Cow::Borrowed(&self.order.facts);
        };
        let mut facts = self.order.facts.clone();
        facts.learn_late(newest);
        Cow::Owned(facts)
    }

    /// The version by which the order counts: its own, or where that has no tiers the first later
    /// one that does.
    fn counting(&self) -> Option<(&Published, &Tiers)> {
        let from = match self.bound {
            Some(bound) if bound.rules.tiers.is_some() => {
                return Some((bound, bound.rules.tiers.as_ref()?));
            }
            Some(bound) => bound.counts_from(),
            None => Instant::MIN,
        };
        let versions = self.book.versions(self.key.shop_id);
        let versions =
            versions.filter(|version| version.counts_from() >= from && version.rules.tiers.is_some());
        let first = versions.min_by_key(|version| (version.counts_from(), version.rules.version))?;
        Some((first, first.rules.tiers.as_ref()?))
    }

    fn order_fact(&self, facts: &Facts) -> OrderFact {
        let (Some(created), Some(snapshot)) = (&facts.created, &facts.snapshot) else {
            return OrderFact::NOTHING;
        };
        let Some(buyer) = facts.buyer().filter(|_| !snapshot.test) else {
            return OrderFact::NOTHING;
        };
        let counting = self.counting();
        let rules = counting.map(|(published, _)| published).or(self.bound);
        let needs_login = rules.is_some_and(|published| published.rules.require_login);
        if needs_login && !buyer.logged_in {
            return OrderFact::NOTHING;
        }
        let steps = match counting {
            Some((published, tiers)) if not_for_this_sale(snapshot, &published.rules).is_none() => {
                steps(facts, snapshot, published, tiers)
            }
            _ => Vec::new(),
        };
        // Whether an order is live matters to bonuses for first orders alone.
        let is_looked_at = !steps.is_empty() || self.book.looks_at_first_orders(self.key.shop_id);
        let live = is_looked_at && facts.cancelled().is_none() && has_goods(facts, snapshot);
        if !live && steps.is_empty() {
            return OrderFact::NOTHING;
        }
        OrderFact {
            created_at: created.at,
            live,
            steps,
        }
    }
}

fn has_goods(facts: &Facts, snapshot: &Arc<Snapshot>) -> bool {
    if facts.refunds.is_empty() {
        return true;
    }
    let amounts = Amounts::of(snapshot, &Default::default());
    let back = amounts.back(snapshot, facts.refunds.iter());
    amounts.returned_of_all(&back).share < Ratio::ONE
}

/// What the order counts from each instant on: when it begins to, at each refund, and when it is
/// cancelled.
fn steps(facts: &Facts, snapshot: &Snapshot, published: &Published, tiers: &Tiers) -> Vec<FactStep> {
    let counts = &tiers.counts;
    let Some(met) = due::trigger(facts, counts.on) else {
        return Vec::new();
    };
    let begins = calendar::due_at(published.rules.timezone, met.at, counts.delay_days, counts.at);
    let cancelled = facts.cancelled().map(|cancelled| cancelled.at);
    if cancelled.is_some_and(|at| at <= begins) {
        return Vec::new();
    }
    let refunds = facts.refunds.iter().map(|refund| refund.time);
    let refunds = refunds.filter(|at| *at > begins && cancelled.is_none_or(|cancelled| *at < cancelled));
    let mut instants: Vec<_> = refunds.chain([begins]).collect();
    instants.sort_unstable();
    instants.dedup();
    let amounts = Amounts::of(snapshot, &counts.base);
    let mut steps: Vec<FactStep> = Vec::with_capacity(instants.len() + 1);
    for at in instants {
        let refunds = facts.refunds.iter().filter(|refund| refund.time <= at);
        let back = amounts.back(snapshot, refunds);
        let left = amounts.base(amounts.returned(&back));
        let step = FactStep {
            at,
            amount: left.amount.to_decimal_down(left.scale + MORE_DIGITS).normalize(),
            goods: amounts.returned_of_all(&back).share < Ratio::ONE,
        };
        let is_new = steps
            .last()
            .is_none_or(|last| (last.amount, last.goods) != (step.amount, step.goods));
        if is_new {
            steps.push(step);
        }
    }
    if let Some(at) = cancelled {
        steps.push(FactStep {
            at,
            amount: Decimal::ZERO,
            goods: false,
        });
    }
    let counts_anything = steps.iter().any(|step| step.goods || !step.amount.is_zero());
    if counts_anything { steps } else { Vec::new() }
}
