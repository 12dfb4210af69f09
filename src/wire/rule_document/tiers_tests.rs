//! The section `tiers`, read and written by itself.

use super::findings::Findings;
use super::section::Section;
use super::{node, tiers};
use crate::domain::rules::model::*;

fn read(text: &str) -> Result<Tiers, Vec<String>> {
    let nodes = node::from_yaml(text).expect("YAML");
    let mut found = Findings::default();
    let base = Base {
        include_shipping: true,
        ..Base::default()
    };
    let read = Section::of(&nodes[0], "tiers", &mut found)
        .and_then(|section| tiers::read(section, &base, &mut found));
    if found.errors.is_empty() {
        return Ok(read.expect("no error, but nothing read"));
    }
    let errors = found.errors.iter();
    Err(errors
        .map(|error| format!("{}: {}: {}", error.line, error.field, error.wrong))
        .collect())
}

const FULL: &str = r#"
told: ignore
counts: {on: delivered, delay_days: 14, at: "00:00", base: {include_tax: true}}
on_refund: keep
on_expiry: one_down
retroactive: true
levels:
  - {name: member, gifts: {birthday: {points: 10}}, benefits: {text: hello}}
  - name: silver
    enter: [{order_amount: "10000", orders: 10}, {amount: "50000"}, {points: 5}]
    within: {in_tier: {months: 6}}
    valid: {yearly: "12-31", at: "24:00"}
    renew: []
    renew_when: when_met
    gifts:
      entry: {points: 100, delay_days: 3, at: "00:00", expiry: {after_days: 30}}
      renewal: {points: 5}
  - {name: gold, enter: [{amount: 1}], within: {calendar: half_year}, renew: [{orders: 2}]}
  - {name: top, enter: [{amount: 2}], within: {lifetime: true}, valid: {never: true}, renew: same}
"#;

#[test]
fn everything_is_read_and_written_back() {
    let tiers = read(FULL).unwrap();
    assert_eq!(tiers.levels.len(), 4);
    assert!(tiers.counts.base.include_tax && tiers.counts.base.include_shipping);
    assert_eq!(tiers.levels[1].within, Within::InTierMonths(6));
    assert_eq!(tiers.levels[1].renewal(), []);
    assert_eq!(tiers.levels[3].renewal(), tiers.levels[3].enter);
    assert_eq!(tiers.levels[0].benefits.as_deref(), Some(r#"{"text":"hello"}"#));
    let written = super::tiers::write(&tiers).to_string();
    assert_eq!(read(&written).unwrap(), tiers, "{written}");
}

#[test]
fn what_is_left_out_has_a_default() {
    let tiers = read("levels: [{name: member}]").unwrap();
    assert_eq!(tiers.told, ToldTier::Prefer);
    assert_eq!(
        (tiers.on_refund, tiers.on_expiry),
        (OnRefund::Recheck, OnExpiry::Fitting)
    );
    assert_eq!(tiers.counts.on, Trigger::Paid);
    assert!(tiers.counts.base.include_shipping && !tiers.counts.base.subtract_points_redeemed);
    assert_eq!(tiers.levels, [Level::new("member")]);
    let within = |valid: &str| {
        let text = format!("levels: [{{name: a}}, {{name: b, enter: [{{orders: 1}}], valid: {valid}}}]");
        read(&text).unwrap().levels[1].within
    };
    assert_eq!(within("{never: true}"), Within::Months(12));
    assert_eq!(within("{after_months: 0}"), Within::Months(12));
    assert_eq!(within("{after_months: 6}"), Within::Months(6));
    assert_eq!(within("{after_days: 90, round_up_to: month}"), Within::Days(90));
    assert_eq!(within("{round_up_to: quarter}"), Within::Months(3));
    assert_eq!(within("{yearly: \"12-31\"}"), Within::Months(12));
}

#[test]
fn errors_name_the_place() {
    let check = |text: &str, wanted: &[&str]| {
        let errors = read(text).unwrap_err();
        assert_eq!(errors, wanted, "{text}");
    };
    check("told: prefer", &["1: tiers.levels: is missing"]);
    check("levels: []", &["1: tiers.levels: is empty"]);
    check(
        "levels:\n  - {name: a, enter: [{orders: 1}], gifts: {entry: {points: 1}}}",
        &[
            "2: tiers.levels[0].enter: stands in the first level, which is everybody's and has no end",
            "2: tiers.levels[0].gifts.entry: stands in the first level, which nobody enters",
        ],
    );
    check(
        "levels:\n  - {name: a}\n  - {name: a}\n  - {enter: []}",
        &[
            "3: tiers.levels[1].name: a stands here twice",
            "4: tiers.levels[2].name: is missing",
        ],
    );
    let level = |rest: &str| format!("levels: [{{name: a}}, {{name: b, {rest}}}]");
    for (rest, wanted) in [
        ("enter: [{}]", "tiers.levels[1].enter[0].amount: is missing"),
        (
            "enter: [{amount: 0}]",
            "tiers.levels[1].enter[0].amount: must not be 0",
        ),
        ("enter: {amount: 1}", "tiers.levels[1].enter: is not a list"),
        ("within: {}", "tiers.levels[1].within.months: is missing"),
        (
            "within: {months: 1, days: 2}",
            "tiers.levels[1].within.days: stands beside months",
        ),
        (
            "within: {in_tier: {}}",
            "tiers.levels[1].within.in_tier.months: is missing",
        ),
        (
            "within: {calendar: week}",
            "tiers.levels[1].within.calendar: week is not known",
        ),
        ("renew: never", "tiers.levels[1].renew: never is not known"),
        (
            "valid: {after_weeks: 1}",
            "tiers.levels[1].valid.after_weeks: is not known",
        ),
        (
            "gifts: {entry: {}}",
            "tiers.levels[1].gifts.entry.points: is missing",
        ),
        ("benefits: 5", "tiers.levels[1].benefits: is not a section"),
        ("effective: x", "tiers.levels[1].effective: is not known"),
    ] {
        check(&level(rest), &[&format!("1: {wanted}")]);
    }
}
