//! One of `tiers.levels`.

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::node;
use super::section::{POINTS_MAX, SPAN_MAX, Section};
use super::{expiry, issuance, tiers};
use crate::domain::rules::model::*;

/// Of one level, and of its renewal.
const CONDITIONS_MAX: usize = 16;
/// As they are carried to every output about the level.
const BENEFITS_BYTES_MAX: usize = 2_000;
/// The word in place of a list of conditions.
const SAME: &str = "same";

/// `None` where it cannot stand as a level of its own. The first has no conditions and no end.
pub fn read(mut section: Section<'_>, first: bool, found: &mut Findings) -> Option<Level> {
    let name = tiers::read_name(&mut section, found);
    if first {
        refuse_in_first(&mut section, found);
    }
    let enter = read_conditions(&mut section, "enter", found);
    let valid = match section.section("valid", found) {
        Some(mut valid) => {
            let read = expiry::read(&mut valid, found);
            valid.end(found);
            read
        }
        None => Some(Expiry::default()),
    };
    let within = section
        .section("within", found)
        .map(|within| read_within(within, found));
    let within = match (within, &valid) {
        (Some(within), _) => within,
        (None, valid) => Some(Within::span_of(&valid.unwrap_or_default())),
    };
    let renew = read_renewal(&mut section, found);
    let renew_when = section.word("renew_when", found).unwrap_or_default();
    let renew_over = section.word("renew_over", found).unwrap_or_default();
    let gifts = read_gifts(section.section("gifts", found), first, found);
    let benefits = read_benefits(&mut section, found);
    section.end(found);
    Some(Level {
        name: name?.into(),
        enter,
        within: within?,
        valid: valid?,
        renew,
        renew_when,
        renew_over,
        gifts,
        benefits,
    })
}

fn refuse_in_first(section: &mut Section<'_>, found: &mut Findings) {
    for key in ["enter", "valid", "renew"] {
        let given = match section.get(key).map(|node| &node.value) {
            None => false,
            Some(node::Value::List(items)) => !items.is_empty(),
            Some(node::Value::Scalar { text, .. }) => text != SAME,
            Some(_) => true,
        };
        if given {
            let wrong = "stands in the first level, which is everybody's and has no end";
            let remedy = "leave it out, or put a level without conditions before it";
            found.add(section.line_of(key), &section.path(key), wrong, remedy);
        }
    }
}

fn read_conditions(section: &mut Section<'_>, key: &'static str, found: &mut Findings) -> Vec<Condition> {
    let conditions = section.list(key, found);
    if conditions.len() > CONDITIONS_MAX {
        let wrong = format!("has {} conditions", conditions.len());
        let remedy = format!("write at most {CONDITIONS_MAX}");
        found.add(section.line_of(key), &section.path(key), wrong, remedy);
        return Vec::new();
    }
    conditions
        .into_iter()
        .map(|condition| read_condition(condition, found))
        .collect()
}

fn read_condition(mut section: Section<'_>, found: &mut Findings) -> Condition {
    let condition = Condition {
        amount: section.positive("amount", found),
        orders: section.whole("orders", 1, POINTS_MAX, found),
        order_amount: section.positive("order_amount", found),
        points: section.whole("points", 1, POINTS_MAX, found),
    };
    let keys = ["amount", "orders", "order_amount", "points"];
    if keys.into_iter().all(|key| section.get(key).is_none()) {
        let remedy = "add one of: amount, orders, order_amount, points";
        found.add(section.line, &section.path("amount"), "is missing", remedy);
    }
    section.end(found);
    condition
}

fn read_renewal(section: &mut Section<'_>, found: &mut Findings) -> Renew {
    match section.get("renew").map(|node| &node.value) {
        None => Renew::Same,
        Some(node::Value::Scalar { .. }) => {
            section.one_of("renew", &[(SAME, ())], found);
            Renew::Same
        }
        Some(_) => Renew::By(read_conditions(section, "renew", found)),
    }
}

fn read_within(mut section: Section<'_>, found: &mut Findings) -> Option<Within> {
    let span_of = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let months = span_of(section.whole("months", 1, SPAN_MAX, found));
    let days = span_of(section.whole("days", 1, SPAN_MAX, found));
    let calendar: Option<RoundUpTo> = section.word("calendar", found);
    let in_tier = section.section("in_tier", found);
    let in_tier = in_tier.map(|in_tier| read_in_tier(in_tier, found));
    let lifetime = section.bool("lifetime", false, found);
    let keys = ["months", "days", "calendar", "in_tier", "lifetime"];
    let is_one = is_exactly_one(&mut section, &keys, found);
    section.end(found);
    if !is_one {
        return None;
    }
    match (months, days, calendar, in_tier) {
        (Some(months), ..) => Some(Within::Months(months)),
        (_, Some(days), ..) => Some(Within::Days(days)),
        (_, _, Some(period), _) => Some(Within::Calendar(period)),
        (_, _, _, Some(in_tier)) => in_tier,
        _ => lifetime.then_some(Within::Lifetime),
    }
}

fn read_in_tier(mut section: Section<'_>, found: &mut Findings) -> Option<Within> {
    let span_of = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let months = span_of(section.whole("months", 1, SPAN_MAX, found));
    let days = span_of(section.whole("days", 1, SPAN_MAX, found));
    let is_one = is_exactly_one(&mut section, &["months", "days"], found);
    section.end(found);
    let within = months.map(Within::InTierMonths).or(days.map(Within::InTierDays));
    within.filter(|_| is_one)
}

