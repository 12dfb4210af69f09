//! Input to be fed: all scenarios as one stream, or a generated one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use chrono::Duration;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::accrual::replay;
use super::deployment::{instant, rfc3339};
use super::outputs::{Published, printed};
use super::scenario::Scenario;
use super::servers::new_dir;

/// A line and the time at which it arrives. Times never go back.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: String,
    pub text: String,
}

/// Rules and lines as files, and what `replay` makes of them.
pub struct Stream {
    pub rules: PathBuf,
    pub lines: Vec<Line>,
    pub until: String,
    pub wanted: Vec<Published>,
}

impl Stream {
    fn new(rules: &str, lines: Vec<Line>, until: &str) -> Stream {
        let dir = new_dir("stream");
        let (rules_file, events_file) = (dir.join("rules.yaml"), dir.join("events.jsonl"));
        fs::write(&rules_file, rules).expect("a writable temp dir");
        let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        fs::write(&events_file, text).expect("a writable temp dir");
        let wanted = printed(&replay(&[&rules_file], &[&events_file], Some(until)));
        assert!(
            !wanted.is_empty(),
            "a stream of which nothing comes proves nothing"
        );
        Stream {
            rules: rules_file,
            lines,
            until: until.to_owned(),
            wanted,
        }
    }

    /// Scenario folders, each as a shop of its own, merged by time of arrival.
    pub fn of_scenarios(scenarios: impl IntoIterator<Item = Scenario>, until: &str) -> Stream {
        let (mut rules, mut lines) = (String::new(), Vec::new());
        for scenario in scenarios {
            let text = fs::read_to_string(&scenario.rules).expect("rules.yaml");
            rules.push_str(&rules_of_shop(&text, &scenario.name));
            let text = fs::read_to_string(&scenario.events).expect("events.jsonl");
            let mut clock = String::new();
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let mut event: Value = serde_json::from_str(line).expect("JSON in events.jsonl");
                move_to_shop(&mut event, &scenario.name);
                let time = event["time"].as_str().expect("a time").to_owned();
                if clock.is_empty() || instant(&time) > instant(&clock) {
                    clock = time;
                }
                lines.push(Line {
                    at: clock.clone(),
                    text: event.to_string(),
                });
            }
        }
        lines.sort_by_key(|line| instant(&line.at));
        Stream::new(&rules, lines, until)
    }

    /// Days of a shop's life, one order a member, drawn from a seed. All lines of a day arrive
    /// at one moment, and no two things that meet in one account fall due between two days:
    /// so what comes out does not depend on how far another partition has got. Nothing arrives
    /// after the given number of days.
    pub fn generated(seed: u64, members: u32, arriving_days: usize) -> Stream {
        let mut random = StdRng::seed_from_u64(seed);
        let mut days = vec![Vec::new(); ALL_DAYS];
        for number in 0..members {
            live(number, &mut random, &mut days);
        }
        let mut lines = Vec::new();
        for (day, events) in days.into_iter().enumerate().take(arriving_days) {
            let at = rfc3339(instant(FIRST_DAY) + Duration::days(day as i64));
            for mut event in events {
                event["time"] = json!(at);
                event["id"] = json!(format!("e{}", lines.len()));
                lines.push(Line {
                    at: at.clone(),
                    text: event.to_string(),
                });
            }
        }
        Stream::new(RULES, lines, LAST_DAY)
    }

    /// The lines that arrive at one moment, moment after moment.
    pub fn moments(&self) -> impl Iterator<Item = &[Line]> {
        self.lines.chunk_by(|a, b| instant(&a.at) == instant(&b.at))
    }
}

/// Lines of one moment in rounds with at most one of each shop: shops have nothing to do with each
/// other, so what they say may be decided at once.
pub fn one_of_each_shop(lines: &[Line]) -> Vec<Vec<&Line>> {
    let mut rounds: Vec<Vec<&Line>> = Vec::new();
    let mut fed = BTreeMap::new();
    for line in lines {
        let event: Value = serde_json::from_str(&line.text).expect("JSON");
        let round = fed.entry(event["data"]["shop_id"].to_string()).or_insert(0);
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(line);
        *round += 1;
    }
    rounds
}

