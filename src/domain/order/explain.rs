//! Where an order stands, in plain sentences: what decided, and what is being waited for.

use rust_decimal::Decimal;

use super::bonus::{Assessed, NotGiven};
use super::case::Case;
use super::earning::{self, Earned};
use super::eligibility;
use super::facts::{Delivery, Fact as Happened, Facts, Refund, Snapshot};
use super::{Issued, Order, OrderError, OrderKey, Progress, Reason, due};
use crate::domain::instant::Instant;
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::{Earning, IssuanceTerms, RuleVersion, Trigger};

/// An order as a look-up shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub member_id: Option<String>,
    pub rule_version: Option<u32>,
    /// In the order in which they happened.
    pub facts: Vec<Fact>,
    pub due_at: Option<Instant>,
    /// `unbound`, `open`, `pending`, `deferred`, `issued`, `withheld`.
    pub outcome: &'static str,
    /// The code that an output gave or would give; `None` where points are issued.
    pub reason: Option<&'static str>,
    /// Issued, or expected as things stand. `None` while unbound, and where only the ledger knows.
    pub points: Option<i64>,
    /// The member whose ledger decides the points, and knows more of them.
    pub decided_by: Option<String>,
    /// What earns, and its currency.
    pub base: Option<(Decimal, String)>,
    /// With instants in the shop's zone, as far as that is known.
    pub why: Vec<String>,
}

/// Something that happened, and the event that told it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: String,
    pub at: Instant,
    pub event_id: String,
}

impl Order {
    /// The order as it stands, with what is known at `now`.
    pub fn explain(
        &self,
        key: OrderKey<'_>,
        book: &RuleBook,
        now: Instant,
    ) -> Result<Explanation, OrderError> {
        let mut told = Explanation {
            member_id: self.member_id().map(str::to_owned),
            rule_version: self.version(),
            facts: facts(&self.facts),
            due_at: self.due_at,
            outcome: self.outcome_word(),
            reason: None,
            points: None,
            decided_by: None,
            base: None,
            why: Vec::new(),
        };
        let mut order = self.clone();
        let case = Case::open(key, &mut order, book, now)?;
        let snapshot = self.facts.snapshot.as_ref();
        match (&self.bound, case.bound, snapshot) {
            (None, ..) => told.why.push(
                "no snapshot with its creation time has arrived yet: only then a rule version is bound"
                    .to_owned(),
            ),
            (Some(tie), Some(bound), Some(snapshot)) => {
                told.why.push(case.binding(tie.created_at, bound));
                case.explain_bound(bound, snapshot, &mut told);
            }
            (Some(tie), ..) => told.why.push(format!(
                "no rule version was in force when it was created at {}",
                case.local(tie.created_at)
            )),
        }
        if let Progress::Withheld { reason, .. } = self.progress {
            told.reason = Some(reason.code());
            told.points = Some(0);
            told.why
                .push(format!("it ended without points: {}", reason.sentence()));
        }
        Ok(told)
    }

    fn outcome_word(&self) -> &'static str {
        match (&self.bound, &self.progress) {
            (_, Progress::Issued(_)) => "issued",
            (_, Progress::Withheld { .. }) => "withheld",
            (_, Progress::Deferred { .. }) => "deferred",
            (None, Progress::Open) => "unbound",
            (Some(_), Progress::Open) if self.due_at.is_some() => "pending",
            (Some(_), Progress::Open) => "open",
        }
    }

    /// Who has the points, or would get them.
    fn member_id(&self) -> Option<&str> {
        match &self.progress {
            Progress::Issued(issued) => Some(&issued.member_id),
            _ => Some(self.facts.buyer()?.id),
        }
    }
}

