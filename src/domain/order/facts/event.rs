//! One order event: what it tells, takes back and claims.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::snapshot::{Customer, Snapshot};
use super::telling::{Fact, FactSet, Told};
use super::unknown::UnknownField;
use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// One order event, read.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderEvent {
    pub shop_id: ShortText,
    pub order_id: ShortText,
    pub id: ShortText,
    /// With `id` it tells events apart.
    pub source: ShortText,
    pub time: Instant,
    pub traceparent: Option<ShortText>,
    pub snapshot: Option<Arc<Snapshot>>,
    pub tells: FactTimes,
    /// Facts that it takes back, as far as events up to its own time told them.
    pub withdraws: FactSet,
    pub refund: Option<Refund>,
    /// Whose the order now is.
    pub claim: Option<Customer>,
    /// `take_back: false`: points of this cancellation or refund are not taken back.
    pub take_back: bool,
    /// `return_redeemed: false`: points redeemed are not given back for it.
    pub return_redeemed: bool,
    /// Each once, as far as a bound goes; they count nothing.
    pub unknown: Vec<UnknownField>,
}

/// A fact may be this much later than the event that tells it before somebody should look.
const AHEAD_MAX_MICROS: i64 = 86_400_000_000;

impl OrderEvent {
    /// Facts that the event places more than a day after its own time: a clock that is wrong, or
    /// a date that was planned. Points would be due only then.
    pub fn facts_ahead(&self) -> impl Iterator<Item = (&'static str, Instant)> + '_ {
        let created = self.snapshot.as_ref().and_then(|snapshot| snapshot.created_at);
        let created = created.map(|at| ("created", at));
        let others = Fact::ALL
            .into_iter()
            .filter_map(|fact| Some((fact.name(), self.tells.get(fact)?)));
        let limit = self.time.0.saturating_add(AHEAD_MAX_MICROS);
        created
            .into_iter()
            .chain(others)
            .filter(move |(_, at)| at.0 > limit)
    }

    pub(super) fn told(&self, at: Instant) -> Told {
        Told {
            at,
            time: self.time,
            event_id: self.id.clone(),
            traceparent: self.traceparent.clone(),
        }
    }
}

/// When things happened, as one event tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactTimes([Option<Instant>; Fact::ALL.len()]);

impl FactTimes {
    pub fn get(&self, fact: Fact) -> Option<Instant> {
        self.0[fact as usize]
    }

    pub fn set(&mut self, fact: Fact, at: Option<Instant>) {
        self.0[fact as usize] = at;
    }

    /// The earlier of what is there and `at`.
    pub fn add(&mut self, fact: Fact, at: Instant) {
        let known = &mut self.0[fact as usize];
        *known = Some(known.map_or(at, |known| known.min(at)));
    }
}

/// Goods that came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// Counts once.
    pub id: ShortText,
    pub time: Instant,
    pub event_id: ShortText,
    /// Line ids with units. Where there are lines the amount is not looked at.
    pub lines: Vec<(ShortText, Decimal)>,
    pub amount: Option<Decimal>,
    pub take_back: bool,
    pub return_redeemed: bool,
    /// It became known after the points were credited.
    pub after_issue: bool,
}

impl Refund {
    /// Whether of two of one id this one counts: the first in time, of one time the event id
    /// that sorts first, and of one event id, from two sources, what they say.
    pub(super) fn precedes(&self, known: &Refund) -> bool {
        let content = |refund: &Refund| {
            (
                refund.lines.clone(),
                refund.amount,
                refund.take_back,
                refund.return_redeemed,
            )
        };
        match (self.time, &self.event_id).cmp(&(known.time, &known.event_id)) {
            std::cmp::Ordering::Equal => content(self) < content(known),
            order => order.is_lt(),
        }
    }
}
