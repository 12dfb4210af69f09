//! One decision about one order: what it is decided by, and what came of it.

use super::facts::{OrderEvent, Stage};
use super::{CausedBy, Decisions, Order, OrderError, OrderKey, Progress, Reason};
use crate::domain::digest::hex;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Outcome};
use crate::domain::rules::book::{Published, RuleBook};

/// An order during one decision.
pub struct Case<'a> {
    pub key: OrderKey<'a>,
    pub order: &'a mut Order,
    pub book: &'a RuleBook,
    /// The version it is bound to; `None` while unbound or where there was no rule.
    pub bound: Option<&'a Published>,
    /// Arrival of the event, or the time that a timer fired for.
    pub now: Instant,
    pub out: Decisions,
}

/// An outcome to be published.
pub(super) struct Told<'c> {
    pub kind: &'c str,
    /// Tell outcomes of one kind apart.
    pub parts: &'c [&'c str],
    pub reason: Reason,
    pub at: Instant,
    pub cause: CausedBy<'c>,
}

impl<'a> Case<'a> {
    pub fn open(
        key: OrderKey<'a>,
        order: &'a mut Order,
        book: &'a RuleBook,
        now: Instant,
    ) -> Result<Self, OrderError> {
        let bound = order.rules(key, book)?;
        Ok(Case {
            key,
            order,
            book,
            bound,
            now,
            out: Decisions::default(),
        })
    }

    /// Takes in an event that arrived `now`.
    pub fn event(&mut self, event: &OrderEvent) {
        let issued = matches!(self.order.progress, Progress::Issued(_));
        let adjusts = self.bound.is_some_and(|v| v.rules.reversal.after_edit_adjusts);
        let stage = Stage {
            issued,
            frozen: issued && !adjusts,
        };
        self.note_newest(event, stage.frozen);
        let counted_from = self.counted_from(event);
        let mut news = self.order.facts.learn(event, stage);
        self.order.last_event = self.order.last_event.max(Some(self.now));
        let mut asked_at = event.time;
        if self.order.bound.is_none() {
            if !self.bind() {
                return;
            }
            asked_at = self
                .order
                .bound
                .as_ref()
                .map_or(asked_at, |bound| bound.created_at);
            // What was told before counts now.
            news.cancelled = self.order.facts.cancelled().is_some();
            news.refund = !self.order.facts.refunds.is_empty();
        } else if news.created && self.order.is_open() {
            self.bind_again();
        }
        if news.reopened {
            self.reopen(event);
        }
        self.go_on_if_forgiven(event);
        if news.claimed {
            self.decide_claimed();
        }
        self.redeem_by_snapshot(event, asked_at);
        self.give_back(event, news);
        match self.order.progress {
            Progress::Open | Progress::Deferred { .. } => self.look_ahead(Some(event)),
            Progress::Issued(_) => self.reverse(event, news),
            Progress::Withheld { .. } => {}
        }
        if news.cancelled {
            self.tell_cancelled(event);
        }
        self.promise();
        // Most events tell that the order went on, and it counts as before.
        if counted_from.is_none() || self.counted_from(event) != counted_from {
            self.state_fact(Some(event));
        }
    }

    /// Settles what is due at or before `now`.
    pub fn timer(&mut self) {
        self.state_fact_by_time();
        if self.bound.is_none() || !self.order.is_open() {
            return;
        }
        self.settle();
        // An opening within the same millisecond as the deferral has no turn of its own.
        while self.order.is_open() && self.order.due_at.is_some_and(|at| at <= self.now) {
            self.settle();
        }
        self.promise();
    }

    /// The rules or the shop's status changed.
    pub fn nudge(&mut self) {
        self.state_fact(None);
        if self.bound.is_some() && self.order.is_open() {
            self.look_ahead(None);
            self.promise();
        }
    }

    /// Sends a member's ledger what was decided now.
    pub(super) fn send(
        &mut self,
        member_id: &str,
        effective_at: Instant,
        cause: CausedBy<'_>,
        kind: EntryKind,
    ) {
        self.order.entries = self.order.entries.saturating_add(1);
        let entry = self.entry(member_id, effective_at, cause, kind);
        self.out.entries.push(entry);
    }

    pub(super) fn entry(
        &self,
        member_id: &str,
        effective_at: Instant,
        cause: CausedBy<'_>,
        kind: EntryKind,
    ) -> Entry {
        Entry {
            shop_id: self.key.shop_id.into(),
            member_id: member_id.into(),
            at: self.now,
            effective_at,
            cause_id: cause.id.into(),
            cause_source: cause.source.into(),
            order_id: Some(self.key.order_id.into()),
            step: self.order.entries,
            rule_version: self.order.version(),
            traceparent: cause.traceparent.map(Into::into),
            kind,
        }
    }

    pub(super) fn publish(&mut self, told: Told<'_>, body: Body) {
        let id = ids::of_order(told.kind, self.key.shop_id, self.key.order_id, told.parts);
        let outcome = Outcome {
            id: hex(id),
            shop_id: self.key.shop_id.into(),
            member_id: self.order.facts.buyer().map(|buyer| buyer.id.clone()),
            order_id: Some(self.key.order_id.into()),
            rule_version: self.order.version(),
            reason: told.reason,
            effective_at: told.at,
            cause_id: told.cause.id.into(),
            note: None,
            notify: true,
            actor: None,
            traceparent: told.cause.traceparent.map(Into::into),
            body,
        };
        self.out.outcomes.push(outcome);
    }
}