impl Case<'_> {
    /// An instant as the shop's people read it.
    pub(super) fn local(&self, at: Instant) -> String {
        at.rfc3339_in(self.book.zone(self.key.shop_id, self.now))
    }

    fn binding(&self, created_at: Instant, bound: &Published) -> String {
        let mut words = format!(
            "it was created at {}, when rule version {} was in force (effective from {}",
            self.local(created_at),
            bound.rules.version,
            self.local(bound.rules.effective_from),
        );
        if bound.published > bound.rules.effective_from {
            words.push_str(&format!(", published {}", self.local(bound.published)));
        }
        words.push_str("); later versions do not change what it earns");
        words
    }

    fn after_issue(&self, issued: &Issued, facts: &Facts) -> Vec<String> {
        let mut why = vec![format!(
            "{} points were issued to member {} with effect at {}",
            issued.points,
            issued.member_id,
            self.local(issued.at)
        )];
        if issued.parts > 1 {
            why.push(format!(
                "in {} parts: later edits added to the first, less what the member still held from reversals",
                issued.parts
            ));
        }
        if issued.kept < issued.points {
            why.push(format!(
                "of these it may keep {}; what could be taken back the member's ledger tells",
                issued.kept
            ));
        }
        let late = |refund: &&Refund| refund.after_issue;
        let refunds = facts.refunds.iter().filter(late).count();
        let cancelled = facts.cancelled().is_some_and(|cancelled| cancelled.after_issue);
        if issued.kept == issued.points && (refunds > 0 || cancelled) {
            why.push("what happened after the issue takes nothing back".to_owned());
        }
        why
    }

    fn explain_bound(&self, bound: &Published, snapshot: &Snapshot, told: &mut Explanation) {
        let (rules, facts) = (&*bound.rules, &self.order.facts);
        let earned = earning::before_issue(facts, snapshot, rules, facts.as_told());
        told.base = Some((earned.base.to_decimal(), rules.currency.code.to_string()));
        match &self.order.progress {
            Progress::Issued(issued) if !issued.by_member.is_empty() => {
                return self.explain_credited(issued, told);
            }
            Progress::Issued(issued) => {
                told.points = Some(issued.points);
                told.why.extend(self.after_issue(issued, facts));
                let assessed = earning::assess(facts, snapshot, rules, facts.as_told());
                told.why
                    .extend(assessed.iter().map(|assessed| bonus_issued(issued, assessed)));
                return;
            }
            Progress::Withheld { .. } => return,
            Progress::Open | Progress::Deferred { .. } => {}
        }
        let looked_at = self.order.due_at.unwrap_or(self.now);
        let in_force = self.book.in_force(self.key.shop_id, looked_at);
        let in_force = in_force.map(|version| &*version.rules);
        let by_member = rules.is_priced_by_member();
        let excluded = match by_member {
            true => eligibility::excluded_for_every_tier(facts, snapshot, rules, in_force),
            false => eligibility::excluded(facts, snapshot, rules, in_force),
        };
        let reason = excluded.or_else(|| too_little(&earned));
        told.reason = reason.map(Reason::code);
        told.points = Some(if reason.is_some() { 0 } else { earned.points() });
        match reason {
            _ if by_member && excluded.is_none() => self.explain_prices(bound, snapshot, told),
            Some(reason) => told
                .why
                .push(format!("as things stand it earns nothing: {}", reason.sentence())),
            None => told.why.extend(earning_words(facts.tier(), rules, &earned)),
        }
        if excluded.is_none() && !by_member {
            let assessed = earning::assess(facts, snapshot, rules, facts.as_told());
            told.why.extend(assessed.iter().map(bonus_words));
        }
        for later in self.book.takeovers(self.key.shop_id, bound) {
            told.why.push(format!(
                "rule version {} takes over when points are issued, from {} on",
                later.rules.version,
                self.local(later.counts_from())
            ));
        }
        told.why.extend(self.waiting(bound, snapshot));
    }

    /// What it waits for.
    fn waiting(&self, bound: &Published, snapshot: &Snapshot) -> Vec<String> {
        let mut why = Vec::new();
        let order = &*self.order;
        if let Progress::Deferred { since } = order.progress {
            why.push(format!(
                "its points were due at {} while the shop was resting; they are due again when it opens",
                self.local(since)
            ));
        }
        let due = self.due(bound);
        let rules = due.as_ref().map_or(&*bound.rules, |due| due.rules);
        let terms = due::terms(&rules.issuance, &order.facts);
        match (due, order.due_at) {
            (Some(due), Some(at)) => {
                let told = format!("due at {}, set by event {}", self.local(at), due.cause_id);
                let state = if at < self.now { ": being decided" } else { "" };
                why.push(format!("{told}{state}"));
            }
            _ if matches!(order.progress, Progress::Deferred { .. }) => {}
            _ => {
                let or_completed = if rules.issuance.or_on_completed {
                    ", or is completed"
                } else {
                    ""
                };
                why.push(format!(
                    "it waits until it is {}{or_completed}; the points are issued {}",
                    missing(terms, &order.facts, snapshot.delivery),
                    delay(terms)
                ));
            }
        }
        why
    }
}

