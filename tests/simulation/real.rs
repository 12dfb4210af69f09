//! The real stages, orders and ledger, under one small rule that can be folded naively: an order
//! that is paid issues one point per hundred a day later unless it stands cancelled, a sale in the
//! store at once; from 500 on a bonus comes with it. Lots expire a day after. Orders of guests
//! bring their points to whoever claims them, and orders use points that earlier sales brought.
//! A third of the orders is of a shop with a cap, another third of a shop with levels of membership:
//! there members' ledgers decide the points.

use std::sync::{Arc, Mutex};

use accrual::engine::partitioner::Partitioner;
use accrual::engine::ports::Millis;
use accrual::stages::ledger::Ledger;
use accrual::stages::orders::Orders;
use accrual::stages::rule_table::RuleTable;
use accrual::stages::topics::Topics;
use accrual::wire::rule_document;

use super::model::Written;
use super::world::World;

const RULES: &str = "\
shop_id: SHOP
version: 1
effective_from: '1960-01-01T00:00:00+00:00'
timezone: UTC
currency: EUR
channels: [online, pos]
accrual: {rate: {every: 100, points: 1}}
bonuses: [{id: large, when: {min_order: 500}, gives: {points: 3}}]
issuance: {on: paid, delay_days: 1, by_channel: {pos: {on: paid}}}
expiry: {after_days: 1}
reversal: {before_issue: {cancel: full, refund: proportional}, after_issue: {cancel: full, refund: proportional}}
";

/// Most points of an order of the second shop.
pub const PER_ORDER: i64 = 7;

/// From how many hundreds on a member of the third shop is gold and earns twice as much, and the
/// points of the gift on the way up.
pub const GOLD: (i64, i64) = (15, 4);

const SHOPS: [&str; 3] = ["acme", "capped", "levels"];

/// Points of the bonus, and from how many hundreds on it comes.
pub const BONUS: (i64, i64) = (3, 5);

const DAY_MS: Millis = 86_400_000;

