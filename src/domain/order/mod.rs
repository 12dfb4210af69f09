//! One order: the facts told, the rule version it is bound to, and what became of its points.
//!
//! Facts and the rule book go in, decisions come out. Nothing here knows a clock: an event
//! brings its arrival, a timer its due time. [`case::Case`] is one decision.

pub mod amounts;
pub mod binding;
pub mod bonus;
pub mod case;
pub mod due;
pub mod earning;
pub mod eligibility;
pub mod explain;
mod explain_by_member;
pub mod facts;
mod pending;
mod price_list;
mod promise;
mod redeeming;
mod reopening;
pub mod reversal;
mod revision;
pub mod settlement;
mod tier_fact;

use std::sync::Arc;

use super::entry::Entry;
use super::instant::Instant;
use super::outcome::Outcome;
use super::price_list::PricedFor;
use super::rules::book::{Published, RuleBook};
pub use crate::domain::reason::Reason;
use crate::domain::short_text::ShortText;
use case::Case;
use facts::{Facts, OrderEvent, Snapshot, Told};

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
    /// What was last published as pending; `None`: nothing.
    pub pending: Option<Pending>,
    /// What the ledger was last told to expect.
    pub promised: Option<Promised>,
    /// What its member's ledger was last told that it counts for levels.
    pub stated: Option<Stated>,
    /// The newest snapshot, where it came too late to earn and levels look at it.
    pub newest: Option<Arc<Snapshot>>,
    /// What the ledger of a member who prices the order was last told to expect.
    pub forecast: Option<SentForecast>,
    /// Set when it ended and was decided again.
    pub again: Option<Again>,
    /// Entries sent to ledgers so far, which number them.
    pub entries: u32,
    /// Arrival of the last event.
    pub last_event: Option<Instant>,
}

/// The tie to a rule version. Never changed by later versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `None`: there was no rule.
    pub version: Option<u32>,
    /// The creation time it was looked up with.
    pub created_at: Instant,
    /// The member who was the first to redeem points by the snapshot.
    pub redeemer: Option<ShortText>,
    /// The number of points that was last asked for by the snapshot.
    pub redeemed: i64,
}

/// Points published as pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub points: i64,
    pub due_at: Instant,
}

/// Points that a member's look-up shows as pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    pub member_id: ShortText,
    pub points: i64,
}

/// What a ledger was told that an order counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    pub member_id: ShortText,
    /// Of the fact.
    pub digest: u64,
}

/// A forecast that stands in a member's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentForecast {
    pub member_id: ShortText,
    pub due_at: Instant,
    /// Of its price list.
    pub digest: u64,
}

/// An order that had ended goes on, by a withdrawn cancellation or a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// Time of the last event that did so; its points are not due before.
    pub at: Instant,
    pub event_id: ShortText,
    pub traceparent: Option<ShortText>,
    pub times: u32,
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
    Withheld {
        reason: Reason,
        /// At its cancellation, before its due time.
        by_cancellation: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub at: Instant,
    pub member_id: ShortText,
    pub tier: Option<ShortText>,
    /// All that was issued, bonuses and later parts included. What an edit adds counts in full,
    /// though the ledger credits less of it where a reversal before could not take everything.
    pub points: i64,
    /// What the order may keep of it by now.
    pub kept: i64,
    /// What it was when a cancellation took it; `None`: none did, or the version before, which
    /// kept no account of it, carried it out.
    pub kept_before: Option<i64>,
    /// Times it was issued: each has its lots, if anything is credited.
    pub parts: u32,
    /// Of the points above, those of bonuses, in the rule's order.
    pub bonuses: Vec<Given>,
    /// Not empty: the member's ledger found out which of these it was and credited by that. Then
    /// only the ledger knows points and bonuses, and the fields above are 0 and empty.
    pub by_member: Vec<PossibleIssue>,
}

/// What an order whose member prices it may have been given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleIssue {
    pub of: PricedFor,
    /// In the rule's order.
    pub bonuses: Vec<ShortText>,
}

/// A bonus that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub bonus_id: ShortText,
    pub points: i64,
    pub kept: i64,
    /// As of the order.
    pub kept_before: Option<i64>,
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
    /// Empty for what comes once for an order: it needs no source to be unique.
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
    /// Takes in an event that arrived at `now`. A refusal leaves the order as it was.
    pub fn apply(
        &mut self,
        key: OrderKey<'_>,
        event: &OrderEvent,
        now: Instant,
        book: &RuleBook,
    ) -> Result<Decisions, OrderError> {
        let mut case = Case::open(key, self, book, now)?;
        case.event(event);
        Ok(case.out)
    }

    /// Settles what is due at or before `now`.
    pub fn timer(
        &mut self,
        key: OrderKey<'_>,
        now: Instant,
        book: &RuleBook,
    ) -> Result<Decisions, OrderError> {
        let mut case = Case::open(key, self, book, now)?;
        case.timer();
        Ok(case.out)
    }

    /// The rules or the shop's status changed: looks at what is expected again.
    pub fn nudge(&mut self, key: OrderKey<'_>, book: &RuleBook) -> Result<Decisions, OrderError> {
        let mut case = Case::open(key, self, book, Instant::MIN)?;
        case.nudge();
        Ok(case.out)
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
}

fn forget_at(since: Instant, orders_days: u32) -> Instant {
    Instant(since.0.saturating_add(i64::from(orders_days) * MICROS_OF_A_DAY))
}
