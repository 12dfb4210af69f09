//! The servers that tests start do what their controls say.

mod support;

use std::time::Duration;

use accrual::engine::partitioner::Partitioner;
use rdkafka::consumer::{BaseConsumer, Consumer};
use support::deployment::Deployment;
use support::servers;
use support::topics::{Outgoing, Topics};

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

#[test]
fn records_come_back_byte_for_byte_from_where_their_key_belongs() {
    let topics = Topics::new(servers::kafka(), 5);
    topics.create("order_events");
    topics.configure("order_events", "max.message.bytes", "4000000");
    let mut records = vec![
        Outgoing::new("k", b"\x00\xff")
            .on(3)
            .at(1_700_000_000_000)
            .header("h", b"\xfe")
            .header("h", b""),
        Outgoing {
            key: None,
            value: None,
            ..Outgoing::default()
        }
        .on(4),
        Outgoing::new("", "").on(4),
        Outgoing::new("large", vec![7; 2_000_000]).on(4),
    ];
    records.extend((0..20).map(|number| Outgoing::new(format!("A-{number}"), "v")));
    records
        .iter()
        .for_each(|record| topics.produce("order_events", record));
    topics.flush();

    let read = topics.read("order_events");
    assert_eq!(read.len(), records.len());
    assert!(topics.written(&["order_events"]) >= read.len() as i64);
    for record in &records {
        let home = || {
            Partitioner::Murmur2
                .place(record.key.as_deref().unwrap(), 5)
                .unwrap()
        };
        let partition = record.partition.unwrap_or_else(home);
        let is_it = |got: &&support::topics::Incoming| {
            (got.partition, &got.key, &got.value) == (partition, &record.key, &record.value)
                && got.headers == record.headers
        };
        assert!(
            read.iter().any(|got| is_it(&got)),
            "{:?} is not on {partition}",
            record.key
        );
    }
}

#[test]
fn three_brokers_keep_what_one_of_them_had() {
    let listeners: Vec<servers::Listener> = (0..3)
        .map(|_| servers::Listener {
            port: servers::free_port(),
            advertised: servers::free_port(),
        })
        .collect();
    let (nodes, all) = servers::kafka_cluster(servers::Jvm::QuickStart, &listeners);
    assert_eq!(brokers_known(&all), 3);
    let redis = servers::own_redis();
    let deployment = Deployment::new(&all, std::slice::from_ref(&redis.url), 3);
    let topics = &deployment.topics;
    let send = |from: usize| {
        (from..from + 30).for_each(|n| topics.produce("order_events", &Outgoing::new(format!("k{n}"), "v")));
        topics.flush();
    };
    // Read when all are there: the reader forgives no broker that is away.
    for (fed, gone) in [(0, 0), (30, 1), (60, 2)] {
        nodes[gone].kill();
        send(fed);
        nodes[gone].start();
        assert_eq!(
            topics.read("order_events").len(),
            fed + 30,
            "without broker {gone}"
        );
    }
}
