//! Safety, looked at whenever something becomes visible in a topic: no output twice, no gap in
//! a sequence, no timer early, no batch after a newer claim, batches without gaps, bounds kept.

use std::collections::{BTreeMap, BTreeSet};

use accrual::engine::changelog::parts::Part;
use accrual::engine::changelog::{self, Entry as Change};
use accrual::engine::dead_letter;
use accrual::engine::ports::{Key, Millis, Offset, Partition, Record};
use accrual::engine::stored;
use bytes::Bytes;

use super::end;
use super::faults::Stages;
use super::log::{Place, State};
use super::model::Model;
use super::toy::TRAP;
use super::world::World;

/// Topic, partition and offset of what is a dead letter.
pub type DeadAt = (String, Partition, Offset);

#[derive(Default)]
pub struct Watch {
    cursors: BTreeMap<Place, Offset>,
    owners: BTreeMap<Place, Owner>,
    pub mid: BTreeMap<String, (i64, u64, String)>,
    pub echoes: BTreeMap<String, usize>,
    pub dead: BTreeMap<DeadAt, String>,
    /// Letters of timers that can never be decided.
    pub trapped: usize,
    pub out: BTreeSet<(String, String)>,
    pub relayed: BTreeSet<(Partition, Offset)>,
    /// Last offset of each input partition that came out on an output partition.
    pub relayed_last: BTreeMap<(Partition, Partition), Offset>,
    sequences: BTreeMap<String, u64>,
    /// Counts what became visible.
    pub seen: u64,
    pub done: bool,
    /// Nothing may be decided here any more, and what it is if somebody does.
    pub stopped: Option<(Place, &'static str)>,
    /// Part of the input is read by nobody: its timers are held.
    pub unread: bool,
}

#[derive(Clone, Copy, Default)]
struct Owner {
    claim: Option<Offset>,
    batch: u64,
    input: Offset,
}

impl World {
    /// Something was written to a partition, or became stable there.
    pub fn moved(&mut self, place: Place) {
        let from = self.watch.cursors.get(&place).copied().unwrap_or(0);
        let log = self.topics.log(place);
        let stable = log.stable();
        let begin = log.entries.partition_point(|entry| entry.offset < from);
        let new: Vec<Record> = log.entries[begin..]
            .iter()
            .take_while(|entry| entry.offset < stable)
            .filter(|entry| entry.state == State::Committed)
            .map(|entry| entry.record(place.1))
            .collect();
        self.watch.cursors.insert(place, stable);
        self.watch.seen += new.len() as u64;
        let topic = self.topics.name(place.0);
        for record in new {
            let verdict = match topic {
                "mid" | "out" if self.knobs.stages == Stages::Real => Ok(()),
                "out" if self.knobs.stages == Stages::Relay => self.saw_relayed(place.1, &record),
                "mid" if record.key.as_deref() == Some(b"poke") => Ok(()),
                "mid" => self.saw_mid(&record),
                "echo" => self.saw_echo(&record),
                "out" => self.saw_out(&record),
                "dead" => self.saw_dead(&record),
                "in-changelog" | "mid-changelog" => self.saw_change(place, &record),
                _ => Ok(()),
            };
            if let Err(what) = verdict {
                self.fail(format!("{topic}/{} at {}: {what}", place.1, record.offset));
            }
        }
    }

    fn late_enough(&self, record: &Record, due: i64) -> Result<(), String> {
        let latest = record.timestamp.unwrap_or(0) + self.knobs.skew_max;
        if latest > due {
            Ok(())
        } else {
            Err(format!("early: due {due}, written by {latest}"))
        }
    }

    fn saw_mid(&mut self, record: &Record) -> Result<(), String> {
        let text = text(record);
        let words: Vec<&str> = text.split(' ').collect();
        let due: i64 = words[2].parse().expect("number");
        self.late_enough(record, due)?;
        let member = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        if words[1] == end::UNREAD {
            return Err("E13: a timer fired although part of the input is read by nobody".into());
        }
        let value = (due, words[3].parse().expect("number"), member);
        match self.watch.mid.insert(words[1].to_string(), value) {
            Some(_) => Err(format!("twice: {text}")),
            None => Ok(()),
        }
    }

    fn saw_echo(&mut self, record: &Record) -> Result<(), String> {
        let text = text(record);
        let (id, version) = text.split_once(' ').expect("two words");
        match self
            .watch
            .echoes
            .insert(id.to_string(), version.parse().expect("number"))
        {
            Some(_) => Err(format!("twice: {text}")),
            None => Ok(()),
        }
    }

