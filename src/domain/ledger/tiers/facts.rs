//! What a member's levels are worked out from.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::measure::Measures;
use super::window::Window;
use crate::domain::entry::OrderFact;
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
            && self.carried == Carried::default()
    }

    /// Gives the first instant at which the order counts otherwise than before.
    pub fn set_order(&mut self, order: u64, counted: Option<Counted>) -> Option<Instant> {
        let known = self.orders.get(&order);
        let points = known.map_or(&[][..], |known| &known.points).to_vec();
        let old = known.map_or(&[][..], |known| &known.fact.steps);
        let new = counted.as_ref().map_or(&[][..], |counted| &counted.fact.steps);
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let rest = old[same..].first().into_iter().chain(new[same..].first());
        let changed = rest.map(|step| step.at).min();
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
        let carried = self.carried.first.into_iter();
        carried.chain(orders).chain(qualified).chain(settings).min()
    }

    /// The first instant behind `after` at which something counts.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        let orders = self.orders.values().flat_map(Counted::instants);
        let qualified = self.qualified.iter().map(|one| one.at);
        let settings = self.settings.iter().map(|one| one.since);
        let all = orders.chain(qualified).chain(settings);
        all.filter(|at| *at > after).min()
    }

    /// The first and the last instant of facts that are kept one by one.
    pub fn span(&self) -> Option<Span> {
        let orders = self.orders.values().map(Counted::span);
        let qualified = self.qualified.iter().map(|one| Some(Span::at(one.at)));
        let settings = self.settings.iter().map(|one| Some(Span::at(one.since)));
        Span::over(orders.chain(qualified).chain(settings))
    }

    /// What happens at an instant.
    pub fn looks_at(&self, at: Instant) -> Look {
        let mut look = Look::default();
        for counted in self.orders.values() {
            for (place, step) in counted.fact.steps.iter().enumerate() {
                if step.at == at {
                    look.counts = true;
                    look.refunds |= place > 0;
                }
            }
            for (_, points) in counted.points.iter().filter(|(known, _)| *known == at) {
                look.points = true;
                look.takes_points |= *points < 0;
            }
        }
        look.counts |= self.qualified.iter().any(|one| one.at == at);
        look
    }

    pub fn settings_at(&self, at: Instant) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |setting| setting.since == at)
    }

    /// What facts within a window amount to, with what is left of each at `as_of`, and of points at
    /// `points_as_of`.
    pub fn measures(&self, window: Window, as_of: Instant, points_as_of: Instant) -> Measures {
        let mut sum = Measures::default();
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
            sum.largest = *largest;
        }
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
        carried.first = carried.first.or(first);
    }
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
