//! How fast the adapters are, printed: `cargo test --release --test adapters throughput -- --nocapture`.
//! The bounds asserted are far below, for a debug build on a busy machine.

use std::time::Instant;

use accrual::adapters::redis::{RedisStore, Settings};
use accrual::engine::ports::{Change, Input, InputEvent, Log, Producer, Step, Store, Write};
use bytes::Bytes;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::kafka_support::{World, join, out, transaction};
use super::{fresh, redis, servers};

const VALUE: usize = 400;

/// Writes many records quickly, spread over partitions.
pub async fn fill(topic: &str, partitions: i32, count: usize) {
    let producer: ThreadedProducer<DefaultProducerContext> = servers::kafka()
        .client()
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .expect("a producer");
    let value = vec![b'x'; VALUE];
    for i in 0..count {
        let key = format!("k{i}");
        let record = BaseRecord::to(topic)
            .partition(i as i32 % partitions)
            .key(&key)
            .payload(&value);
        producer.send(record).map_err(|(e, _)| e).expect("sent");
    }
    producer
        .flush(std::time::Duration::from_secs(60))
        .expect("delivered");
}

#[tokio::test]
async fn throughput_of_reading() {
    const COUNT: usize = 300_000;
    let world = World::new(4).await;
    fill(&world.input, 4, COUNT).await;
    let log = world.log("one");
    let (mut input, _, partitions) = join(&log).await;
    let begun = Instant::now();
    for partition in partitions {
        input.start(partition, 0).await.expect("started");
    }
    let mut seen = 0;
    while seen < COUNT {
        if let InputEvent::Records(records) = input.next().await.expect("an event") {
            seen += records.len();
        }
    }
    tell("read", COUNT, begun);
}

#[tokio::test]
async fn throughput_of_transactions() {
    const COUNT: usize = 100_000;
    const BATCH: usize = 4_000;
    let world = World::new(4).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let value = vec![b'x'; VALUE];
    let begun = Instant::now();
    for batch in 0..COUNT / BATCH {
        let records = (0..BATCH)
            .map(|i| out(&world.changelog, (i % 4) as i32, &format!("k{i}"), Some(&value)))
            .collect();
        let offsets = [(0, batch as i64)];
        lane.commit(transaction(records, &offsets, &membership))
            .await
            .expect("committed");
    }
    tell("written in transactions", COUNT, begun);

    let begun = Instant::now();
    let mut seen = 0;
    for partition in 0..4 {
        let mut from = 0;
        loop {
            let chunk = log.changelog(partition, from, 5_000).await.expect("a chunk");
            seen += chunk.records.len();
            from = chunk.next;
            if chunk.next >= chunk.end {
                break;
            }
        }
    }
    assert_eq!(seen, COUNT);
    tell("restored", COUNT, begun);
}

#[tokio::test]
async fn throughput_of_the_store() {
    const COUNT: usize = 100_000;
    const BATCH: usize = 2_000;
    let settings = Settings {
        urls: vec![redis().url.clone()],
        application: fresh("accrual"),
        stage: "orders".into(),
        identity: "i".into(),
    };
    let store = RedisStore::connect(settings).await.expect("a store");
    let step = |from: u64, to: u64, part: u32| Step {
        epoch: 1,
        from,
        to,
        part,
        last: true,
        changelog: to as i64,
        stamp: 0,
    };
    store.claim(0, 1).await.expect("a claim");
    store.swap(0, step(0, 0, 0)).await.expect("an empty rebuild");
    let value = Bytes::from(vec![b'x'; 90]);
    let begun = Instant::now();
    for batch in 0..COUNT / BATCH {
        let writes = (0..BATCH)
            .map(|i| Write {
                key: Bytes::from(format!("shop\0order-{:09}", batch * BATCH + i)),
                value: Some(value.clone()),
                wake: Change::Set((batch * BATCH + i) as i64),
                index: Change::Keep,
            })
            .collect();
        let batch = batch as u64;
        store
            .replicate(0, step(batch, batch + 1, 0), writes)
            .await
            .expect("written");
    }
    tell("written to the store (state and timer)", COUNT, begun);
}

fn tell(what: &str, count: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s", count as f64 / seconds);
    assert!(seconds < 120.0, "{what} took {seconds} s");
}
