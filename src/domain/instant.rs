//! A point in time. Microseconds, because a snapshot without a revision is ordered by them.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use chrono_tz::Tz;

/// From the first day of year 1.
const DAYS_TO_1970: i64 = 719_163;

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    pub const MIN: Instant = Instant(i64::MIN);
    /// 0000-01-01T00:00:00Z, the first that RFC 3339 can name in UTC.
    pub const FIRST: Instant = Instant(-62_167_219_200_000_000);
    /// 9999-12-31T23:59:59.999999Z, the last.
    pub const LAST: Instant = Instant(253_402_300_799_999_999);

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

    /// The whole millisecond that this instant is in.
    pub fn floor_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The first whole millisecond that is not before this instant.
    pub fn ceil_millis(self) -> i64 {
        self.floor_millis() + i64::from(self.0.rem_euclid(1_000) != 0)
    }

    /// RFC 3339 in UTC with as many digits as are needed: none, three or six behind the second.
    pub fn rfc3339(self) -> String {
        let named = self.clamp(Self::FIRST, Self::LAST);
        let time = named.to_utc().unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut two_digits = |at: usize, number: u32| {
            text[at] = b'0' + (number / 10 % 10) as u8;
            text[at + 1] = b'0' + (number % 10) as u8;
        };
        let (year, micros) = (time.year().unsigned_abs(), time.timestamp_subsec_micros());
        two_digits(0, year / 100);
        two_digits(2, year);
        two_digits(5, time.month());
        two_digits(8, time.day());
        two_digits(11, time.hour());
        two_digits(14, time.minute());
        two_digits(17, time.second());
        two_digits(20, micros / 10_000);
        two_digits(22, micros / 100);
        two_digits(24, micros);
        let end = match micros {
            0 => 19,
            _ if micros % 1_000 == 0 => 23,
            _ => 26,
        };
        text[end] = b'Z';
        String::from_utf8(text[..=end].to_vec()).unwrap_or_default()
    }

    /// RFC 3339 in a zone, with its offset then; in UTC where no zone is known.
    pub fn rfc3339_in(self, zone: Option<Tz>) -> String {
        let Some(zone) = zone else {
            return self.rfc3339();
        };
        let named = self.clamp(Self::FIRST, Self::LAST);
        let time = named.to_utc().unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
        let local = time.with_timezone(&zone);
        local.to_rfc3339_opts(SecondsFormat::AutoSi, false)
    }

    /// Reads RFC 3339. `None` for anything else. A time at the edge of what can be written, as
    /// `9999-12-31T23:59:59-05:00`, is the nearest that UTC can name.
    pub fn parse(text: &str) -> Option<Self> {
        let read = Self::parse_plain(text.as_bytes()).or_else(|| {
            // The general parser takes a typographic minus for a sign.
            if !text.is_ascii() {
                return None;
            }
            let time = DateTime::parse_from_rfc3339(text).ok()?;
            Some(Self::from_utc(time.with_timezone(&Utc)))
        });
        read.map(|read| read.clamp(Self::FIRST, Self::LAST))
    }

    /// The form that nearly every event has, `YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM)`, read
    /// without the general parser: each order event brings two to five times.
    fn parse_plain(text: &[u8]) -> Option<Self> {
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if text.len() < 20 || marks.iter().any(|(at, mark)| text[*at] != *mark) {
            return None;
        }
        let number = |at: usize| two_digits(text[at], text[at + 1]);
        let (year, month, day) = (number(0)? * 100 + number(2)?, number(5)?, number(8)?);
        let (hour, minute, second) = (number(11)?, number(14)?, number(17)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (micros, zone) = fraction(&text[19..])?;
        let offset = match zone {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
            }
            _ => return None,
        };
        let date = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
        let days = i64::from(date.num_days_from_ce()) - DAYS_TO_1970;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Instant(seconds * 1_000_000 + micros))
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// Microseconds of a fraction, if there is one, and what stands behind it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(behind) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let (mut micros, mut worth, mut end) = (0, 100_000, 0);
    while let Some(digit) = behind.get(end).filter(|byte| byte.is_ascii_digit()) {
        micros += worth * i64::from(digit - b'0');
        worth /= 10;
        end += 1;
    }
    (1..=9).contains(&end).then(|| (micros, &behind[end..]))
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        let texts = [
            "2022-03-02T10:00:00+08:00",
            "2022-03-02T10:00:00Z",
            "0000-01-01T00:00:00-23:59",
            "9999-12-31T23:59:59+00:00",
            "2024-02-29T00:00:00-03:30",
            "2023-02-29T00:00:00Z",
            "2022-13-02T10:00:00Z",
            "2022-03-02T24:00:00Z",
            "2022-03-02T10:60:00Z",
            "2022-03-02T10:00:60Z",
            "2022-03-02T10:00:00+24:00",
            "2022-03-02T10:00:00+08:60",
            "2022-03-02T10:00:00+0800",
            "2022-03-02 10:00:00Z",
            "2022-03-02t10:00:00z",
            "2022-03-02T10:00:00.123456789Z",
            "2022-03-02T10:00:00.1+08:00",
            "2022-03-02T10:00:00.0100Z",
            "2022-03-02T10:00:00.1234567891Z",
            "1969-12-31T23:59:59.9999999Z",
            "2022-03-02T10:00:00.Z",
            "2022-03-02T10:00:00.5",
            "2022-03-02T10:00:00.5+08:0",
            "2022-03-02T10:00:00.5+08:000",
            "2022-03-02T10:00:00",
            "2022-03-02T10:00:0٣Z",
            "",
        ];
        for text in texts {
            let long = DateTime::parse_from_rfc3339(text).ok();
            let long = long.map(|time| Instant::from_utc(time.with_timezone(&Utc)));
            assert_eq!(Instant::parse(text), long, "{text}");
            assert!(
                Instant::parse_plain(text.as_bytes()).is_none_or(|short| Some(short) == long),
                "{text}"
            );
        }
        for loose in [
            " 2022-03-02T10:00:00Z",
            "2022-03-02T10:00:00Z ",
            "+022-03-02T10:00:00Z",
            "2022- 3-02T10:00:00Z",
            "2022-03-02T+1:00:00Z",
            "2022-03-02T10:00:00 Z",
            "2022-03-02T10:00:00+ 8:00",
            "2022-03-02T10:00:00\u{2212}08:00",
        ] {
            assert_eq!(Instant::parse(loose), None, "{loose}");
        }
        assert_eq!(
            Instant::parse("2022-03-02T02:00:00Z"),
            Some(Instant(1_646_186_400_000_000))
        );
    }

    #[test]
    fn what_utc_cannot_name_is_the_nearest_that_it_can() {
        for (text, read) in [
            ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("0000-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00-14:00", "0000-01-01T14:00:00Z"),
        ] {
            // What is counted with is what is told.
            assert_eq!(Instant::parse(text), Instant::parse(read), "{text}");
            assert_eq!(Instant::parse(text).unwrap().rfc3339(), read, "{text}");
        }
        assert_eq!(Instant(i64::MAX).rfc3339(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Instant::MIN.rfc3339(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn the_short_way_writes_what_the_long_way_writes() {
        let of_year = |year: i64| (year - 1970) * 31_556_952_000_000;
        for micros in [0, 1, -1, 10_000, 123_456, 999_000, -62_167_219_200_000_001] {
            for year in [-1, 0, 1, 999, 1970, 2024, 9_999, 10_000] {
                let instant = Instant(of_year(year) + micros);
                if instant.clamp(Instant::FIRST, Instant::LAST) != instant {
                    continue;
                }
                let long = instant.to_utc().unwrap();
                let long = long.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                assert_eq!(instant.rfc3339(), long);
            }
        }
    }
}
