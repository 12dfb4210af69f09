//! `issuance`

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::section::{SPAN_MAX, Section};
use super::time;
use super::value;
use crate::domain::rules::model::*;

pub fn read(section: Option<Section<'_>>, found: &mut Findings) -> Issuance {
    let mut issuance = Issuance::default();
    let Some(mut section) = section else {
        return issuance;
    };
    issuance.terms = read_terms(&mut section, issuance.terms, found);
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
    issuance.while_resting = section.word("while_resting", found).unwrap_or_default();
    issuance.resting_exempt_channels = section.names("resting_exempt_channels", found);
    section.end(found);
    issuance
}

fn read_terms(section: &mut Section<'_>, left_out: IssuanceTerms, found: &mut Findings) -> IssuanceTerms {
    let on = section.word("on", found).unwrap_or(left_out.on);
    let delay_days = section
        .whole("delay_days", 0, SPAN_MAX, found)
        .and_then(|days| u32::try_from(days).ok());
    let at = read_due_at(section, found).unwrap_or(left_out.at);
    IssuanceTerms {
        on,
        delay_days: delay_days.unwrap_or(left_out.delay_days),
        at,
    }
}

/// The field `at` of what comes some days later; `None` where it is left out or wrong.
pub fn read_due_at(section: &mut Section<'_>, found: &mut Findings) -> Option<DueAt> {
    match section.text("at", found)? {
        (DueAt::SAME_TIME, _) => Some(DueAt::SameTime),
        (text, line) => value::time(text, line, &section.path("at"), found).map(DueAt::Local),
    }
}

pub fn write_due_at(at: DueAt) -> Value {
    match at {
        DueAt::SameTime => json!(DueAt::SAME_TIME),
        DueAt::Local(at) => json!(time(at)),
    }
}

pub fn write(issuance: &Issuance) -> Value {
    let Issuance {
        terms,
        or_on_completed,
        by_channel,
        apply_to_open_orders,
        while_resting,
        resting_exempt_channels,
    } = issuance;
    let by_channel = by_channel.iter();
    let by_channel: Map<String, Value> = by_channel
        .map(|(channel, own)| (channel.clone(), Value::Object(write_terms(own))))
        .collect();
    let mut fields = write_terms(terms);
    let more = [
        ("or_on_completed", json!(or_on_completed)),
        ("by_channel", json!(by_channel)),
        ("apply_to_open_orders", json!(apply_to_open_orders)),
        ("while_resting", json!(while_resting.word())),
        ("resting_exempt_channels", json!(resting_exempt_channels)),
    ];
    fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(fields)
}

fn write_terms(terms: &IssuanceTerms) -> Map<String, Value> {
    let IssuanceTerms { on, delay_days, at } = terms;
    let fields = [
        ("on", json!(on.word())),
        ("delay_days", json!(delay_days)),
        ("at", write_due_at(*at)),
    ];
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
