//! One order: the facts told, the rule version it is bound to, and what became of its points.
//!
//! Facts and the rule book go in, decisions come out. Nothing here knows a clock: an event
//! brings its arrival, a timer its due time.

pub mod base;
pub mod binding;
pub mod bonus;
pub mod due;
pub mod earning;
pub mod explain;
pub mod facts;
mod promise;
pub mod reversal;
pub mod settlement;

use super::entry::{Entry, EntryKind};
use super::instant::Instant;
use super::outcome::Outcome;
use super::rules::book::{Published, RuleBook};
pub use crate::domain::reason::Reason;
use crate::domain::short_text::ShortText;
use facts::{Facts, OrderEvent, Told};

const MICROS_OF_A_DAY: i64 = 86_400_000_000;

/// Why an order cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("order was created at {created_at}, longer ago than orders are remembered")]
    Forgotten { created_at: String },
    #[error("version {version} of the rules of shop {shop_id}, which the order is bound to, is not known")]
    VersionUnknown { shop_id: String, version: u32 },
}

/// Which order a state belongs to.
#[derive(Clone, Copy, Debug)]
pub struct OrderKey<'a> {
    pub shop_id: &'a str,
    pub order_id: &'a str,
}

/// Everything kept of an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    pub facts: Facts,
    pub bound: Option<Bound>,
    pub progress: Progress,
    /// When its points are due, as far as is known.
    pub due_at: Option<Instant>,
    /// Points expected at a due time that lay ahead when this was computed.
    pub expected: Option<i64>,
    /// What the ledger was last told to expect.
    pub promised: Option<Promised>,
    /// Arrival of the last event.
    pub last_event: Option<Instant>,
    /// Entries sent to ledgers so far, which number them.
    pub entries: u32,
}

/// The tie to a rule version. Never changed by later versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `None`: there was no rule.
    pub version: Option<u32>,
    /// The creation time it was looked up with.
    pub created_at: Instant,
    /// Who redeemed points by the snapshot.
    pub redeemer: Option<ShortText>,
}

/// Points that a member's look-up shows as pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    pub member_id: ShortText,
    pub points: i64,
}

/// What became of an order's points.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Progress {
    #[default]
    Open,
    /// Due while the shop rested; due again when it opens.
    Deferred {
        since: Instant,
    },
    Issued(Issued),
    /// Ended without points.
    Withheld(Reason),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub at: Instant,
    pub member_id: ShortText,
    pub tier: Option<ShortText>,
    /// All that was issued, with later parts. What an edit adds counts in full, though the ledger
    /// credits less of it where a reversal before could not take everything.
    pub points: i64,
    /// What the order may keep of it by now.
    pub kept: i64,
    /// Times it was issued: each has a lot, if anything is credited.
    pub parts: u32,
}

/// What was decided, to be sent out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    pub outcomes: Vec<Outcome>,
    pub entries: Vec<Entry>,
}

/// Which event is behind a decision.
#[derive(Clone, Copy, Debug)]
pub struct CausedBy<'a> {
    pub id: &'a str,
    /// Empty for what comes once for an order: nothing is to be told apart there.
    pub source: &'a str,
    pub traceparent: Option<&'a str>,
}

impl<'a> From<&'a Told> for CausedBy<'a> {
    fn from(told: &'a Told) -> Self {
        CausedBy {
            id: &told.event_id,
            source: "",
            traceparent: told.traceparent.as_deref(),
        }
    }
}

impl<'a> From<&'a OrderEvent> for CausedBy<'a> {
    fn from(event: &'a OrderEvent) -> Self {
        CausedBy {
            id: &event.id,
            source: &event.source,
            traceparent: event.traceparent.as_deref(),
        }
    }
}

/// Refuses what belongs to an order that has been forgotten. `orders_days` 0: none ever is.
pub fn check_remembered(event: &OrderEvent, now: Instant, orders_days: u32) -> Result<(), OrderError> {
    let created_at = event.snapshot.as_ref().and_then(|snapshot| snapshot.created_at);
    match created_at {
        Some(at) if orders_days > 0 && forget_at(at, orders_days) < now => Err(OrderError::Forgotten {
            created_at: at.rfc3339(),
        }),
        _ => Ok(()),
    }
}

