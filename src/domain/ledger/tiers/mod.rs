//! Levels of membership over time, worked out from a member's dated facts.
//!
//! The timeline is a fold over facts of orders, `member.qualify`, settings by hand and rule
//! versions, each at its own instant: whatever the order of arrival, the same facts give the same
//! periods. A fact that comes late takes back the periods from its instant on, and folds again.

mod conditions;
pub mod days;
pub mod facts;
pub mod fold;
mod index;
mod measure;
mod period;
mod window;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod many_facts_tests;
#[cfg(test)]
mod points_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub use self::measure::{Measure, Unmet};
pub use self::period::{Began, Checked, Period};
pub use self::window::day_of_end;

use self::days::Bounds;
use self::facts::{Counted, Qualified, Record, Setting, Span};
use self::fold::Fold;
use crate::domain::instant::Instant;
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::Tiers;
use crate::domain::short_text::ShortText;

/// A shop's rules as the timeline looks at them.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    pub book: &'a RuleBook,
    pub shop_id: &'a str,
}

impl<'a> Rules<'a> {
    /// The version in force at an instant, if it has tiers.
    pub fn at(&self, at: Instant) -> Option<(&'a Published, &'a Tiers)> {
        let published = self.book.in_force(self.shop_id, at)?;
        Some((published, published.rules.tiers.as_ref()?))
    }

    /// The first level at an instant; `None` where the rules have no tiers.
    pub fn first(&self, at: Instant) -> Option<&'a ShortText> {
        self.at(at)?.1.levels.first().map(|level| &level.name)
    }

    /// When versions begin to count, behind `after`.
    fn change_after(&self, after: Instant) -> Option<Instant> {
        let versions = self.book.versions(self.shop_id);
        versions
            .map(Published::counts_from)
            .filter(|at| *at > after)
            .min()
    }

    fn newest(&self) -> u32 {
        let versions = self.book.versions(self.shop_id);
        versions.map(|version| version.rules.version).max().unwrap_or(0)
    }
}

/// A member's facts and the timeline they give so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    pub record: Record,
    /// In the order of time. Before the first one the member has been in the first level always.
    pub periods: Vec<Period>,
    /// Facts and versions up to this instant are in `periods`.
    pub folded: Instant,
    /// The highest rule version that was known when they were.
    pub folded_with: u32,
    /// Of `record`. A member's facts are looked at with each of its entries, and mostly there is
    /// nothing ahead and nothing too old.
    span: Option<Span>,
    /// The first instant behind `folded` at which something counts.
    ahead: Option<Instant>,
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline::of(Record::default(), Vec::new(), Instant::MIN, 0)
    }
}

impl Timeline {
    pub fn of(record: Record, periods: Vec<Period>, folded: Instant, folded_with: u32) -> Self {
        Timeline {
            span: record.span(),
            ahead: record.next_after(folded),
            record,
            periods,
            folded,
            folded_with,
        }
    }

    /// What an order counts from now on; `None`: nothing, it is not this member's. Gives the first
    /// instant at which that differs from what was known. Before `horizon` facts are not kept one by
    /// one any more, so that nothing there is worked out again.
    pub fn learn_order(&mut self, order: u64, counted: Option<Counted>, horizon: Instant) -> Option<Instant> {
        let is_new = !self.record.orders.contains_key(&order);
        let changed = self.record.set_order(order, counted).map(|at| at.max(horizon));
        match self.record.orders.get(&order).filter(|_| is_new) {
            Some(counted) => {
                let ahead = counted.instants().filter(|at| *at > self.folded);
                self.ahead = ahead.chain(self.ahead).min();
                self.span = Span::over([self.span, counted.span()]);
            }
            None => self.look_at_all(),
        }
        self.take_back_from(changed);
        changed
    }

    pub fn learn_points(&mut self, order: u64, at: Instant, points: i64) -> Option<Instant> {
        let changed = self.record.add_points(order, at, points);
        self.look_at_all();
        self.take_back_from(changed);
        changed
    }

    pub fn qualify(&mut self, qualified: Qualified) -> Instant {
        let at = qualified.at;
        self.record.qualify(qualified);
        self.look_at_all();
        self.take_back_from(Some(at));
        at
    }

    pub fn set(&mut self, setting: Setting) -> Instant {
        let at = setting.since;
        self.record.set(setting);
        self.look_at_all();
        self.take_back_from(Some(at));
        at
    }

    /// Events behind facts that have been taken in need not be kept.
    pub fn forget_causes(&mut self) {
        let folded = self.folded;
        for counted in self.record.orders.values_mut() {
            if counted.cause_id.is_some() && counted.fact.steps.iter().all(|step| step.at <= folded) {
                counted.cause_id = None;
            }
        }
    }

