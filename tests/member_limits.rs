//! Random histories of orders under limits and caps, through `accrual replay`: what comes out keeps
//! to every cap, whatever is taken back, and the order in which an order's events arrive does not
//! matter.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use support::accrual::replay;
use support::servers::new_dir;

const PER_ORDER: i64 = 300;
const PER_DAY: i64 = 400;
const ORDERS_A_WEEK: usize = 4;
const BONUS: i64 = 50;
const BONUS_A_WEEK: i64 = 120;
const HISTORIES: u32 = 48;

const RULES: &str = "\
shop_id: acme
version: 1
effective_from: 2021-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: 1, points: 1}}
bonuses:
- {id: b, gives: {points: 50}, limits: {points: 120, per: week}}
issuance: {on: paid, delay_days: 4}
reversal: {after_issue: {cancel: full, refund: proportional, edit: EDIT}, when_short: WHEN_SHORT}
caps: {per_order: 300, per_member: [{per: day, points: 400}, {per: week, orders: 4}]}
";

#[derive(Clone, Debug)]
struct Bought {
    /// From Monday on, over two weeks.
    day: u32,
    subtotal: i64,
    /// Percents that come back, each a day later than the one before; the first after so many days.
    refunds: Vec<(u32, i64)>,
    cancelled: Option<u32>,
    edited: Option<(u32, i64)>,
}

fn bought() -> impl Strategy<Value = Bought> {
    let refund = (2u32..9, 10i64..=60);
    (
        6u32..20,
        prop_oneof![1i64..100, 100i64..600],
        proptest::collection::vec(refund, 0..3),
        proptest::option::weighted(0.2, 2u32..9),
        proptest::option::weighted(0.3, (2u32..9, 1i64..600)),
    )
        .prop_map(|(day, subtotal, refunds, cancelled, edited)| Bought {
            day,
            subtotal,
            refunds,
            cancelled,
            edited,
        })
}

/// One event, when it arrives, and whether it must be the order's first.
struct Told {
    day: u32,
    minute: u32,
    event: Value,
}

fn time(day: u32, minute: u32) -> String {
    format!(
        "2024-05-{day:02}T{:02}:{:02}:00+08:00",
        8 + minute / 60,
        minute % 60
    )
}

fn events(number: usize, bought: &Bought) -> Vec<Told> {
    let (order, minute) = (format!("A-{number}"), number as u32);
    let created = time(bought.day, minute);
    let snapshot = |revision: u32, subtotal: i64| {
        json!({"revision": revision, "created_at": created, "currency": "TWD",
            "customer": {"id": "m-1"}, "subtotal": subtotal.to_string()})
    };
    let mut told = Vec::new();
    let mut tell = |kind: &str, day: u32, mut data: Value| {
        data["shop_id"] = json!("acme");
        data["order_id"] = json!(order);
        told.push(Told {
            day,
            minute,
            event: json!({"specversion": "1.0", "id": format!("{order}-{}", told.len()), "source": "/s",
                "type": kind, "time": time(day, minute), "data": data}),
        });
    };
    tell(
        "order.created",
        bought.day,
        json!({"order": snapshot(1, bought.subtotal)}),
    );
    tell("order.paid", bought.day, json!({}));
    for (index, (days, percent)) in bought.refunds.iter().enumerate() {
        let amount = bought.subtotal * percent / 100;
        let refund = json!({"id": index.to_string(), "amount": amount.to_string()});
        tell("order.refunded", bought.day + days, json!({"refund": refund}));
    }
    if let Some(days) = bought.cancelled {
        tell("order.cancelled", bought.day + days, json!({}));
    }
    if let Some((days, subtotal)) = bought.edited {
        tell(
            "order.edited",
            bought.day + days,
            json!({"order": snapshot(2, subtotal)}),
        );
    }
    told
}

