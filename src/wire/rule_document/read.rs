//! A document's sections, each with its defaults.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::RuleError;
use super::node::Node;
use super::section::{self, Findings, Section};
use crate::domain::instant::Instant;
use crate::domain::rules::model::*;
use crate::wire::order_event::ID_BYTES_MAX;

/// Points of one gift or unit.
const POINTS_MAX: i64 = 1_000_000_000_000;
/// Days and months of a delay or expiry.
const SPAN_MAX: i64 = 1_000_000;

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
    if accrual.is_none() {
        found.add(
            root.line,
            "accrual",
            "is missing",
            "add accrual with a rate or a threshold",
        );
    }
    let accrual = accrual.and_then(|section| read_accrual(section, found));
    let issuance = read_issuance(root.section("issuance", found), found);
    let expiry = read_expiry_rule(root.section("expiry", found), found);
    let reversal = read_reversal(root.section("reversal", found), found);
    let redemption = root
        .section("redemption", found)
        .map(|section| read_redemption(section, found));
    let gifts = read_gifts(root.section("gifts", found), found);
    let notices = read_notices(root.section("notices", found), found);
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
            code: code.to_owned(),
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
            if required {
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
    let line = section.line;
    if by_percent == section.get("points").is_some() {
        let path = section.path("points");
        found.add(
            line,
            &path,
            "and percent: one of the two counts",
            "write either points or percent",
        );
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
        let read = expiry(&mut section, found);
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

fn read_issuance(section: Option<Section<'_>>, found: &mut Findings) -> Option<Issuance> {
    let left_out = IssuanceTerms {
        on: Trigger::Delivered,
        delay_days: 0,
        at: DueAt::SameTime,
    };
    let mut issuance = Issuance {
        terms: left_out,
        or_on_completed: false,
        by_channel: BTreeMap::new(),
        apply_to_open_orders: false,
        while_resting: WhileResting::Withhold,
        resting_exempt_channels: Vec::new(),
    };
    let Some(mut section) = section else {
        return Some(issuance);
    };
    issuance.terms = read_terms(&mut section, left_out, found);
    issuance.or_on_completed = section.bool("or_on_completed", false, found);
    if let Some(by_channel) = section.section("by_channel", found) {
        for (channel, node) in by_channel.entries() {
            if let Some(mut terms) = by_channel.entry(channel, node, found) {
                let read = read_terms(&mut terms, issuance.terms, found);
                terms.end(found);
                issuance.by_channel.insert(channel.to_owned(), read);
            }
        }
    }
    issuance.apply_to_open_orders = section.bool("apply_to_open_orders", false, found);
    let resting = [
        ("withhold", WhileResting::Withhold),
        ("defer", WhileResting::Defer),
    ];
    issuance.while_resting = section.choice("while_resting", &resting, WhileResting::Withhold, found);
    issuance.resting_exempt_channels = owned(
        section
            .texts("resting_exempt_channels", found)
            .unwrap_or_default(),
    );
    section.end(found);
    Some(issuance)
}

fn read_terms(section: &mut Section<'_>, left_out: IssuanceTerms, found: &mut Findings) -> IssuanceTerms {
    let triggers = [
        ("created", Trigger::Created),
        ("paid", Trigger::Paid),
        ("paid_and_shipped", Trigger::PaidAndShipped),
        ("delivered", Trigger::Delivered),
        ("completed", Trigger::Completed),
    ];
    let on = section.choice("on", &triggers, left_out.on, found);
    let delay_days = section
        .whole("delay_days", 0, SPAN_MAX, found)
        .and_then(|days| u32::try_from(days).ok());
    let at = match section.text("at", found) {
        None => left_out.at,
        Some(("same_time", _)) => DueAt::SameTime,
        Some((text, line)) => {
            let read = section::time(text, line, &section.path("at"), found);
            read.map_or(left_out.at, DueAt::Local)
        }
    };
    IssuanceTerms {
        on,
        delay_days: delay_days.unwrap_or(left_out.delay_days),
        at,
    }
}

fn read_expiry_rule(section: Option<Section<'_>>, found: &mut Findings) -> Option<ExpiryRule> {
    let Some(mut section) = section else {
        let at = chrono::NaiveTime::from_hms_opt(23, 59, 0)?;
        let expiry = Expiry {
            span: ExpirySpan::Never,
            at,
        };
        return Some(ExpiryRule {
            expiry,
            bind: ExpiryBind::Issuance,
        });
    };
    let binds = [("issuance", ExpiryBind::Issuance), ("order", ExpiryBind::Order)];
    let bind = section.choice("bind", &binds, ExpiryBind::Issuance, found);
    let expiry = expiry(&mut section, found);
    section.end(found);
    Some(ExpiryRule {
        expiry: expiry?,
        bind,
    })
}

/// One of `never`, `after_days`, `after_months`, `yearly`; none of them is never.
pub fn expiry(section: &mut Section<'_>, found: &mut Findings) -> Option<Expiry> {
    let named = ["never", "after_days", "after_months", "yearly"].into_iter();
    let named: Vec<&str> = named.filter(|key| section.get(key).is_some()).collect();
    let never = section.bool("never", true, found);
    let span_of = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let days = span_of(section.whole("after_days", 0, SPAN_MAX, found));
    let months = span_of(section.whole("after_months", 0, SPAN_MAX, found));
    let yearly = section.text("yearly", found).and_then(|(text, line)| {
        let read = month_and_day(text);
        if read.is_none() {
            let remedy = "write it as \"12-31\"";
            found.add(
                line,
                &section.path("yearly"),
                format!("{text} is not a month and day"),
                remedy,
            );
        }
        read
    });
    let at = section.time("at", "23:59", found);
    let others = named.iter().filter(|key| **key != "never").count();
    if others > 1 || (others == 1 && never && named.len() > 1) || (others == 0 && !never) {
        let path = section.path("never");
        let wrong = "does not say when: one of never, after_days, after_months and yearly counts";
        found.add(section.line, &path, wrong, "write exactly one of them");
        return None;
    }
    let span = match (days, months, yearly) {
        (Some(days), _, _) => ExpirySpan::AfterDays(days),
        (_, Some(months), _) => ExpirySpan::AfterMonths(months),
        (_, _, Some((month, day))) => ExpirySpan::Yearly { month, day },
        _ => ExpirySpan::Never,
    };
    Some(Expiry { span, at })
}

/// `MM-DD`, a day that there is in some year.
fn month_and_day(text: &str) -> Option<(u32, u32)> {
    let (month, day) = text.split_once('-')?;
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(month) || !two_digits(day) {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // 2000 was a leap year.
    chrono::NaiveDate::from_ymd_opt(2000, month, day).map(|_| (month, day))
}

fn read_reversal(section: Option<Section<'_>>, found: &mut Findings) -> Reversal {
    let mut reversal = Reversal {
        before_cancel: Extent::Full,
        before_refund: Extent::Proportional,
        after_cancel: Extent::None,
        after_refund: Extent::None,
        after_edit_adjusts: false,
        when_short: WhenShort::Refuse,
        returns_redeemed: true,
    };
    let Some(mut section) = section else {
        return reversal;
    };
    let extents = [
        ("full", Extent::Full),
        ("proportional", Extent::Proportional),
        ("none", Extent::None),
    ];
    if let Some(mut before) = section.section("before_issue", found) {
        reversal.before_cancel = before.choice("cancel", &extents, reversal.before_cancel, found);
        reversal.before_refund = before.choice("refund", &extents, reversal.before_refund, found);
        before.end(found);
    }
    if let Some(mut after) = section.section("after_issue", found) {
        reversal.after_cancel = after.choice("cancel", &extents, reversal.after_cancel, found);
        reversal.after_refund = after.choice("refund", &extents, reversal.after_refund, found);
        let edits = [("none", false), ("adjust", true)];
        reversal.after_edit_adjusts = after.choice("edit", &edits, false, found);
        after.end(found);
    }
    let short = [
        ("refuse", WhenShort::Refuse),
        ("clamp", WhenShort::Clamp),
        ("negative", WhenShort::Negative),
    ];
    reversal.when_short = section.choice("when_short", &short, WhenShort::Refuse, found);
    let redeemed = [("proportional", true), ("none", false)];
    reversal.returns_redeemed = section.choice("redeemed", &redeemed, true, found);
    section.end(found);
    reversal
}

fn read_redemption(mut section: Section<'_>, found: &mut Findings) -> Redemption {
    let max_percent = section.amount("max_percent", found);
    if max_percent.is_some_and(|percent| percent > 100.into()) {
        let path = section.path("max_percent");
        found.add(section.line, &path, "is more than 100", "write 0 to 100");
    }
    let per = section.section("per", found).and_then(|mut per| {
        let amount = per.positive("amount", found);
        let amount = per.required("amount", amount, found);
        let points = per.whole("points", 1, POINTS_MAX, found);
        let points = per.required("points", points, found);
        per.end(found);
        Some(RedemptionPer {
            amount: amount?,
            points: points?,
        })
    });
    let redemption = Redemption {
        points: section.whole("points", 1, POINTS_MAX, found).unwrap_or(100),
        amount: section
            .positive("amount", found)
            .unwrap_or(rust_decimal::Decimal::ONE),
        max_percent,
        min_order: section.amount("min_order", found),
        per,
        min_payable: section.amount("min_payable", found),
    };
    section.end(found);
    redemption
}

fn read_gifts(section: Option<Section<'_>>, found: &mut Findings) -> Gifts {
    let Some(mut section) = section else {
        return Gifts::default();
    };
    let registration = section.section("registration", found).and_then(|mut gift| {
        let (points, expiry) = read_gift(&mut gift, found);
        gift.end(found);
        Some(RegistrationGift {
            points: points?,
            expiry,
        })
    });
    let birthday = section.section("birthday", found).and_then(|mut gift| {
        let (points, expiry) = read_gift(&mut gift, found);
        let days = [("day", BirthdayOn::Day), ("month_start", BirthdayOn::MonthStart)];
        let on = gift.choice("on", &days, BirthdayOn::MonthStart, found);
        let at = gift.time("at", "00:00", found);
        gift.end(found);
        Some(BirthdayGift {
            points: points?,
            on,
            at,
            expiry,
        })
    });
    section.end(found);
    Gifts {
        registration,
        birthday,
    }
}

fn read_gift(gift: &mut Section<'_>, found: &mut Findings) -> (Option<i64>, Option<Expiry>) {
    let points = gift.whole("points", 1, POINTS_MAX, found);
    let points = gift.required("points", points, found);
    let own = gift.section("expiry", found).and_then(|mut section| {
        let read = expiry(&mut section, found);
        section.end(found);
        read
    });
    (points, own)
}

fn read_notices(section: Option<Section<'_>>, found: &mut Findings) -> Notices {
    let nine = chrono::NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default();
    let mut notices = Notices {
        expiring_days_before: Vec::new(),
        at: nine,
    };
    let Some(mut section) = section else {
        return notices;
    };
    let path = section.path("expiring_days_before");
    for (text, line) in section.texts("expiring_days_before", found).unwrap_or_default() {
        let days =
            section::whole(text, line, &path, 0, SPAN_MAX, found).and_then(|days| u32::try_from(days).ok());
        match days {
            Some(days) if notices.expiring_days_before.contains(&days) => {
                found.add(line, &path, format!("{days} stands here twice"), "leave one out");
            }
            Some(days) => notices.expiring_days_before.push(days),
            None => {}
        }
    }
    notices.at = section.time("at", "09:00", found);
    section.end(found);
    notices
}

fn owned(texts: Vec<(&str, usize)>) -> Vec<String> {
    texts.into_iter().map(|(text, _)| text.to_owned()).collect()
}