    /// What begins at an instant or later is worked out again, as far as facts are kept one by one.
    fn take_back_from(&mut self, changed: Option<Instant>) {
        let kept_from = Instant(self.record.days.to.0.saturating_add(1));
        if let Some(at) = changed
            .map(|at| at.max(kept_from))
            .filter(|at| *at <= self.folded)
        {
            self.periods.retain(|period| period.since < at);
            self.folded = Instant(at.0.saturating_sub(1));
            self.ahead = self.record.next_after(self.folded);
        }
    }

    fn look_at_all(&mut self) {
        self.span = self.record.span();
        self.ahead = self.record.next_after(self.folded);
    }

    /// Takes in facts and versions up to `facts_to`, and ends of periods before `ends_before`.
    pub fn advance(&mut self, rules: Rules<'_>, facts_to: Instant, ends_before: Instant) {
        let newest = rules.newest();
        if newest > self.folded_with {
            let unknown = rules.book.versions(rules.shop_id);
            let unknown = unknown.filter(|version| version.rules.version > self.folded_with);
            let since = unknown.map(Published::counts_from).min();
            self.take_back_from(since);
            self.folded_with = newest;
        }
        let mut fold = Fold {
            rules,
            record: &self.record,
            last: self.last(),
            ahead: self.ahead,
            periods: &mut self.periods,
            index: None,
        };
        fold.run(self.folded, facts_to, ends_before);
        self.ahead = fold.ahead;
        self.folded = self.folded.max(facts_to);
    }

    /// The next instant at which something happens by itself: a fact that lies ahead counts, a
    /// version does, or a period ends, unless that lies behind `ends_to`.
    pub fn next(&self, rules: Rules<'_>, ends_to: Option<Instant>) -> Option<(Instant, Next)> {
        let version = if self.is_at_rest() {
            None
        } else {
            rules.change_after(self.folded).map(|at| (at, Next::Version))
        };
        let fact = self.ahead.map(|at| (at, Next::Fact));
        let end = self.present().and_then(|period| period.until);
        let end = end.filter(|at| ends_to.is_none_or(|to| *at <= to));
        let end = end.map(|at| (at, Next::End));
        [version, fact, end].into_iter().flatten().min()
    }

    /// No version changes anything for who has no facts and no level.
    fn is_at_rest(&self) -> bool {
        self.periods.is_empty() && self.record.is_empty()
    }

    /// Where the present would fall to at its end, if nothing more came.
    pub fn would_fall(&self, rules: Rules<'_>) -> Option<Fall> {
        let until = self.present()?.until?;
        self.fold(rules, |fold| fold.falls_to(until))
    }

    /// Looks at the periods as they stand.
    pub fn fold<T>(&self, rules: Rules<'_>, look: impl FnOnce(&Fold<'_>) -> T) -> T {
        let mut periods = self.periods.clone();
        look(&Fold {
            rules,
            record: &self.record,
            last: self.last(),
            ahead: self.ahead,
            periods: &mut periods,
            index: None,
        })
    }

    /// Sums up the oldest orders where there are too many.
    pub fn bound(&mut self, rules: Rules<'_>) {
        if self.record.orders.len() > days::ORDERS_MAX {
            self.sum_up(rules, days::ORDERS_LEFT);
        }
    }

    pub(super) fn sum_up(&mut self, rules: Rules<'_>, left: usize) {
        let Some((published, _)) = rules.at(self.folded) else {
            return;
        };
        let bounds = Bounds::of(published.rules.timezone, &self.periods, self.record.first());
        self.record.sum_up(left, self.folded, &bounds);
        days::thin_out(&mut self.periods, self.record.days.to);
        self.look_at_all();
    }

    /// Carries facts from before `horizon` as sums, and forgets periods that ended before it.
    pub fn carry_before(&mut self, horizon: Instant) {
        if self.span.is_some_and(|span| span.first < horizon) {
            self.record.carry_before(horizon);
            self.look_at_all();
        }
        let old = self
            .periods
            .iter()
            .filter(|period| period.since < horizon)
            .count();
        self.periods.drain(..old.saturating_sub(1));
    }

    fn last(&self) -> Option<Instant> {
        self.span.map(|span| span.last)
    }

    pub fn present(&self) -> Option<&Period> {
        self.periods.last()
    }

    /// The period held strictly before an instant; `None`: still the first level.
    pub fn before(&self, at: Instant) -> Option<&Period> {
        self.periods.iter().rev().find(|period| period.since < at)
    }

    /// The period held at an instant.
    pub fn at(&self, at: Instant) -> Option<&Period> {
        self.periods.iter().rev().find(|period| period.since <= at)
    }
}

/// A level that would be fallen to, and what is missing of each condition to keep the one held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    pub to: ShortText,
    pub missing: Vec<Vec<Unmet>>,
}

/// What happens next in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    Version,
    Fact,
    End,
}
