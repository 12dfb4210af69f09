//! What every store must answer: cases that Redis and the simulated store both pass.
//!
//! A case is a list of lines `call -> answer`. Epoch 5 at batch 10 is written `5/10`, a step from
//! batch 10 to 11 `10>11`, a part of it `10>11 part 0` (more follow) or `10>11 last 1`. Writes:
//! `a=1` a state alone, `a=1@70` with a timer, `a=1@70+` indexed as well, `a=1~` with timer and
//! index entry kept, `-a` removed. `lose …` is done to the store behind everybody's back.

use std::collections::BTreeSet;

use accrual::engine::error::StoreError;
use accrual::engine::ports::{
    Ask, Change, Due, Found, Marker, Partition, Scan, Sizes, Step, Store, Timers, Write,
};
use bytes::Bytes;

mod cases;

pub use cases::CASES;

pub struct Case {
    pub name: &'static str,
    pub lines: &'static [&'static str],
}

/// What is lost behind the owner's back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    State(String),
    Timer(String),
    IndexEntry(String),
    States,
    Timers,
    Index,
    Meta,
    ShadowState(String),
    /// Not lost: never kept, by a version that knew no sizes.
    Sizes,
    Everything,
}

/// Runs one case; `lose` does harm to the store.
pub async fn check<S: Store>(
    store: &S,
    partition: Partition,
    case: &Case,
    mut lose: impl AsyncFnMut(Loss),
) -> Result<(), String> {
    for line in case.lines {
        if let Some(what) = line.strip_prefix("lose ") {
            lose(loss(what)).await;
            continue;
        }
        let (call, wanted) = line.split_once("->").expect("a call and its answer");
        let answer = answer(store, partition, call.trim()).await;
        if answer != wanted.trim() {
            return Err(format!("{}: {line}: it says {answer}", case.name));
        }
    }
    Ok(())
}

fn loss(what: &str) -> Loss {
    let (kind, key) = what.split_once(' ').unwrap_or((what, ""));
    let key = key.to_owned();
    match kind {
        "state" => Loss::State(key),
        "timer" => Loss::Timer(key),
        "index" if !key.is_empty() => Loss::IndexEntry(key),
        "states" => Loss::States,
        "timers" => Loss::Timers,
        "index" => Loss::Index,
        "meta" => Loss::Meta,
        "shadow" => Loss::ShadowState(key),
        "sizes" => Loss::Sizes,
        "everything" => Loss::Everything,
        _ => panic!("no such loss: {what}"),
    }
}

