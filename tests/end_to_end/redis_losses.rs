//! Redis loses single entries or keys while its meta stays: that is noticed before anything is
//! decided on it. Points come once, balances follow from one another, timers fire in time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::accrual::Accrual;
use crate::support::deployment::Deployment;
use crate::support::servers::{self, Redis, new_dir, wait_for};

const PARTITIONS: i32 = 2;
const HEAL_TIMEOUT: Duration = Duration::from_secs(30);
const START: &str = "2024-03-04T00:00:00Z";
const BEFORE_DUE: &str = "2024-03-04T12:00:00Z";
const DUE: &str = "2024-03-05T00:00:00.001Z";
const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: UTC
currency: EUR
accrual: {rate: {every: 100, points: 10}}
issuance: {on: paid, delay_days: 1}
expiry: {after_days: 3650}
reversal:
  before_issue: {cancel: full, refund: proportional}
  after_issue: {cancel: full, refund: proportional}
";

/// A shop whose Redis can be harmed.
pub struct Shop {
    pub redis: Redis,
    pub deployment: Deployment,
}

impl Shop {
    pub fn new() -> Shop {
        Shop::at(servers::own_redis())
    }

    fn at(redis: Redis) -> Shop {
        let mut deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), PARTITIONS);
        let look = ("ACCRUAL_LIMITS__STORE_LOOK_SECONDS", "1");
        deployment.settings.push((look.0.to_owned(), look.1.to_owned()));
        let rules = new_dir("losses").join("rules.yaml");
        std::fs::write(&rules, RULES).expect("a writable temp dir");
        deployment.publish_rules(&rules);
        Shop { redis, deployment }
    }

    /// Another system, with topics of its own, that uses this one's Redis under its name.
    pub fn of_same_application(&self) -> Shop {
        let mut other = Shop::at(servers::redis_at(&self.redis.url));
        for (name, value) in [
            ("ACCRUAL_APPLICATION_ID", self.deployment.topics.prefix.as_str()),
            ("ACCRUAL_INSTANCE_ID", "other"),
        ] {
            other
                .deployment
                .settings
                .push((name.to_owned(), value.to_owned()));
        }
        other
    }

    pub fn start(&self) -> Accrual {
        let accrual = self.deployment.start();
        accrual.set_clock(START);
        accrual
    }

    /// Orders of 1000 each by one member, created and paid.
    pub fn order(&self, orders: &[&str]) {
        for order in orders {
            self.deployment.feed(&created(order), Some(START));
            self.deployment
                .feed(&event("order.paid", order, json!({})), Some(START));
        }
        self.deployment.topics.flush();
    }

    pub fn settle(&self, accrual: &Accrual, now: &str) {
        accrual.set_clock(now);
        self.deployment.wait_quiet(&[accrual]);
    }

    fn keys(&self, stage: &str, name: &str) -> Vec<String> {
        let prefix = &self.deployment.topics.prefix;
        let tags = (0..PARTITIONS).map(|partition| format!("{{{prefix}:{stage}:{partition}}}:{name}"));
        tags.collect()
    }

    /// Removes one state, wherever it is.
    fn lose_state(&self, stage: &str, id: &str) {
        let field = format!("acme\0{id}");
        let keys = self.keys(stage, "state");
        let removed = keys
            .iter()
            .map(|key| self.redis.command::<i64>(&["HDEL", key, &field]));
        assert_eq!(removed.sum::<i64>(), 1, "{id} was there");
    }

    fn lose_keys(&self, stage: &str, name: &str) {
        let keys = self.keys(stage, name);
        let words: Vec<&str> = ["DEL"]
            .into_iter()
            .chain(keys.iter().map(String::as_str))
            .collect();
        assert!(self.redis.command::<i64>(&words) > 0, "{name} was there");
    }

    fn entries(&self, command: &str, stage: &str, name: &str) -> i64 {
        let keys = self.keys(stage, name);
        keys.iter()
            .map(|key| self.redis.command::<i64>(&[command, key]))
            .sum()
    }

    /// Each order once, and each member's movements in one chain. The balance in the end.
    pub fn check(&self, orders: &[&str]) -> i64 {
        let published = self.deployment.published();
        let mut issued: BTreeMap<String, u32> = BTreeMap::new();
        let mut chain: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        for event in &published {
            let data = event.data();
            let Some(sequence) = data["sequence"].as_u64() else {
                continue;
            };
            if event.kind.ends_with("points-issued")
                && let Some(order) = data["order_id"].as_str()
            {
                *issued.entry(order.to_owned()).or_default() += 1;
            }
            let points = data["points"].as_i64().expect("points");
            let balance = data["balance_after"].as_i64().expect("a balance");
            let before = chain.insert(sequence, (points, balance));
            assert!(before.is_none(), "sequence {sequence} twice: {published:#?}");
        }
        let wanted: BTreeMap<String, u32> = orders.iter().map(|order| ((*order).to_owned(), 1)).collect();
        assert_eq!(issued, wanted, "{published:#?}");
        let mut balance = 0;
        for (place, (sequence, (points, after))) in chain.iter().enumerate() {
            assert_eq!(*sequence, place as u64 + 1, "{published:#?}");
            balance += points;
            assert_eq!(balance, *after, "{published:#?}");
        }
        balance
    }
}