fn facts(facts: &Facts) -> Vec<Fact> {
    let fact = |name: String, at, event_id: &str| Fact {
        name,
        at,
        event_id: event_id.to_owned(),
    };
    let created = facts.created().map(|created| ("created", created));
    let others = Happened::ALL
        .into_iter()
        .filter_map(|happened| Some((happened.name(), facts.fact(happened)?)));
    let mut found: Vec<Fact> = created
        .into_iter()
        .chain(others)
        .map(|(name, known)| fact(name.to_owned(), known.at, &known.told.event_id))
        .collect();
    if let Some(claim) = &facts.claim {
        found.push(fact(
            format!("claimed by {}", claim.member_id),
            claim.time,
            &claim.event_id,
        ));
    }
    for withdrawn in &facts.withdrawn {
        for happened in Happened::ALL {
            if withdrawn.facts.contains(happened) && facts.fact(happened).is_none() {
                let name = format!("{} withdrawn", happened.name());
                found.push(fact(name, withdrawn.time, &withdrawn.event_id));
            }
        }
    }
    let refunds = facts.refunds.iter();
    found
        .extend(refunds.map(|refund| fact(format!("refunded {}", refund.id), refund.time, &refund.event_id)));
    found.sort_by_key(|fact| fact.at);
    found
}

pub(super) fn bonus_words(assessed: &Assessed<'_>) -> String {
    let id = &assessed.bonus.id;
    match &assessed.result {
        Ok(given) => format!("bonus {id} adds {} points", given.points),
        Err(reason) => format!("bonus {id} does not come: {reason}"),
    }
}

/// A bonus of the rule, given or not.
fn bonus_issued(issued: &Issued, assessed: &Assessed<'_>) -> String {
    let id = &assessed.bonus.id;
    let given = issued.bonuses.iter().find(|given| given.bonus_id == *id);
    match (given, &assessed.result) {
        (Some(given), _) if given.kept < given.points => {
            format!(
                "of the {} points of bonus {id} it may keep {}",
                given.points, given.kept
            )
        }
        (Some(given), _) => format!("{} of the points are of bonus {id}", given.points),
        (None, Err(reason)) => format!("bonus {id} did not come: {reason}"),
        (None, Ok(_)) => format!("bonus {id} did not come: {}", NotGiven::NotAtIssue),
    }
}

fn too_little(earned: &Earned) -> Option<Reason> {
    match (earned.points(), earned.whole) {
        (0, 0) => Some(earned.lacking),
        (0, _) => Some(Reason::Refunded),
        _ => None,
    }
}

fn earning_words(tier: Option<&str>, rules: &RuleVersion, earned: &Earned) -> Vec<String> {
    let Some(earning) = rules.earning(tier) else {
        return Vec::new();
    };
    let tier = match tier {
        Some(tier)
            if rules
                .accrual
                .tiers
                .get(tier)
                .is_some_and(|own| own.earning.is_some()) =>
        {
            format!(" (tier {tier})")
        }
        _ => String::new(),
    };
    let mut why = vec![format!(
        "{} {} earns {} points: {}{tier}",
        earned.base.to_decimal(),
        rules.currency.code,
        earned.own,
        formula(earning)
    )];
    if earned.lost() > 0 {
        why.push(format!("refunds took {} points off", earned.lost()));
    }
    why
}

fn formula(earning: &Earning) -> String {
    match earning {
        Earning::Rate { every, points, .. } => format!("{points} for every {every}"),
        Earning::ThresholdPoints {
            at_least,
            points,
            cumulative: true,
        } => format!("{points} for each full {at_least}"),
        Earning::ThresholdPoints { at_least, points, .. } => format!("{points} once from {at_least} on"),
        Earning::ThresholdPercent {
            at_least, percent, ..
        } => format!("{percent} % from {at_least} on"),
    }
}

/// The fact that is not there yet.
fn missing(terms: IssuanceTerms, facts: &Facts, delivery: Delivery) -> &'static str {
    match (terms.on, delivery) {
        (Trigger::Created, _) => "created",
        (Trigger::Completed, _) => "completed",
        (Trigger::Paid, _) | (Trigger::PaidAndShipped | Trigger::Delivered, Delivery::None) => "paid",
        (Trigger::PaidAndShipped, _) => match (facts.fact(Happened::Paid), facts.fact(Happened::Shipped)) {
            (None, None) => "paid and shipped",
            (None, Some(_)) => "paid",
            (Some(_), _) => "shipped",
        },
        (Trigger::Delivered, Delivery::Home) => "delivered",
        (Trigger::Delivered, Delivery::Pickup) => "picked up (reaching the store does not count)",
    }
}

fn delay(terms: IssuanceTerms) -> String {
    match terms.delay_days {
        0 => "at once".to_owned(),
        1 => "1 local day later".to_owned(),
        days => format!("{days} local days later"),
    }
}