fn outputs(dir: &Path, rules: &str, mut told: Vec<Told>) -> Vec<Value> {
    told.sort_by_key(|told| (told.day, told.minute));
    let lines: Vec<String> = told.iter().map(|told| told.event.to_string()).collect();
    let (rules_file, events_file) = (dir.join("rules.yaml"), dir.join("events.jsonl"));
    fs::write(&rules_file, rules).expect("a file");
    fs::write(&events_file, lines.join("\n")).expect("a file");
    let out = replay(&[&rules_file], &[&events_file], None);
    out.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn rules(edit: &str, when_short: &str) -> String {
    RULES.replace("EDIT", edit).replace("WHEN_SHORT", when_short)
}

/// What is left with the member, by order.
#[derive(Default)]
struct Left {
    points: BTreeMap<String, i64>,
    issued: BTreeMap<String, i64>,
    /// Of the bonus, as issued.
    bonus: BTreeMap<String, i64>,
    balance: i64,
}

impl Left {
    /// Takes in an output.
    fn take(&mut self, output: &Value) {
        let data = &output["data"];
        let order = data["order_id"].as_str().unwrap_or_default().to_owned();
        let points = data["points"].as_i64().unwrap_or(0);
        match output["type"].as_str() {
            Some("points-issued") => {
                *self.points.entry(order.clone()).or_default() += points;
                *self.issued.entry(order.clone()).or_default() += points;
                if data["bonus_id"] == "b" {
                    *self.bonus.entry(order).or_default() += points;
                }
                self.balance += points;
            }
            Some("points-revoked") => {
                *self.points.entry(order).or_default() -= points;
                self.balance -= points;
            }
            _ => return,
        }
        assert_eq!(data["balance_after"], json!(self.balance), "{output}");
    }

    fn check(&self, history: &[Bought]) {
        let day = |order: &str| {
            let number: usize = order[2..].parse().expect("a number");
            history[number].day
        };
        let mut by_day: BTreeMap<u32, i64> = BTreeMap::new();
        let mut by_week: BTreeMap<u32, usize> = BTreeMap::new();
        for (order, points) in &self.points {
            assert!((0..=PER_ORDER).contains(points), "{order} has {points}");
            assert!(*points <= self.issued[order], "{order} has {points}");
            *by_day.entry(day(order)).or_default() += points;
            *by_week.entry((day(order) - 6) / 7).or_default() += usize::from(*points > 0);
        }
        assert!(by_day.values().all(|points| *points <= PER_DAY), "{by_day:?}");
        assert!(
            by_week.values().all(|orders| *orders <= ORDERS_A_WEEK),
            "{by_week:?}"
        );
    }
}

#[test]
fn caps_hold_at_every_moment_and_no_point_is_lost() {
    let dir = new_dir("limits");
    let histories = proptest::collection::vec(bought(), 1..14);
    let words = (
        proptest::sample::select(vec!["none", "adjust"]),
        proptest::sample::select(vec!["refuse", "clamp", "negative"]),
    );
    let mut runner = TestRunner::new(Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(histories, words), |(history, (edit, when_short))| {
        let told = history
            .iter()
            .enumerate()
            .flat_map(|(number, bought)| events(number, bought));
        let mut left = Left::default();
        let outputs = outputs(&dir, &rules(edit, when_short), told.collect());
        for output in &outputs {
            left.take(output);
            left.check(&history);
        }
        // Nothing that was offered at the due time disappears.
        for (number, bought) in history.iter().enumerate() {
            let of_order = |output: &&Value| output["data"]["order_id"] == json!(format!("A-{number}"));
            let own: Vec<&Value> = outputs.iter().filter(of_order).collect();
            let sum = |reasons: &[&str]| -> i64 {
                let those = own.iter().filter(|output| {
                    let reason = output["data"]["reason"].as_str().unwrap_or_default();
                    output["type"] != "points-revoked" && reasons.contains(&reason)
                });
                those
                    .map(|output| output["data"]["points"].as_i64().unwrap_or(0))
                    .sum()
            };
            let is_plain = bought.edited.is_none() && bought.cancelled.is_none();
            if is_plain && bought.refunds.iter().all(|(days, _)| *days > 4) {
                let told = sum(&["order", "bonus", "capped"]);
                assert_eq!(told, bought.subtotal + BONUS, "A-{number}");
            }
        }
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}

/// Without take-backs what was issued by the bonus is what is left of it.
#[test]
fn a_bonus_keeps_to_its_limit() {
    let dir = new_dir("limits");
    let histories = proptest::collection::vec((6u32..20, 1i64..200), 1..14);
    let mut runner = TestRunner::new(Config {
        cases: HISTORIES / 2,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&histories, |history| {
        let history: Vec<Bought> = history
            .into_iter()
            .map(|(day, subtotal)| Bought {
                day,
                subtotal,
                refunds: Vec::new(),
                cancelled: None,
                edited: None,
            })
            .collect();
        let told = history
            .iter()
            .enumerate()
            .flat_map(|(number, bought)| events(number, bought));
        let mut left = Left::default();
        for output in &outputs(&dir, &rules("none", "refuse"), told.collect()) {
            left.take(output);
        }
        let mut by_week: BTreeMap<u32, i64> = BTreeMap::new();
        for (order, points) in &left.bonus {
            let number: usize = order[2..].parse().expect("a number");
            *by_week.entry((history[number].day - 6) / 7).or_default() += points;
        }
        assert!(
            by_week.values().all(|points| *points <= BONUS_A_WEEK),
            "{by_week:?}"
        );
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}

/// Before its points are due an order's events decide the same in any order of arrival.
#[test]
fn shuffled_arrivals_come_to_the_same() {
    let dir = new_dir("limits");
    let early = bought().prop_map(|bought| Bought {
        refunds: bought.refunds.iter().map(|(_, percent)| (2, *percent)).collect(),
        cancelled: bought.cancelled.map(|_| 2),
        edited: bought.edited.map(|(_, subtotal)| (2, subtotal)),
        ..bought
    });
    let histories = proptest::collection::vec((early, any::<[u32; 8]>()), 1..10);
    let mut runner = TestRunner::new(Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&histories, |history| {
        let in_order = history
            .iter()
            .enumerate()
            .flat_map(|(number, (bought, _))| events(number, bought));
        let shuffled = history
            .iter()
            .enumerate()
            .flat_map(|(number, (bought, weights))| {
                let mut told = events(number, bought);
                let mut order: Vec<usize> = (0..told.len()).collect();
                order.sort_by_key(|at| weights[*at % weights.len()]);
                let events: Vec<Value> = order.iter().map(|at| told[*at].event.clone()).collect();
                for (told, event) in told.iter_mut().zip(events) {
                    // All arrive on the last day before the points are due.
                    (told.day, told.event) = (bought.day + 3, event);
                }
                told
            });
        let totals = |outputs: Vec<Value>| {
            let mut left = Left::default();
            outputs.iter().for_each(|output| left.take(output));
            (left.points, left.balance)
        };
        let rules = rules("none", "refuse");
        let wanted = totals(outputs(&dir, &rules, in_order.collect()));
        let found = totals(outputs(&dir, &rules, shuffled.collect()));
        assert_eq!(wanted, found);
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}