    fn saw_out(&mut self, record: &Record) -> Result<(), String> {
        let text = text(record);
        let words: Vec<&str> = text.split(' ').collect();
        let [member, sequence, what, id, at] = words[..] else {
            panic!("out: {text}")
        };
        let sequence: u64 = sequence.parse().expect("number");
        let last = self
            .watch
            .sequences
            .insert(member.to_string(), sequence)
            .unwrap_or(0);
        if sequence != last + 1 {
            return Err(format!("sequence of {member}: {last}, then {text}"));
        }
        if what == "exp" {
            self.late_enough(record, at.parse().expect("number"))?;
        }
        if !self.watch.out.insert((what.to_string(), id.to_string())) {
            return Err(format!("twice: {text}"));
        }
        Ok(())
    }

    fn saw_dead(&mut self, record: &Record) -> Result<(), String> {
        let header = |name: &str| {
            let value = record
                .headers
                .iter()
                .find(|(n, _)| &**n == name)
                .and_then(|(_, value)| value.clone());
            String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
        };
        let reason = header(dead_letter::REASON);
        if record.key.as_deref() == Some(TRAP.as_bytes()) && header(dead_letter::OFFSET).is_empty() {
            self.watch.trapped += 1;
            return Ok(());
        }
        let at = (header(dead_letter::PARTITION), header(dead_letter::OFFSET));
        let (Ok(partition), Ok(offset)) = (at.0.parse(), at.1.parse()) else {
            return Err(format!("dead letter of {at:?}: {reason}"));
        };
        match self
            .watch
            .dead
            .insert((header(dead_letter::TOPIC), partition, offset), reason)
        {
            Some(_) => Err(format!("twice: dead letter of {at:?}")),
            None => Ok(()),
        }
    }

    fn saw_change(&mut self, place: Place, record: &Record) -> Result<(), String> {
        let entry = changelog::read(record).map_err(|refusal| refusal.to_string())?;
        let owner = self.watch.owners.entry(place).or_default();
        match entry {
            Change::Claim(_) => owner.claim = Some(record.offset),
            Change::State(..)
            | Change::Head(..)
            | Change::Part(..)
            | Change::Mark(_)
            | Change::Foreign(_) => {}
            Change::Meta(_) if self.watch.stopped.is_some_and(|(stopped, _)| stopped == place) => {
                return Err(self.watch.stopped.map_or("", |(_, what)| what).into());
            }
            Change::Meta(meta) => {
                let before = *owner;
                (owner.batch, owner.input) = (meta.batch, meta.input);
                if Some(meta.epoch) != before.claim {
                    return Err(format!(
                        "batch of {} after the claim {:?}",
                        meta.epoch, before.claim
                    ));
                }
                if meta.batch != before.batch + 1 || meta.previous != before.batch {
                    return Err(format!("batch {} follows {}", meta.batch, before.batch));
                }
                if meta.input < before.input {
                    return Err(format!("input goes back from {} to {}", before.input, meta.input));
                }
                // Input without transactions has an offset for each record.
                let read = (meta.input - before.input) as usize;
                if self.topics.name(place.0) == "in-changelog" && read > self.knobs.batch_max {
                    return Err(format!("E10: {read} records in a batch"));
                }
            }
        }
        Ok(())
    }

    /// More is delivered of a partition of the input although the engine holds what came before
    /// `taken` and is not yet decided: bounded, or memory is not. A batch may be committed
    /// without its marker having arrived while the next one is decided.
    pub fn watch_inbox(&mut self, partition: Partition, taken: Offset) {
        let held = taken - self.groups.decided(0, partition);
        let most = self.knobs.inbox_max + 2 * self.knobs.batch_max;
        if held > most as i64 {
            self.fail(format!("E10: {held} records wait in partition {partition}"));
        }
    }