pub fn stages() -> (Orders, Ledger) {
    let table = RuleTable::default();
    let caps = format!("caps: {{per_order: {PER_ORDER}}}\n");
    let (from, gift) = GOLD;
    let levels = format!(
        "tiers: {{levels: [{{name: basic}}, {{name: gold, enter: [{{amount: {from}00}}], within: {{lifetime: true}},
           gifts: {{entry: {{points: {gift}, expiry: {{after_days: 1}}}}}}}}]}}\n"
    );
    let rate = "rate: {every: 100, points: 1}";
    let rates = format!("{rate}, tiers: {{gold: {{rate: {{every: 100, points: 2}}}}}}");
    let plain = RULES.to_string();
    let shops = [
        plain.clone(),
        plain.clone() + &caps,
        plain.replace(rate, &rates) + &levels,
    ];
    for (shop, rules) in SHOPS.iter().zip(shops) {
        for document in rule_document::read_yaml(&rules.replace("SHOP", shop)) {
            table.add(document.read.expect("the rule is good"));
        }
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

/// One order, as it was made up.
#[derive(Clone)]
struct Plan {
    id: String,
    shop: &'static str,
    /// Who buys, or claims it.
    member: usize,
    hundreds: i64,
    channel: &'static str,
    guest: bool,
    redeems: i64,
}

impl Plan {
    fn draw(world: &mut World, number: usize) -> Self {
        let guest = world.rng.chance(0.25);
        Plan {
            id: format!("o{number}"),
            shop: SHOPS[number % SHOPS.len()],
            member: world.rng.below(2),
            hundreds: world.rng.between(1, 9),
            channel: if world.rng.chance(0.5) { "pos" } else { "online" },
            guest,
            redeems: if !guest && world.rng.chance(0.6) {
                world.rng.between(1, 5)
            } else {
                0
            },
        }
    }

    /// What is told of it, in the order of time.
    fn kinds(&self, world: &mut World) -> Vec<&'static str> {
        let mut kinds = vec!["created"];
        if world.rng.chance(0.9) {
            kinds.push("paid");
        }
        // Points of a sale in the store are there at once: a cancellation would take them back.
        if self.channel == "online" && world.rng.chance(0.5) {
            kinds.push("cancelled");
            if world.rng.chance(0.6) {
                kinds.push("withdrawn");
            }
            if world.rng.chance(0.3) {
                kinds.push("cancelled");
            }
        }
        if self.guest && world.rng.chance(0.7) {
            let place = world.rng.below(kinds.len());
            kinds.insert(place + 1, "claimed");
        }
        kinds
    }

    fn event(&self, kind: &str, id: &str, time: &str) -> String {
        let Plan {
            shop,
            member,
            hundreds,
            channel,
            redeems,
            ..
        } = self;
        let customer = if self.guest {
            "null".to_string()
        } else {
            format!(r#"{{"id":"m-{member}","logged_in":true}}"#)
        };
        let (kind, more) = match kind {
            "created" => (
                kind,
                format!(
                    r#","order":{{"revision":1,"created_at":"{time}","channel":"{channel}","currency":"EUR","subtotal":"{hundreds}00","points_redeemed":{redeems},"customer":{customer}}}"#
                ),
            ),
            "claimed" => (kind, format!(r#","customer":{{"id":"m-{member}"}}"#)),
            "withdrawn" => ("updated", r#","withdraws":["cancelled"]"#.to_string()),
            _ => (kind, String::new()),
        };
        let order = &self.id;
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"order.{kind}","time":"{time}","data":{{"shop_id":"{shop}","order_id":"{order}"{more}}}}}"#
        )
    }

    /// For the judge.
    fn note(&self, kind: &str) -> String {
        let Plan {
            shop,
            member,
            hundreds,
            redeems,
            channel,
            ..
        } = self;
        let whose = if self.guest { "guest" } else { "own" };
        format!("{kind} {shop}/m-{member} {hundreds} {redeems} {whose} {channel}")
    }
}

/// Orders; every message may come twice.
pub fn workload(world: &mut World, input: &Arc<Mutex<Vec<Written>>>) {
    let knobs = world.knobs.clone();
    for number in 0..(knobs.events / 3).max(1) {
        let plan = Plan::draw(world, number);
        let mut at = world.rng.between(0, knobs.faulty_ms / 3);
        for (step, kind) in plan.kinds(world).into_iter().enumerate() {
            let twice = world.rng.chance(0.1);
            for _ in 0..if twice { 2 } else { 1 } {
                let (input, plan) = (input.clone(), plan.clone());
                world.after(at, move |world| tell(world, &input, &plan, (step, kind)));
            }
            // Long enough for points of a sale in the store to be there before the next step.
            at += world.rng.between(1, knobs.faulty_ms / 8);
        }
    }
}

fn tell(
    world: &mut World,
    input: &Arc<Mutex<Vec<Written>>>,
    plan: &Plan,
    (step, kind): (usize, &'static str),
) {
    let (seconds, millis) = (world.now / 1000, world.now % 1000);
    let time = format!(
        "1970-01-01T00:{:02}:{:02}.{millis:03}Z",
        seconds / 60,
        seconds % 60
    );
    let id = plan.id.clone();
    let value = plan.event(kind, &format!("{id}-{step}-{kind}"), &time);
    let partitions = world.knobs.partitions;
    let partition = Partitioner::Murmur2
        .place(id.as_bytes(), partitions)
        .expect("murmur2 places everything");
    let offset = world.append("in", partition, &id, value);
    let (time, value) = (world.now, plan.note(kind));
    world.note(|| format!("in/{partition} at {offset}: {id} {value}"));
    input.lock().expect("input").push(Written {
        topic: "in",
        partition,
        offset,
        time,
        key: id,
        value,
    });
}
