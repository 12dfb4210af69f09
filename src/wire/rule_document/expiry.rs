//! `expiry`, of the rule, of a tier, a gift, a bonus or a command.

use serde_json::{Value, json};

use super::findings::Findings;
use super::section::{SPAN_MAX, Section};
use crate::domain::rules::model::*;
use crate::wire::local_time;

pub fn read_rule(section: Option<Section<'_>>, found: &mut Findings) -> Option<ExpiryRule> {
    let Some(mut section) = section else {
        return Some(ExpiryRule::default());
    };
    let bind = section.word("bind", found).unwrap_or_default();
    let expiry = read(&mut section, found);
    section.end(found);
    Some(ExpiryRule {
        expiry: expiry?,
        bind,
    })
}

/// The field `expiry` of a section that may have one of its own.
pub fn read_own(parent: &mut Section<'_>, found: &mut Findings) -> Option<Expiry> {
    parent.section("expiry", found).and_then(|mut section| {
        let read = read(&mut section, found);
        section.end(found);
        read
    })
}

/// One of `never`, `after_days`, `after_months`, `yearly`. Without any it is never, or with
/// `round_up_to` the period of the issue.
pub fn read(section: &mut Section<'_>, found: &mut Findings) -> Option<Expiry> {
    let named = ["never", "after_days", "after_months", "yearly"].into_iter();
    let named: Vec<&str> = named.filter(|key| section.get(key).is_some()).collect();
    let never = section.bool("never", true, found);
    let span_of = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let days = span_of(section.whole("after_days", 0, SPAN_MAX, found));
    let months = span_of(section.whole("after_months", 0, SPAN_MAX, found));
    let yearly = read_yearly(section, found);
    let left_out = Expiry::default();
    let at = section.wall_time("at", found).unwrap_or(left_out.at);
    let round_up_to: Option<RoundUpTo> = section.word("round_up_to", found);
    let counting: Vec<&str> = named.into_iter().filter(|key| *key != "never" || never).collect();
    if let [first, second, ..] = counting[..] {
        stands_beside(section, second, first, found);
        return None;
    }
    if let (Some(_), [beside @ ("yearly" | "never")]) = (round_up_to, &counting[..]) {
        stands_beside(section, "round_up_to", beside, found);
        return None;
    }
    if counting.is_empty() && !never && round_up_to.is_none() {
        let remedy = "add after_days, after_months, yearly or round_up_to";
        let path = section.path("never");
        found.add(section.line_of("never"), &path, "does not say when", remedy);
        return None;
    }
    let span = match (days, months, yearly) {
        (Some(days), _, _) => ExpirySpan::AfterDays(days),
        (_, Some(months), _) => ExpirySpan::AfterMonths(months),
        (_, _, Some((month, day))) => ExpirySpan::Yearly { month, day },
        _ if round_up_to.is_some() => ExpirySpan::OfIssue,
        _ => ExpirySpan::Never,
    };
    Some(Expiry {
        span,
        at,
        round_up_to,
    })
}

fn stands_beside(section: &Section<'_>, key: &str, beside: &str, found: &mut Findings) {
    let wrong = format!("stands beside {beside}");
    let remedy = "leave one of the two out";
    found.add(section.line_of(key), &section.path(key), wrong, remedy);
}

fn read_yearly(section: &mut Section<'_>, found: &mut Findings) -> Option<(u32, u32)> {
    let (text, line) = section.text("yearly", found)?;
    let read = local_time::month_and_day(text);
    if read.is_none() {
        let wrong = format!("{text} is not a month and day");
        found.add(line, &section.path("yearly"), wrong, "write it as \"12-31\"");
    }
    read
}

pub fn write_rule(rule: &ExpiryRule) -> Value {
    let ExpiryRule { expiry, bind } = rule;
    let mut section = write(expiry);
    section["bind"] = json!(bind.word());
    section
}

pub fn write(expiry: &Expiry) -> Value {
    let Expiry {
        span,
        at,
        round_up_to,
    } = expiry;
    let mut section = match span {
        ExpirySpan::Never => json!({"never": true}),
        ExpirySpan::OfIssue => json!({}),
        ExpirySpan::AfterDays(days) => json!({"after_days": days}),
        ExpirySpan::AfterMonths(months) => json!({"after_months": months}),
        ExpirySpan::Yearly { month, day } => json!({"yearly": format!("{month:02}-{day:02}")}),
    };
    section["at"] = json!(at.to_string());
    section["round_up_to"] = json!(round_up_to.map(RoundUpTo::word));
    section
}
