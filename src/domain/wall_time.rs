//! A local time of day that may be the end of the day.

use std::fmt;

use chrono::{NaiveTime, Timelike};

const DAY_SECONDS: u32 = 24 * 60 * 60;

/// Seconds of a local day, from 00:00 to 24:00. 24:00 is 00:00 of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(u32);

impl WallTime {
    pub const MIDNIGHT: WallTime = WallTime(0);
    pub const END_OF_DAY: WallTime = WallTime(DAY_SECONDS);

    /// `None` beyond the end of the day.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        match seconds <= DAY_SECONDS {
            true => Some(WallTime(seconds)),
            false => None,
        }
    }

    /// `hour` below 24 and `minute` below 60; larger ones are the end of the day.
    pub const fn of(hour: u32, minute: u32) -> Self {
        match hour < 24 && minute < 60 {
            true => WallTime(hour * 3600 + minute * 60),
            false => Self::END_OF_DAY,
        }
    }

    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// The time of day; `None`: the end of the day.
    pub fn within_day(self) -> Option<NaiveTime> {
        NaiveTime::from_num_seconds_from_midnight_opt(self.0, 0)
    }
}

impl From<NaiveTime> for WallTime {
    /// Whole seconds; fractions are dropped.
    fn from(time: NaiveTime) -> Self {
        WallTime(time.num_seconds_from_midnight())
    }
}

impl fmt::Display for WallTime {
    /// `HH:MM`, with seconds where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{hours:02}:{minutes:02}")?;
        match seconds {
            0 => Ok(()),
            seconds => write!(f, ":{seconds:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_midnight_to_the_end_of_the_day() {
        for (seconds, text) in [
            (0, "00:00"),
            (1, "00:00:01"),
            (86_340, "23:59"),
            (86_399, "23:59:59"),
            (86_400, "24:00"),
        ] {
            let time = WallTime::from_seconds(seconds).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(time.seconds(), seconds);
            assert_eq!(time.within_day().is_none(), seconds == 86_400);
        }
        assert_eq!(WallTime::from_seconds(86_401), None);
        assert_eq!(WallTime::of(23, 59).seconds(), 86_340);
        assert_eq!(WallTime::of(24, 0), WallTime::END_OF_DAY);
    }
}
