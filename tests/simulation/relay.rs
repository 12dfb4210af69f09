//! A stage without state, as commands is: every record goes on once, in order, or is a dead
//! letter. It has no changelog, so what it rests on is the group's offset alone, taken when no
//! transaction on it is open any more (E5).

use std::collections::BTreeMap;
use std::sync::Arc;

use accrual::engine::error::Refusal;
use accrual::engine::ports::{Key, OutRecord, Partition, Record};
use accrual::engine::processor::{Cause, Decoded, Effects, Processor, Saved, Turn};

use super::model::Written;
use super::toy;
use super::watch;
use super::world::World;

pub struct Relay {
    pub out: Arc<str>,
    pub partitions: i32,
}

impl Processor for Relay {
    /// Whether it panics.
    type Event = bool;
    type State = ();
    type Output = OutRecord;

    fn decode(&self, record: &Record) -> Result<Decoded<bool>, Refusal> {
        let text = watch::text(record);
        if reason(&text) == Some("malformed") {
            return Err(Refusal::new("malformed", "unknown word"));
        }
        Ok(Decoded {
            key: record.key.clone().unwrap_or_default(),
            event: text.starts_with("panic"),
            placed_by: None,
            at: None,
            reads_table: false,
        })
    }

    fn load(&self, _key: &Key, _stored: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn save(&self, _key: &Key, _state: &()) -> Saved {
        unreachable!("there is never a state")
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<OutRecord>) -> Result<(), Refusal> {
        let Cause::Event { event, record } = turn.cause else {
            return Ok(());
        };
        if *event {
            panic!("toy");
        }
        let partition = toy::place(&String::from_utf8_lossy(turn.key), self.partitions);
        let value = format!("{} {}", record.partition, record.offset);
        let key = Some(turn.key.clone());
        effects.send(toy::record(&self.out, partition, key, value));
        Ok(())
    }

    fn encode(&self, output: OutRecord) -> OutRecord {
        output
    }
}

/// Why a record is a dead letter.
fn reason(value: &str) -> Option<&'static str> {
    match value.split(' ').next() {
        Some("panic") => Some("panicked"),
        Some("put" | "hold" | "cancel") => None,
        _ => Some("malformed"),
    }
}

impl World {
    pub fn saw_relayed(&mut self, out: Partition, record: &Record) -> Result<(), String> {
        let text = watch::text(record);
        let (partition, offset) = text.split_once(' ').expect("two words");
        let at = (
            partition.parse().expect("number"),
            offset.parse().expect("number"),
        );
        if !self.watch.relayed.insert(at) {
            return Err(format!("twice: {at:?}"));
        }
        match self.watch.relayed_last.insert((at.0, out), at.1) {
            Some(last) if last > at.1 => Err(format!("{at:?} after {last}")),
            _ => Ok(()),
        }
    }
}

/// What is missing or wrong.
pub fn judge(world: &World, input: &[Written]) -> Vec<String> {
    let (mut wrong, mut dead) = (Vec::new(), BTreeMap::new());
    let mut passed = 0;
    for record in input {
        match reason(&record.value) {
            Some(reason) => {
                let at = (record.topic.to_string(), record.partition, record.offset);
                dead.insert(at, reason);
            }
            None => {
                passed += 1;
                let at = (record.partition, record.offset);
                if !world.watch.relayed.contains(&at) {
                    wrong.push(format!("missing: {at:?}"));
                }
            }
        }
    }
    if world.watch.relayed.len() > passed {
        wrong.push("wrong: more came out than went in".into());
    }
    world.judge_dead(&dead, &mut wrong);
    wrong
}
