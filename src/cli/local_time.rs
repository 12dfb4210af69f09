//! Instants as the shop's people read them.

use chrono_tz::Tz;

use crate::domain::instant::Instant;

/// In the shop's zone, with its offset; in UTC where the zone is not known.
#[derive(Clone, Copy)]
pub struct LocalTime(Option<Tz>);

impl LocalTime {
    pub fn of(zone: Option<&str>) -> Self {
        Self(zone.and_then(|name| name.parse().ok()))
    }

    /// What is no instant is shown as it is.
    pub fn show(self, instant: &str) -> String {
        Instant::parse(instant).map_or_else(|| instant.to_owned(), |at| at.rfc3339_in(self.0))
    }
}
