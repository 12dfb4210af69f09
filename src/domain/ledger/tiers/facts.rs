//! What a member's levels are worked out from.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::days::{self, Bounds, Days};
use super::measure::Measures;
use super::window::Window;
use crate::domain::entry::{FactStep, OrderFact};
use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// A member's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// By the hash of the order's id.
    pub orders: BTreeMap<u64, Counted>,
    /// In the order of time.
    pub qualified: Vec<Qualified>,
    /// In the order of `since`.
    pub settings: Vec<Setting>,
    /// What the oldest orders counted where there are very many.
    pub days: Days,
    /// What was counted and is older than facts are kept.
    pub carried: Carried,
}

/// What one order counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub fact: OrderFact,
    /// Points issued, and taken back as negative numbers, in the order of time.
    pub points: Vec<(Instant, i64)>,
    /// The event behind a step that lies ahead.
    pub cause_id: Option<ShortText>,
}

/// What `member.qualify` counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    pub at: Instant,
    pub amount: Decimal,
    pub orders: i64,
    pub cause_id: ShortText,
}

/// A level given by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub since: Instant,
    /// When it was asked for. Of two with one `since` the later counts.
    pub at: Instant,
    /// `None`: the facts decide.
    pub level: Option<ShortText>,
    /// `None`: the level's own.
    pub until: Option<Instant>,
    pub cause_id: ShortText,
}

/// Sums of facts that are not kept one by one any more. They count where a window has no beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub amount: Decimal,
    pub orders: i64,
    pub points: i64,
    pub largest: Decimal,
    /// A live order is among them.
    pub live: bool,
    /// The first of these facts.
    pub first: Option<Instant>,
}

impl Counted {
    pub fn of(fact: OrderFact) -> Self {
        Counted {
            fact,
            points: Vec::new(),
            cause_id: None,
        }
    }

    /// When it began to count.
    pub fn counts_at(&self) -> Option<Instant> {
        self.fact.steps.first().map(|step| step.at)
    }

    /// Of an order that counts nothing its creation.
    pub fn span(&self) -> Option<Span> {
        let instants = Span::over(self.instants().map(|at| Some(Span::at(at))));
        instants.or(Some(Span::at(self.fact.created_at)))
    }

    fn is_blank(&self) -> bool {
        self.points.is_empty() && self.fact.steps.is_empty() && !self.fact.live
    }

    /// Every instant at which something changes.
    pub fn instants(&self) -> impl Iterator<Item = Instant> {
        let steps = self.fact.steps.iter().map(|step| step.at);
        steps.chain(self.points.iter().map(|(at, _)| *at))
    }
}

