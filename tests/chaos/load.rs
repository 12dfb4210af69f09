//! Orders and commands without end, in real time: drawn from a seed, fed a few times a second,
//! and written down so that `replay` can say what must come of them.
//!
//! Points are due a local day after the payment, and a lot lives for a day. Payments of yesterday
//! therefore fall due within seconds, by the system's clock, and so do expiries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use accrual::engine::partitioner::Partitioner;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::deployment::{rfc3339, route};
use crate::support::topics::Topics;

/// Points a day after the payment, for ever; reversible before and after.
pub const LATER: &str = "later";
/// Points at once, gone a day after.
pub const AT_ONCE: &str = "at-once";
/// No orders: what a member gets, spends and loses follows from one command after the other.
pub const WALLET: &str = "wallet";
/// Levels: each member has two orders, one behind the other on one partition. The first leads to the
/// level by which the second is priced; a day later the level ends.
pub const CLIMB: &str = "climb";

pub const RULES: &str = "
shop_id: later
version: 1
effective_from: 2000-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: '10', points: 1, rounding: per_unit}}
issuance: {on: paid, delay_days: 1}
reversal:
  before_issue: {cancel: full, refund: proportional}
  after_issue: {cancel: full, refund: proportional}
  when_short: clamp
---
shop_id: at-once
version: 1
effective_from: 2000-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: '10', points: 1, rounding: per_unit}}
issuance: {on: completed}
expiry: {after_days: 1}
---
shop_id: wallet
version: 1
effective_from: 2000-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: '10', points: 1, rounding: per_unit}}
issuance: {on: completed}
gifts: {registration: {points: 50}}
redemption: {points: 1, amount: '1'}
---
shop_id: climb
version: 1
effective_from: 2000-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: '10', points: 1, rounding: per_unit}
  tiers: {gold: {rate: {every: '10', points: 2, rounding: per_unit}}}
issuance: {on: paid, delay_days: 1}
reversal: {before_issue: {cancel: full, refund: proportional}}
tiers:
  levels:
    - {name: basic}
    - name: gold
      enter: [{amount: '1000'}]
      within: {days: 1}
      valid: {after_days: 1}
      gifts: {entry: {points: 25, expiry: {after_days: 1}}}
";

const BUYERS: u32 = 300;
const WALLETS: u32 = 40;
/// Orders of one member of the shop with levels are on one partition, of any number that divides this.
const PARTITIONS_MULTIPLE: i32 = 24;
/// A reversal that was meant to come before the due time is stored at least so long before it.
const MARGIN: TimeDelta = TimeDelta::milliseconds(1_500);
/// A feed that takes longer than this is a fault of the test's own.
const STORED_TIMEOUT: Duration = Duration::from_secs(120);

/// A line at its own time, which is that of its arrival in `replay`.
struct Line {
    at: DateTime<Utc>,
    text: String,
}

/// Everything fed so far, and what is still to be.
pub struct Load {
    random: StdRng,
    orders: u32,
    events: u64,
    lines: Vec<Line>,
    /// To be fed again, or later than the rest of their order.
    delayed: BTreeMap<Instant, Vec<(DateTime<Utc>, Value)>>,
    /// Reversals that must be stored before their order is due.
    in_time: Vec<(String, DateTime<Utc>)>,
    /// Orders to be refunded once their points are out.
    to_refund: BTreeSet<String>,
    /// Orders whose reversal was stored too late to be sure what comes of it, and members of the shop
    /// with levels with such an order.
    pub unsure: BTreeSet<String>,
}

