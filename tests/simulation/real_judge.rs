//! What must have come of the orders of `real`: a naive fold that shares no code with the stages.

use std::collections::{BTreeMap, BTreeSet};

use accrual::engine::ports::Record;

use super::model::Written;
use super::real::{BONUS, GOLD, PER_ORDER};
use super::real_levels::Levels;
use super::world::World;

/// One movement of a member, as the outputs tell it.
struct Movement {
    kind: String,
    points: i64,
    balance: i64,
    order: String,
    bonus: String,
    reason: String,
}

impl Movement {
    fn is(&self, kind: &str) -> bool {
        self.kind.ends_with(kind)
    }

    fn adds(&self) -> bool {
        self.is("points-issued") || self.is("points-returned")
    }
}

/// What the outputs say.
#[derive(Default)]
struct Said {
    /// By member and sequence.
    members: BTreeMap<String, BTreeMap<u64, Movement>>,
    /// Orders whose redemption was refused.
    refused: BTreeSet<String>,
    /// The level that each member was said to have come to last.
    levels: BTreeMap<String, String>,
}

fn read(world: &World) -> Result<Said, String> {
    let mut said = Said::default();
    let topic = world.topics.id("out");
    for partition in 0..world.topics.partitions(topic) {
        let log = world.topics.log((topic, partition));
        for record in log.read(partition, 0, usize::MAX).0 {
            let data: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())
                .map_err(|error| format!("wrong: output is not JSON: {error}"))?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
            let kind = header(&record, "ce_type");
            let member = format!("{}/{}", text(&data["shop_id"]), header(&record, "ce_subject"));
            if kind.ends_with("tier-changed") {
                said.levels.insert(member, text(&data["to"]));
                continue;
            }
            let Some(sequence) = data["sequence"].as_u64() else {
                if kind.ends_with("points-rejected") {
                    said.refused.insert(text(&data["order_id"]));
                }
                continue;
            };
            let movement = Movement {
                kind,
                points: data["points"].as_i64().unwrap_or_default(),
                balance: data["balance_after"].as_i64().unwrap_or_default(),
                order: text(&data["order_id"]),
                bonus: text(&data["bonus_id"]),
                reason: text(&data["reason"]),
            };
            let rows = said.members.entry(member.clone()).or_default();
            if rows.insert(sequence, movement).is_some() {
                return Err(format!("wrong: {member} has sequence {sequence} twice"));
            }
        }
    }
    Ok(said)
}

fn header(record: &Record, name: &str) -> String {
    let found = record
        .headers
        .iter()
        .find(|(n, _)| &**n == name)
        .and_then(|(_, value)| value.clone());
    String::from_utf8_lossy(&found.unwrap_or_default()).into_owned()
}

/// What moved, by order.
#[derive(Default)]
struct Moved<'a> {
    /// By order and bonus: to whom, and how many.
    issued: BTreeMap<(&'a str, &'a str), (&'a str, i64)>,
    /// Redeemed and not given back.
    held: BTreeMap<&'a str, i64>,
    /// Members that got the gift of their way up.
    gifts: BTreeMap<&'a str, i64>,
    wrong: Vec<String>,
}

/// Sequences without gaps and balances that add up; in the end everything has expired.
fn movements(said: &Said) -> Moved<'_> {
    let mut moved = Moved::default();
    for (member, rows) in &said.members {
        let mut balance = 0;
        for (place, (sequence, row)) in rows.iter().enumerate() {
            // Partitions become visible one by one: a gap may still be filled.
            if *sequence != place as u64 + 1 {
                let gap = format!("missing: {member} before sequence {sequence}");
                moved.wrong.push(gap);
                break;
            }
            let change = if row.adds() { row.points } else { -row.points };
            balance += change;
            if balance != row.balance || balance < 0 {
                let other = format!("wrong: {member} at {sequence} has {}, not {balance}", row.balance);
                moved.wrong.push(other);
            }
            if row.reason == "tier_entry" {
                *moved.gifts.entry(member).or_default() += row.points;
            } else if row.is("points-issued") {
                let key = (row.order.as_str(), row.bonus.as_str());
                if moved.issued.insert(key, (member, row.points)).is_some() {
                    moved.wrong.push(format!("wrong: {key:?} was issued twice"));
                }
            } else if row.is("points-redeemed") || row.is("points-returned") {
                *moved.held.entry(&row.order).or_default() -= change;
            }
        }
        if balance != 0 {
            let held = format!("missing: {member} still has {balance}");
            moved.wrong.push(held);
        }
    }
    moved
}

/// One order by all that was told of it.
pub struct Order<'a> {
    /// Who gets its points, if anybody.
    pub member: Option<&'a str>,
    pub hundreds: i64,
    redeems: i64,
    pub created_at: i64,
    pub paid_at: Option<i64>,
    pub cancelled_at: Option<i64>,
    /// A sale in the store: what was known at once decides its points.
    at_once: bool,
}

