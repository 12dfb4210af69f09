//! The folders of `tests/vectors`, and whether some outputs are what one of them expects.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use serde_json::Value;

/// One folder: rules, events and what must come of them.
pub struct Scenario {
    pub name: String,
    pub title: String,
    pub rules: PathBuf,
    pub events: PathBuf,
    pub until: Option<String>,
    wants: Vec<Want>,
}

/// One line of `expected.jsonl`.
enum Want {
    /// Some output, not matched by an earlier line, is like this.
    Event(Value),
    /// Exactly so many outputs are like this.
    Count(Value, u64),
}

impl Scenario {
    /// Every folder, by name.
    pub fn all() -> Vec<Scenario> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        let mut dirs: Vec<PathBuf> = fs::read_dir(folder)
            .expect("tests/vectors")
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|path| path.is_dir())
            .collect();
        dirs.sort();
        dirs.iter().map(|dir| Scenario::load(dir)).collect()
    }

    pub fn load(dir: &Path) -> Scenario {
        let name = dir
            .file_name()
            .expect("a folder's name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(dir.join("expected.jsonl")).expect("expected.jsonl");
        let mut scenario = Scenario {
            title: String::new(),
            rules: dir.join("rules.yaml"),
            events: dir.join("events.jsonl"),
            until: None,
            wants: Vec::new(),
            name,
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: Value = serde_json::from_str(line).expect("JSON in expected.jsonl");
            scenario.expect(&line);
        }
        scenario
    }

    fn expect(&mut self, line: &Value) {
        if let Some(title) = line.get("title") {
            self.title = title.as_str().expect("a title").to_owned();
        } else if let Some(until) = line.get("until") {
            self.until = Some(until.as_str().expect("an instant").to_owned());
        } else if let Some(event) = line.get("event") {
            self.wants.push(Want::Event(event.clone()));
        } else if let Some(count) = line.get("count") {
            let times = line["is"].as_u64().expect("a number in `is`");
            self.wants.push(Want::Count(count.clone(), times));
        } else {
            panic!("{}: what is {line}?", self.name);
        }
    }

    /// What is not as expected; nothing when all is well.
    pub fn complaints(&self, outputs: &[Value]) -> Vec<String> {
        let mut taken = vec![false; outputs.len()];
        let mut complaints = Vec::new();
        for want in &self.wants {
            match want {
                Want::Event(wanted) => {
                    let found = (0..outputs.len()).find(|at| !taken[*at] && is_like(wanted, &outputs[*at]));
                    match found {
                        Some(at) => taken[at] = true,
                        None => complaints.push(format!("no output is like {wanted}")),
                    }
                }
                Want::Count(wanted, times) => {
                    let count = outputs.iter().filter(|output| is_like(wanted, output)).count() as u64;
                    if count != *times {
                        complaints.push(format!("{count} outputs, not {times}, are like {wanted}"));
                    }
                }
            }
        }
        complaints
    }
}

/// Whether `got` has everything that `wanted` names. Instants are compared as instants, and
/// a wanted null is met by absence.
pub fn is_like(wanted: &Value, got: &Value) -> bool {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.iter().all(|(name, wanted)| match got.get(name) {
                Some(got) => is_like(wanted, got),
                None => wanted.is_null(),
            })
        }
        (Value::Array(wanted), Value::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(wanted, got)| is_like(wanted, got))
        }
        (Value::String(wanted), Value::String(got)) => {
            let instant = |text| DateTime::parse_from_rfc3339(text).ok();
            wanted == got || instant(wanted).is_some_and(|wanted| instant(got) == Some(wanted))
        }
        _ => wanted == got,
    }
}
