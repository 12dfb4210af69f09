//! The real stages, orders and ledger, under one small rule that can be folded naively: an order
//! that is paid issues one point per hundred a day later unless it was cancelled before, and its
//! lot expires a day after that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accrual::engine::partitioner::Partitioner;
use accrual::engine::ports::{Millis, Record};
use accrual::stages::ledger::Ledger;
use accrual::stages::orders::Orders;
use accrual::stages::rule_table::RuleTable;
use accrual::stages::topics::Topics;
use accrual::wire::rule_document;

use super::model::Written;
use super::world::World;

const RULES: &str = "\
shop_id: acme
version: 1
effective_from: '1960-01-01T00:00:00+00:00'
timezone: UTC
currency: EUR
channels: [online]
accrual: {rate: {every: 100, points: 1}}
issuance: {on: paid, delay_days: 1}
expiry: {after_days: 1}
reversal: {before_issue: {cancel: full, refund: proportional}, after_issue: {cancel: full, refund: proportional}}
";

const DAY_MS: Millis = 86_400_000;

pub fn stages() -> (Orders, Ledger) {
    let table = RuleTable::default();
    for document in rule_document::read_yaml(RULES) {
        table.add(document.read.expect("the rule is good"));
    }
    let topics = Topics {
        issued: "out".into(),
        expired: "out".into(),
        events: "out".into(),
        entries: "mid".into(),
    };
    (
        Orders::new(table.book(), topics.clone(), 0),
        Ledger::new(table.book(), topics, 30),
    )
}

/// Days pass, one after the other: lots are issued, then they expire. Then `last`.
pub fn let_days_pass(world: &mut World, days: u32, last: impl FnOnce(&mut World) + Send + 'static) {
    world.after(1_500, move |world| {
        if days == 0 {
            return last(world);
        }
        world.now += DAY_MS + 3_600_000;
        world.note(|| "a day passes".to_string());
        let_days_pass(world, days - 1, last);
    });
}

/// Orders: created, mostly paid, some cancelled; every message may come twice.
pub fn workload(world: &mut World, input: &Arc<std::sync::Mutex<Vec<Written>>>) {
    let knobs = world.knobs.clone();
    for order in 0..(knobs.events / 3).max(1) {
        let member = world.rng.below(3);
        let hundreds = world.rng.between(1, 9);
        let mut at = world.rng.between(0, knobs.faulty_ms * 2 / 3);
        let mut kinds = vec!["created"];
        if world.rng.chance(0.9) {
            kinds.push("paid");
        }
        if world.rng.chance(0.2) {
            kinds.push("cancelled");
        }
        for kind in kinds {
            let twice = world.rng.chance(0.1);
            for _ in 0..if twice { 2 } else { 1 } {
                let input = input.clone();
                world.after(at, move |world| {
                    tell(world, &input, order, member, hundreds, kind)
                });
            }
            at += world.rng.between(0, knobs.faulty_ms / 10);
        }
    }
}

fn tell(
    world: &mut World,
    input: &Arc<std::sync::Mutex<Vec<Written>>>,
    order: usize,
    member: usize,
    hundreds: i64,
    kind: &'static str,
) {
    let (seconds, millis) = (world.now / 1000, world.now % 1000);
    let time = format!(
        "1970-01-01T00:{:02}:{:02}.{millis:03}Z",
        seconds / 60,
        seconds % 60
    );
    let id = format!("o{order}");
    let snapshot = format!(
        r#","order":{{"revision":1,"created_at":"{time}","channel":"online","currency":"EUR","subtotal":"{hundreds}00","customer":{{"id":"m-{member}","logged_in":true}}}}"#
    );
    let snapshot = if kind == "created" {
        snapshot
    } else {
        String::new()
    };
    let value = format!(
        r#"{{"specversion":"1.0","id":"{id}-{kind}","source":"/s","type":"order.{kind}","time":"{time}","data":{{"shop_id":"acme","order_id":"{id}"{snapshot}}}}}"#
    );
    let partitions = world.knobs.partitions;
    let partition = Partitioner::Murmur2
        .place(id.as_bytes(), partitions)
        .expect("murmur2 places everything");
    let offset = world.append("in", partition, &id, value);
    world.note(|| format!("in/{partition} at {offset}: {id} {kind}"));
    let (time, value) = (world.now, format!("{kind} m-{member} {hundreds}"));
    input.lock().expect("input").push(Written {
        topic: "in",
        partition,
        offset,
        time,
        key: id,
        value,
    });
}