impl<'a> Order<'a> {
    fn fold(told: &[&'a Written]) -> Self {
        let words: Vec<&str> = told[0].value.split(' ').collect();
        let [_, member, hundreds, redeems, whose, channel] = words[..] else {
            panic!("a note has six words: {}", told[0].value);
        };
        let times = |kind: &'static str| {
            let of_kind = told.iter().filter(move |record| record.value.starts_with(kind));
            of_kind.map(|record| record.time)
        };
        let last = |kind| times(kind).max();
        Order {
            member: (whose == "own" || last("claimed").is_some()).then_some(member),
            hundreds: hundreds.parse().expect("a number"),
            redeems: redeems.parse().expect("a number"),
            created_at: last("created").expect("it was created"),
            paid_at: last("paid"),
            // Of one time the withdrawal comes last.
            cancelled_at: times("cancelled")
                .filter(|at| Some(*at) > last("withdrawn"))
                .min(),
            at_once: channel == "pos",
        }
    }

    fn is_of(&self, shop: &str) -> bool {
        self.member
            .is_some_and(|member| member.split('/').next() == Some(shop))
    }

    /// Bonus id and points of each lot, by the level held before it.
    fn lots(&self, is_gold: bool) -> Vec<(&'static str, i64)> {
        // Its own events are in turn: what was told came before the points.
        if self.member.is_none() || self.paid_at.is_none() || self.cancelled_at.is_some() {
            return Vec::new();
        }
        let most = if self.is_of("capped") { PER_ORDER } else { i64::MAX };
        let own = if is_gold { 2 * self.hundreds } else { self.hundreds };
        let own = own.min(most);
        let bonus = if self.hundreds >= BONUS.1 { BONUS.0 } else { 0 };
        let lots = [("", own), ("large", bonus.min(most - own))];
        lots.into_iter().filter(|(_, points)| *points > 0).collect()
    }
}

/// What is missing or wrong: each lot of each order once, points used once or refused and given
/// back with a cancellation, everything expired in the end.
pub fn judge(world: &World, input: &[Written]) -> Vec<String> {
    let said = match read(world) {
        Ok(said) => said,
        Err(what) => return vec![what],
    };
    let Moved {
        mut issued,
        held,
        mut gifts,
        mut wrong,
    } = movements(&said);
    let mut told: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for record in input.iter().filter(|record| record.key != "poke") {
        told.entry(&record.key).or_default().push(record);
    }
    let orders: BTreeMap<&str, Order<'_>> = told.iter().map(|(id, told)| (*id, Order::fold(told))).collect();
    let of_levels = orders.values().filter(|order| order.is_of("levels"));
    let levels = Levels::fold(of_levels);
    for (id, order) in orders {
        let member = order.member.unwrap_or_default();
        let is_gold = levels.is_gold_before(member, order.created_at);
        // Facts may have come behind the points of a sale in the store, and those of another partition
        // behind any: days pass whether or not all of it is read.
        let in_turn = world.knobs.partitions == 1;
        let either = order.is_of("levels") && (order.at_once || !in_turn);
        let other = order.lots(if either { !is_gold } else { is_gold });
        for ((bonus, points), (_, other)) in order.lots(is_gold).into_iter().zip(other) {
            match issued.remove(&(id, bonus)) {
                None => wrong.push(format!("missing: points of {id} {bonus}")),
                Some(found) if found != (member, points) && found != (member, other) => {
                    wrong.push(format!("wrong: {id} gave {found:?}, not {points} to {member}"));
                }
                Some(_) => {}
            }
        }
        let used = held.get(id).copied();
        match used {
            None if order.redeems > 0 && !said.refused.contains(id) => {
                wrong.push(format!("missing: an answer to what {id} redeems"));
            }
            Some(used) if used != 0 && used != order.redeems => {
                wrong.push(format!("wrong: {id} uses {used} of {}", order.redeems));
            }
            Some(used) if used != 0 && order.cancelled_at.is_some() => {
                wrong.push(format!("missing: {used} of {id} come back"));
            }
            _ => {}
        }
    }
    wrong.extend(issued.keys().map(|lot| format!("wrong: {lot:?} has points")));
    for member in levels.members() {
        let said = said.levels.get(member).map_or("basic", String::as_str);
        let is_gold = levels.is_gold_before(member, i64::MAX);
        if (said == "gold") != is_gold {
            wrong.push(format!("missing: the level of {member}, {said} was the last"));
        }
        match gifts.remove(member) {
            None if is_gold => wrong.push(format!("missing: the gift of {member}")),
            Some(points) if points != GOLD.1 => wrong.push(format!("wrong: gifts of {points} to {member}")),
            // A member that was gold only for a while may have got it.
            _ => {}
        }
    }
    wrong.extend(gifts.keys().map(|member| format!("wrong: {member} got a gift")));
    wrong
}
