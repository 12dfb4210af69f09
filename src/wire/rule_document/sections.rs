//! Issuance, expiry, reversal, redemption, gifts and notices.

use std::collections::BTreeMap;

use super::section::{self, Findings, Section};
use crate::domain::rules::model::*;
use crate::domain::short_text::ShortText;
use crate::wire::local_time;

/// Points of one gift or unit.
pub const POINTS_MAX: i64 = 1_000_000_000_000;
/// Days and months of a delay or expiry.
const SPAN_MAX: i64 = 1_000_000;

pub fn read_issuance(section: Option<Section<'_>>, found: &mut Findings) -> Option<Issuance> {
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

pub fn read_expiry_rule(section: Option<Section<'_>>, found: &mut Findings) -> Option<ExpiryRule> {
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
        let read = local_time::month_and_day(text);
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
    let counting: Vec<&str> = named.into_iter().filter(|key| *key != "never" || never).collect();
    if let [first, second, ..] = counting[..] {
        let wrong = format!("stands beside {first}");
        let remedy = "leave one of the two out";
        found.add(section.line_of(second), &section.path(second), wrong, remedy);
        return None;
    }
    if counting.is_empty() && !never {
        let remedy = "add after_days, after_months or yearly";
        let path = section.path("never");
        found.add(section.line_of("never"), &path, "does not say when", remedy);
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

pub fn read_reversal(section: Option<Section<'_>>, found: &mut Findings) -> Reversal {
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

pub fn read_redemption(mut section: Section<'_>, found: &mut Findings) -> Redemption {
    let max_percent = section.amount("max_percent", found);
    if max_percent.is_some_and(|percent| percent > 100.into()) {
        let path = section.path("max_percent");
        found.add(
            section.line_of("max_percent"),
            &path,
            "is more than 100",
            "write 0 to 100",
        );
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

pub fn read_gifts(section: Option<Section<'_>>, found: &mut Findings) -> Gifts {
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

pub fn read_notices(section: Option<Section<'_>>, found: &mut Findings) -> Notices {
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

/// Texts without their lines.
pub fn owned(texts: Vec<(&str, usize)>) -> Vec<ShortText> {
    texts.into_iter().map(|(text, _)| text.into()).collect()
}
