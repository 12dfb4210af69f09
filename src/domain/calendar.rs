//! Local dates and times of a shop's zone.
//!
//! Every date stays within the years that RFC 3339 can name: beyond them it is the last instant.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, Utc};
use chrono::{MappedLocalTime, TimeZone};
use chrono_tz::Tz;

use super::instant::Instant;
use super::rules::model::{DueAt, Expiry, ExpirySpan, RoundUpTo};
use super::wall_time::WallTime;

/// Clock changes fall on multiples of this, so a gap is left behind in steps of it.
const GAP_STEP_MINUTES: i64 = 15;
/// The widest gap on record is a whole day (Samoa, 2011); twice that is looked through.
const GAP_STEPS: i64 = 2 * 24 * 60 / GAP_STEP_MINUTES;

/// The instant of a local wall time. One that does not exist moves forward by the gap; of two
/// the earlier counts.
pub fn local(zone: Tz, date: NaiveDate, time: NaiveTime) -> Instant {
    let wall = NaiveDateTime::new(date, time);
    match zone.offset_from_local_datetime(&wall) {
        MappedLocalTime::Single(offset) => at_offset(wall, offset.fix().local_minus_utc()),
        MappedLocalTime::Ambiguous(a, b) => {
            let (a, b) = (a.fix().local_minus_utc(), b.fix().local_minus_utc());
            at_offset(wall, a.max(b))
        }
        MappedLocalTime::None => at_offset(wall, offset_before_gap(zone, wall)),
    }
}

/// The local date and time of an instant.
pub fn local_date_time(zone: Tz, at: Instant) -> NaiveDateTime {
    let at = Instant(at.0.clamp(Instant::FIRST.0, Instant::LAST.0));
    let utc = at.to_utc().unwrap_or(DateTime::<Utc>::MAX_UTC).naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    utc + TimeDelta::seconds(i64::from(offset))
}

/// When points are due: `delay_days` local days after the day of the trigger. 0 days: at once.
pub fn due_at(zone: Tz, trigger: Instant, delay_days: u32, at: DueAt) -> Instant {
    if delay_days == 0 {
        return trigger;
    }
    let wall = local_date_time(zone, trigger);
    let time = match at {
        DueAt::SameTime => wall.time(),
        DueAt::Local(time) => time,
    };
    days_later(zone, wall.date(), delay_days, time)
}

/// The instant of a local time of day that may be the end of the day.
pub fn local_at(zone: Tz, date: NaiveDate, at: WallTime) -> Instant {
    match at.within_day() {
        Some(time) => local(zone, date, time),
        None => days_later(zone, date, 1, NaiveTime::MIN),
    }
}

/// When a lot issued at `issued` expires; `None`: never. Not after `issued` where the end of the
/// issue's own period has just passed: then it expires at once.
pub fn expires_at(zone: Tz, issued: Instant, expiry: &Expiry) -> Option<Instant> {
    let wall = local_date_time(zone, issued);
    let today = wall.date();
    let date = match expiry.span {
        ExpirySpan::Never | ExpirySpan::AfterDays(0) | ExpirySpan::AfterMonths(0) => return None,
        ExpirySpan::OfIssue => Some(today),
        ExpirySpan::AfterDays(days) if expiry.round_up_to.is_none() => {
            return Some(days_later(zone, today, days, wall.time()));
        }
        ExpirySpan::AfterDays(days) => today.checked_add_days(Days::new(u64::from(days))),
        ExpirySpan::AfterMonths(months) => today.checked_add_months(Months::new(months)),
        ExpirySpan::Yearly { month, day } => Some(day_of_year(wall.year() + 1, month, day)),
    };
    let date = date.and_then(|date| match expiry.round_up_to {
        Some(period) => last_day_of(period, date),
        None => Some(date),
    });
    Some(date.map_or(Instant::LAST, |date| local_at(zone, date, expiry.at)))
}

/// The last day of the calendar period that holds a date.
fn last_day_of(period: RoundUpTo, date: NaiveDate) -> Option<NaiveDate> {
    let months = period.months();
    let first_of_next = Months::new(months - date.month0() % months);
    date.with_day(1)?.checked_add_months(first_of_next)?.pred_opt()
}