/// Seed of a generated stream: given, or drawn and said.
pub fn seed() -> u64 {
    let given = std::env::var("ACCRUAL_TEST_SEED").ok();
    let seed = given.map_or_else(
        || rand::random::<u32>().into(),
        |seed| seed.parse().expect("a number"),
    );
    eprintln!("again with ACCRUAL_TEST_SEED={seed}");
    seed
}

const FIRST_DAY: &str = "2024-03-01T04:00:00Z";
const LAST_DAY: &str = "2024-06-01T00:00:00Z";
/// A generated stream whole.
pub const ALL_DAYS: usize = 13;
const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: '10', points: 1, rounding: per_unit}
issuance: {on: paid, delay_days: 3}
expiry: {after_days: 30}
reversal:
  before_issue: {cancel: full, refund: proportional}
  after_issue: {cancel: full, refund: proportional}
  when_short: clamp
notices: {expiring_days_before: [7], at: '09:00'}
";

/// One member: an import at the beginning, an order later, perhaps its cancellation or refunds.
fn live(number: u32, random: &mut StdRng, days: &mut [Vec<Value>]) {
    let (member, order) = (format!("m-{number}"), format!("o-{number}"));
    let chance = |random: &mut StdRng, percent: u32| random.random_range(0..100) < percent;
    let kept_days = random.random_range(20..40);
    let expires_at = rfc3339(instant(FIRST_DAY) + Duration::days(kept_days) + Duration::hours(12));
    let import = json!({"shop_id": "acme", "member_id": member, "points": 100, "expires_at": expires_at});
    days[0].push(event("points.import", &member, import));

    let of_order = |kind: &str, more: Value| {
        let mut data = json!({"shop_id": "acme", "order_id": order});
        data.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        event(kind, &order, data)
    };
    let created = random.random_range(1..4);
    let paid = created + random.random_range(0..2);
    let redeemed = if chance(random, 40) {
        random.random_range(1..120)
    } else {
        0
    };
    let created_at = rfc3339(instant(FIRST_DAY) + Duration::days(created as i64));
    let snapshot = json!({
        "revision": 1, "created_at": created_at, "currency": "TWD",
        "customer": if chance(random, 95) { json!({"id": member}) } else { Value::Null },
        "subtotal": format!("{}.50", random.random_range(5..5000)),
        "points_redeemed": redeemed,
    });
    days[created].push(of_order("order.created", json!({ "order": snapshot })));
    days[paid].push(of_order("order.paid", json!({})));
    // Either the day after, long before the points are due, or long after they were issued.
    for refund in 0..random.random_range(0..3) {
        let day = if chance(random, 40) {
            paid + 1
        } else {
            random.random_range(paid + 6..ALL_DAYS)
        };
        let refund = json!({"id": format!("r{refund}"), "amount": random.random_range(1..600).to_string()});
        days[day].push(of_order("order.refunded", json!({ "refund": refund })));
    }
    if chance(random, 20) {
        let day = if chance(random, 50) {
            paid + 1
        } else {
            random.random_range(paid + 6..ALL_DAYS)
        };
        days[day].push(of_order("order.cancelled", json!({})));
    }
}

fn event(kind: &str, subject: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": "", "source": "/shops/acme", "type": kind, "subject": subject,
        "time": "", "data": data,
    })
}

/// The documents of one file, as those of another shop.
fn rules_of_shop(text: &str, shop: &str) -> String {
    let line = |line: &str| match line.strip_prefix("shop_id:") {
        Some(old) => format!(
            "shop_id: '{}'\n",
            shop_of(shop, old.trim().trim_matches(['\'', '"']))
        ),
        None => format!("{line}\n"),
    };
    let documents: String = text.lines().map(line).collect();
    match documents.starts_with("---") {
        true => documents,
        false => format!("---\n{documents}"),
    }
}

fn move_to_shop(event: &mut Value, shop: &str) {
    let old = event["data"]["shop_id"].as_str().expect("a shop_id").to_owned();
    let new = shop_of(shop, &old);
    event["source"] = json!(format!("/shops/{new}"));
    event["data"]["shop_id"] = json!(new);
}

fn shop_of(scenario: &str, shop: &str) -> String {
    format!("{scenario}.{shop}")
}