impl Load {
    pub fn new(seed: u64) -> Load {
        Load {
            random: StdRng::seed_from_u64(seed),
            orders: 0,
            events: 0,
            lines: Vec::new(),
            delayed: BTreeMap::new(),
            in_time: Vec::new(),
            to_refund: BTreeSet::new(),
            unsure: BTreeSet::new(),
        }
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    /// What `replay` is to read: every line in the order of its time.
    pub fn as_replay_reads_it(&self) -> String {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.at);
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Feeds so many new orders, and what of the earlier ones has its time now.
    pub fn tick(&mut self, topics: &Topics, orders: u32, issued: &[String]) {
        let now = Utc::now();
        let mut events = Vec::new();
        for _ in 0..orders {
            self.order(now, &mut events);
        }
        if orders > 0 && self.chance(30) {
            self.climb(now, &mut events);
        }
        self.commands(now, &mut events);
        self.refund_issued(now, issued, &mut events);
        while let Some(entry) = self
            .delayed
            .first_entry()
            .filter(|entry| *entry.key() <= Instant::now())
        {
            events.extend(entry.remove());
        }
        self.feed(topics, events);
    }

    /// Feeds what was put off, without anything new.
    pub fn rest(&mut self, topics: &Topics, issued: &[String]) -> bool {
        self.tick(topics, 0, issued);
        self.delayed.is_empty()
    }

    fn feed(&mut self, topics: &Topics, events: Vec<(DateTime<Utc>, Value)>) {
        for (at, mut event) in events {
            event["time"] = json!(rfc3339(at));
            if event["id"].is_null() {
                event["id"] = json!(format!("e{}", self.lines.len()));
            }
            let text = event.to_string();
            let (topic, record) = route(&text);
            topics.produce(topic, &record);
            self.events += 1;
            // Producers send some things twice, at once or later.
            if self.chance(4) {
                topics.produce(topic, &record);
                self.events += 1;
            } else if self.chance(2) {
                let later = Instant::now() + Duration::from_millis(self.random.random_range(500..6_000));
                self.delayed.entry(later).or_default().push((at, event));
            }
            self.lines.push(Line { at, text });
        }
        assert!(
            topics.try_flush(STORED_TIMEOUT),
            "Kafka stores nothing for {STORED_TIMEOUT:?}"
        );
        let stored = Utc::now() + MARGIN;
        let late = self.in_time.drain(..).filter(|(_, due)| *due < stored);
        self.unsure.extend(late.map(|(order, _)| order));
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn order(&mut self, now: DateTime<Utc>, events: &mut Vec<(DateTime<Utc>, Value)>) {
        self.orders += 1;
        let order = format!("o-{}", self.orders);
        let member = format!("m-{}", self.random.random_range(0..BUYERS));
        let subtotal = self.random.random_range(20..5_000);
        let draw = self.random.random_range(0..100);
        let shop = if draw < 40 { AT_ONCE } else { LATER };
        let reversed_before = (40..60).contains(&draw);
        let ahead = match reversed_before {
            true => self.random.random_range(15_000..25_000),
            false => self.random.random_range(2_000..20_000),
        };
        let due = now + TimeDelta::milliseconds(ahead);
        let at = due - TimeDelta::days(1);
        let created = at - TimeDelta::minutes(1);
        let snapshot = json!({
            "revision": 1, "created_at": rfc3339(created), "currency": "TWD",
            "customer": {"id": member}, "subtotal": format!("{subtotal}.50"),
        });
        let event = |kind, more| of_order(shop, kind, &order, more);
        events.push((created, event("order.created", json!({ "order": snapshot }))));
        events.push((at, event("order.paid", json!({}))));
        if shop == AT_ONCE {
            events.push((at, event("order.completed", json!({}))));
        }
        if reversed_before {
            let reversal = match draw < 50 {
                true => event("order.cancelled", json!({})),
                false => event("order.refunded", refund(subtotal / 3 + 1)),
            };
            events.push((at + TimeDelta::milliseconds(1), reversal));
            self.in_time.push((order, due));
        } else if draw >= 85 {
            self.to_refund.insert(order);
        }
    }

    fn climb(&mut self, now: DateTime<Utc>, events: &mut Vec<(DateTime<Utc>, Value)>) {
        self.orders += 1;
        let number = self.orders;
        let member = format!("c-{number}");
        let home = placed(&member);
        let mut beside = (0..).map(|n| format!("{member}-{n}"));
        let first = beside.find(|id| placed(id) == home).expect("one of many");
        let second = beside.find(|id| placed(id) == home).expect("one of many");
        let due = now + TimeDelta::milliseconds(self.random.random_range(15_000..25_000));
        let at = due - TimeDelta::days(1);
        let mut buy = |order: &str, after_ms: i64, subtotal: u32| {
            let created = at + TimeDelta::milliseconds(after_ms);
            let snapshot = json!({
                "revision": 1, "created_at": rfc3339(created), "currency": "TWD",
                "customer": {"id": member}, "subtotal": subtotal.to_string(),
            });
            let event = |kind, more| of_order(CLIMB, kind, order, more);
            events.push((created, event("order.created", json!({ "order": snapshot }))));
            let paid = created + TimeDelta::milliseconds(1);
            events.push((paid, event("order.paid", json!({}))));
        };
        buy(&first, 0, self.random.random_range(900..1_500));
        buy(&second, 10, self.random.random_range(50..500));
        // Some lose the level before the points are due.
        if self.chance(30) {
            let cancelled = at + TimeDelta::milliseconds(20);
            events.push((cancelled, of_order(CLIMB, "order.cancelled", &first, json!({}))));
            self.in_time.push((member, due));
        }
    }

    /// Of orders whose points were seen, some are refunded or cancelled.
    fn refund_issued(
        &mut self,
        now: DateTime<Utc>,
        issued: &[String],
        events: &mut Vec<(DateTime<Utc>, Value)>,
    ) {
        for order in issued {
            if !self.to_refund.remove(order) {
                continue;
            }
            let event = match self.chance(30) {
                true => of_order(LATER, "order.cancelled", order, json!({})),
                false => of_order(LATER, "order.refunded", order, refund(7)),
            };
            events.push((now, event));
        }
    }

    fn commands(&mut self, now: DateTime<Utc>, events: &mut Vec<(DateTime<Utc>, Value)>) {
        let wallet = format!("w-{}", self.random.random_range(0..WALLETS));
        let points = self.random.random_range(1..200);
        let mut data = json!({"shop_id": WALLET, "member_id": wallet});
        let kind = match self.random.random_range(0..100) {
            0..5 => "member.registered",
            5..55 => "points.grant",
            55..80 => "points.deduct",
            _ => "points.redeem",
        };
        if kind != "member.registered" {
            data["points"] = json!(points);
            data["reason"] = json!("chaos");
        }
        events.push((now, event(WALLET, kind, &wallet, data)));
        if self.chance(30) {
            let member = format!("m-{}", self.random.random_range(0..BUYERS));
            let expires = now + TimeDelta::milliseconds(self.random.random_range(3_000..30_000));
            let data = json!({
                "shop_id": AT_ONCE, "member_id": member, "points": points, "expires_at": rfc3339(expires),
            });
            events.push((now, event(AT_ONCE, "points.import", &member, data)));
        }
    }
}

fn placed(id: &str) -> i32 {
    Partitioner::Murmur2
        .place(id.as_bytes(), PARTITIONS_MULTIPLE)
        .expect("murmur2 places everything")
}

fn refund(amount: u32) -> Value {
    json!({"refund": {"id": "r1", "amount": amount.to_string()}})
}

fn of_order(shop: &str, kind: &str, order: &str, more: Value) -> Value {
    let mut data = json!({"shop_id": shop, "order_id": order});
    let fields = data.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    event(shop, kind, order, data)
}

fn event(shop: &str, kind: &str, subject: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": null, "source": format!("/shops/{shop}"), "type": kind,
        "subject": subject, "time": "", "data": data,
    })
}