impl Order {
    /// Takes in an event that arrived at `now`.
    pub fn apply(
        &mut self,
        key: OrderKey<'_>,
        event: &OrderEvent,
        now: Instant,
        book: &RuleBook,
    ) -> Result<Decisions, OrderError> {
        // Looked up first: a refusal must leave the order as it was.
        let bound = self.rules(key, book)?;
        let mut out = Decisions::default();
        let mut news = self
            .facts
            .learn(event, matches!(self.progress, Progress::Issued(_)));
        self.last_event = self.last_event.max(Some(now));
        let mut bound = bound;
        if self.bound.is_none() {
            if !self.bind(key, event, now, book, &mut out) {
                return Ok(out);
            }
            bound = self.rules(key, book)?;
            // What was told before counts now.
            news.cancelled = self.facts.cancelled.is_some();
            news.refund = !self.facts.refunds.is_empty();
        } else if news.created && self.is_open() {
            self.bind_again(key, book);
            bound = self.rules(key, book)?;
        }
        self.give_back(key, bound, event, news, now, &mut out);
        match self.progress {
            Progress::Open | Progress::Deferred { .. } => {
                if let Some(bound) = bound {
                    self.look_ahead(key, bound, book, Some((event, now)), &mut out);
                }
            }
            Progress::Issued(_) => {
                if let Some(bound) = bound {
                    self.reverse(key, bound, event, news, now, book, &mut out);
                }
            }
            Progress::Withheld(_) => {}
        }
        if news.cancelled {
            self.tell_cancelled(key, event, now, &mut out);
        }
        self.promise(key, &mut out);
        Ok(out)
    }

    /// Settles what is due at or before `now`.
    pub fn timer(
        &mut self,
        key: OrderKey<'_>,
        now: Instant,
        book: &RuleBook,
    ) -> Result<Decisions, OrderError> {
        let mut out = Decisions::default();
        if let Some(bound) = self.rules(key, book)?.filter(|_| self.is_open()) {
            self.settle(key, bound, book, now, &mut out);
            // An opening within the same millisecond as the deferral has no turn of its own.
            while self.is_open() && self.due_at.is_some_and(|at| at <= now) {
                self.settle(key, bound, book, now, &mut out);
            }
            self.promise(key, &mut out);
        }
        Ok(out)
    }

    /// The rules or the shop's status changed: looks at the due time again, in silence.
    pub fn nudge(&mut self, key: OrderKey<'_>, book: &RuleBook) -> Result<Decisions, OrderError> {
        let mut out = Decisions::default();
        if let Some(bound) = self.rules(key, book)?.filter(|_| self.is_open()) {
            self.look_ahead(key, bound, book, None, &mut out);
            self.promise(key, &mut out);
        }
        Ok(out)
    }

    /// Numbers the entries of a decision, so that a ledger drops those written a second time.
    pub fn number(&mut self, decisions: &mut Decisions) {
        for entry in &mut decisions.entries {
            self.entries += 1;
            entry.step = self.entries;
        }
    }

    /// When it wants a turn: its due time, or the time to be forgotten.
    pub fn wake_millis(&self, orders_days: u32) -> Option<i64> {
        if let Some(due_at) = self.due_at {
            return Some(due_at.ceil_millis());
        }
        self.forgotten_from(orders_days).map(Instant::ceil_millis)
    }

    /// Whether nothing has been heard of it for so long that its state may go.
    pub fn is_forgotten(&self, now: Instant, orders_days: u32) -> bool {
        self.due_at.is_none() && self.forgotten_from(orders_days).is_some_and(|at| at <= now)
    }

    /// Bound, and neither issued nor ended: a change of rules or status may still concern it.
    pub fn is_open(&self) -> bool {
        self.bound.is_some() && matches!(self.progress, Progress::Open | Progress::Deferred { .. })
    }

    fn forgotten_from(&self, orders_days: u32) -> Option<Instant> {
        // Points that wait for the shop to open are not forgotten.
        if orders_days == 0 || matches!(self.progress, Progress::Deferred { .. }) {
            return None;
        }
        self.last_event.map(|last| forget_at(last, orders_days))
    }

    /// The bound version; `None` while unbound or where there was no rule.
    fn rules<'a>(&self, key: OrderKey<'_>, book: &'a RuleBook) -> Result<Option<&'a Published>, OrderError> {
        let Some(version) = self.bound.as_ref().and_then(|bound| bound.version) else {
            return Ok(None);
        };
        match book.version(key.shop_id, version) {
            Some(rules) => Ok(Some(rules)),
            None => Err(OrderError::VersionUnknown {
                shop_id: key.shop_id.to_owned(),
                version,
            }),
        }
    }

    fn version(&self) -> Option<u32> {
        self.bound.as_ref().and_then(|bound| bound.version)
    }

    /// An entry for a member's ledger, decided at `at`.
    fn entry(
        &self,
        key: OrderKey<'_>,
        member_id: &str,
        at: Instant,
        effective_at: Instant,
        cause: CausedBy<'_>,
        kind: EntryKind,
    ) -> Entry {
        Entry {
            shop_id: key.shop_id.into(),
            member_id: member_id.into(),
            at,
            effective_at,
            cause_id: cause.id.into(),
            cause_source: cause.source.into(),
            order_id: Some(key.order_id.into()),
            step: 0,
            rule_version: self.version(),
            traceparent: cause.traceparent.map(Into::into),
            kind,
        }
    }
}

fn forget_at(since: Instant, orders_days: u32) -> Instant {
    Instant(since.0.saturating_add(i64::from(orders_days) * MICROS_OF_A_DAY))
}
