//! One fact of an order, as events told it and took it back.

use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// Tellings kept of one fact beside the one that counts. A fact that moved more often keeps the
/// ones told last.
const TELLINGS_MAX: usize = 16;

/// Something that can happen to an order, and be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    Paid = 0,
    Shipped = 1,
    Delivered = 2,
    PickedUp = 3,
    Completed = 4,
    Cancelled = 5,
}

impl Fact {
    pub const ALL: [Fact; 6] = [
        Fact::Paid,
        Fact::Shipped,
        Fact::Delivered,
        Fact::PickedUp,
        Fact::Completed,
        Fact::Cancelled,
    ];

    /// As stored: never reused.
    pub fn number(self) -> u32 {
        self as u32
    }

    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.number() == number)
    }

    pub fn name(self) -> &'static str {
        match self {
            Fact::Paid => "paid",
            Fact::Shipped => "shipped",
            Fact::Delivered => "delivered",
            Fact::PickedUp => "picked_up",
            Fact::Completed => "completed",
            Fact::Cancelled => "cancelled",
        }
    }
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactSet(u8);

impl FactSet {
    /// `None` where a bit stands for no fact.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let bits = u8::try_from(bits).ok()?;
        (bits >> Fact::ALL.len() == 0).then_some(FactSet(bits))
    }

    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, fact: Fact) -> bool {
        self.0 & Self::bit(fact) != 0
    }

    pub fn insert(&mut self, fact: Fact) {
        self.0 |= Self::bit(fact);
    }

    pub fn remove(&mut self, fact: Fact) {
        self.0 &= !Self::bit(fact);
    }

    fn bit(fact: Fact) -> u8 {
        1 << fact as u8
    }
}

/// A fact with the event that told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// When it happened.
    pub at: Instant,
    /// Time of the event.
    pub time: Instant,
    pub event_id: ShortText,
    pub traceparent: Option<ShortText>,
}

impl Told {
    fn told(&self) -> (Instant, &str) {
        (self.time, &self.event_id)
    }

    /// Whether `other` counts whenever this one does, whatever is withdrawn.
    fn is_covered_by(&self, other: &Told) -> bool {
        other.at <= self.at && other.told() >= self.told()
    }
}

/// Events that told a fact. The earliest occurrence counts of those told after the latest
/// withdrawal. A withdrawal may still arrive, so later tellings are kept as far as one of them
/// may then count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The telling that counts. Of several of one occurrence the first while nothing was
    /// withdrawn, else the last: both are the same in any order of arrival.
    pub first: Option<Told>,
    /// By occurrence; each was told later than those before it.
    pub later: Vec<Told>,
}

impl Known {
    /// Takes a telling in. `withdrawn`: time of the latest withdrawal.
    pub fn learn(&mut self, told: Told, withdrawn: Option<Instant>) {
        if withdrawn.is_some_and(|withdrawn| told.time <= withdrawn) {
            return;
        }
        let Some(first) = &mut self.first else {
            self.first = Some(told);
            return;
        };
        if withdrawn.is_some() {
            let first = self.first.take();
            self.keep(first);
            self.keep(Some(told));
            self.first = Some(self.later.remove(0));
            return;
        }
        let earlier = (told.at, told.told()) < (first.at, first.told());
        let other = match earlier {
            true => std::mem::replace(first, told),
            false => told,
        };
        let first = &*first;
        self.later.retain(|known| !known.is_covered_by(first));
        self.keep(Some(other));
    }

    /// Nothing told up to `time` counts any more.
    pub fn withdraw(&mut self, time: Instant) {
        let Some(first) = self.first.take() else { return };
        self.keep(Some(first));
        self.later.retain(|told| told.time > time);
        if !self.later.is_empty() {
            self.first = Some(self.later.remove(0));
        }
    }

    fn keep(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        let known = self.later.iter().chain(&self.first);
        if known.into_iter().any(|known| told.is_covered_by(known)) {
            return;
        }
        self.later.retain(|known| !known.is_covered_by(&told));
        let place = self.later.partition_point(|known| known.at < told.at);
        self.later.insert(place, told);
        if self.later.len() > TELLINGS_MAX {
            self.later.remove(0);
        }
    }
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