    /// What is missing or wrong, measured by the model; nothing when all came out.
    pub fn judge(&self, model: &Model) -> Vec<String> {
        let (mut wrong, watch) = (Vec::new(), &self.watch);
        for (id, expected) in &model.must {
            match watch.mid.get(id) {
                None => wrong.push(format!("missing: {id}")),
                Some((due, count, member)) => {
                    let same = *due == expected.due && expected.count.is_none_or(|c| c == *count);
                    if !same || *member != expected.member {
                        wrong.push(format!(
                            "wrong: {id} came as {due} {count} {member}, not {expected:?}"
                        ));
                    }
                }
            }
        }
        for id in watch.mid.keys() {
            if !model.must.contains_key(id) && !model.may.contains_key(id) {
                wrong.push(format!("wrong: {id} must not come out"));
            }
            for what in ["in", "exp"] {
                if !watch.out.contains(&(what.to_string(), id.clone())) {
                    wrong.push(format!("missing: {what} {id}"));
                }
            }
        }
        if watch.out.len() > 2 * watch.mid.len() {
            wrong.push("wrong: more came out of the ledger than went in".into());
        }
        for (id, least) in &model.echoes {
            match watch.echoes.get(id) {
                None => wrong.push(format!("missing: echo {id}")),
                Some(version) if version < least => {
                    wrong.push(format!("wrong: {id} saw {version}, not {least}"))
                }
                _ => {}
            }
        }
        if watch.echoes.contains_key("fat") {
            wrong.push("wrong: a refused record was heard of".into());
        }
        if (model.traps > 0) != (watch.trapped > 0) {
            let (traps, letters) = (model.traps, watch.trapped);
            wrong.push(format!(
                "missing: {traps} timers cannot be decided, {letters} letters say so"
            ));
        }
        self.judge_dead(&model.dead, &mut wrong);
        wrong
    }

    pub fn judge_dead(&self, dead: &BTreeMap<DeadAt, &'static str>, wrong: &mut Vec<String>) {
        let watch = &self.watch;
        for (at, reason) in dead {
            match watch.dead.get(at) {
                None => wrong.push(format!("missing: dead letter of {at:?}")),
                Some(found) if found != reason => wrong.push(format!("wrong: dead letter {at:?}: {found}")),
                _ => {}
            }
        }
        for at in watch.dead.keys().filter(|at| !dead.contains_key(at)) {
            wrong.push(format!("wrong: dead letter of {at:?}: {}", watch.dead[at]));
        }
    }

    /// Redis must hold what the changelog says, once all is quiet.
    pub fn judge_store(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (stage, name) in ["in-changelog", "mid-changelog"].iter().enumerate() {
            let topic = self.topics.id(name);
            for partition in 0..self.topics.partitions(topic) {
                let (records, _) = self.topics.log((topic, partition)).read(partition, 0, usize::MAX);
                let fold = match fold(&records) {
                    Ok(fold) => fold,
                    Err(what) => {
                        wrong.push(format!("missing: changelog {stage}/{partition}: {what}"));
                        continue;
                    }
                };
                let held = self.stored(stage, partition);
                let (timers, index) = wakes_of(&fold);
                if held.states != fold || held.timers != timers || held.index != index {
                    wrong.push(format!(
                        "missing: redis {stage}/{partition} is not what the changelog says"
                    ));
                }
            }
        }
        wrong
    }
}

/// The timers and index entries of states as they are stored.
fn wakes_of(states: &BTreeMap<Key, Bytes>) -> (BTreeSet<(Millis, Key)>, BTreeSet<Key>) {
    let (mut timers, mut index) = (BTreeSet::new(), BTreeSet::new());
    for (key, value) in states {
        let saved = stored::decode(value).expect("the changelog holds states");
        timers.extend(saved.wake.map(|wake| (wake, key.clone())));
        index.extend(saved.indexed.then(|| key.clone()));
    }
    (timers, index)
}

/// The states that a changelog holds. No part may be left that no state uses.
fn fold(records: &[Record]) -> Result<BTreeMap<Key, Bytes>, String> {
    let (mut states, mut heads, mut parts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for record in records {
        match changelog::read(record).map_err(|refusal| refusal.to_string())? {
            Change::State(key, value) => {
                heads.remove(&key);
                match value {
                    Some(value) => drop(states.insert(key, value)),
                    None => drop(states.remove(&key)),
                }
            }
            Change::Head(key, head) => drop(heads.insert(key, head)),
            Change::Part(key, number, Some(part)) => drop(parts.insert((key, number), part)),
            Change::Part(key, number, None) => drop(parts.remove(&(key, number))),
            Change::Meta(_) | Change::Claim(_) | Change::Mark(_) | Change::Foreign(_) => {}
        }
    }
    for (key, head) in heads {
        let mut bytes = Vec::new();
        for number in 0..head.parts {
            let part: Option<Part> = parts.remove(&(key.clone(), number));
            let part = part.filter(|part| part.batch == head.batch);
            bytes.extend_from_slice(&part.ok_or(format!("{key:?} lacks part {number}"))?.bytes);
        }
        states.insert(key, bytes.into());
    }
    match parts.first_key_value() {
        Some(((key, number), _)) => Err(format!("part {number} of {key:?} is left")),
        None => Ok(states),
    }
}

pub fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}
