//! The oldest facts of a member with very many orders, as sums of days.
//!
//! Orders are kept one by one, so that a refund or a late fact is worked out from its instant on.
//! [`ORDERS_MAX`] bounds how many: beyond it the oldest become sums. Windows begin at local
//! midnights, where a period began, or at the time of day at which the level held began; no sum
//! reaches over one of those, so that the sums give what the facts gave. What can no longer be
//! done is to change them: a fact that would is refused (`tier_facts_limit`), and a command that
//! would is `invalid`.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::facts::{Carried, Counted};
use super::measure::Measures;
use super::period::{Began, Period};
use super::window::Window;
use crate::domain::calendar;
use crate::domain::instant::Instant;

/// Orders of one member that are kept one by one.
pub const ORDERS_MAX: usize = 10_000;
/// So many are left when the oldest become sums.
pub const ORDERS_LEFT: usize = 9_000;
/// Orders that count from an instant ahead are no sums yet. With so many the next is refused.
pub const ORDERS_AHEAD_MAX: usize = 20_000;
/// The period held, the one before it, and the one that the next begins after.
const LEVELS_LOOKED_BACK_FROM: usize = 3;

/// Facts up to an instant that are not kept one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    /// Nothing up to here is worked out again.
    pub to: Instant,
    /// When the first of their live orders was created.
    pub live_from: Option<Instant>,
    /// In the order of time.
    pub sums: Vec<DaySum>,
}

/// What counts from instants of one day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySum {
    pub first: Instant,
    pub last: Instant,
    pub amount: Decimal,
    pub orders: i64,
    pub points: i64,
    pub largest: Decimal,
}

impl Default for Days {
    fn default() -> Self {
        Days {
            to: Instant::MIN,
            live_from: None,
            sums: Vec::new(),
        }
    }
}

impl DaySum {
    fn at(at: Instant, measures: Measures) -> Self {
        let Measures {
            amount,
            orders,
            points,
            largest,
        } = measures;
        DaySum {
            first: at,
            last: at,
            amount,
            orders,
            points,
            largest,
        }
    }

    fn measures(&self) -> Measures {
        let DaySum {
            amount,
            orders,
            points,
            largest,
            ..
        } = *self;
        Measures {
            amount,
            orders,
            points,
            largest,
        }
    }

    fn and(self, other: DaySum) -> Self {
        DaySum {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            ..DaySum::at(self.first, self.measures().and(other.measures()))
        }
    }
}

impl Days {
    /// What lies within a window.
    pub fn measures(&self, window: Window) -> Measures {
        let within = |sum: &DaySum| {
            let Measures {
                amount,
                orders,
                points,
                largest,
            } = sum.measures();
            let mut measures = Measures::default();
            if window.holds(sum.last) {
                (measures.amount, measures.orders, measures.largest) = (amount, orders, largest);
            }
            if window.holds_points(sum.last) {
                measures.points = points;
            }
            measures
        };
        let sums = self.sums.iter().map(within);
        sums.fold(Measures::default(), Measures::and)
    }

    /// Whether a change at an instant would change them.
    pub fn hold(&self, at: Instant) -> bool {
        at <= self.to
    }

    /// Notes points issued at an instant that lies before their end.
    pub fn add_points(&mut self, at: Instant, points: i64) {
        let place = self.sums.partition_point(|sum| sum.last < at);
        match self.sums.get_mut(place).filter(|sum| sum.first <= at) {
            Some(sum) => sum.points = sum.points.saturating_add(points),
            None => self
                .sums
                .insert(place, DaySum::at(at, Measures::of_points(points))),
        }
    }

    /// Takes in what orders count that have nothing behind `to`.
    pub fn take(&mut self, orders: impl Iterator<Item = Counted>, to: Instant, bounds: &Bounds) {
        let mut sums: BTreeMap<_, DaySum> = BTreeMap::new();
        let mut add = |sum: DaySum| {
            sums.entry(bounds.between(sum.first))
                .and_modify(|known| *known = known.and(sum))
                .or_insert(sum);
        };
        self.sums.drain(..).for_each(&mut add);
        for order in orders {
            if let Some((at, step)) = order.counts_at().zip(order.fact.steps.last()) {
                add(DaySum::at(at, Measures::of_order(step.amount, step.goods)));
            }
            if let Some((at, _)) = order.points.first() {
                let points = order.points.iter().map(|(_, points)| *points);
                let points = points.fold(0, i64::saturating_add);
                add(DaySum::at(*at, Measures::of_points(points)));
            }
            let live = order.fact.live.then_some(order.fact.created_at);
            self.live_from = self.live_from.into_iter().chain(live).min();
        }
        self.sums = sums.into_values().collect();
        self.sums.sort_by_key(|sum| sum.first);
        self.to = self.to.max(to);
    }

    /// Carries days that ended before `horizon`.
    pub fn carry_before(&mut self, horizon: Instant, carried: &mut Carried) {
        let old = self.sums.partition_point(|sum| sum.last < horizon);
        for sum in self.sums.drain(..old) {
            carried.amount = carried.amount.saturating_add(sum.amount);
            carried.orders = carried.orders.saturating_add(sum.orders);
            carried.points = carried.points.saturating_add(sum.points);
            carried.largest = carried.largest.max(sum.largest);
        }
    }
}

/// Where windows may begin or end.
pub struct Bounds {
    zone: Tz,
    /// Where periods began, in the order of time.
    instants: Vec<Instant>,
    /// At which blocks of a level begin.
    times: Vec<NaiveTime>,
}

impl Bounds {
    pub fn of(zone: Tz, periods: &[Period], first: Option<Instant>) -> Self {
        let mut instants: Vec<Instant> = periods.iter().map(|period| period.since).collect();
        instants.sort_unstable();
        // Only the level held, and the one before it at a refund, are looked back from.
        let held = periods.iter().rev().take(LEVELS_LOOKED_BACK_FROM);
        let began = held.map(|period| period.level_since).chain(first);
        let mut times: Vec<_> = began
            .map(|at| calendar::local_date_time(zone, at).time())
            .collect();
        times.sort_unstable();
        times.dedup();
        Bounds {
            zone,
            instants,
            times,
        }
    }

    /// The same for instants that no bound lies between, nor on one of them alone.
    fn between(&self, at: Instant) -> (NaiveDate, [usize; 4]) {
        let wall = calendar::local_date_time(self.zone, at);
        let (instants, times) = (&self.instants, &self.times);
        let place = [
            instants.partition_point(|bound| *bound < at),
            instants.partition_point(|bound| *bound <= at),
            times.partition_point(|bound| *bound < wall.time()),
            times.partition_point(|bound| *bound <= wall.time()),
        ];
        (wall.date(), place)
    }
}

/// Leaves out renewals up to `to` that only stand between others of the same level: who is asked
/// for the level of that time finds the one before.
pub fn thin_out(periods: &mut Vec<Period>, to: Instant) {
    let renews = |held: &Period, next: &Period| next.began == Began::Renewed && next.level == held.level;
    // The last before `to`, and what it is looked at again with, stay.
    let behind = periods
        .partition_point(|period| period.since <= to)
        .saturating_sub(3);
    let is_between = |place: usize| {
        let [before, held, next] = &periods[place - 1..=place + 1] else {
            return false;
        };
        renews(before, held) && renews(held, next)
    };
    let out: Vec<bool> = (0..periods.len())
        .map(|place| (1..behind).contains(&place) && is_between(place))
        .collect();
    let mut out = out.into_iter();
    periods.retain(|_| !out.next().unwrap_or(false));
}
