//! What a member was given under limits and caps, by the local day of the orders.

use chrono::{Datelike, NaiveDate};

use crate::domain::rules::model::LimitPeriod;
use crate::domain::short_text::ShortText;

/// Days that are counted one by one. No order is that old when its points are
/// credited or taken back.
pub const DAYS_KEPT: i32 = 3 * 366;

/// Counters of one account, one for each bonus with limits and one for all points of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(Vec<(Option<ShortText>, Counter)>);

/// What counted on which day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// The sum of the days that are no longer counted one by one.
    pub before: Count,
    /// Ascending, counted from 1970, without days on which nothing counts.
    pub days: Vec<(i32, Count)>,
}

/// Points, and the orders that have something left of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub points: i64,
    pub orders: i64,
}

impl Count {
    fn plus(self, other: Count) -> Count {
        Count {
            points: self.points.saturating_add(other.points),
            orders: self.orders.saturating_add(other.orders),
        }
    }
}

impl Usage {
    pub fn of(counters: Vec<(Option<ShortText>, Counter)>) -> Self {
        Usage(counters)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Option<ShortText>, Counter)> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What counts in the period that holds the day. `bonus_id` `None`: all points of orders.
    pub fn within(&self, bonus_id: Option<&ShortText>, per: LimitPeriod, day: i32) -> Count {
        let of = |(id, _): &&(Option<ShortText>, Counter)| id.as_ref() == bonus_id;
        let counter = self.0.iter().find(of);
        counter.map_or(Count::default(), |(_, counter)| counter.within(per, day))
    }

    pub fn add(&mut self, bonus_id: Option<&ShortText>, day: i32, more: Count) {
        if more == Count::default() {
            return;
        }
        let at = self.0.iter().position(|(id, _)| id.as_ref() == bonus_id);
        let at = at.unwrap_or_else(|| {
            self.0.push((bonus_id.cloned(), Counter::default()));
            self.0.len() - 1
        });
        let counter = &mut self.0[at].1;
        counter.add(day, more);
        if *counter == Counter::default() {
            self.0.remove(at);
        }
    }

    /// Adds the days before this one into one sum.
    pub fn fold_before(&mut self, day: i32) {
        for (_, counter) in &mut self.0 {
            let old = counter.days.partition_point(|(known, _)| *known < day);
            let folded = counter.days.drain(..old).map(|(_, count)| count);
            counter.before = folded.fold(counter.before, Count::plus);
        }
    }
}

impl Counter {
    fn within(&self, per: LimitPeriod, day: i32) -> Count {
        let (from, to) = match per {
            LimitPeriod::Ever => {
                let days = self.days.iter().map(|(_, count)| *count);
                return days.fold(self.before, Count::plus);
            }
            _ => period(per, day),
        };
        let start = self.days.partition_point(|(known, _)| *known < from);
        let days = self.days[start..].iter().take_while(|(known, _)| *known < to);
        days.map(|(_, count)| *count).fold(Count::default(), Count::plus)
    }

    fn add(&mut self, day: i32, more: Count) {
        match self.days.binary_search_by_key(&day, |(known, _)| *known) {
            Ok(at) => {
                self.days[at].1 = self.days[at].1.plus(more);
                if self.days[at].1 == Count::default() {
                    self.days.remove(at);
                }
            }
            // What was folded comes out of the sum.
            Err(0) if more.points < 0 || more.orders < 0 => self.before = self.before.plus(more),
            Err(at) => self.days.insert(at, (day, more)),
        }
    }
}

/// The first day of the period that holds the day, and the first after it.
fn period(per: LimitPeriod, day: i32) -> (i32, i32) {
    let Some(date) = NaiveDate::from_num_days_from_ce_opt(day.saturating_add(DAYS_TO_1970)) else {
        return (day, day.saturating_add(1));
    };
    let first_of = |year, month| NaiveDate::from_ymd_opt(year, month, 1).map_or(day, day_number);
    match per {
        LimitPeriod::Day => (day, day.saturating_add(1)),
        LimitPeriod::Week => {
            let monday = day - date.weekday().num_days_from_monday() as i32;
            (monday, monday.saturating_add(7))
        }
        LimitPeriod::Month => {
            let (year, month) = (date.year(), date.month());
            let next = if month == 12 {
                (year + 1, 1)
            } else {
                (year, month + 1)
            };
            (first_of(year, month), first_of(next.0, next.1))
        }
        LimitPeriod::Year => (first_of(date.year(), 1), first_of(date.year() + 1, 1)),
        LimitPeriod::Ever => (i32::MIN, i32::MAX),
    }
}

/// Days from the year 1 to 1970.
const DAYS_TO_1970: i32 = 719_163;

/// A date as a number of days from 1970 on.
pub fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - DAYS_TO_1970
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
