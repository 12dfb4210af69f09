use std::sync::Arc;

use super::*;
use crate::engine::board::Board;
use crate::engine::cache::Cache;
use crate::engine::dead_letter;
use crate::engine::gate::Gate;
use crate::engine::partitioner::Partitioner;
use crate::engine::ports::{Change, Marker, Timers};
use crate::engine::processor::{self, Effects, Saved, Turn};
use crate::engine::spec::Limits;
use crate::engine::stored;

const MINUTE: Millis = 60_000;

/// Its state is as many bytes as its events have added.
struct Heap;

enum Event {
    Add(i64),
    Wake(Millis),
    Panic,
}

#[derive(Debug)]
struct Bytes(usize, Option<Millis>);

impl Processor for Heap {
    type Event = Event;
    type State = Bytes;
    type Output = usize;

    /// Keys and events as text: `+5`, `-5`, `@100` (a timer), `!` (panics).
    fn decode(&self, record: &Record) -> Result<Decoded<Event>, Refusal> {
        let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let event = match text.as_bytes() {
            b"!" => Event::Panic,
            [b'@', ..] => Event::Wake(text[1..].parse().expect("a time")),
            _ => Event::Add(text.parse().expect("a number")),
        };
        Ok(Decoded {
            key: record.key.clone().expect("a key"),
            event,
            placed_by: None,
            at: None,
            reads_table: false,
        })
    }

    fn load(&self, _: &Key, stored: &[u8]) -> Result<Bytes, Refusal> {
        Ok(Bytes(stored.len(), None))
    }

    fn save(&self, _: &Key, state: &Bytes) -> Saved {
        Saved {
            bytes: vec![0; state.0].into(),
            wake: state.1,
            indexed: false,
        }
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<usize>) -> Result<(), Refusal> {
        let state = turn.state.get_or_insert(Bytes(0, None));
        match turn.cause {
            processor::Cause::Event { event, .. } => match event {
                Event::Add(bytes) => {
                    state.0 = state
                        .0
                        .checked_add_signed(*bytes as isize)
                        .expect("never below nothing");
                    effects.send(state.0);
                }
                Event::Wake(at) => state.1 = Some(*at),
                Event::Panic => panic!("on purpose"),
            },
            _ => panic!("a timer, on purpose"),
        }
        Ok(())
    }

    fn encode(&self, bytes: usize) -> OutRecord {
        OutRecord {
            topic: "out".into(),
            partition: None,
            key: None,
            value: Some(bytes.to_string().into()),
            headers: Vec::new(),
        }
    }
}

fn spec(state_max_bytes: usize) -> StageSpec {
    StageSpec {
        name: "heap",
        input_topic: "in".into(),
        input_partitions: 1,
        partitioner: Partitioner::Any,
        changelog: Some("changelog".into()),
        dead_letters: "dead".into(),
        nonce: String::new(),
        upstream: Vec::new(),
        board: Arc::<Board>::default(),
        limits: Limits {
            state_max_bytes,
            ..Limits::default()
        },
    }
}

fn owned() -> Owned<Bytes> {
    Owned {
        id: 0,
        marker: Marker { epoch: 1, batch: 0 },
        position: 0,
        topic: None,
        clock: 0,
        table: -1,
        gate: Gate::new(0),
        cache: Cache::new(10, 1_000),
        timers: Timers::default(),
        timers_held: false,
        looked: 0,
        changelog: 1,
        sweep: None,
        poisoned: Default::default(),
        set_aside: Default::default(),
        measured: Default::default(),
        warned: Default::default(),
        turns_max: usize::MAX,
    }
}

fn records(events: &[(&'static str, &'static str)]) -> Vec<Record> {
    let record = |(offset, (key, value)): (usize, &(&'static str, &'static str))| Record {
        offset: offset as Offset,
        timestamp: Some(MINUTE),
        key: Some(Key::from_static(key.as_bytes())),
        value: Some(bytes::Bytes::from_static(value.as_bytes())),
        ..Record::NONE
    };
    events.iter().enumerate().map(record).collect()
}

/// One attempt, on what the store answers.
fn attempt(
    spec: &StageSpec,
    owned: &mut Owned<Bytes>,
    records: &[Record],
    answer: &Answer,
) -> Outcome<Bytes> {
    let batch = Batch::read(&Heap, spec, records.to_vec(), 2 * MINUTE);
    let ask = batch.ask(owned);
    let mut answer = answer.clone();
    answer.values.resize(ask.keys.len(), None);
    let slots = lay_out(&Heap, owned, &batch, &ask, &answer).expect("readable");
    let given = Given {
        processor: &Heap,
        spec,
        owned,
        batch: &batch,
        answer: &answer,
        scans: &KeyMap::default(),
    };
    decide(&given, slots)
}

/// Attempts until it is decided, noting what the lane would note, and how many there were.
fn decided(
    spec: &StageSpec,
    owned: &mut Owned<Bytes>,
    records: &[Record],
    answer: &Answer,
) -> (Box<Decision<Bytes>>, usize) {
    for number in 1..10 {
        match attempt(spec, owned, records, answer) {
            Outcome::Decided(decision) => return (decision, number),
            Outcome::TooMuch => panic!("too much"),
            Outcome::Broken(broken) => {
                for broken in broken {
                    match broken {
                        Broken::Turn(Cause::Record(offset), why) => drop(owned.poisoned.insert(offset, why)),
                        Broken::Turn(Cause::Key(key), why) => owned.put_aside(key, why, 2 * MINUTE),
                        Broken::Large(key) => drop(owned.measured.insert(key)),
                    }
                }
            }
        }
    }
    panic!("never decided");
}

