//! What came out against what had to: `replay` reads the same lines at their times and says what
//! must come of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use serde_json::Value;

use super::load::WALLET;
use crate::support::accrual::replay;
use crate::support::deployment::rfc3339;
use crate::support::outputs::{Published, printed};

const SHOWN_MAX: usize = 12;
/// Characters of each.
const SHOWN_LENGTH_MAX: usize = 600;
/// Everything that the load sets a timer for is due so long after its last line, and for a day nothing
/// more.
const ALL_DUE_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// By number: what was added, and the balance then.
type Changes = BTreeMap<i64, (i64, i64)>;

/// What must be out, by id.
pub struct Wanted(HashMap<String, Published>);

impl Wanted {
    pub fn of(rules: &Path, lines: &str, dir: &Path, unsure: &BTreeSet<String>) -> Wanted {
        let file = dir.join("events.jsonl");
        std::fs::write(&file, lines).expect("a writable directory");
        let until = rfc3339(Utc::now() + ALL_DUE_WITHIN);
        let events = printed(&replay(&[rules], &[&file], Some(&until)));
        let sure = events.into_iter().filter(|event| !is_of(event, unsure));
        Wanted(sure.map(|event| (event.id.clone(), event)).collect())
    }

    /// Events of a kind that may come or not.
    pub fn leave_out(&mut self, kind: Option<&str>) {
        self.0.retain(|_, event| Some(&*event.kind) != kind);
    }

    pub fn all_in(&self, ids: &HashMap<String, u32>) -> bool {
        self.0.keys().all(|id| ids.contains_key(id))
    }

    pub fn missing(&self, ids: &HashMap<String, u32>) -> usize {
        self.0.keys().filter(|id| !ids.contains_key(*id)).count()
    }
}

fn is_of(event: &Published, unsure: &BTreeSet<String>) -> bool {
    let order = || event.data()["order_id"].as_str().map(str::to_owned);
    !unsure.is_empty() && (unsure.contains(&event.subject) || order().is_some_and(|id| unsure.contains(&id)))
}

/// The comparison.
#[derive(Default)]
pub struct Verdict {
    pub outputs: usize,
    pub issued: usize,
    pub expired: usize,
    pub lost: usize,
    pub twice: usize,
    /// There, but not as it had to be, or not wanted at all.
    pub wrong: usize,
    examples: Vec<String>,
}

impl Verdict {
    pub fn of(wanted: &Wanted, got: &[Published], unsure: &BTreeSet<String>) -> Verdict {
        let mut verdict = Verdict {
            outputs: got.len(),
            ..Verdict::default()
        };
        let mut seen: HashMap<&str, u32> = HashMap::new();
        for event in got {
            verdict.issued += usize::from(event.kind == "points-issued");
            verdict.expired += usize::from(event.kind == "points-expired");
            let times = seen.entry(&event.id).or_default();
            *times += 1;
            if *times > 1 {
                verdict.twice += 1;
                verdict.show(format!("twice: {event:?}"));
            } else if !is_of(event, unsure) {
                verdict.compare(event, wanted.0.get(&event.id));
            }
        }
        for (id, event) in &wanted.0 {
            if !seen.contains_key(id.as_str()) {
                verdict.lost += 1;
                verdict.show(format!("lost: {event:?}"));
            }
        }
        verdict.follow_balances(got);
        verdict
    }

    pub fn is_good(&self) -> bool {
        self.lost + self.twice + self.wrong == 0
    }

    fn compare(&mut self, event: &Published, wanted: Option<&Published>) {
        let Some(wanted) = wanted else {
            self.wrong += 1;
            return self.show(format!("not wanted: {event:?}"));
        };
        if comparable(event) != comparable(wanted) {
            self.wrong += 1;
            self.show(format!("got {event:?}\nnot {wanted:?}"));
        }
    }

    /// Each member's changes are numbered without a gap, and each balance is the one before with
    /// the change. In which order independent lots come and go is nobody's promise.
    fn follow_balances(&mut self, got: &[Published]) {
        let mut accounts: BTreeMap<(&str, &str), Changes> = BTreeMap::new();
        for event in got {
            let data = event.data();
            let Some(sequence) = data["sequence"].as_i64() else {
                continue;
            };
            let points = data["points"].as_i64().unwrap_or(0);
            let change = match event.kind.as_str() {
                "points-issued" | "points-returned" => points,
                _ => -points,
            };
            let after = data["balance_after"].as_i64().unwrap_or(i64::MIN);
            let account = accounts.entry((&event.source, &event.subject)).or_default();
            account.insert(sequence, (change, after));
        }
        for (whose, changes) in accounts {
            let mut balance = 0;
            for (wanted, (sequence, (change, after))) in (1..).zip(changes) {
                balance += change;
                if sequence != wanted || after != balance {
                    self.wrong += 1;
                    self.show(format!(
                        "{whose:?}: change {sequence} leaves {after}, not change {wanted} {balance}"
                    ));
                    break;
                }
            }
        }
    }

    fn show(&mut self, example: String) {
        if self.examples.len() < SHOWN_MAX {
            self.examples
                .push(example.chars().take(SHOWN_LENGTH_MAX).collect());
        }
    }
}

/// Of a wallet every byte; elsewhere balance and number depend on which order came first.
fn comparable(event: &Published) -> Published {
    let mut event = event.clone();
    let mut data: Value = event.data();
    if data["shop_id"] != WALLET {
        let fields = data.as_object_mut().expect("an object");
        fields.remove("balance_after");
        fields.remove("sequence");
    }
    event.data = data.to_string();
    event
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for example in &self.examples {
            writeln!(f, "{example}")?;
        }
        Ok(())
    }
}
