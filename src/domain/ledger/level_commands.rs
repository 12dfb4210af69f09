//! `member.tier_set` and `member.qualify`.

use super::account::{Account, Head};
use super::levels::Occasion;
use super::tiers::facts::{Qualified, Setting};
use crate::domain::entry::{Entry, Qualify, TierSet};
use crate::domain::instant::Instant;
use crate::domain::reason::Reason;

/// Settings, and qualifications, that are kept of one member.
const KEPT_MAX: usize = 200;
const KEPT_AS_SUMS: &str =
    "data: lies in the time of which the member's very many orders are kept as sums of days";

impl Account<'_> {
    pub fn tier_set(&mut self, entry: &Entry, set: &TierSet, at: Instant) {
        let asked_at = entry.effective_at;
        let since = set.since.unwrap_or(asked_at);
        let rules = self.tier_rules();
        let is_known = match (&set.tier, rules.at(asked_at)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(name), Some((_, tiers))) => tiers.level(name).is_some(),
        };
        if !is_known {
            let head = self.command_head(entry, Reason::UnknownTier, set.note.clone(), set.actor.clone());
            return self.reject(head, entry, None, None);
        }
        if let Some(detail) = self.wrong_setting(set, since, asked_at) {
            return self.refuse(entry, &set.note, &set.actor, detail);
        }
        let standing = self.standing();
        standing.timeline.set(Setting {
            since,
            at: asked_at,
            level: set.tier.as_deref().map(Into::into),
            until: set.until,
            cause_id: entry.cause_id.clone(),
        });
        standing.last_cause = entry.cause_id.clone();
        let occasion = Occasion {
            note: set.note.clone(),
            actor: set.actor.clone(),
            by_hand: true,
            ..Occasion::of(entry, Some(since))
        };
        self.look_at_levels(occasion, at);
    }

    fn wrong_setting(&mut self, set: &TierSet, since: Instant, asked_at: Instant) -> Option<&'static str> {
        if since > asked_at {
            return Some("data.since: lies ahead");
        }
        if set.until.is_some_and(|until| until <= since) {
            return Some("data.until: must be after since");
        }
        let known_since = self.member.known_since;
        let record = self
            .member
            .standing
            .as_deref()
            .map(|standing| &standing.timeline.record);
        let first = record.and_then(|record| record.first());
        let begins = first.into_iter().chain(known_since).min().unwrap_or(asked_at);
        if set.since.is_some() && since < begins.min(asked_at) {
            return Some("data.since: lies before the member's first fact and registration");
        }
        if record.is_some_and(|record| record.days.hold(since)) {
            return Some(KEPT_AS_SUMS);
        }
        let is_full = record.is_some_and(|record| record.settings.len() >= KEPT_MAX);
        is_full.then_some("data.tier: the member has been set 200 times within the time that facts are kept")
    }

    pub fn qualify(&mut self, entry: &Entry, qualify: &Qualify, at: Instant) {
        let dated = qualify.at.unwrap_or(entry.effective_at);
        if self.tier_rules().at(entry.effective_at).is_none() {
            let detail = "data: the shop's rules have no tiers";
            return self.refuse(entry, &qualify.note, &qualify.actor, detail);
        }
        if dated < self.terms.tier_facts_from(at) {
            let detail = "data.at: longer ago than facts of tiers are kept";
            return self.refuse(entry, &qualify.note, &qualify.actor, detail);
        }
        if self.standing().timeline.record.days.hold(dated) {
            return self.refuse(entry, &qualify.note, &qualify.actor, KEPT_AS_SUMS);
        }
        let standing = self.standing();
        if standing.timeline.record.qualified.len() >= KEPT_MAX {
            let detail = "data: the member has been qualified 200 times within the time that facts are kept";
            return self.refuse(entry, &qualify.note, &qualify.actor, detail);
        }
        let fact_at = standing.timeline.qualify(Qualified {
            at: dated,
            amount: qualify.amount.unwrap_or_default(),
            orders: qualify.orders.unwrap_or(0),
            cause_id: entry.cause_id.clone(),
        });
        standing.last_cause = entry.cause_id.clone();
        let occasion = Occasion {
            note: qualify.note.clone(),
            actor: qualify.actor.clone(),
            ..Occasion::of(entry, Some(fact_at))
        };
        self.look_at_levels(occasion, at);
    }

    fn refuse(&mut self, entry: &Entry, note: &Option<String>, actor: &Option<String>, detail: &str) {
        let head = self.command_head(entry, Reason::Invalid, note.clone(), actor.clone());
        self.reject(head, entry, None, Some(detail.to_owned()));
    }

    fn command_head(
        &self,
        entry: &Entry,
        reason: Reason,
        note: Option<String>,
        actor: Option<String>,
    ) -> Head {
        Head {
            rule_version: self
                .rules(entry.effective_at)
                .map(|published| published.rules.version),
            note,
            actor,
            ..Head::of(entry, reason)
        }
    }
}