async fn answer<S: Store>(store: &S, partition: Partition, call: &str) -> String {
    let words: Vec<&str> = call.split_whitespace().collect();
    let said = match words[0] {
        "claim" => {
            let found = store.claim(partition, number(words[1])).await;
            found.map(|found| shown(&found))
        }
        "read" => {
            let keys: Vec<Bytes> = words[2..].iter().map(|word| key(word)).collect();
            let ask = Ask {
                keys: keys.clone(),
                ..Ask::default()
            };
            let answer = store.read(partition, marker(words[1]), ask).await;
            answer.map(|answer| {
                let values = answer
                    .values
                    .iter()
                    .map(|value| value.as_ref().map_or("-".into(), text));
                let named = keys.iter().zip(values);
                named
                    .map(|(key, value)| format!("{}={value}", text(key)))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        }
        "due" => {
            let (before, limit) = (number(words[2]), number(words[3]) as usize);
            let ask = Ask {
                due: Some(Due { before, limit }),
                ..Ask::default()
            };
            let answer = store.read(partition, marker(words[1]), ask).await;
            answer.map(|answer| {
                let due = answer.due.iter();
                due.map(|(key, wake, value)| format!("{}@{wake}={}", text(key), text(value)))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        }
        "scan" => {
            let scan = Scan {
                prefix: key(words[2]),
                after: words.get(5).map(|word| key(word)),
                limit: number(words[3]) as usize,
            };
            let ask = Ask {
                scan: Some(scan),
                ..Ask::default()
            };
            let answer = store.read(partition, marker(words[1]), ask).await;
            answer.map(|answer| {
                let scanned = answer.scanned.iter();
                scanned
                    .map(|(key, value)| format!("{}={}", text(key), text(value)))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        }
        "keys" => {
            let limit = number(words[2]) as usize;
            let pages = pages(store, partition, marker(words[1]), limit).await;
            pages.map(|named| named.iter().map(text).collect::<Vec<_>>().join(" "))
        }
        "adopt" => {
            let sizes: Vec<u64> = words[2].split(':').map(|n| n.parse().expect("a size")).collect();
            let counted = Sizes {
                states: sizes[0],
                timers: sizes[1],
                index: sizes[2],
            };
            let adopted = store.adopt(partition, marker(words[1]), counted).await;
            adopted.map(|timers| timers.map_or("other sizes".into(), in_words))
        }
        "replicate" => {
            let done = store.replicate(partition, step(&words), writes(&words)).await;
            done.map(in_words)
        }
        "rebuild" => {
            let done = store.rebuild(partition, step(&words), writes(&words)).await;
            done.map(|()| "done".into())
        }
        "swap" => store.swap(partition, step(&words)).await.map(in_words),
        _ => panic!("no such call: {call}"),
    };
    match said {
        Ok(said) => said,
        Err(StoreError::Lost { .. }) => "lost".into(),
        Err(StoreError::Fenced { epoch }) => format!("fenced {epoch}"),
        Err(error) => format!("{error}"),
    }
}

/// What all pages name.
async fn pages<S: Store>(
    store: &S,
    partition: Partition,
    expected: Marker,
    limit: usize,
) -> Result<BTreeSet<Bytes>, StoreError> {
    let (mut named, mut next) = (BTreeSet::new(), Some(0));
    while let Some(from) = next {
        let page = store.keys(partition, expected, from, limit).await?;
        named.extend(page.keys);
        next = page.next;
    }
    Ok(named)
}

fn shown(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing".into(),
        Found::Foreign { identity } => format!("foreign {identity}"),
        Found::Damaged { .. } => "damaged".into(),
        Found::At {
            batch,
            changelog,
            stamp,
            counted,
        } => {
            let counted = if *counted { "counted" } else { "uncounted" };
            format!("at {batch} {changelog} {stamp} {counted}")
        }
    }
}

fn in_words(timers: Timers) -> String {
    let next = timers.next.map(|next| format!(" next {next}"));
    format!("timers {}{}", timers.pending, next.unwrap_or_default())
}

fn number(word: &str) -> i64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

fn key(word: &str) -> Bytes {
    Bytes::copy_from_slice(word.as_bytes())
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn marker(word: &str) -> Marker {
    let (epoch, batch) = word.split_once('/').expect("epoch/batch");
    Marker {
        epoch: number(epoch),
        batch: number(batch) as u64,
    }
}

/// `replicate 5 10>11 part 0 …`: what the words before the writes say.
fn step(words: &[&str]) -> Step {
    let (from, to) = words[2].split_once('>').expect("from>to");
    let to = number(to) as u64;
    Step {
        epoch: number(words[1]),
        from: number(from) as u64,
        to,
        part: number(words[4]) as u32,
        last: words[3] == "last",
        changelog: 100 + to as i64,
        stamp: 1_000 + to as i64,
        clock: None,
    }
}

fn writes(words: &[&str]) -> Vec<Write> {
    words[5..].iter().map(|word| write(word)).collect()
}

fn write(word: &str) -> Write {
    if let Some(removed) = word.strip_prefix('-') {
        return Write {
            key: key(removed),
            value: None,
            wake: Change::Clear,
            index: Change::Clear,
        };
    }
    let (name, rest) = word.split_once('=').expect("key=value");
    let (rest, kept) = match rest.strip_suffix('~') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (rest, indexed) = match rest.strip_suffix('+') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (value, wake) = match rest.split_once('@') {
        Some((value, wake)) => (value, Some(number(wake))),
        None => (rest, None),
    };
    Write {
        key: key(name),
        value: Some(key(value)),
        wake: match wake {
            Some(wake) => Change::Set(wake),
            None if kept => Change::Keep,
            None => Change::Clear,
        },
        index: match indexed {
            true => Change::Set(()),
            false if kept => Change::Keep,
            false => Change::Clear,
        },
    }
}
