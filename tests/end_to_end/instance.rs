//! Two processes with one `instance_id`, as when somebody starts one too many: the newer one waits and
//! says for which, the older one goes on undisturbed, and when it ends the newer one goes on.

use std::time::Duration;

use serde_json::Value;

use crate::redis_losses::Shop;
use crate::starting::{wait_alive, wait_for_reason, without_kafka};
use crate::support::accrual::Accrual;
use crate::support::deployment::set_clocks;
use crate::support::servers::{self, Redis, free_port, wait_for};

const TIMEOUT: Duration = Duration::from_secs(30);
/// From the end of the one to the readiness of the other.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(15);
/// Shorter than what is left of a lease whose holder was killed.
const AT_ONCE: Duration = Duration::from_secs(3);
const DUE: &str = "2024-03-05T00:00:00.001Z";

/// Who holds a stage of the instance `one`.
struct Lease<'a> {
    redis: &'a Redis,
    key: String,
}

impl Lease<'_> {
    fn holder(&self) -> Option<u64> {
        let entry: Option<String> = self.redis.command(&["GET", &self.key]);
        let entry: Value = serde_json::from_str(&entry?).expect("JSON");
        entry["pid"].as_u64()
    }

    fn is_held_by(&self, accrual: &Accrual) -> bool {
        self.holder() == Some(accrual.pid().into())
    }

    fn left_ms(&self) -> i64 {
        self.redis.command(&["PTTL", &self.key])
    }

    fn wait_renewed(&self) {
        let mut least = self.left_ms();
        wait_for("the lease to be renewed", TIMEOUT, || {
            let left = self.left_ms();
            least = least.min(left);
            left > least + 500
        });
    }
}

fn lease<'a>(redis: &'a Redis, application: &str) -> Lease<'a> {
    Lease {
        redis,
        key: format!("{{{application}:instance:one}}:orders"),
    }
}

/// Starts one more, which must wait for `first`.
fn start_second(shop: &Shop, first: &Accrual) -> Accrual {
    let second = Accrual::spawn(&shop.deployment.settings);
    wait_alive(&second);
    wait_waiting(&second, first);
    second
}

fn wait_waiting(second: &Accrual, first: &Accrual) {
    let held = format!("instance_id one is held by pid {} on host", first.pid());
    wait_for_reason(second, &[&held, " since ", "; this process waits"]);
}

/// It goes on as the instance that another has been, and issues the points of one more order.
fn goes_on(shop: &Shop, accrual: &Accrual, orders: &[&str]) {
    wait_for("the second to be ready", TAKEOVER_TIMEOUT, || {
        accrual
            .probe("/readyz")
            .is_some_and(|answer| answer.status == 200)
    });
    issues(shop, accrual, orders);
}

/// It issues the points of the last of `orders`; those of the others are issued.
fn issues(shop: &Shop, accrual: &Accrual, orders: &[&str]) {
    shop.order(&orders[orders.len() - 1..]);
    shop.settle(accrual, DUE);
    assert_eq!(shop.check(orders), 100 * orders.len() as i64);
}

#[test]
fn the_newer_one_waits_until_the_older_one_ends() {
    let shop = Shop::new();
    let lease = lease(&shop.redis, &shop.deployment.topics.prefix);
    let orders = ["I-1", "I-2", "I-3", "I-4", "I-5"];
    let first = shop.start();
    issues(&shop, &first, &orders[..1]);

    let second = start_second(&shop, &first);
    lease.wait_renewed();
    issues(&shop, &first, &orders[..2]);

    shop.redis.flush_all();
    wait_for("the lease to come back", TIMEOUT, || lease.holder().is_some());
    assert!(lease.is_held_by(&first), "{}", first.log());
    wait_waiting(&second, &first);
    issues(&shop, &first, &orders[..3]);
    assert_eq!(first.get("/readyz").status, 200);

    assert_eq!(first.stop(), Some(0), "{}", first.log());
    goes_on(&shop, &second, &orders[..4]);
    assert!(
        second.log().contains("instance_id one is free after"),
        "{}",
        second.log()
    );

    let third = start_second(&shop, &second);
    second.kill();
    wait_for("the lease of the killed to be taken", AT_ONCE, || {
        lease.is_held_by(&third)
    });
    goes_on(&shop, &third, &orders);
}

