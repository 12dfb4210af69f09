//! Local dates and times of a shop's zone.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;

use super::instant::Instant;
use super::rules::model::{DueAt, Expiry};

/// The instant of a local wall time. One that does not exist moves forward by the gap; of two
/// the earlier counts.
pub fn local(_zone: Tz, _date: NaiveDate, _time: NaiveTime) -> Instant {
    todo!()
}

/// The local date and time of an instant.
pub fn local_date_time(_zone: Tz, _at: Instant) -> chrono::NaiveDateTime {
    todo!()
}

/// When points are due: `delay_days` local days after the day of the trigger. 0 days: at once.
pub fn due_at(_zone: Tz, _trigger: Instant, _delay_days: u32, _at: DueAt) -> Instant {
    todo!()
}

/// When a lot issued at `issued` expires; `None`: never.
pub fn expires_at(_zone: Tz, _issued: Instant, _expiry: &Expiry) -> Option<Instant> {
    todo!()
}
