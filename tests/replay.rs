//! Every scenario folder through `accrual replay`: no server, the same bytes each time.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::accrual::replay;
use support::scenario::{Scenario, is_like};
use support::schemas::{assert_valid, schemas, validators};

/// Folders that are known not to come out right, each with the reason. One that does is an error too.
const EXCEPTIONS: &[(&str, &str)] = &[];

fn outputs(scenario: &Scenario) -> String {
    let files = [&scenario.rules, &scenario.events];
    replay(&files[..1], &files[1..], scenario.until.as_deref())
}

fn parsed(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

#[test]
fn every_scenario_comes_out_as_expected() {
    let scenarios = Scenario::all();
    assert!(!scenarios.is_empty(), "tests/vectors is empty");
    let mut failures = Vec::new();
    for scenario in &scenarios {
        let lines = outputs(scenario);
        let complaints = scenario.complaints(&parsed(&lines));
        let exception = EXCEPTIONS.iter().find(|(name, _)| *name == scenario.name);
        match (complaints.is_empty(), exception) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => {
                failures.push(format!("{} is an exception but comes out right", scenario.name))
            }
            (false, None) => failures.push(format!(
                "{} ({}):\n  {}\n  printed:\n{lines}",
                scenario.name,
                scenario.title,
                complaints.join("\n  ")
            )),
        }
    }
    let names: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    for (name, _) in EXCEPTIONS.iter().filter(|(name, _)| !names.contains(name)) {
        failures.push(format!("{name} is an exception but no folder"));
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n\n")
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for scenario in Scenario::all() {
        let (first, second) = (outputs(&scenario), outputs(&scenario));
        assert!(first == second, "{}:\n{first}\n{second}", scenario.name);
    }
}

#[test]
fn every_output_keeps_to_its_schema() {
    let validators = validators(&schemas());
    let mut kinds = BTreeSet::new();
    for scenario in Scenario::all() {
        for event in parsed(&outputs(&scenario)) {
            let kind = event["type"].as_str().expect("a type");
            let file = format!("outputs/{kind}.json");
            assert_valid(&validators, &file, &event["data"], &scenario.name);
            kinds.insert(kind.to_owned());
        }
    }
    assert_eq!(kinds.len(), 13, "each kind is seen: {kinds:?}");
}

/// A reason that no scenario shows may be one that never comes.
#[test]
fn every_reason_of_the_schemas_is_seen() {
    let mut seen = BTreeSet::new();
    for scenario in Scenario::all() {
        for event in parsed(&outputs(&scenario)) {
            seen.insert((event["type"].to_string(), event["data"]["reason"].to_string()));
        }
    }
    let mut known = BTreeSet::new();
    for (file, schema) in schemas() {
        let Some(kind) = file.strip_prefix("outputs/") else {
            continue;
        };
        let kind = json!(kind.trim_end_matches(".json")).to_string();
        let reason = &schema["properties"]["reason"];
        let one = reason.get("const").into_iter();
        let reasons = one.chain(reason["enum"].as_array().into_iter().flatten());
        known.extend(reasons.map(|reason| (kind.clone(), reason.to_string())));
    }
    assert_eq!(seen, known);
    let withheld = known.iter().filter(|(kind, _)| kind.contains("withheld")).count();
    assert_eq!(withheld, 16, "{known:?}");
}

#[test]
fn every_output_has_an_envelope_and_an_id_of_its_own() {
    for scenario in Scenario::all() {
        let mut ids = BTreeSet::new();
        for event in parsed(&outputs(&scenario)) {
            let name = &scenario.name;
            assert_eq!(event["specversion"], "1.0", "{name}: {event}");
            for field in ["id", "source", "type", "time"] {
                assert!(event[field].is_string(), "{name}: no {field} in {event}");
            }
            for field in [
                "shop_id",
                "member_id",
                "order_id",
                "rule_version",
                "reason",
                "effective_at",
                "cause_id",
            ] {
                assert!(
                    event["data"].get(field).is_some(),
                    "{name}: no data.{field} in {event}"
                );
            }
            assert_eq!(event["time"], event["data"]["effective_at"], "{name}: {event}");
            let id = (event["source"].to_string(), event["id"].to_string());
            assert!(ids.insert(id), "{name}: the id of {event} came before");
        }
    }
}

/// A matcher that never fails would prove nothing.
#[test]
fn likeness_is_what_the_folders_mean_by_it() {
    let rows = [
        (json!({}), json!({"a": 1}), true),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
        (json!({"a": 1}), json!({"a": 2}), false),
        (json!({"a": 1}), json!({"a": "1"}), false),
        (json!({"a": 1}), json!({}), false),
        (json!({"a": null}), json!({}), true),
        (json!({"a": null}), json!({"a": null}), true),
        (json!({"a": null}), json!({"a": 0}), false),
        (
            json!({"t": "2024-01-02T12:00:00+08:00"}),
            json!({"t": "2024-01-02T04:00:00Z"}),
            true,
        ),
        (
            json!({"t": "2024-01-02T12:00:00+08:00"}),
            json!({"t": "2024-01-02T12:00:00Z"}),
            false,
        ),
        (json!({"d": {"a": 1}}), json!({"d": {"a": 1, "b": 1}}), true),
        (json!([1, 2]), json!([1, 2, 3]), false),
    ];
    for (wanted, got, expected) in rows {
        assert_eq!(is_like(&wanted, &got), expected, "{wanted} and {got}");
    }
}