fn of_topic<'a>(decision: &'a Decision<Bytes>, topic: &str) -> Vec<&'a OutRecord> {
    let records = decision.records.iter();
    records.filter(|record| &*record.topic == topic).collect()
}

fn refused(decision: &Decision<Bytes>) -> Vec<String> {
    let offset = |record: &&OutRecord| {
        let header = record
            .headers
            .iter()
            .find(|(name, _)| &**name == dead_letter::OFFSET);
        let value = header.and_then(|(_, value)| value.clone()).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    };
    of_topic(decision, "dead").iter().map(offset).collect()
}

#[test]
fn exactly_what_makes_a_state_too_large_is_refused_in_one_more_attempt() {
    let (spec, mut owned) = (spec(100), owned());
    let events = [
        ("a", "60"),
        ("b", "1"),
        ("a", "50"),
        ("a", "30"),
        ("a", "20"),
        ("a", "-80"),
        ("a", "40"),
    ];
    let (decision, attempts) = decided(&spec, &mut owned, &records(&events), &Answer::default());
    assert_eq!(refused(&decision), ["2", "4"]);
    assert_eq!(attempts, 2, "however many are refused");
    let out: Vec<_> = of_topic(&decision, "out")
        .iter()
        .map(|out| out.value.clone().unwrap())
        .collect();
    assert_eq!(
        out,
        ["60", "1", "90", "10", "50"],
        "nothing of what was refused leaves"
    );
    let a = decision
        .writes
        .iter()
        .find(|write| &write.key[..] == b"a")
        .expect("written");
    assert_eq!(a.value.as_ref().map(bytes::Bytes::len), Some(52));
}

#[test]
fn a_state_beyond_a_lowered_limit_may_shrink_and_not_grow() {
    let (spec, mut owned) = (spec(100), owned());
    let stored = stored::encode(&Heap.save(&Key::from_static(b"a"), &Bytes(500, None)), false);
    let answer = Answer {
        values: vec![Some(stored)],
        ..Answer::default()
    };
    let events = [("a", "1"), ("a", "-100"), ("a", "1")];
    let (decision, _) = decided(&spec, &mut owned, &records(&events), &answer);
    assert_eq!(refused(&decision), ["0", "2"]);
    assert_eq!(
        decision.writes[0].value.as_ref().map(bytes::Bytes::len),
        Some(402)
    );
}

#[test]
fn whatever_panics_is_found_in_as_many_attempts_as_one_key_has_of_it() {
    let (spec, mut owned) = (spec(100), owned());
    let events = [("a", "!"), ("b", "!"), ("c", "!"), ("c", "!"), ("d", "1")];
    let (decision, attempts) = decided(&spec, &mut owned, &records(&events), &Answer::default());
    assert_eq!((refused(&decision).len(), attempts), (4, 3));
    assert_eq!(of_topic(&decision, "out").len(), 1);
}

#[test]
fn a_timer_that_panics_is_set_aside_and_holds_up_no_event() {
    let (spec, mut owned) = (spec(100), owned());
    // The timer is due before the events behind it, so each of them would meet it first.
    let events = [("a", "@10"), ("a", "7"), ("b", "1"), ("a", "2")];
    let (decision, attempts) = decided(&spec, &mut owned, &records(&events), &Answer::default());
    assert_eq!(attempts, 2);
    let out: Vec<_> = of_topic(&decision, "out")
        .iter()
        .map(|out| out.value.clone().unwrap())
        .collect();
    assert_eq!(out, ["7", "1", "9"], "the events are taken");
    let a = decision
        .writes
        .iter()
        .find(|write| &write.key[..] == b"a")
        .expect("written");
    assert_eq!(a.wake, Change::Set(3 * MINUTE), "looked at again a minute later");
    assert!(a.value.as_ref().is_some_and(stored::is_postponed));
    assert_eq!(refused(&decision), [""], "one letter says so");
    assert_eq!(owned.shown().undecided.len(), 1);
    let names = owned.shown().undecided[0].starts_with("a: panicked");
    assert!(names, "{:?}", owned.shown().undecided);

    // Tried again in vain: no second letter, and later.
    owned.written(&decision.writes.iter().map(|write| &write.key).collect());
    assert!(!owned.sets_aside(&Key::from_static(b"a")));
    owned.put_aside(Key::from_static(b"a"), Refusal::new("panicked", ""), 3 * MINUTE);
    let aside = &owned.set_aside[&Key::from_static(b"a")];
    assert_eq!((aside.tries, aside.again), (2, 5 * MINUTE));
    // Written without being set aside: it was decided.
    owned.written(&decision.writes.iter().map(|write| &write.key).collect());
    owned.written(&decision.writes.iter().map(|write| &write.key).collect());
    assert!(owned.shown().undecided.is_empty());
}