/// One movement of a member, as the outputs tell it.
struct Movement {
    kind: String,
    points: i64,
    balance: i64,
    order: String,
}

fn movements(world: &World) -> Result<BTreeMap<String, BTreeMap<u64, Movement>>, String> {
    let mut members: BTreeMap<String, BTreeMap<u64, Movement>> = BTreeMap::new();
    let topic = world.topics.id("out");
    for partition in 0..world.topics.partitions(topic) {
        for record in world
            .topics
            .log((topic, partition))
            .read(partition, 0, usize::MAX)
            .0
        {
            let data: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())
                .map_err(|error| format!("wrong: output is not JSON: {error}"))?;
            let Some(sequence) = data["sequence"].as_u64() else {
                continue;
            };
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
            let movement = Movement {
                kind: header(&record, "ce_type"),
                points: data["points"].as_i64().unwrap_or_default(),
                balance: data["balance_after"].as_i64().unwrap_or_default(),
                order: text(&data["order_id"]),
            };
            let member = header(&record, "ce_subject");
            if members
                .entry(member.clone())
                .or_default()
                .insert(sequence, movement)
                .is_some()
            {
                return Err(format!("wrong: {member} has sequence {sequence} twice"));
            }
        }
    }
    Ok(members)
}

fn header(record: &Record, name: &str) -> String {
    let found = record
        .headers
        .iter()
        .find(|(n, _)| &**n == name)
        .and_then(|(_, value)| value.clone());
    String::from_utf8_lossy(&found.unwrap_or_default()).into_owned()
}

/// What is missing or wrong: each order's points once, each lot's expiry once, balances that
/// add up, sequences without gaps.
pub fn judge(world: &World, input: &[Written]) -> Vec<String> {
    let members = match movements(world) {
        Ok(members) => members,
        Err(what) => return vec![what],
    };
    let mut wrong = Vec::new();
    let (mut issued, mut expired) = (BTreeMap::new(), BTreeMap::<&str, i64>::new());
    for (member, rows) in &members {
        let mut balance = 0;
        for (place, (sequence, row)) in rows.iter().enumerate() {
            // Partitions become visible one by one: a gap may still be filled.
            if *sequence != place as u64 + 1 {
                wrong.push(format!("missing: {member} before sequence {sequence}"));
                break;
            }
            balance += if row.kind.ends_with("points-issued") {
                row.points
            } else {
                -row.points
            };
            if balance != row.balance {
                wrong.push(format!(
                    "wrong: {member} at {sequence} has {}, not {balance}",
                    row.balance
                ));
            }
            if !row.kind.ends_with("points-issued") {
                *expired.entry(member.as_str()).or_default() += row.points;
            } else if issued
                .insert(row.order.clone(), (member.clone(), row.points))
                .is_some()
            {
                wrong.push(format!("wrong: {} was issued twice", row.order));
            }
        }
    }
    let mut orders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in input {
        orders.entry(&record.key).or_default().push(&record.value);
    }
    let mut must: BTreeMap<&str, i64> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (order, told) in orders.iter().filter(|(order, _)| **order != "poke") {
        let has = |kind: &str| told.iter().any(|text| text.starts_with(kind));
        // Days only pass once the faults are over: every cancellation comes before the points.
        if !has("paid") || !has("created") || has("cancelled") {
            continue;
        }
        known.insert(order.to_string());
        let mut words = told[0].split(' ').skip(1);
        let (member, points) = (words.next().expect("member"), words.next().expect("hundreds"));
        let points: i64 = points.parse().expect("number");
        *must.entry(member).or_default() += points;
        match issued.get(*order) {
            None => wrong.push(format!("missing: points of {order}")),
            Some(found) if *found != (member.to_string(), points) => {
                wrong.push(format!("wrong: {order} gave {found:?}, not {points} to {member}"));
            }
            _ => {}
        }
    }
    wrong.extend(
        issued
            .keys()
            .filter(|order| !known.contains(*order))
            .map(|order| format!("wrong: {order} has points")),
    );
    for (member, points) in must {
        if expired.get(member).copied().unwrap_or(0) != points {
            wrong.push(format!("missing: {member} has not lost all of {points}"));
        }
    }
    wrong
}
