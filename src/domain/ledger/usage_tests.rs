use super::*;

fn day(text: &str) -> i32 {
    day_number(text.parse().expect("a date"))
}

fn count(points: i64, orders: i64) -> Count {
    Count { points, orders }
}

#[test]
fn periods_are_those_of_the_calendar() {
    let check = |per, day_of: &str, from: &str, to: &str| {
        assert_eq!(
            period(per, day(day_of)),
            (day(from), day(to)),
            "{per:?} of {day_of}"
        );
    };
    check(LimitPeriod::Day, "2024-02-29", "2024-02-29", "2024-03-01");
    // A Sunday ends its week, a Monday begins one.
    check(LimitPeriod::Week, "2024-05-05", "2024-04-29", "2024-05-06");
    check(LimitPeriod::Week, "2024-05-06", "2024-05-06", "2024-05-13");
    check(LimitPeriod::Week, "1969-12-31", "1969-12-29", "1970-01-05");
    check(LimitPeriod::Month, "2024-12-31", "2024-12-01", "2025-01-01");
    check(LimitPeriod::Month, "2024-02-01", "2024-02-01", "2024-03-01");
    check(LimitPeriod::Year, "2024-12-31", "2024-01-01", "2025-01-01");
}

#[test]
fn each_period_holds_its_days() {
    let mut usage = Usage::default();
    for (text, points) in [
        ("2024-04-30", 1),
        ("2024-05-05", 10),
        ("2024-05-06", 100),
        ("2025-05-06", 1000),
    ] {
        usage.add(None, day(text), count(points, 1));
    }
    usage.add(Some(&"tea".into()), day("2024-05-06"), count(7, 1));
    let of = |per, text| usage.within(None, per, day(text));
    assert_eq!(of(LimitPeriod::Day, "2024-05-05"), count(10, 1));
    assert_eq!(of(LimitPeriod::Week, "2024-05-05"), count(11, 2));
    assert_eq!(of(LimitPeriod::Month, "2024-05-31"), count(110, 2));
    assert_eq!(of(LimitPeriod::Year, "2024-01-01"), count(111, 3));
    assert_eq!(of(LimitPeriod::Ever, "1999-01-01"), count(1111, 4));
    let tea = usage.within(Some(&"tea".into()), LimitPeriod::Ever, 0);
    assert_eq!(tea, count(7, 1));
}

#[test]
fn what_is_taken_back_leaves_nothing_behind() {
    let mut usage = Usage::default();
    usage.add(None, 5, count(7, 1));
    usage.add(None, 5, count(-7, -1));
    assert!(usage.is_empty());
}

#[test]
fn old_days_count_for_ever_and_in_no_period() {
    let mut usage = Usage::default();
    usage.add(None, day("2020-01-01"), count(5, 1));
    usage.add(None, day("2024-01-01"), count(7, 1));
    usage.fold_before(day("2021-01-01"));
    assert_eq!(
        usage.within(None, LimitPeriod::Year, day("2020-05-01")),
        count(0, 0)
    );
    assert_eq!(usage.within(None, LimitPeriod::Ever, 0), count(12, 2));
    // What was folded can still be taken back.
    usage.add(None, day("2020-01-01"), count(-5, -1));
    assert_eq!(usage.within(None, LimitPeriod::Ever, 0), count(7, 1));
}
