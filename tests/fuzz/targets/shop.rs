//! All stages in memory, fed with whatever comes, and what must hold of their outputs.

use std::collections::HashMap;

use accrual::engine::embedded::Embedded;
use accrual::engine::error::Refusal;
use accrual::engine::ports::{Key, Millis, OutRecord, Record};
use accrual::engine::processor::{GlobalTable, Processor};
use accrual::stages::commands::Commands;
use accrual::stages::ledger::Ledger;
use accrual::stages::orders::Orders;
use accrual::stages::output::Output;
use accrual::stages::rule_table::RuleTable;
use accrual::stages::topics::Topics;
use accrual::wire::rule_document;
use serde_json::Value;

/// Birthdays come for ever.
const TIMERS_MAX: usize = 200;

const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2020-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual:
  base: {exclude: {tags: [gift], skus: [CARD]}}
  not_when: [store_credit]
  min_order: \"10\"
  rate: {every: \"100\", points: 7, rounding: half_up}
  tiers: {gold: {threshold: {at_least: \"1000\", percent: \"12.5\", rounding: up}}}
bonuses:
  - id: double
    when: {hours: [\"22:00\", \"06:00\"], payment_methods: [card]}
    gives: {multiplier: \"2.5\"}
    group: one
  - {id: flat, when: {min_order: \"50\"}, gives: {points: 20}, group: one, expiry: {after_days: 3}}
  - {id: tea, items: {include: {categories: [tea]}, min_quantity: \"1.5\"}, gives: {points_each: 4}}
  - {id: sale, items: {include: {tags: [sale]}}, gives: {rate: {every: \"10\", points: 1}}, instead: true}
issuance: {on: completed, delay_days: 1}
expiry: {after_months: 6, round_up_to: month, at: \"24:00\"}
reversal:
  before_issue: {cancel: full, refund: proportional}
  after_issue: {cancel: full, refund: proportional}
  when_short: negative
  redeemed: proportional
redemption: {points: 3, amount: \"1\", digits: 0, max_percent: \"30\", step: 3, exclude: {tags: [gift]}}
gifts: {registration: {points: 50}}
notices: {expiring_days_before: [7, 1], at: \"09:00\"}
---
shop_id: levels
version: 1
effective_from: 2020-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: \"100\", points: 1}
  tiers: {silver: {rate: {every: \"100\", points: 2}}, gold: {rate: {every: \"10\", points: 1}}}
bonuses:
  - {id: birthday, when: {birthday: month}, gives: {points: 50}, limits: {times: 1, per: year}}
  - {id: first, when: {first_order: true}, gives: {multiplier: \"2\"}, group: one}
  - {id: gold, when: {tiers: [gold]}, gives: {points: 30}, group: one, limits: {points: 60, per: week}}
caps: {per_order: 400, per_member: [{per: day, points: 500}, {per: month, orders: 20}]}
issuance: {on: paid}
reversal:
  after_issue: {cancel: full, refund: proportional, edit: adjust}
tiers:
  counts: {on: paid}
  levels:
    - name: member
    - name: silver
      enter: [{amount: \"1000\", orders: 2}, {points: 30}]
      within: {months: 12}
      valid: {after_months: 12}
      renew: [{amount: \"500\"}]
      renew_when: when_met
      gifts: {entry: {points: 10, delay_days: 3}, renewal: {points: 5}, birthday: {points: 7}}
    - name: gold
      enter: [{amount: \"10000\"}, {order_amount: \"5000\"}]
      within: {in_tier: {months: 6}}
      valid: {yearly: \"12-31\"}
      benefits: {discount_percent: \"5\"}
gifts: {birthday: {points: 3, on: day}}
notices: {tier_expiring_days_before: [30, 1]}
";

pub struct Stages {
    rules: RuleTable,
    orders: Orders,
    commands: Commands,
    ledger: Ledger,
}

impl Stages {
    pub fn new() -> Self {
        let rules = RuleTable::default();
        for document in rule_document::read_yaml(RULES) {
            rules.add(document.read.expect("good rules"));
        }
        let topics = Topics {
            issued: "issued".into(),
            expired: "expired".into(),
            events: "events".into(),
            entries: "entries".into(),
        };
        Stages {
            orders: Orders::new(rules.book(), topics.clone(), 400),
            commands: Commands::new(topics.clone(), 1),
            ledger: Ledger::new(rules.book(), topics, 90),
            rules,
        }
    }
}

pub struct Shop<'a> {
    stages: &'a Stages,
    orders: Embedded<'a, Orders>,
    commands: Embedded<'a, Commands>,
    ledger: Embedded<'a, Ledger>,
    now: Millis,
    table_offset: i64,
    /// The last movement of each member.
    sequences: HashMap<Key, u64>,
}

impl<'a> Shop<'a> {
    pub fn new(stages: &'a Stages) -> Self {
        Shop {
            stages,
            orders: Embedded::new(&stages.orders),
            commands: Embedded::new(&stages.commands),
            ledger: Embedded::new(&stages.ledger),
            now: 0,
            table_offset: 0,
            sequences: HashMap::new(),
        }
    }

    /// Takes a record that arrives at `now`, by whichever stage reads it. Refusals are fine.
    pub fn take(&mut self, record: &Record, now: Millis) {
        self.now = self.now.max(now);
        self.fire(Some(self.now));
        let stages = self.stages;
        if let Ok(decoded) = stages.orders.decode(record) {
            let decided = self.orders.event(&decoded, record, self.now);
            self.decided(decided);
        }
        if let Ok(decoded) = stages.commands.decode(record) {
            let decided = self.commands.event(&decoded, record, self.now);
            self.decided(decided);
        }
        let table = Record {
            offset: self.table_offset,
            ..record.clone()
        };
        if stages.rules.apply(&table).is_ok() {
            self.table_offset += 1;
            let decided = self.orders.nudge(self.now);
            self.decided(decided);
            let decided = self.ledger.nudge(self.now);
            self.decided(decided);
        }
    }

    /// Fires what is due before `until`, or all.
    pub fn fire(&mut self, until: Option<Millis>) {
        for _ in 0..TIMERS_MAX {
            let next = [self.orders.next_wake(), self.ledger.next_wake()];
            let Some(next) = next.into_iter().flatten().min() else {
                return;
            };
            if until.is_some_and(|until| next >= until) {
                return;
            }
            let decided = match self.orders.next_wake() == Some(next) {
                true => self.orders.fire(),
                false => self.ledger.fire(),
            };
            self.decided(decided);
        }
    }

    fn decided(&mut self, decided: Result<Vec<Output>, Refusal>) {
        match decided {
            Ok(outputs) => outputs
                .into_iter()
                .for_each(|output| self.out(self.stages.ledger.encode(output))),
            Err(refusal) => {
                let bug = ["panicked", "timer_stuck"].contains(&refusal.code);
                assert!(!bug, "{refusal}");
            }
        }
    }

    fn out(&mut self, out: OutRecord) {
        if &*out.topic != "entries" {
            return self.check(&out);
        }
        let record = Record {
            partition: 0,
            offset: 0,
            timestamp: None,
            key: out.key,
            value: out.value,
            headers: out.headers,
        };
        let decoded = self.stages.ledger.decode(&record).expect("an entry of our own");
        let at = decoded.at.expect("entries have a time");
        let decided = self.ledger.event(&decoded, &record, at);
        self.decided(decided);
    }

    /// An output is JSON, moves a positive number of points, and no movement is left out.
    fn check(&mut self, out: &OutRecord) {
        let data: Value = serde_json::from_slice(out.value.as_ref().expect("a value")).expect("JSON");
        let Some(sequence) = data["sequence"].as_u64() else {
            return;
        };
        assert!(data["points"].as_i64().is_some_and(|points| points > 0), "{data}");
        let member = format!("{}\0{}", data["shop_id"], data["member_id"]);
        let last = self.sequences.insert(Key::from(member), sequence);
        assert_eq!(sequence, last.unwrap_or(0) + 1, "{data}");
    }
}