fn event(kind: &str, order: &str, more: Value) -> String {
    let mut data = json!({"shop_id": "acme", "order_id": order});
    let fields = data.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    json!({
        "specversion": "1.0", "id": format!("{kind}-{order}"), "source": "/s", "type": kind,
        "subject": order, "time": START, "data": data,
    })
    .to_string()
}

fn created(order: &str) -> String {
    let snapshot = json!({"order": {
        "revision": 1, "created_at": START, "subtotal": "1000", "customer": {"id": "m-1"},
    }});
    event("order.created", order, snapshot)
}

fn grant() -> String {
    json!({
        "specversion": "1.0", "id": "grant-1", "source": "/s", "type": "points.grant", "subject": "m-1",
        "time": START, "data": {"shop_id": "acme", "member_id": "m-1", "points": 1, "reason": "gift"},
    })
    .to_string()
}

#[test]
fn states_lost_while_it_is_down_are_noticed_at_the_start() {
    let shop = Shop::new();
    let orders = ["A-1", "A-2", "A-3", "A-4"];
    let accrual = shop.start();
    shop.order(&orders);
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&orders), 400);

    let losses: [&dyn Fn(); 3] = [
        &|| shop.lose_state("orders", "A-1"),
        &|| shop.lose_keys("orders", "state"),
        &|| {
            shop.lose_state("ledger", "m-1");
            shop.lose_state("orders", "A-2");
        },
    ];
    for lose in losses {
        accrual.stop();
        lose();
        accrual.start_again();
        shop.order(&orders);
        shop.settle(&accrual, DUE);
        assert_eq!(shop.check(&orders), 400);
    }
    shop.deployment.feed(&grant(), Some(START));
    shop.deployment.topics.flush();
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&orders), 401);
}

#[test]
fn lost_timers_fire_in_time() {
    let shop = Shop::new();
    let accrual = shop.start();
    let orders: Vec<String> = (0..20).map(|number| format!("T-{number}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let (first, second) = orders.split_at(10);
    shop.order(first);
    shop.settle(&accrual, BEFORE_DUE);
    shop.lose_keys("orders", "timers");
    wait_for("the timers at rest", HEAL_TIMEOUT, || {
        shop.entries("ZCARD", "orders", "timers") == 10
    });
    // And where they are due before anybody looks.
    shop.lose_keys("orders", "timers");
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(first), 1_000);

    // Its clock begins at the beginning again.
    accrual.stop();
    accrual.start_again();
    accrual.set_clock(BEFORE_DUE);
    shop.order(second);
    shop.deployment.wait_quiet(&[&accrual]);
    accrual.stop();
    shop.lose_keys("orders", "timers");
    accrual.start_again();
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&orders), 2_000);
}

#[test]
fn a_state_lost_at_rest_comes_back_and_one_in_the_cache_is_not_relied_on() {
    let shop = Shop::new();
    let accrual = shop.start();
    shop.order(&["C-1", "C-2"]);
    shop.settle(&accrual, BEFORE_DUE);
    shop.lose_state("orders", "C-1");
    wait_for("the state at rest", HEAL_TIMEOUT, || {
        shop.entries("HLEN", "orders", "state") == 2
    });
    assert!(
        accrual
            .get("/metrics")
            .body
            .contains("accrual_store_lost_total{stage=\"orders\"} 1")
    );
    shop.lose_state("orders", "C-2");
    shop.deployment
        .feed(&event("order.completed", "C-2", json!({})), Some(START));
    shop.deployment.topics.flush();
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&["C-1", "C-2"]), 200);
    assert_eq!(shop.entries("HLEN", "orders", "state"), 2);
}

/// Sizes that were never kept are those of a version that knew none: its store is counted once and
/// kept where nothing is missing, or else rebuilt.
#[test]
fn a_store_of_the_version_before_is_counted_once() {
    let shop = Shop::new();
    let accrual = shop.start();
    let orders = ["U-1", "U-2", "U-3"];
    shop.order(&orders);
    shop.settle(&accrual, DUE);
    let none_lost = "accrual_store_lost_total{stage=\"orders\"} 0";
    for (missing, healed) in [(None, false), (Some("U-2"), true)] {
        accrual.stop();
        for meta in shop.keys("orders", "meta") {
            assert_eq!(shop.redis.command::<i64>(&["HDEL", &meta, "sizes"]), 1);
        }
        missing.iter().for_each(|order| shop.lose_state("orders", order));
        accrual.start_again();
        shop.order(&orders);
        shop.settle(&accrual, DUE);
        assert_eq!(shop.check(&orders), 300);
        let metrics = accrual.get("/metrics").body;
        let lost = !metrics.lines().any(|line| line == none_lost);
        assert_eq!(lost, healed, "{metrics}");
        for meta in shop.keys("orders", "meta") {
            assert_eq!(shop.redis.command::<i64>(&["HEXISTS", &meta, "sizes"]), 1);
        }
    }
}