#[test]
fn a_signal_ends_a_waiting_process_in_good_order() {
    let redis = servers::own_redis();
    let settings = without_kafka(&format!("127.0.0.1:{}", free_port()), &redis);
    let first = Accrual::spawn(&settings);
    wait_for_reason(&first, &["starting: rules"]);
    let second = Accrual::spawn(&settings);
    wait_waiting(&second, &first);
    second.ask_to_stop();
    assert_eq!(second.wait_for_end(TIMEOUT), Some(0), "{}", second.log());
    assert!(lease(&redis, "accrual").is_held_by(&first));

    // An end in good order gives it back.
    first.ask_to_stop();
    assert_eq!(first.wait_for_end(TIMEOUT), Some(0), "{}", first.log());
    assert_eq!(lease(&redis, "accrual").holder(), None);
}

/// What another process would write, from a machine of which nothing is known here.
fn rival(nonce: &str) -> String {
    format!(r#"{{"nonce":"{nonce}","host":"elsewhere","pid":4,"since":"2024-03-04T00:00:00Z"}}"#)
}

#[test]
fn a_holder_ends_when_another_process_renews_its_lease() {
    let redis = servers::own_redis();
    let settings = without_kafka(&format!("127.0.0.1:{}", free_port()), &redis);
    let lease = lease(&redis, "accrual");
    let accrual = Accrual::spawn(&settings);
    wait_for("the lease to be held", TIMEOUT, || lease.is_held_by(&accrual));

    // An old entry that came back with a snapshot, which nobody renews.
    redis.command::<()>(&["SET", &lease.key, &rival("old"), "PX", "2000"]);
    wait_for("the lease to be taken back", TIMEOUT, || {
        lease.is_held_by(&accrual)
    });

    wait_for("the process to end", TIMEOUT, || {
        redis.command::<()>(&["SET", &lease.key, &rival("new"), "PX", "6000"]);
        accrual.has_ended()
    });
    assert_eq!(accrual.exit_code(), Some(1));
    let named = "instance_id one was taken by pid 4 on host elsewhere since 2024-03-04T00:00:00Z";
    assert!(accrual.log().contains(named), "{}", accrual.log());
    assert_eq!(lease.holder(), Some(4), "it is left to the other");
}

#[test]
fn a_redis_that_is_away_stops_no_holder_and_delays_no_end() {
    let redis = servers::own_redis();
    let settings = without_kafka(&format!("127.0.0.1:{}", free_port()), &redis);
    let lease = lease(&redis, "accrual");
    let first = Accrual::spawn(&settings);
    wait_for("the lease to be held", TIMEOUT, || lease.is_held_by(&first));
    let second = Accrual::spawn(&settings);
    wait_waiting(&second, &first);
    redis.kill();
    wait_for("the holder to notice", TIMEOUT, || {
        first.log().contains("the instance_id cannot be renewed")
    });
    redis.start();
    wait_for("the lease to come back", TIMEOUT, || lease.holder().is_some());
    assert!(lease.is_held_by(&first), "{}", second.log());
    wait_waiting(&second, &first);

    redis.pause();
    for accrual in [&second, &first] {
        let begun = std::time::Instant::now();
        accrual.ask_to_stop();
        assert_eq!(accrual.wait_for_end(TIMEOUT), Some(0), "{}", accrual.log());
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    redis.resume();
}

#[test]
fn different_stages_with_one_id_do_not_wait_for_one_another() {
    let shop = Shop::new();
    let orders = shop.deployment.start_with("ACCRUAL_STAGES", "orders");
    let others = shop.deployment.start_with("ACCRUAL_STAGES", "commands,ledger");
    shop.order(&["S-1"]);
    let both = [&orders, &others];
    set_clocks(&both, DUE);
    shop.deployment.wait_quiet(&both);
    assert_eq!(shop.check(&["S-1"]), 100);
}
