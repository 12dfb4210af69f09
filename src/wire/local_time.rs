//! Local dates and times as rules and commands write them: so many digits, and nothing else.
//! (chrono's own parsers skip blanks and take signs.)

use chrono::{NaiveDate, NaiveTime, Timelike};

use crate::domain::wall_time::WallTime;

/// `YYYY-MM-DD`, a day that there is.
pub fn day(text: &str) -> Option<NaiveDate> {
    let (year, month_and_day) = text.split_once('-')?;
    let (month, day) = month_and_day.split_once('-')?;
    NaiveDate::from_ymd_opt(
        i32::try_from(digits::<4>(year)?).ok()?,
        digits::<2>(month)?,
        digits::<2>(day)?,
    )
}

/// `MM-DD`, a day that some year has.
pub fn month_and_day(text: &str) -> Option<(u32, u32)> {
    const LEAP_YEAR: i32 = 2000;
    let (month, day) = text.split_once('-')?;
    let (month, day) = (digits::<2>(month)?, digits::<2>(day)?);
    NaiveDate::from_ymd_opt(LEAP_YEAR, month, day).map(|_| (month, day))
}

/// `HH:MM`.
pub fn time_of_day(text: &str) -> Option<NaiveTime> {
    let (hour, minute) = text.split_once(':')?;
    NaiveTime::from_hms_opt(digits::<2>(hour)?, digits::<2>(minute)?, 0)
}

/// `HH:MM`, `HH:MM:SS`, or `24:00`, the end of the day.
pub fn wall_time(text: &str) -> Option<WallTime> {
    if text == "24:00" {
        return Some(WallTime::END_OF_DAY);
    }
    let time = match text.rsplit_once(':') {
        Some((minutes, seconds)) if minutes.contains(':') => {
            time_of_day(minutes)?.with_second(digits::<2>(seconds)?)?
        }
        _ => time_of_day(text)?,
    };
    Some(WallTime::from(time))
}

fn digits<const COUNT: usize>(text: &str) -> Option<u32> {
    let plain = text.len() == COUNT && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_four_two_and_two_digits() {
        let check = |text: &str, expected: Option<(i32, u32, u32)>| {
            let expected = expected.and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
            assert_eq!(day(text), expected, "{text:?}");
        };
        check("2024-06-01", Some((2024, 6, 1)));
        check("2024-02-29", Some((2024, 2, 29)));
        check("0000-05-20", Some((0, 5, 20)));
        for text in [
            "",
            "2024-6-1",
            "2024- 6- 1",
            "2024-06- 1",
            "2024-+6-01",
            " 024-06-01",
            "+024-06-01",
            "-024-06-01",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-06-00",
            "20240601",
            "2024/06/01",
            "2024-06-01 ",
            "2024-06-01-",
            "12024-06-01",
            "٢٠٢٤-٠٦-٠١",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_month_and_day_is_in_some_year() {
        let check = |text: &str, expected| assert_eq!(month_and_day(text), expected, "{text:?}");
        check("12-31", Some((12, 31)));
        check("02-29", Some((2, 29)));
        for text in [
            "",
            "02-30",
            "13-01",
            "00-10",
            "05-00",
            "5-20",
            " 5-20",
            "+5-20",
            "05-20 ",
            "0520",
            "٠٥-٢٠",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn times_are_two_and_two_digits() {
        let check = |text: &str, expected: Option<(u32, u32)>| {
            let expected = expected.and_then(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0));
            assert_eq!(time_of_day(text), expected, "{text:?}");
        };
        check("00:00", Some((0, 0)));
        check("23:59", Some((23, 59)));
        for text in [
            "", "9:30", " 9:30", "+9:30", "09: 3", "09:+3", "24:00", "23:60", "09:30:00", "0930", "09:30 ",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn wall_times_have_seconds_and_an_end_of_day() {
        let check = |text: &str, seconds: Option<u32>| {
            assert_eq!(wall_time(text).map(WallTime::seconds), seconds, "{text:?}");
        };
        check("00:00", Some(0));
        check("23:59", Some(86_340));
        check("23:59:59", Some(86_399));
        check("00:00:01", Some(1));
        check("24:00", Some(86_400));
        for text in [
            "",
            "24:00:00",
            "24:01",
            "23:59:60",
            "23:59:5",
            "23:59:",
            ":59:59",
            "23:59:59:59",
            "23:59:59 ",
            "9:30:00",
        ] {
            check(text, None);
        }
    }
}
