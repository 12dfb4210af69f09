//! A point in time. Microseconds, because a snapshot without a revision is ordered by them.

use chrono::{DateTime, SecondsFormat, Utc};

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    pub const MIN: Instant = Instant(i64::MIN);

    /// Finer parts than a microsecond are cut off.
    pub fn from_utc(time: DateTime<Utc>) -> Self {
        Instant(time.timestamp_micros())
    }

    /// `None` beyond the years that a calendar can name.
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }

    pub fn from_millis(millis: i64) -> Self {
        Instant(millis.saturating_mul(1_000))
    }

    /// The first whole millisecond that is not before this instant.
    pub fn ceil_millis(self) -> i64 {
        self.0.div_euclid(1_000) + i64::from(self.0.rem_euclid(1_000) != 0)
    }

    /// RFC 3339 in UTC with as many digits as are needed.
    pub fn rfc3339(self) -> String {
        let time = self.to_utc().unwrap_or(DateTime::<Utc>::MAX_UTC);
        time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// Reads RFC 3339. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|t| Self::from_utc(t.with_timezone(&Utc)))
    }
}
