//! A document's sections, each with its defaults.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::RuleError;
use super::node::Node;
use super::section::{Findings, Section};
use super::sections::{self, POINTS_MAX, owned, read_redemption};
use crate::domain::instant::Instant;
use crate::domain::rules::model::*;
use crate::wire::order_event::ID_BYTES_MAX;

pub fn rule_version(node: &Node) -> Result<RuleVersion, Vec<RuleError>> {
    let mut found = Findings::default();
    let read = Section::root(node, &mut found).and_then(|mut root| {
        let read = version(&mut root, &mut found);
        root.end(&mut found);
        read
    });
    match read {
        Some(mut rules) if found.errors.is_empty() => {
            rules.annotations = found.annotations.into_iter().collect();
            Ok(rules)
        }
        _ => {
            found.errors.sort_by_key(|error| error.line);
            Err(found.errors)
        }
    }
}

fn version(root: &mut Section<'_>, found: &mut Findings) -> Option<RuleVersion> {
    let shop_id = root.text("shop_id", found);
    let shop_id = root.required("shop_id", shop_id, found);
    if let Some((id, line)) = shop_id
        && (id.len() > ID_BYTES_MAX || id.contains('\0'))
    {
        found.add(
            line,
            "shop_id",
            "is no id",
            "write at most 255 bytes, none of them zero",
        );
    }
    let version = root.whole("version", 1, i64::from(u32::MAX), found);
    let version = root.required("version", version, found);
    let effective_from = effective_from(root, found);
    let timezone = timezone(root, found);
    let currency = currency(root, found);
    let enabled = root.bool("enabled", true, found);
    let keep = [("keep_bound", OnDisable::KeepBound), ("stop", OnDisable::Stop)];
    let on_disable = root.choice("on_disable", &keep, OnDisable::KeepBound, found);
    let channels = match root.texts("channels", found) {
        Some(channels) => Channels::Only(owned(channels)),
        None => Channels::All,
    };
    let require_login = root.bool("require_login", true, found);
    let accrual = root.section("accrual", found);
    if root.get("accrual").is_none() {
        found.add(
            root.line,
            "accrual",
            "is missing",
            "add accrual with a rate or a threshold",
        );
    }
    let accrual = accrual.and_then(|section| read_accrual(section, found));
    let issuance = sections::read_issuance(root.section("issuance", found), found);
    let expiry = sections::read_expiry_rule(root.section("expiry", found), found);
    let reversal = sections::read_reversal(root.section("reversal", found), found);
    let redemption = root
        .section("redemption", found)
        .map(|section| read_redemption(section, found));
    let gifts = sections::read_gifts(root.section("gifts", found), found);
    let notices = sections::read_notices(root.section("notices", found), found);
    Some(RuleVersion {
        shop_id: shop_id?.0.to_owned(),
        version: u32::try_from(version?).ok()?,
        effective_from: effective_from?,
        timezone: timezone?,
        currency: currency?,
        enabled,
        on_disable,
        channels,
        require_login,
        accrual: accrual?,
        issuance: issuance?,
        expiry: expiry?,
        reversal,
        redemption,
        gifts,
        notices,
        annotations: BTreeMap::new(),
    })
}

fn effective_from(root: &mut Section<'_>, found: &mut Findings) -> Option<Instant> {
    let text = root.text("effective_from", found);
    let (text, line) = root.required("effective_from", text, found)?;
    let read = Instant::parse(text);
    if read.is_none() {
        let remedy = "write it as 2022-03-01T00:00:00+08:00";
        found.add(
            line,
            "effective_from",
            format!("{text} is not an RFC 3339 time"),
            remedy,
        );
    }
    read
}

fn timezone(root: &mut Section<'_>, found: &mut Findings) -> Option<Tz> {
    let text = root.text("timezone", found);
    let (text, line) = root.required("timezone", text, found)?;
    let read = text.parse().ok();
    if read.is_none() {
        let remedy = "write an IANA name such as Asia/Taipei";
        found.add(line, "timezone", format!("{text} is not a time zone"), remedy);
    }
    read
}

fn currency(root: &mut Section<'_>, found: &mut Findings) -> Option<Currency> {
    let text = root.text("currency", found);
    let (code, line) = root.required("currency", text, found)?;
    match iso_currency::Currency::from_code(code) {
        Some(currency) => Some(Currency {
            code: code.into(),
            digits: currency.exponent().map_or(0, u32::from),
        }),
        None => {
            let remedy = "write an ISO 4217 code such as TWD";
            found.add(line, "currency", format!("{code} is not a currency"), remedy);
            None
        }
    }
}

fn read_accrual(mut section: Section<'_>, found: &mut Findings) -> Option<Accrual> {
    let enabled = section.bool("enabled", true, found);
    let base = read_base(section.section("base", found), found);
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
        earning: earning?,
        tiers,
    })
}

fn read_base(section: Option<Section<'_>>, found: &mut Findings) -> Base {
    let left_out = Base::default();
    let Some(mut section) = section else {
        return left_out;
    };
    let base = Base {
        include_shipping: section.bool("include_shipping", left_out.include_shipping, found),
        include_tax: section.bool("include_tax", left_out.include_tax, found),
        include_surcharge: section.bool("include_surcharge", left_out.include_surcharge, found),
        subtract_discounts: section.bool("subtract_discounts", left_out.subtract_discounts, found),
        subtract_store_credit: section.bool("subtract_store_credit", left_out.subtract_store_credit, found),
        subtract_points_redeemed: section.bool(
            "subtract_points_redeemed",
            left_out.subtract_points_redeemed,
            found,
        ),
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
            found.add(
                threshold.line,
                &path,
                "stands beside rate",
                "leave one of the two out",
            );
            None
        }
        (Some(rate), None) => read_rate(rate, found),
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

fn read_rate(mut section: Section<'_>, found: &mut Findings) -> Option<Earning> {
    let every = section.positive("every", found);
    let every = section.required("every", every, found);
    let points = section.whole("points", 1, POINTS_MAX, found);
    let points = section.required("points", points, found);
    let all = [
        ("per_unit", Rounding::PerUnit),
        ("down", Rounding::Down),
        ("half_up", Rounding::HalfUp),
        ("up", Rounding::Up),
    ];
    let rounding = section.choice("rounding", &all, Rounding::PerUnit, found);
    section.end(found);
    Some(Earning::Rate {
        every: every?,
        points: points?,
        rounding,
    })
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
        let all = [
            ("down", Rounding::Down),
            ("half_up", Rounding::HalfUp),
            ("up", Rounding::Up),
        ];
        let rounding = section.choice("rounding", &all, Rounding::Down, found);
        at_least
            .zip(percent)
            .map(|(at_least, percent)| Earning::ThresholdPercent {
                at_least,
                percent,
                rounding,
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
    let expiry = section.section("expiry", found).and_then(|mut section| {
        let read = sections::expiry(&mut section, found);
        section.end(found);
        read
    });
    let redemption = section
        .section("redemption", found)
        .map(|section| read_redemption(section, found));
    section.end(found);
    Tier {
        earning,
        expiry,
        redemption,
    }
}
