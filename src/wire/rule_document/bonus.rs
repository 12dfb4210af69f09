//! `bonuses` and `caps`

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::section::{POINTS_MAX, SPAN_MAX, Section};
use super::{accrual, document, expiry, goods, when};
use crate::domain::rules::model::*;
use crate::domain::short_text::ShortText;

/// Digits of a multiplier after the point.
const MULTIPLIER_DIGITS_MAX: u32 = 4;

pub fn read_all(root: &mut Section<'_>, found: &mut Findings) -> Vec<Bonus> {
    let mut bonuses: Vec<Bonus> = Vec::new();
    let mut ids: Vec<ShortText> = Vec::new();
    for mut section in root.list("bonuses", found) {
        let id = read_id(&mut section, &mut ids, found);
        if let Some(bonus) = read_bonus(section, id, found) {
            bonuses.push(bonus);
        }
    }
    bonuses
}

fn read_id(section: &mut Section<'_>, known: &mut Vec<ShortText>, found: &mut Findings) -> Option<ShortText> {
    let text = section.text("id", found);
    let (id, line) = section.required("id", text, found)?;
    let path = section.path("id");
    if !document::is_id(id, line, &path, found) {
        return None;
    }
    if known.iter().any(|known| known == id) {
        let remedy = "give every bonus an id of its own";
        found.add(line, &path, format!("{id} stands here twice"), remedy);
        return None;
    }
    known.push(id.into());
    Some(id.into())
}

fn read_bonus(mut section: Section<'_>, id: Option<ShortText>, found: &mut Findings) -> Option<Bonus> {
    let when = when::read(section.section("when", found), found);
    let items = section
        .section("items", found)
        .map(|items| read_items(items, found));
    let gives = section.section("gives", found);
    let gives = section.required("gives", gives, found);
    let gives = gives.and_then(|gives| read_gives(gives, found));
    let instead = section.bool("instead", false, found);
    if instead && section.get("items").is_none() {
        let remedy = "add items, or leave instead out";
        let line = section.line_of("instead");
        found.add(line, &section.path("instead"), "needs items", remedy);
    }
    let group = section.text("group", found).map(|(group, _)| group.into());
    let expiry = expiry::read_own(&mut section, found);
    let limits = section.section("limits", found);
    let limits = limits.and_then(|limits| read_limit(limits, found));
    section.end(found);
    Some(Bonus {
        id: id?,
        when,
        items,
        gives: gives?,
        instead,
        group,
        expiry,
        limits,
    })
}

fn read_items(mut section: Section<'_>, found: &mut Findings) -> Items {
    let items = Items {
        include: goods::read(section.section("include", found), found),
        exclude: goods::read(section.section("exclude", found), found),
        min_quantity: section.amount("min_quantity", found),
        min_amount: section.amount("min_amount", found),
    };
    section.end(found);
    items
}

/// Exactly one of what a bonus may give.
fn read_gives(mut section: Section<'_>, found: &mut Findings) -> Option<Gives> {
    let multiplier = read_multiplier(&mut section, found).map(Gives::Multiplier);
    let rate = section.section("rate", found);
    let rate = rate.and_then(|rate| accrual::read_rate(rate, found));
    let rate = rate.map(|(every, points, rounding)| Gives::Rate {
        every,
        points,
        rounding,
    });
    let points = section.whole("points", 1, POINTS_MAX, found).map(Gives::Points);
    let each = section.whole("points_each", 1, POINTS_MAX, found);
    let each = each.map(Gives::PointsEach);
    let keys = ["multiplier", "rate", "points", "points_each"].into_iter();
    let named: Vec<&str> = keys.filter(|key| section.get(key).is_some()).collect();
    match named[..] {
        [] => {
            let remedy = "add one of: multiplier, rate, points, points_each";
            found.add(section.line, &section.path("points"), "is missing", remedy);
        }
        [_] => {}
        [first, second, ..] => {
            let (line, path) = (section.line_of(second), section.path(second));
            let remedy = "leave one of the two out";
            found.add(line, &path, format!("stands beside {first}"), remedy);
        }
    }
    section.end(found);
    multiplier.or(rate).or(points).or(each)
}

fn read_multiplier(section: &mut Section<'_>, found: &mut Findings) -> Option<Decimal> {
    let (multiplier, line) = section.decimal("multiplier", found)?;
    let path = section.path("multiplier");
    if multiplier < Decimal::ONE {
        let wrong = format!("{multiplier} is less than 1");
        let remedy = "write 1 or more: \"2\" doubles the points";
        found.add(line, &path, wrong, remedy);
        return None;
    }
    if multiplier.normalize().scale() > MULTIPLIER_DIGITS_MAX {
        let wrong = format!("{multiplier} has more than {MULTIPLIER_DIGITS_MAX} digits after the point");
        found.add(line, &path, wrong, "write it as \"1.5\"");
        return None;
    }
    Some(multiplier)
}

