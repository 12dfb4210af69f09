//! `accrual`: the base, the general rate, and what tiers replace.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::section::{POINTS_MAX, Section};
use super::{expiry, goods, redemption};
use crate::domain::rules::model::*;

pub fn read(mut section: Section<'_>, found: &mut Findings) -> Option<Accrual> {
    let enabled = section.bool("enabled", true, found);
    let base = read_base(section.section("base", found), Base::default(), found);
    let not_when = section.words("not_when", found);
    let min_order = section.amount("min_order", found);
    let earning = read_earning(&mut section, true, found);
    let mut tiers = BTreeMap::new();
    if let Some(by_name) = section.section("tiers", found) {
        for (name, node) in by_name.entries() {
            if let Some(tier) = by_name.entry(name, node, found) {
                tiers.insert(name.to_owned(), read_tier(tier, found));
            }
        }
    }
    section.end(found);
    Some(Accrual {
        enabled,
        base,
        not_when,
        min_order,
        earning: earning?,
        tiers,
    })
}

/// Each field left out is that of `left_out`.
pub fn read_base(section: Option<Section<'_>>, left_out: Base, found: &mut Findings) -> Base {
    let Some(mut section) = section else {
        return left_out;
    };
    let mut flag = |key, left_out| section.bool(key, left_out, found);
    let base = Base {
        include_shipping: flag("include_shipping", left_out.include_shipping),
        include_tax: flag("include_tax", left_out.include_tax),
        include_surcharge: flag("include_surcharge", left_out.include_surcharge),
        subtract_discounts: flag("subtract_discounts", left_out.subtract_discounts),
        subtract_store_credit: flag("subtract_store_credit", left_out.subtract_store_credit),
        subtract_points_redeemed: flag("subtract_points_redeemed", left_out.subtract_points_redeemed),
        exclude: match section.get("exclude") {
            Some(_) => goods::read(section.section("exclude", found), found),
            None => left_out.exclude,
        },
    };
    section.end(found);
    base
}

/// One of `rate` and `threshold`.
fn read_earning(parent: &mut Section<'_>, required: bool, found: &mut Findings) -> Option<Earning> {
    let rate = parent.section("rate", found);
    let threshold = parent.section("threshold", found);
    match (rate, threshold) {
        (Some(_), Some(threshold)) => {
            let path = parent.path("threshold");
            let remedy = "leave one of the two out";
            found.add(threshold.line, &path, "stands beside rate", remedy);
            None
        }
        (Some(rate), None) => read_rate(rate, found).map(|(every, points, rounding)| Earning::Rate {
            every,
            points,
            rounding,
        }),
        (None, Some(threshold)) => read_threshold(threshold, found),
        (None, None) => {
            if required && parent.get("rate").is_none() && parent.get("threshold").is_none() {
                let path = parent.path("rate");
                found.add(parent.line, &path, "is missing", "add rate or threshold");
            }
            None
        }
    }
}

/// `every`, `points` and `rounding`.
pub fn read_rate(
    mut section: Section<'_>,
    found: &mut Findings,
) -> Option<(rust_decimal::Decimal, i64, Rounding)> {
    let every = section.positive("every", found);
    let every = section.required("every", every, found);
    let points = section.whole("points", 1, POINTS_MAX, found);
    let points = section.required("points", points, found);
    let rounding = section.word("rounding", found).unwrap_or_default();
    section.end(found);
    Some((every?, points?, rounding))
}