impl Record {
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.qualified.is_empty()
            && self.settings.is_empty()
            && self.days == Days::default()
            && self.carried == Carried::default()
    }

    /// The first instant at which an order would count otherwise than it does.
    fn changes_at(&self, order: u64, new: &[FactStep]) -> Option<Instant> {
        let known = self.orders.get(&order);
        let old = known.map_or(&[][..], |known| &known.fact.steps);
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let rest = old[same..].first().into_iter().chain(new[same..].first());
        rest.map(|step| step.at).min()
    }

    /// Why an order cannot count so. What came later than facts are kept, before `horizon`, counts
    /// nothing anyway.
    pub fn refuses(&self, order: u64, fact: &OrderFact, horizon: Instant) -> Option<FactRefused> {
        let is_new = !self.orders.contains_key(&order);
        if is_new && fact.steps.first().is_some_and(|step| step.at < horizon) {
            return None;
        }
        let changes = self.changes_at(order, &fact.steps);
        let is_of_sums = is_new && self.days.to > Instant::MIN && *fact == OrderFact::NOTHING;
        if is_of_sums || changes.is_some_and(|at| self.days.hold(at)) {
            return Some(FactRefused::KeptAsSums);
        }
        (is_new && self.orders.len() >= days::ORDERS_AHEAD_MAX).then_some(FactRefused::TooManyAhead)
    }

    /// Gives the first instant at which the order counts otherwise than before.
    pub fn set_order(&mut self, order: u64, counted: Option<Counted>) -> Option<Instant> {
        let known = self.orders.get(&order);
        let points = known.map_or(&[][..], |known| &known.points).to_vec();
        let new = counted.as_ref().map_or(&[][..], |counted| &counted.fact.steps);
        let changed = self.changes_at(order, new);
        let mut counted = counted.unwrap_or(Counted::of(OrderFact::NOTHING));
        counted.points = points;
        match counted.is_blank() {
            true => self.orders.remove(&order),
            false => self.orders.insert(order, counted),
        };
        changed
    }

    /// Gives the first instant at which that counts. What is taken back counts nothing where the
    /// points themselves were never counted, or are kept in sums by now.
    pub fn add_points(&mut self, order: u64, at: Instant, points: i64) -> Option<Instant> {
        let known = self.orders.get(&order);
        if points < 0 && known.is_none_or(|known| known.points.is_empty()) {
            return None;
        }
        if self.days.hold(at) && known.is_none() {
            self.days.add_points(at, points);
            return Some(at);
        }
        let known = self.orders.entry(order);
        let counted = known.or_insert_with(|| Counted::of(OrderFact::NOTHING));
        let place = counted.points.partition_point(|(known, _)| *known <= at);
        counted.points.insert(place, (at, points));
        Some(at)
    }

    pub fn qualify(&mut self, qualified: Qualified) {
        let rank = |one: &Qualified| (one.at, one.cause_id.clone());
        let place = self
            .qualified
            .partition_point(|known| rank(known) <= rank(&qualified));
        self.qualified.insert(place, qualified);
    }

    pub fn set(&mut self, setting: Setting) {
        let rank = |one: &Setting| (one.since, one.at, one.cause_id.clone());
        let place = self
            .settings
            .partition_point(|known| rank(known) <= rank(&setting));
        self.settings.insert(place, setting);
    }

    /// The first fact there is.
    pub fn first(&self) -> Option<Instant> {
        let orders = self.orders.values().flat_map(Counted::instants);
        let qualified = self.qualified.iter().map(|one| one.at);
        let settings = self.settings.iter().map(|one| one.since);
        let days = self.days.sums.first().map(|sum| sum.first);
        let carried = self.carried.first.into_iter().chain(days);
        carried.chain(orders).chain(qualified).chain(settings).min()
    }

    /// The first instant behind `after` at which something counts.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        #[cfg(test)]
        super::fixtures::note_pass();
        let orders = self.orders.values().flat_map(Counted::instants);
        let qualified = self.qualified.iter().map(|one| one.at);
        let settings = self.settings.iter().map(|one| one.since);
        let all = orders.chain(qualified).chain(settings);
        all.filter(|at| *at > after).min()
    }

    /// How many facts lie behind `after` and not behind `to`.
    pub fn count_between(&self, after: Instant, to: Instant) -> usize {
        let orders = self.orders.values().flat_map(Counted::instants);
        let qualified = self.qualified.iter().map(|one| one.at);
        let all = orders.chain(qualified);
        all.filter(|at| after < *at && *at <= to).count()
    }

    /// The first and the last instant of facts that are not carried yet.
    pub fn span(&self) -> Option<Span> {
        let orders = self.orders.values().map(Counted::span);
        let qualified = self.qualified.iter().map(|one| Some(Span::at(one.at)));
        let settings = self.settings.iter().map(|one| Some(Span::at(one.since)));
        let days = self.days.sums.first().map(|sum| Some(Span::at(sum.first)));
        Span::over(orders.chain(qualified).chain(settings).chain(days))
    }

    /// What happens at an instant.
    pub fn looks_at(&self, at: Instant) -> Look {
        let mut look = Look::default();
        self.each_look(|known, brings| {
            if known == at {
                look = look.and(brings);
            }
        });
        look
    }

    /// What happens at each instant behind `after`, in the order of time.
    pub fn looks(&self, after: Instant) -> Vec<(Instant, Look)> {
        let mut looks = Vec::with_capacity(self.orders.len());
        self.each_look(|at, look| looks.push((at, look)));
        looks.extend(self.settings.iter().map(|one| (one.since, Look::default())));
        looks.retain(|(at, _)| *at > after);
        looks.sort_by_key(|(at, _)| *at);
        looks.dedup_by(|(at, look), (known_at, known)| {
            let is_same = at == known_at;
            if is_same {
                *known = known.and(*look);
            }
            is_same
        });
        looks
    }

    fn each_look(&self, mut see: impl FnMut(Instant, Look)) {
        #[cfg(test)]
        super::fixtures::note_pass();
        for counted in self.orders.values() {
            for (place, step) in counted.fact.steps.iter().enumerate() {
                let refunds = place > 0;
                see(
                    step.at,
                    Look {
                        counts: true,
                        refunds,
                        ..Look::default()
                    },
                );
            }
            for (at, points) in &counted.points {
                let takes_points = *points < 0;
                see(
                    *at,
                    Look {
                        points: true,
                        takes_points,
                        ..Look::default()
                    },
                );
            }
        }
        for one in &self.qualified {
            see(
                one.at,
                Look {
                    counts: true,
                    ..Look::default()
                },
            );
        }
    }

    pub fn settings_at(&self, at: Instant) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |setting| setting.since == at)
    }

    /// What is not kept one by one amounts to within a window.
    pub fn sums(&self, window: Window) -> Measures {
        let mut sum = self.days.measures(window);
        if window.from == Instant::MIN {
            let Carried {
                amount,
                orders,
                points,
                largest,
                ..
            } = &self.carried;
            sum.add(*amount, *orders);
            sum.points = sum.points.saturating_add(*points);
            sum.largest = sum.largest.max(*largest);
        }
        sum
    }

    /// What facts within a window amount to, with what is left of each at `as_of`, and of points at
    /// `points_as_of`.
    pub fn measures(&self, window: Window, as_of: Instant, points_as_of: Instant) -> Measures {
        #[cfg(test)]
        super::fixtures::note_pass();
        let mut sum = self.sums(window);
        for counted in self.orders.values() {
            let counts = counted.counts_at().is_some_and(|at| window.holds(at));
            let steps = counted.fact.steps.iter().rev();
            if let Some(step) = steps.filter(|_| counts).find(|step| step.at <= as_of) {
                sum.add(step.amount, step.goods.into());
                sum.largest = sum.largest.max(step.amount);
            }
            if counted
                .points
                .first()
                .is_some_and(|(at, _)| window.holds_points(*at))
            {
                let points = counted.points.iter().filter(|(at, _)| *at <= points_as_of);
                sum.points = points.fold(sum.points, |sum, (_, points)| sum.saturating_add(*points));
            }
        }
        for one in self.qualified.iter().filter(|one| window.holds(one.at)) {
            sum.add(one.amount, one.orders);
        }
        sum
    }

    /// Whether another live order was created before this one.
    pub fn has_live_before(&self, order: u64, created_at: Instant) -> bool {
        let mut orders = self.orders.iter();
        self.carried.live
            || self.days.live_from.is_some_and(|at| at < created_at)
            || orders.any(|(hash, counted)| {
                *hash != order && counted.fact.live && counted.fact.created_at < created_at
            })
    }

    /// Carries what is older than `horizon` as sums.
    pub fn carry_before(&mut self, horizon: Instant) {
        let first = self.first().filter(|first| *first < horizon);
        let carried = &mut self.carried;
        self.orders.retain(|_, counted| {
            let kept = counted.instants().max().unwrap_or(counted.fact.created_at) >= horizon;
            if !kept {
                if let Some(step) = counted.fact.steps.last() {
                    carried.amount = carried.amount.saturating_add(step.amount);
                    carried.orders = carried.orders.saturating_add(step.goods.into());
                    carried.largest = carried.largest.max(step.amount);
                }
                let points = counted.points.iter().map(|(_, points)| *points);
                carried.points = points.fold(carried.points, i64::saturating_add);
                carried.live |= counted.fact.live;
            }
            kept
        });
        self.qualified.retain(|one| {
            if one.at < horizon {
                carried.amount = carried.amount.saturating_add(one.amount);
                carried.orders = carried.orders.saturating_add(one.orders);
            }
            one.at >= horizon
        });
        self.settings.retain(|setting| setting.since >= horizon);
        self.days.carry_before(horizon, carried);
        carried.first = carried.first.or(first);
    }

    /// Sums up the oldest orders that have nothing behind `folded`, so that `left` are kept one by
    /// one.
    pub fn sum_up(&mut self, left: usize, folded: Instant, bounds: &Bounds) {
        let last = |counted: &Counted| counted.span().map_or(Instant::MIN, |span| span.last);
        let mut instants: Vec<Instant> = self.orders.values().map(last).collect();
        instants.retain(|at| *at <= folded);
        instants.sort_unstable();
        let over = self.orders.len().saturating_sub(left).min(instants.len());
        let Some(to) = over.checked_sub(1).map(|place| instants[place]) else {
            return;
        };
        let (old, kept) = std::mem::take(&mut self.orders)
            .into_iter()
            .partition(|(_, counted)| last(counted) <= to);
        self.orders = kept;
        let old: BTreeMap<u64, Counted> = old;
        self.days.take(old.into_values(), to, bounds);
    }
}

/// Why a fact of an order is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactRefused {
    /// It would change what is kept as sums of days.
    KeptAsSums,
    /// Too many orders count from an instant ahead.
    TooManyAhead,
}

/// What an instant brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub counts: bool,
    /// Something that counted does less, or no more.
    pub refunds: bool,
    /// Points were issued or taken back.
    pub points: bool,
    pub takes_points: bool,
}

impl Look {
    fn and(self, other: Look) -> Self {
        Look {
            counts: self.counts | other.counts,
            refunds: self.refunds | other.refunds,
            points: self.points | other.points,
            takes_points: self.takes_points | other.takes_points,
        }
    }
}

/// From the first instant to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: Instant,
    pub last: Instant,
}

impl Span {
    fn at(at: Instant) -> Self {
        Span { first: at, last: at }
    }

    pub fn over(spans: impl IntoIterator<Item = Option<Span>>) -> Option<Self> {
        spans.into_iter().flatten().reduce(|a, b| Span {
            first: a.first.min(b.first),
            last: a.last.max(b.last),
        })
    }
}
