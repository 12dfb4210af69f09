//! What must have come out: a naive fold of the whole input that knows nothing of partitions,
//! batches or owners, and shares no code with what it judges.

use std::collections::BTreeMap;

/// One record as it was written to the input.
#[derive(Clone, Debug)]
pub struct Written {
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
    pub time: i64,
    pub key: String,
    pub value: String,
}

/// What is known of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub due: i64,
    /// How many events its key had seen by then, where that is certain.
    pub count: Option<u64>,
    pub member: String,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Outputs that must come.
    pub must: BTreeMap<String, Expected>,
    /// Outputs that may come or not: clocks differ by more than what lies between.
    pub may: BTreeMap<String, Expected>,
    /// Echoes: id, least version of the table.
    pub echoes: BTreeMap<String, usize>,
    /// Topic, partition and offset of each dead letter, and its reason.
    pub dead: BTreeMap<(String, i32, i64), &'static str>,
    /// Timers that can never be decided.
    pub traps: usize,
}

struct Waiting {
    due: i64,
    id: String,
    member: String,
}

/// Folds the input; `table` are the times of the table's records, `slack` the clocks' skew.
pub fn fold(input: &[Written], table: &[i64], slack: i64) -> Model {
    let mut model = Model::default();
    let mut keys: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for record in input {
        keys.entry(&record.key).or_default().push(record);
    }
    for records in keys.values() {
        fold_key(&mut model, records, table, slack);
    }
    model
}

fn fold_key(model: &mut Model, records: &[&Written], table: &[i64], slack: i64) {
    let certain = slack == 0 && !records.iter().any(|record| record.value.starts_with("hold"));
    let (mut count, mut waiting): (u64, Vec<Waiting>) = (0, Vec::new());
    for record in records {
        fire(model, &mut waiting, &mut count, certain, record.time - slack);
        let words: Vec<&str> = record.value.split(' ').collect();
        let at = (record.topic.to_string(), record.partition, record.offset);
        match words[..] {
            ["put", id, delay, member] => {
                count += 1;
                let due = record.time + delay.parse::<i64>().expect("number");
                waiting.push(Waiting {
                    due,
                    id: id.into(),
                    member: member.into(),
                });
                let version = table.iter().filter(|time| **time < record.time).count();
                model.echoes.insert(id.into(), version);
            }
            ["hold", id, level, member] => {
                count += 1;
                if let Some(time) = table.get(level.parse::<usize>().expect("number")) {
                    let due = record.time.max(*time);
                    model.must.insert(
                        id.into(),
                        Expected {
                            due,
                            count: None,
                            member: member.into(),
                        },
                    );
                }
            }
            ["cancel", _] => {
                count += 1;
                // Whose clock says what decides, where the clocks differ that much.
                for gone in waiting
                    .drain(..)
                    .filter(|waiting| waiting.due <= record.time + slack && slack > 0)
                {
                    model.may.insert(
                        gone.id,
                        Expected {
                            due: gone.due,
                            count: None,
                            member: gone.member,
                        },
                    );
                }
            }
            ["fat", _] => drop(model.dead.insert(at, "state_too_large")),
            ["trap", _] => model.traps += 1,
            ["panic", _] => drop(model.dead.insert(at, "panicked")),
            _ => drop(model.dead.insert(at, "malformed")),
        }
        let unsure = records.iter().any(|record| record.value.starts_with("hold"));
        if waiting.is_empty() && count % 3 == 0 && !unsure {
            count = 0;
        }
    }
    fire(model, &mut waiting, &mut count, certain, i64::MAX);
}

/// Everything due before `until` comes out, in time order.
fn fire(model: &mut Model, waiting: &mut Vec<Waiting>, count: &mut u64, certain: bool, until: i64) {
    waiting.sort_by_key(|waiting| waiting.due);
    while waiting.first().is_some_and(|waiting| waiting.due < until) {
        let done = waiting.remove(0);
        let expected = Expected {
            due: done.due,
            count: certain.then_some(*count),
            member: done.member,
        };
        model.must.insert(done.id, expected);
        let more = waiting.first().is_some_and(|next| next.due == done.due);
        if waiting.is_empty() && !more && count.is_multiple_of(3) {
            *count = 0;
        }
    }
}