fn read_limit(mut section: Section<'_>, found: &mut Findings) -> Option<MemberLimit> {
    let is_empty = section.entries().next().is_none();
    let points = section.whole("points", 1, POINTS_MAX, found);
    let times = section.whole("times", 1, SPAN_MAX, found);
    let per = section.word("per", found);
    if !is_empty {
        section.required("per", per, found);
        if section.get("points").is_none() && section.get("times").is_none() {
            let path = section.path("points");
            found.add(section.line, &path, "is missing", "add points or times");
        }
    }
    section.end(found);
    Some(MemberLimit {
        points,
        times,
        per: per?,
    })
}

pub fn read_caps(root: &mut Section<'_>, found: &mut Findings) -> Caps {
    let Some(mut section) = root.section("caps", found) else {
        return Caps::default();
    };
    let per_order = section.whole("per_order", 1, POINTS_MAX, found);
    let members = section.list("per_member", found);
    let caps = Caps {
        per_order,
        per_member: members
            .into_iter()
            .filter_map(|cap| read_member_cap(cap, found))
            .collect(),
    };
    section.end(found);
    caps
}

fn read_member_cap(mut section: Section<'_>, found: &mut Findings) -> Option<MemberCap> {
    let per = section.word("per", found);
    let per = section.required("per", per, found);
    let points = section.whole("points", 1, POINTS_MAX, found);
    let orders = section.whole("orders", 1, SPAN_MAX, found);
    match (section.get("points"), section.get("orders")) {
        (Some(_), Some(orders)) => {
            let path = section.path("orders");
            let remedy = "leave one of the two out";
            found.add(orders.line, &path, "stands beside points", remedy);
        }
        (None, None) => {
            let path = section.path("points");
            found.add(section.line, &path, "is missing", "add points or orders");
        }
        _ => {}
    }
    section.end(found);
    Some(MemberCap {
        per: per?,
        most: points.map(CapOf::Points).or(orders.map(CapOf::Orders))?,
    })
}

pub fn write_all(bonuses: &[Bonus]) -> Value {
    bonuses.iter().map(write).collect()
}

fn write(bonus: &Bonus) -> Value {
    let Bonus {
        id,
        when,
        items,
        gives,
        instead,
        group,
        expiry,
        limits,
    } = bonus;
    let limits = limits.map(|limit| {
        let MemberLimit { points, times, per } = limit;
        json!({"points": points, "times": times, "per": per.word()})
    });
    json!({
        "id": id,
        "when": when::write(when),
        "items": items.as_ref().map(write_items),
        "gives": write_gives(*gives),
        "instead": instead,
        "group": group,
        "expiry": expiry.as_ref().map(expiry::write),
        "limits": limits,
    })
}

fn write_items(items: &Items) -> Value {
    let Items {
        include,
        exclude,
        min_quantity,
        min_amount,
    } = items;
    let text = |amount: &Option<Decimal>| amount.map(|amount| amount.to_string());
    json!({
        "include": goods::write(include),
        "exclude": goods::write(exclude),
        "min_quantity": text(min_quantity),
        "min_amount": text(min_amount),
    })
}

fn write_gives(gives: Gives) -> Value {
    let (key, value) = match gives {
        Gives::Multiplier(multiplier) => ("multiplier", json!(multiplier.to_string())),
        Gives::Rate {
            every,
            points,
            rounding,
        } => (
            "rate",
            json!({"every": every.to_string(), "points": points, "rounding": rounding.word()}),
        ),
        Gives::Points(points) => ("points", json!(points)),
        Gives::PointsEach(points) => ("points_each", json!(points)),
    };
    Value::Object(Map::from_iter([(key.to_owned(), value)]))
}

pub fn write_caps(caps: &Caps) -> Value {
    let Caps {
        per_order,
        per_member,
    } = caps;
    let per_member: Vec<Value> = per_member
        .iter()
        .map(|MemberCap { per, most }| match most {
            CapOf::Points(points) => json!({"per": per.word(), "points": points}),
            CapOf::Orders(orders) => json!({"per": per.word(), "orders": orders}),
        })
        .collect();
    json!({"per_order": per_order, "per_member": per_member})
}
