//! Rules that hand every order's points to the member's ledger, and change nothing else: the same
//! comes out of every scenario, ids included.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::accrual::replay;
use support::scenario::Scenario;
use support::servers::new_dir;

/// What is added to every version, in files and on the topic.
struct Addition {
    yaml: &'static str,
    key: &'static str,
    value: Value,
}

#[test]
fn a_cap_out_of_reach_changes_nothing() {
    check(&Addition {
        yaml: "caps: {per_member: [{per: ever, points: 1000000000}]}",
        key: "caps",
        value: json!({"per_member": [{"per": "ever", "points": 1_000_000_000}]}),
    });
}

/// The level is the only one, and no rule names it.
#[test]
fn a_single_level_changes_nothing_but_the_tier_told() {
    check(&Addition {
        yaml: "tiers: {levels: [{name: everybody}]}",
        key: "tiers",
        value: json!({"levels": [{"name": "everybody"}]}),
    });
}

fn check(addition: &Addition) {
    let dir = new_dir("replay");
    let (mut compared, mut other) = (0, Vec::new());
    for scenario in Scenario::all() {
        let rules = fs::read_to_string(&scenario.rules).expect("rules");
        let events = fs::read_to_string(&scenario.events).expect("events");
        if decides_by_member(&rules) || events.contains("\"levels\"") {
            continue;
        }
        let events: Vec<String> = events
            .lines()
            .map(|line| with_published(line, addition))
            .collect();
        let (rules_file, events_file) = (dir.join("rules.yaml"), dir.join("events.jsonl"));
        fs::write(&rules_file, with_documents(&rules, addition.yaml)).expect("a file");
        fs::write(&events_file, events.join("\n")).expect("a file");
        let until = scenario.until.as_deref();
        let wanted = sorted(&replay(&[&scenario.rules], &[&scenario.events], until));
        let found = sorted(&replay(&[&rules_file], &[&events_file], until));
        if wanted != found {
            let only = |these: &[String], those: &[String]| {
                let only = these.iter().filter(|line| !those.contains(line));
                only.cloned().collect::<Vec<_>>().join("\n")
            };
            other.push(format!(
                "{}: {}\nlacks:\n{}\nhas:\n{}",
                scenario.name,
                scenario.title,
                only(&wanted, &found),
                only(&found, &wanted)
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

fn decides_by_member(rules: &str) -> bool {
    let keys = [
        "caps:",
        "limits:",
        "birthday: month",
        "birthday: day",
        "first_order",
        "levels:",
    ];
    keys.iter().any(|key| rules.contains(key))
}

fn with_documents(rules: &str, addition: &str) -> String {
    let documents = rules.split("\n---").map(|document| match document.trim() {
        "" | "---" => document.to_owned(),
        _ => format!("{}\n{addition}\n", document.trim_end()),
    });
    documents.collect::<Vec<_>>().join("\n---")
}

fn with_published(line: &str, addition: &Addition) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    if event["type"] == "rules.published" {
        event["data"][addition.key] = addition.value.clone();
        return event.to_string();
    }
    line.to_owned()
}

/// Without the tier, which is told where levels are computed.
fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).expect("JSON");
            if let Some(data) = event["data"].as_object_mut() {
                data.remove("tier");
            }
            event.to_string()
        })
        .collect();
    lines.sort_unstable();
    lines
}
