//! A process that starts while a server is away: its probes answer from the first moment, it says
//! what it waits for, it goes on by itself, and a signal ends it in good order.

use std::path::Path;
use std::time::Duration;

use crate::redis_losses::Shop;
use crate::support::accrual::{Accrual, Settings, run};
use crate::support::servers::{self, Redis, free_port, wait_for};

const TIMEOUT: Duration = Duration::from_secs(30);

pub fn wait_alive(accrual: &Accrual) {
    wait_for("/livez to answer", TIMEOUT, || {
        accrual.probe("/livez").is_some_and(|answer| answer.status == 200)
    });
}

pub fn wait_for_reason(accrual: &Accrual, words: &[&str]) {
    let mut last = None;
    wait_for(&format!("/readyz to say {words:?}"), TIMEOUT, || {
        last = accrual.probe("/readyz");
        let said = |text: &str| words.iter().all(|word| text.contains(word));
        last.as_ref()
            .is_some_and(|answer| answer.status == 503 && said(&answer.body))
    });
}

/// Settings of an instance whose brokers are away.
pub fn without_kafka(brokers: &str, redis: &Redis) -> Settings {
    let settings = [
        ("ACCRUAL_KAFKA__BROKERS", brokers),
        ("ACCRUAL_REDIS__URL", &redis.url),
        ("ACCRUAL_INSTANCE_ID", "one"),
    ];
    let owned = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.to_vec()
}

#[test]
fn probes_answer_while_kafka_is_away_and_a_signal_ends_the_start() {
    let (brokers, redis) = (format!("127.0.0.1:{}", free_port()), servers::redis());
    let accrual = Accrual::spawn(&without_kafka(&brokers, &redis));
    wait_alive(&accrual);
    wait_for_reason(&accrual, &["starting: rules", &brokers]);
    assert_eq!(accrual.get("/v1/status").status, 503);
    let metrics = accrual.get("/metrics");
    assert_eq!(metrics.status, 200);
    let zero = "accrual_dead_letters_total{stage=\"orders\",code=\"malformed\"} 0";
    assert!(metrics.body.lines().any(|line| line == zero), "{}", metrics.body);
    accrual.ask_to_stop();
    assert_eq!(accrual.wait_for_end(TIMEOUT), Some(0), "{}", accrual.log());
}

#[test]
fn a_start_waits_for_redis_and_goes_on_by_itself() {
    let shop = Shop::new();
    shop.redis.stop();
    let accrual = Accrual::spawn(&shop.deployment.settings);
    wait_alive(&accrual);
    wait_for_reason(&accrual, &["starting: Redis", "redis.url"]);
    shop.redis.start();
    accrual.wait_ready();
    assert_eq!(accrual.stop(), Some(0));
}

/// Starts it and waits for its end; what it said last.
fn refused_start(shop: &Shop) -> String {
    let accrual = Accrual::spawn(&shop.deployment.settings);
    assert_eq!(accrual.wait_for_end(TIMEOUT), Some(1));
    accrual.log()
}

#[test]
fn topics_that_would_lose_state_are_refused_with_the_remedy() {
    let shop = Shop::new();
    let topics = &shop.deployment.topics;
    let changelog = topics.name("orders_changelog");
    topics.configure("orders_changelog", "cleanup.policy", "delete");
    topics.grow("point_rules", 3);
    let said = refused_start(&shop);
    let rules = topics.name("point_rules");
    for words in [
        &format!("topic {changelog} has cleanup.policy=delete instead of compact"),
        &format!("--entity-name {changelog} --add-config cleanup.policy=compact"),
        &format!("topic {rules} has 3 partitions instead of 1"),
    ] {
        assert!(said.contains(words), "{words} is not in:\n{said}");
    }
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rules.yaml");
    let publish = ["rules", "publish", good.to_str().expect("UTF-8")];
    let output = run(&publish, &shop.deployment.settings);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("has 3 partitions instead of 1"),
        "{said}"
    );
}
