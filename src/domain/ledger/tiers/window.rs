//! Over which time conditions look, and when periods end.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime};
use chrono_tz::Tz;

use crate::domain::calendar;
use crate::domain::instant::Instant;
use crate::domain::rules::model::{Expiry, ExpirySpan, Within};
use crate::domain::wall_time::WallTime;

/// Periods that are looked through for an end that lies after the beginning.
const ENDS_MAX: usize = 4;

/// From and to are within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
    /// Points have bounds of their own: those of the instant at which a period ends come after it.
    pub points_from: Instant,
    pub points_to: Instant,
}

impl Window {
    /// What lies after `since`, up to and with `to`.
    pub fn after(since: Instant, to: Instant) -> Self {
        Window::between(Instant(since.0.saturating_add(1)), to)
    }

    fn between(from: Instant, to: Instant) -> Self {
        Window {
            from,
            to,
            points_from: from,
            points_to: to,
        }
    }

    /// The same of a period that began at `since` where the one before it ended.
    pub fn with_points_of(self, since: Instant) -> Self {
        Window {
            points_from: since,
            ..self
        }
    }

    /// The same up to the end of a period.
    pub fn before_points_of_end(self) -> Self {
        Window {
            points_to: just_before(self.to),
            ..self
        }
    }

    pub fn holds(&self, at: Instant) -> bool {
        self.from <= at && at <= self.to
    }

    pub fn holds_points(&self, at: Instant) -> bool {
        self.points_from <= at && at <= self.points_to
    }
}

pub fn just_before(at: Instant) -> Instant {
    Instant(at.0.saturating_sub(1))
}

/// An instant with the local day that it belongs to: an end at 24:00 belongs to the day it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Instant,
    pub day: NaiveDate,
}

impl Moment {
    pub fn of(zone: Tz, at: Instant) -> Self {
        Moment {
            at,
            day: calendar::local_date_time(zone, at).date(),
        }
    }

    /// The end of a period with this validity.
    pub fn end(zone: Tz, at: Instant, valid: &Expiry) -> Self {
        Moment {
            at,
            day: day_of_end(zone, at, valid),
        }
    }
}

fn ends_at_24(valid: &Expiry) -> bool {
    let by_date = !matches!(valid.span, ExpirySpan::AfterDays(_)) || valid.round_up_to.is_some();
    by_date && valid.at == WallTime::END_OF_DAY
}

/// The local day that an end belongs to.
pub fn day_of_end(zone: Tz, at: Instant, valid: &Expiry) -> NaiveDate {
    let early = if ends_at_24(valid) { 1 } else { 0 };
    calendar::local_date_time(zone, Instant(at.0.saturating_sub(early))).date()
}

/// Where the level held began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// What happened at that very instant made it begin, and is out.
    Began(Instant),
    /// It began where another ended, and points of that instant are in.
    BeganAtEnd(Instant),
    /// It has been held always; the member's first fact is here.
    Always(Option<Instant>),
}

/// The window of `enter` at a moment, for who holds a level of this origin.
pub fn of(within: Within, zone: Tz, moment: Moment, began: Origin) -> Window {
    let begin =
        |day: Option<NaiveDate>| day.map_or(Instant::MIN, |day| calendar::local(zone, day, NaiveTime::MIN));
    let day = moment.day;
    let from = match within {
        Within::Months(months) => begin(
            day.checked_sub_months(Months::new(months))
                .and_then(|day| day.succ_opt()),
        ),
        Within::Days(days) => begin(
            day.checked_sub_days(Days::new(days.into()))
                .and_then(|day| day.succ_opt()),
        ),
        Within::Calendar(period) => {
            let months = period.months();
            let first = day.with_day(1);
            begin(first.and_then(|first| first.checked_sub_months(Months::new(first.month0() % months))))
        }
        Within::InTierMonths(months) => block(zone, moment.at, began, |first, blocks| {
            first.checked_add_months(Months::new(months.saturating_mul(blocks)))
        }),
        Within::InTierDays(days) => block(zone, moment.at, began, |first, blocks| {
            first.checked_add_days(Days::new(u64::from(days) * u64::from(blocks)))
        }),
        Within::Lifetime => Instant::MIN,
    };
    let window = Window::between(from, moment.at);
    match (within, began) {
        (Within::InTierMonths(_) | Within::InTierDays(_), Origin::BeganAtEnd(began))
            if just_before(from) == began =>
        {
            window.with_points_of(began)
        }
        _ => window,
    }
}

/// Where the block begins that holds an instant.
fn block(
    zone: Tz,
    at: Instant,
    origin: Origin,
    begins: impl Fn(NaiveDate, u32) -> Option<NaiveDate>,
) -> Instant {
    let (began, out_micros) = match origin {
        Origin::Began(began) | Origin::BeganAtEnd(began) => (began, 1),
        Origin::Always(Some(first)) => (first, 0),
        Origin::Always(None) => return Instant::MIN,
    };
    let wall = calendar::local_date_time(zone, began);
    let start = |blocks: u32| begins(wall.date(), blocks).map(|day| calendar::local(zone, day, wall.time()));
    // The last block that begins by then: twice as far until it is passed, then halved.
    let is_by_then = |blocks: u32| start(blocks).is_some_and(|begin| begin <= at);
    let mut beyond = 1;
    while is_by_then(beyond) {
        beyond *= 2;
    }
    let (mut low, mut high) = (beyond / 2, beyond);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match is_by_then(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    match low {
        0 => Instant(began.0.saturating_add(out_micros)),
        blocks => start(blocks).unwrap_or(began),
    }
}

/// When a period that begins at a moment ends. An end that is not after the beginning is the next.
pub fn end_of(zone: Tz, begin: Moment, valid: &Expiry) -> Option<Instant> {
    let mut from = begin;
    for _ in 0..ENDS_MAX {
        // The time of day counts where no date is named; what belongs to the day before is seen
        // from its last moment.
        let early = if from.day == calendar::local_date_time(zone, from.at).date() {
            from.at
        } else {
            Instant(from.at.0.saturating_sub(1))
        };
        let end = calendar::expires_at(zone, early, valid)?;
        if end > begin.at {
            return Some(end);
        }
        from = Moment::of(zone, calendar::local(zone, from.day.succ_opt()?, NaiveTime::MIN));
    }
    None
}
