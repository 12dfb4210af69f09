//! The servers that tests start do what their controls say.

mod support;

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use support::servers;

fn brokers_known(kafka: &servers::Kafka) -> usize {
    let client: BaseConsumer = kafka.client().create().unwrap();
    client
        .fetch_metadata(None, Duration::from_secs(2))
        .map_or(0, |metadata| metadata.brokers().len())
}

#[test]
fn kafka_answers_and_comes_back_after_a_kill_and_a_freeze() {
    let kafka = servers::own_kafka(servers::Jvm::QuickStart);
    assert_eq!(brokers_known(&kafka), 1);
    kafka.kill();
    assert_eq!(brokers_known(&kafka), 0);
    kafka.start();
    assert_eq!(brokers_known(&kafka), 1);
    kafka.pause();
    assert_eq!(brokers_known(&kafka), 0);
    kafka.resume();
    servers::wait_for("an answer", Duration::from_secs(10), || {
        brokers_known(&kafka) == 1
    });
}

#[test]
fn redis_comes_back_with_what_it_saved() {
    let redis = servers::own_redis();
    let set = |value: &str| redis.command::<()>(&["SET", "k", value]);
    let get = || redis.command::<Option<String>>(&["GET", "k"]);

    set("1");
    redis.load_old_snapshot();
    assert_eq!(get(), None, "nothing was saved");
    set("2");
    redis.save();
    set("3");
    redis.load_old_snapshot();
    assert_eq!(get().as_deref(), Some("2"), "the old snapshot");
    set("4");
    redis.restart();
    assert_eq!(get().as_deref(), Some("4"));
    redis.flush_all();
    assert_eq!(get(), None);
    redis.pause();
    assert!(!redis.answers());
    redis.resume();
    assert_eq!(get(), None);
}

#[test]
fn a_cluster_shares_the_slots() {
    let cluster = servers::redis_cluster();
    for key in ["{a}", "{b}", "{c}", "{d}", "{e}", "{f}"] {
        cluster.holder(key).command::<()>(&["SET", key, "1"]);
    }
}
