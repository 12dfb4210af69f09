//! `redemption`, of the rule or of a tier.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::findings::Findings;
use super::goods;
use super::section::{POINTS_MAX, Section};
use crate::domain::money::SCALE_MAX;
use crate::domain::rules::model::{Redemption, RedemptionPer};

pub fn read(mut section: Section<'_>, found: &mut Findings) -> Redemption {
    let left_out = Redemption::default();
    let digits = section.whole("digits", 0, i64::from(SCALE_MAX), found);
    let redemption = Redemption {
        points: section
            .whole("points", 1, POINTS_MAX, found)
            .unwrap_or(left_out.points),
        amount: section.positive("amount", found).unwrap_or(left_out.amount),
        digits: digits.and_then(|digits| u32::try_from(digits).ok()),
        max_percent: section.amount("max_percent", found),
        min_order: section.amount("min_order", found),
        per: read_per(section.section("per", found), found),
        min_payable: section.amount("min_payable", found),
        min_points: section.whole("min_points", 1, POINTS_MAX, found),
        max_points: section.whole("max_points", 1, POINTS_MAX, found),
        step: section.whole("step", 1, POINTS_MAX, found),
        exclude: goods::read(section.section("exclude", found), found),
    };
    if redemption
        .max_percent
        .is_some_and(|percent| percent > Decimal::ONE_HUNDRED)
    {
        let path = section.path("max_percent");
        let line = section.line_of("max_percent");
        found.add(line, &path, "is more than 100", "write 0 to 100");
    }
    check_points(&section, &redemption, found);
    section.end(found);
    redemption
}

fn read_per(section: Option<Section<'_>>, found: &mut Findings) -> Option<RedemptionPer> {
    let mut section = section?;
    let amount = section.positive("amount", found);
    let amount = section.required("amount", amount, found);
    let points = section.whole("points", 1, POINTS_MAX, found);
    let points = section.required("points", points, found);
    section.end(found);
    Some(RedemptionPer {
        amount: amount?,
        points: points?,
    })
}

/// Some number of points must be within the limits and on a step.
fn check_points(section: &Section<'_>, redemption: &Redemption, found: &mut Findings) {
    let Some(most) = redemption.max_points else {
        return;
    };
    let least = redemption.min_points.unwrap_or(1);
    let (wrong, remedy) = match redemption.step {
        _ if least > most => (
            format!("is less than min_points, {least}"),
            format!("write at least {least}"),
        ),
        Some(step) if most / step * step < least => (
            format!("leaves no multiple of step, {step}"),
            format!("write at least {}", (least + step - 1) / step * step),
        ),
        _ => return,
    };
    let line = section.line_of("max_points");
    found.add(line, &section.path("max_points"), wrong, remedy);
}

pub fn write(redemption: &Redemption) -> Value {
    let Redemption {
        points,
        amount,
        digits,
        max_percent,
        min_order,
        per,
        min_payable,
        min_points,
        max_points,
        step,
        exclude,
    } = redemption;
    let text = |amount: &Option<Decimal>| amount.map(|amount| amount.to_string());
    let per = per.as_ref();
    json!({
        "points": points,
        "amount": amount.to_string(),
        "digits": digits,
        "max_percent": text(max_percent),
        "min_order": text(min_order),
        "per": per.map(|per| json!({"amount": per.amount.to_string(), "points": per.points})),
        "min_payable": text(min_payable),
        "min_points": min_points,
        "max_points": max_points,
        "step": step,
        "exclude": goods::write(exclude),
    })
}
