//! Every scenario folder through `accrual replay`: no server, the same bytes each time.

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use support::accrual::replay;
use support::scenario::{Scenario, is_like};
use support::schemas::{assert_valid, schemas, validators};
use support::servers::new_dir;

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

/// With a cap that nothing reaches the member's ledger decides what else the order would: the same
/// comes out, ids included.
#[test]
fn a_cap_out_of_reach_changes_nothing() {
    let dir = new_dir("replay");
    let (mut compared, mut other) = (0, Vec::new());
    for scenario in Scenario::all() {
        let Some(rules) = with_cap_out_of_reach(&fs::read_to_string(&scenario.rules).expect("rules")) else {
            continue;
        };
        let events = fs::read_to_string(&scenario.events).expect("events");
        let events: Vec<String> = events.lines().map(published_with_cap).collect();
        let (rules_file, events_file) = (dir.join("rules.yaml"), dir.join("events.jsonl"));
        fs::write(&rules_file, rules).expect("a file");
        fs::write(&events_file, events.join("\n")).expect("a file");
        let capped = replay(&[&rules_file], &[&events_file], scenario.until.as_deref());
        let wanted = outputs(&scenario);
        let (wanted, found) = (sorted(&wanted), sorted(&capped));
        let only = |these: &[&str], those: &[&str]| -> Vec<String> {
            let only = these.iter().filter(|line| !those.contains(line));
            only.map(|line| line.to_string()).collect()
        };
        if wanted != found {
            let (lacks, has) = (only(&wanted, &found), only(&found, &wanted));
            other.push(format!(
                "{}: {}\nlacks:\n{}\nhas:\n{}",
                scenario.name,
                scenario.title,
                lacks.join("\n"),
                has.join("\n")
            ));
        }
        compared += 1;
    }
    assert!(
        other.is_empty(),
        "{} of {compared}:\n{}",
        other.len(),
        other.join("\n\n")
    );
    assert!(compared > 80, "{compared} scenarios");
}

const CAP: &str = "caps: {per_member: [{per: ever, points: 1000000000}]}";

/// `None`: the member decides anyway.
fn with_cap_out_of_reach(rules: &str) -> Option<String> {
    if ["caps:", "limits:", "birthday: month", "tiers:\n  told"]
        .iter()
        .any(|key| rules.contains(key))
    {
        return None;
    }
    let documents = rules.split("\n---").map(|document| match document.trim() {
        "" | "---" => document.to_owned(),
        _ => format!("{}\n{CAP}\n", document.trim_end()),
    });
    Some(documents.collect::<Vec<_>>().join("\n---"))
}

fn published_with_cap(line: &str) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    if event["type"] == "rules.published" {
        event["data"]["caps"] = json!({"per_member": [{"per": "ever", "points": 1_000_000_000}]});
        return event.to_string();
    }
    line.to_owned()
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
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