fn is_exactly_one(section: &mut Section<'_>, keys: &[&'static str], found: &mut Findings) -> bool {
    let given: Vec<&str> = keys
        .iter()
        .copied()
        .filter(|key| section.get(key).is_some_and(|node| !node.is_false()))
        .collect();
    match given[..] {
        [_] => return true,
        [] => {
            let (first, remedy) = (keys[0], format!("add one of: {}", keys.join(", ")));
            found.add(section.line, &section.path(first), "is missing", remedy);
        }
        [first, second, ..] => {
            let wrong = format!("stands beside {first}");
            let (line, path) = (section.line_of(second), section.path(second));
            found.add(line, &path, wrong, "leave one of the two out");
        }
    }
    false
}

fn read_gifts(section: Option<Section<'_>>, first: bool, found: &mut Findings) -> LevelGifts {
    let Some(mut section) = section else {
        return LevelGifts::default();
    };
    let entry = section.section("entry", found);
    if first && entry.is_some() {
        let wrong = "stands in the first level, which nobody enters";
        let remedy = "use gifts.registration of the document";
        found.add(section.line_of("entry"), &section.path("entry"), wrong, remedy);
    }
    let entry = entry.and_then(|gift| read_gift(gift, found));
    let renewal = section.section("renewal", found);
    let renewal = renewal.and_then(|gift| read_gift(gift, found));
    let birthday = section.section("birthday", found).and_then(|mut gift| {
        let points = gift.whole("points", 1, POINTS_MAX, found);
        let points = gift.required("points", points, found);
        let expiry = expiry::read_own(&mut gift, found);
        gift.end(found);
        Some(LevelBirthdayGift {
            points: points?,
            expiry,
        })
    });
    section.end(found);
    LevelGifts {
        entry,
        renewal,
        birthday,
    }
}

fn read_gift(mut section: Section<'_>, found: &mut Findings) -> Option<LevelGift> {
    let points = section.whole("points", 1, POINTS_MAX, found);
    let points = section.required("points", points, found);
    let delay_days = section.whole("delay_days", 0, SPAN_MAX, found);
    let at = issuance::read_due_at(&mut section, found).unwrap_or_default();
    let expiry = expiry::read_own(&mut section, found);
    section.end(found);
    Some(LevelGift {
        points: points?,
        delay_days: delay_days.and_then(|days| u32::try_from(days).ok()).unwrap_or(0),
        at,
        expiry,
    })
}

fn read_benefits(section: &mut Section<'_>, found: &mut Findings) -> Option<String> {
    let node = section.get("benefits")?;
    let (line, path) = (section.line_of("benefits"), section.path("benefits"));
    if !matches!(node.value, node::Value::Map(_)) {
        let remedy = "write its fields below it, indented";
        found.add(line, &path, "is not a section", remedy);
        return None;
    }
    let text = node.to_json().to_string();
    if text.len() > BENEFITS_BYTES_MAX {
        let wrong = format!("has {} bytes as JSON", text.len());
        let remedy = format!("write at most {BENEFITS_BYTES_MAX}: every output about the level carries them");
        found.add(line, &path, wrong, remedy);
        return None;
    }
    Some(text)
}

pub fn write(level: &Level, first: bool) -> Value {
    let Level {
        name,
        enter,
        within,
        valid,
        renew,
        renew_when,
        renew_over,
        gifts,
        benefits,
    } = level;
    let renew = match renew {
        Renew::Same => json!(SAME),
        Renew::By(conditions) => write_conditions(conditions),
    };
    let benefits: Value = benefits
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(name));
    if !first {
        fields.insert("enter".to_owned(), write_conditions(enter));
        fields.insert("within".to_owned(), write_within(*within));
        fields.insert("valid".to_owned(), expiry::write(valid));
        fields.insert("renew".to_owned(), renew);
        fields.insert("renew_when".to_owned(), json!(renew_when.word()));
        fields.insert("renew_over".to_owned(), json!(renew_over.word()));
    }
    fields.insert("gifts".to_owned(), write_gifts(gifts));
    fields.insert("benefits".to_owned(), benefits);
    Value::Object(fields)
}

fn write_conditions(conditions: &[Condition]) -> Value {
    let write = |condition: &Condition| {
        let Condition {
            amount,
            orders,
            order_amount,
            points,
        } = condition;
        let mut fields = Map::new();
        let parts = [
            ("amount", amount.map(|amount| json!(amount.to_string()))),
            ("orders", orders.map(|orders| json!(orders))),
            (
                "order_amount",
                order_amount.map(|amount| json!(amount.to_string())),
            ),
            ("points", points.map(|points| json!(points))),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        }
        Value::Object(fields)
    };
    conditions.iter().map(write).collect()
}

fn write_within(within: Within) -> Value {
    match within {
        Within::Months(months) => json!({"months": months}),
        Within::Days(days) => json!({"days": days}),
        Within::Calendar(period) => json!({"calendar": period.word()}),
        Within::InTierMonths(months) => json!({"in_tier": {"months": months}}),
        Within::InTierDays(days) => json!({"in_tier": {"days": days}}),
        Within::Lifetime => json!({"lifetime": true}),
    }
}

fn write_gifts(gifts: &LevelGifts) -> Value {
    let LevelGifts {
        entry,
        renewal,
        birthday,
    } = gifts;
    let write = |gift: &LevelGift| {
        let LevelGift {
            points,
            delay_days,
            at,
            expiry,
        } = gift;
        json!({
            "points": points,
            "delay_days": delay_days,
            "at": issuance::write_due_at(*at),
            "expiry": expiry.as_ref().map(expiry::write),
        })
    };
    let birthday = birthday.as_ref().map(|gift| {
        let LevelBirthdayGift { points, expiry } = gift;
        json!({"points": points, "expiry": expiry.as_ref().map(expiry::write)})
    });
    json!({
        "entry": entry.as_ref().map(write),
        "renewal": renewal.as_ref().map(write),
        "birthday": birthday,
    })
}