fn read_threshold(mut section: Section<'_>, found: &mut Findings) -> Option<Earning> {
    let at_least = section.positive("at_least", found);
    let at_least = section.required("at_least", at_least, found);
    let points = section.whole("points", 1, POINTS_MAX, found);
    let percent = section.positive("percent", found);
    let by_percent = section.get("percent").is_some();
    let by_points = section.get("points").is_some();
    if by_percent == by_points {
        let (key, wrong, remedy) = match by_points {
            true => ("percent", "stands beside points", "leave one of the two out"),
            false => ("points", "is missing", "add points or percent"),
        };
        found.add(section.line_of(key), &section.path(key), wrong, remedy);
        section.get("cumulative");
        section.get("rounding");
        section.end(found);
        return None;
    }
    let earning = if by_percent {
        let without_units: Vec<(&str, Rounding)> = Rounding::WORDS
            .iter()
            .copied()
            .filter(|(_, rounding)| *rounding != Rounding::PerUnit)
            .collect();
        let rounding = section.one_of("rounding", &without_units, found);
        at_least
            .zip(percent)
            .map(|(at_least, percent)| Earning::ThresholdPercent {
                at_least,
                percent,
                rounding: rounding.unwrap_or(Rounding::Down),
            })
    } else {
        let cumulative = section.bool("cumulative", true, found);
        at_least
            .zip(points)
            .map(|(at_least, points)| Earning::ThresholdPoints {
                at_least,
                points,
                cumulative,
            })
    };
    section.end(found);
    earning
}

fn read_tier(mut section: Section<'_>, found: &mut Findings) -> Tier {
    let earning = read_earning(&mut section, false, found);
    let expiry = expiry::read_own(&mut section, found);
    let redemption = section
        .section("redemption", found)
        .map(|section| redemption::read(section, found));
    section.end(found);
    Tier {
        earning,
        expiry,
        redemption,
    }
}

pub fn write(accrual: &Accrual) -> Value {
    let Accrual {
        enabled,
        base,
        not_when,
        min_order,
        earning,
        tiers,
    } = accrual;
    let not_when: Vec<&str> = not_when.iter().map(|word| word.word()).collect();
    let tiers = tiers.iter().map(|(name, tier)| (name.clone(), write_tier(tier)));
    let mut fields = Map::new();
    fields.insert("enabled".to_owned(), json!(enabled));
    fields.insert("base".to_owned(), write_base(base));
    fields.insert("not_when".to_owned(), json!(not_when));
    fields.insert("min_order".to_owned(), json!(min_order.map(|a| a.to_string())));
    insert_earning(&mut fields, earning);
    fields.insert("tiers".to_owned(), Value::Object(tiers.collect()));
    Value::Object(fields)
}

pub fn write_base(base: &Base) -> Value {
    let Base {
        include_shipping,
        include_tax,
        include_surcharge,
        subtract_discounts,
        subtract_store_credit,
        subtract_points_redeemed,
        exclude,
    } = base;
    json!({
        "include_shipping": include_shipping,
        "include_tax": include_tax,
        "include_surcharge": include_surcharge,
        "subtract_discounts": subtract_discounts,
        "subtract_store_credit": subtract_store_credit,
        "subtract_points_redeemed": subtract_points_redeemed,
        "exclude": goods::write(exclude),
    })
}

fn write_tier(tier: &Tier) -> Value {
    let Tier {
        earning,
        expiry,
        redemption,
    } = tier;
    let mut fields = Map::new();
    if let Some(earning) = earning {
        insert_earning(&mut fields, earning);
    }
    if let Some(own) = expiry {
        fields.insert("expiry".to_owned(), expiry::write(own));
    }
    if let Some(own) = redemption {
        fields.insert("redemption".to_owned(), redemption::write(own));
    }
    Value::Object(fields)
}

fn insert_earning(fields: &mut Map<String, Value>, earning: &Earning) {
    let (key, section) = match earning {
        Earning::Rate {
            every,
            points,
            rounding,
        } => (
            "rate",
            json!({"every": every.to_string(), "points": points, "rounding": rounding.word()}),
        ),
        Earning::ThresholdPoints {
            at_least,
            points,
            cumulative,
        } => (
            "threshold",
            json!({"at_least": at_least.to_string(), "points": points, "cumulative": cumulative}),
        ),
        Earning::ThresholdPercent {
            at_least,
            percent,
            rounding,
        } => (
            "threshold",
            json!({
                "at_least": at_least.to_string(),
                "percent": percent.to_string(),
                "rounding": rounding.word(),
            }),
        ),
    };
    fields.insert(key.to_owned(), section);
}