/// A month and day in a year; one that the month does not have is its last.
pub fn day_of_year(year: i32, month: u32, day: u32) -> NaiveDate {
    (0..4)
        .filter_map(|fewer| NaiveDate::from_ymd_opt(year, month, day.checked_sub(fewer)?))
        .next()
        .unwrap_or(NaiveDate::MAX)
}

fn days_later(zone: Tz, date: NaiveDate, days: u32, time: NaiveTime) -> Instant {
    match date.checked_add_days(Days::new(u64::from(days))) {
        Some(date) => local(zone, date, time),
        None => Instant::LAST,
    }
}

/// The wall time of an offset as an instant, within what can be named.
fn at_offset(wall: NaiveDateTime, offset_seconds: i32) -> Instant {
    let micros = wall
        .and_utc()
        .timestamp_micros()
        .saturating_sub(i64::from(offset_seconds) * 1_000_000);
    Instant(micros.clamp(Instant::FIRST.0, Instant::LAST.0))
}

/// A wall time within a gap, read with the offset that counted before the gap, lies as far
/// behind the gap as it was inside.
fn offset_before_gap(zone: Tz, wall: NaiveDateTime) -> i32 {
    for step in 1..=GAP_STEPS {
        let earlier = wall - TimeDelta::minutes(step * GAP_STEP_MINUTES);
        match zone.offset_from_local_datetime(&earlier) {
            MappedLocalTime::Single(offset) => return offset.fix().local_minus_utc(),
            MappedLocalTime::Ambiguous(a, b) => {
                return a.fix().local_minus_utc().min(b.fix().local_minus_utc());
            }
            MappedLocalTime::None => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M").unwrap()
    }

    #[test]
    fn wall_times_become_instants() {
        let check = |zone: Tz, date: &str, at: &str, wanted: &str| {
            let got = local(zone, date.parse().unwrap(), time(at));
            assert_eq!(got, instant(wanted), "{zone} {date} {at}: {}", got.rfc3339());
        };
        check(
            Tz::Asia__Taipei,
            "2022-03-01",
            "23:59",
            "2022-03-01T23:59:00+08:00",
        );
        // 02:00 to 03:00 does not exist: forward by the gap.
        check(
            Tz::Europe__Berlin,
            "2024-03-31",
            "02:30",
            "2024-03-31T03:30:00+02:00",
        );
        check(
            Tz::Europe__Berlin,
            "2024-03-31",
            "02:00",
            "2024-03-31T03:00:00+02:00",
        );
        // 02:00 to 03:00 comes twice: the earlier.
        check(
            Tz::Europe__Berlin,
            "2024-10-27",
            "02:30",
            "2024-10-27T02:30:00+02:00",
        );
        // Half an hour of change.
        check(
            Tz::Australia__Lord_Howe,
            "2024-10-06",
            "02:10",
            "2024-10-06T02:40:00+11:00",
        );
        // A midnight that does not exist.
        check(
            Tz::Africa__Cairo,
            "2024-04-26",
            "00:00",
            "2024-04-26T01:00:00+03:00",
        );
        // A whole day that does not exist.
        check(
            Tz::Pacific__Apia,
            "2011-12-30",
            "12:00",
            "2011-12-31T12:00:00+14:00",
        );
    }

    #[test]
    fn due_times() {
        let check = |zone: Tz, trigger: &str, days: u32, at: Option<&str>, wanted: &str| {
            let at = at.map_or(DueAt::SameTime, |at| DueAt::Local(time(at)));
            let got = due_at(zone, instant(trigger), days, at);
            assert_eq!(got, instant(wanted), "{trigger} + {days}: {}", got.rfc3339());
        };
        let taipei = Tz::Asia__Taipei;
        check(
            taipei,
            "2021-12-01T15:30:00+08:00",
            3,
            None,
            "2021-12-04T15:30:00+08:00",
        );
        check(
            taipei,
            "2021-12-01T15:30:00+08:00",
            0,
            Some("09:00"),
            "2021-12-01T15:30:00+08:00",
        );
        // Already the second of the month there, though not in UTC.
        check(
            taipei,
            "2021-12-01T20:00:00Z",
            1,
            Some("09:00"),
            "2021-12-03T01:00:00Z",
        );
        check(
            Tz::America__Los_Angeles,
            "2024-01-01T01:00:00Z",
            1,
            Some("09:00"),
            "2024-01-01T17:00:00Z",
        );
        // The time of day stays over a clock change.
        check(
            Tz::Europe__Berlin,
            "2024-03-30T12:00:00+01:00",
            1,
            None,
            "2024-03-31T12:00:00+02:00",
        );
        check(
            taipei,
            "2021-12-01T15:30:00.123456+08:00",
            1,
            None,
            "2021-12-02T15:30:00.123456+08:00",
        );
        check(
            taipei,
            "2021-12-01T00:00:00Z",
            u32::MAX,
            None,
            "9999-12-31T23:59:59.999999Z",
        );
    }

    #[test]
    fn expiries() {
        let check = |zone: Tz, issued: &str, span: ExpirySpan, wanted: Option<&str>| {
            let got = expires_at(zone, instant(issued), &Expiry::of(span));
            assert_eq!(got, wanted.map(instant), "{issued} {span:?}");
        };
        let taipei = Tz::Asia__Taipei;
        let yearly = |month, day| ExpirySpan::Yearly { month, day };
        check(taipei, "2024-01-01T12:00:00+08:00", ExpirySpan::Never, None);
        check(
            taipei,
            "2024-01-01T12:00:00+08:00",
            ExpirySpan::AfterDays(0),
            None,
        );
        check(
            taipei,
            "2024-01-01T12:00:00+08:00",
            ExpirySpan::AfterMonths(0),
            None,
        );
        check(
            taipei,
            "2024-01-01T12:00:00+08:00",
            ExpirySpan::AfterDays(30),
            Some("2024-01-31T12:00:00+08:00"),
        );
        let kl = Tz::Asia__Kuala_Lumpur;
        check(
            kl,
            "2022-04-01T13:21:00+08:00",
            ExpirySpan::AfterMonths(6),
            Some("2022-10-01T23:59:00+08:00"),
        );
        check(
            kl,
            "2023-08-31T13:21:00+08:00",
            ExpirySpan::AfterMonths(6),
            Some("2024-02-29T23:59:00+08:00"),
        );
        check(
            kl,
            "2022-01-31T13:21:00+08:00",
            ExpirySpan::AfterMonths(1),
            Some("2022-02-28T23:59:00+08:00"),
        );
        check(
            taipei,
            "2021-12-04T15:30:00+08:00",
            yearly(12, 31),
            Some("2022-12-31T23:59:00+08:00"),
        );
        // New year's eve in UTC is already the new year in Taipei.
        check(
            taipei,
            "2021-12-31T17:00:00Z",
            yearly(12, 31),
            Some("2023-12-31T23:59:00+08:00"),
        );
        check(
            taipei,
            "2022-05-01T00:00:00Z",
            yearly(2, 29),
            Some("2023-02-28T23:59:00+08:00"),
        );
        check(
            taipei,
            "2023-05-01T00:00:00Z",
            yearly(2, 29),
            Some("2024-02-29T23:59:00+08:00"),
        );
        check(
            taipei,
            "2022-05-01T00:00:00Z",
            ExpirySpan::AfterMonths(u32::MAX),
            Some("9999-12-31T23:59:59.999999Z"),
        );
        check(
            taipei,
            "9999-12-31T20:00:00Z",
            yearly(12, 31),
            Some("9999-12-31T23:59:59.999999Z"),
        );
    }

    #[test]
    fn expiries_at_the_end_of_a_period() {
        use RoundUpTo::{HalfYear, Month, Quarter, Year};
        const OF_ISSUE: ExpirySpan = ExpirySpan::OfIssue;
        let check = |issued: &str, span, period, seconds, wanted: Option<&str>| {
            let expiry = Expiry {
                span,
                at: WallTime::from_seconds(seconds).unwrap(),
                round_up_to: period,
            };
            let got = expires_at(Tz::Asia__Taipei, instant(issued), &expiry);
            assert_eq!(got, wanted.map(instant), "{issued} {expiry:?}");
        };
        const LATE: u32 = 86_399;
        const NIGHT: u32 = 86_400;
        let noon = "2024-05-01T12:00:00+08:00";
        let (days, months) = (ExpirySpan::AfterDays, ExpirySpan::AfterMonths);
        for (period, wanted) in [
            (Month, "2024-05-31T23:59:59+08:00"),
            (Quarter, "2024-06-30T23:59:59+08:00"),
            (HalfYear, "2024-06-30T23:59:59+08:00"),
            (Year, "2024-12-31T23:59:59+08:00"),
        ] {
            check(noon, OF_ISSUE, Some(period), LATE, Some(wanted));
        }
        check(
            noon,
            days(30),
            Some(Month),
            LATE,
            Some("2024-05-31T23:59:59+08:00"),
        );
        check(
            noon,
            days(31),
            Some(Month),
            NIGHT,
            Some("2024-07-01T00:00:00+08:00"),
        );
        check(
            noon,
            days(61),
            Some(HalfYear),
            NIGHT,
            Some("2025-01-01T00:00:00+08:00"),
        );
        check(
            noon,
            months(1),
            Some(Quarter),
            LATE,
            Some("2024-06-30T23:59:59+08:00"),
        );
        check(
            noon,
            months(2),
            Some(Quarter),
            0,
            Some("2024-09-30T00:00:00+08:00"),
        );
        // A month's last day that is clamped; a leap year's.
        check(
            "2024-01-31T12:00:00+08:00",
            months(1),
            Some(Month),
            0,
            Some("2024-02-29T00:00:00+08:00"),
        );
        check(
            "2023-11-30T12:00:00+08:00",
            months(1),
            Some(Year),
            0,
            Some("2023-12-31T00:00:00+08:00"),
        );
        // None of the period's days are none at all.
        check(noon, days(0), Some(Month), LATE, None);
        check(noon, months(0), Some(Month), LATE, None);
        check(noon, ExpirySpan::Never, Some(Month), LATE, None);
        // Already the next month there, though not in UTC.
        check(
            "2024-05-31T16:00:00Z",
            OF_ISSUE,
            Some(Month),
            LATE,
            Some("2024-06-30T23:59:59+08:00"),
        );
        // Past by seconds.
        check(
            "2024-06-30T23:59:30+08:00",
            OF_ISSUE,
            Some(Month),
            86_340,
            Some("2024-06-30T23:59:00+08:00"),
        );
        // The end of a day without rounding.
        check(noon, months(1), None, NIGHT, Some("2024-06-02T00:00:00+08:00"));
        check(
            noon,
            ExpirySpan::Yearly { month: 2, day: 29 },
            None,
            NIGHT,
            Some("2025-03-01T00:00:00+08:00"),
        );
        check(noon, days(1), None, NIGHT, Some("2024-05-02T12:00:00+08:00"));
        // The last day that can be named.
        let last = Some("9999-12-31T23:59:59.999999Z");
        check(
            "9999-12-31T12:00:00Z",
            OF_ISSUE,
            Some(Year),
            NIGHT,
            Some("9999-12-31T16:00:00Z"),
        );
        check("9999-12-31T16:00:00Z", OF_ISSUE, Some(Year), NIGHT, last);
        check(noon, months(u32::MAX), Some(Year), NIGHT, last);
        check(noon, days(u32::MAX), Some(Month), NIGHT, last);
    }

    #[test]
    fn absurd_instants_do_not_panic() {
        for at in [Instant::MIN, Instant(i64::MAX), Instant::FIRST, Instant::LAST] {
            for zone in [Tz::Pacific__Apia, Tz::America__Los_Angeles] {
                due_at(zone, at, 1, DueAt::SameTime);
                for span in [ExpirySpan::AfterDays(u32::MAX), ExpirySpan::OfIssue] {
                    let expiry = Expiry {
                        span,
                        at: WallTime::END_OF_DAY,
                        round_up_to: Some(RoundUpTo::Year),
                    };
                    expires_at(zone, at, &expiry);
                }
            }
        }
    }
}
