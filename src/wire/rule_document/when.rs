//! `bonuses[].when`: the conditions of a bonus.

use serde_json::{Value, json};

use super::findings::Findings;
use super::section::Section;
use super::value;
use crate::domain::rules::model::{Between, Hours, When, Words};
use crate::domain::wall_time::WallTime;

pub fn read(section: Option<Section<'_>>, found: &mut Findings) -> When {
    let Some(mut section) = section else {
        return When::default();
    };
    let when = When {
        between: read_between(&mut section, found),
        days_of_week: section.words("days_of_week", found),
        days_of_month: section.numbers("days_of_month", 1, 31, found),
        hours: read_hours(&mut section, found),
        channels: section.names("channels", found),
        payment_methods: section.names("payment_methods", found),
        min_order: section.amount("min_order", found),
        tiers: section.names("tiers", found),
        birthday: section.word("birthday", found),
        first_order: section.bool("first_order", false, found),
    };
    section.end(found);
    when
}

fn read_between(section: &mut Section<'_>, found: &mut Findings) -> Option<Between> {
    let example = "[2022-11-05T00:00:00+08:00, 2022-11-07T00:00:00+08:00]";
    let path = section.path("between");
    let [(start, start_line), (end, line)] = section.pair("between", example, found)?;
    let start = value::instant(start, start_line, &path, found);
    let end = value::instant(end, line, &path, found);
    let (start, end) = (start?, end?);
    if end <= start {
        let remedy = "write the earlier one first";
        found.add(line, &path, "does not end after its start", remedy);
        return None;
    }
    Some(Between { start, end })
}

fn read_hours(section: &mut Section<'_>, found: &mut Findings) -> Option<Hours> {
    let path = section.path("hours");
    let [(from, from_line), (to, line)] = section.pair("hours", "[\"10:00\", \"22:00\"]", found)?;
    let start = value::wall_time(from, from_line, &path, found);
    let end = value::wall_time(to, line, &path, found);
    let (start, end) = (start?, end?);
    if start == end {
        let remedy = "leave hours out for the whole day";
        found.add(line, &path, "ends where it begins", remedy);
        return None;
    }
    if start == WallTime::END_OF_DAY {
        let remedy = "begin at \"00:00\"";
        found.add(from_line, &path, "begins at the end of the day", remedy);
        return None;
    }
    Some(Hours { start, end })
}

pub fn write(when: &When) -> Value {
    let When {
        between,
        days_of_week,
        days_of_month,
        hours,
        channels,
        payment_methods,
        min_order,
        tiers,
        birthday,
        first_order,
    } = when;
    let days_of_week: Vec<&str> = days_of_week.iter().map(|day| day.word()).collect();
    json!({
        "between": between.map(|Between { start, end }| [start.rfc3339(), end.rfc3339()]),
        "days_of_week": days_of_week,
        "days_of_month": days_of_month,
        "hours": hours.map(|Hours { start, end }| [start.to_string(), end.to_string()]),
        "channels": channels,
        "payment_methods": payment_methods,
        "min_order": min_order.map(|amount| amount.to_string()),
        "tiers": tiers,
        "birthday": birthday.map(Words::word),
        "first_order": first_order,
    })
}
