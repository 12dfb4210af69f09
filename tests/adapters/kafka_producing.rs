//! Transactions: what they leave, and how they fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use accrual::adapters::kafka::{KafkaLog, Overrun, TopicReader};
use accrual::engine::error::LogError;
use accrual::engine::ports::{Log, Producer};
use bytes::Bytes;

use super::kafka_support::{
    PATIENCE, Raw, World, changelog_to, committed, is_fenced, join, out, revoked, transaction,
};
use super::servers::{self, Jvm};

async fn values_of(world: &World, topic: &Arc<str>) -> Vec<Option<Bytes>> {
    let reader = TopicReader::new(&world.cluster, "look", &world.application, topic).expect("a reader");
    let mut all = Vec::new();
    for partition in 0..reader.partitions().await.expect("partitions") {
        let chunk = reader.read(partition, 0, usize::MAX).await.expect("records");
        all.extend(chunk.records.into_iter().map(|record| record.value));
    }
    all
}

#[tokio::test]
async fn a_committed_transaction_is_seen_whole_with_its_offset() {
    let world = World::new(2).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    assert_eq!(committed(&log, 1).await, None);
    let mut lane = log.producer(0).await.expect("a producer");

    let mut record = out(&world.output, 0, "k", Some(b""));
    record.headers = vec![
        (Arc::from("ce_id"), Some(Bytes::from_static(b"\0\xff"))),
        (Arc::from("empty"), Some(Bytes::new())),
        (Arc::from("null"), None),
    ];
    let mut placed = out(&world.output, 0, "foobar", Some(b"by key"));
    placed.partition = None;
    let records = vec![
        record.clone(),
        placed,
        out(&world.changelog, 1, "s", Some(b"state")),
        out(&world.changelog, 1, "t", None),
    ];
    let done = lane
        .commit(transaction(records, &[(1, 7)], &membership))
        .await
        .expect("committed");
    assert_eq!(done.changelog, [(1, 1)]);
    assert_eq!(committed(&log, 1).await, Some(7));

    let reader = TopicReader::new(&world.cluster, "look", "look", &world.output).expect("a reader");
    let found = reader.read(0, 0, 10).await.expect("records").records;
    assert_eq!(found[0].key, record.key);
    assert_eq!(found[0].value, record.value);
    assert_eq!(found[0].headers, record.headers);
    assert!(found[0].timestamp.is_some());
    // murmur2("foobar") & 0x7fffffff, modulo 2.
    let place = ((-790_332_482_i32) & i32::MAX) % 2;
    let found = reader.read(place, 0, 10).await.expect("records").records;
    assert!(
        found
            .iter()
            .any(|record| record.key.as_deref() == Some(b"foobar"))
    );

    let chunk = changelog_to(&log, 1, 3).await;
    assert_eq!(chunk.records[1].value, None);
    assert_eq!((chunk.next, chunk.end), (3, 3));
}

#[tokio::test]
async fn a_transaction_without_an_absolute_offset_is_refused() {
    let world = World::new(1).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    for offsets in [&[][..], &[(0, -1001)], &[(0, 3), (0, -1)]] {
        let mut lane = log.producer(0).await.expect("a producer");
        let result = lane.commit(transaction(vec![], offsets, &membership)).await;
        assert!(
            matches!(&result, Err(LogError::Fatal(reason)) if reason.contains("E1")),
            "{result:?}"
        );
    }
    let mut lane = log.producer(0).await.expect("a producer");
    lane.commit(transaction(vec![], &[(0, 0)], &membership))
        .await
        .expect("offsets alone");
    assert_eq!(committed(&log, 0).await, Some(0));
}

#[tokio::test]
async fn a_record_too_large_is_named_and_nothing_of_its_transaction_is_seen() {
    let small = BTreeMap::from([("max.message.bytes".to_owned(), "2000".to_owned())]);
    let world = World::with(1, small).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    // Random bytes, which no compression makes small.
    let noise: Vec<u8> = (0..50_000_u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let broker = vec![
        out(&world.output, 0, "a", Some(b"fine")),
        out(&world.output, 0, "b", Some(&noise)),
        out(&world.output, 0, "c", Some(b"fine")),
    ];
    let result = lane.commit(transaction(broker, &[(0, 1)], &membership)).await;
    assert!(
        matches!(result, Err(LogError::Refused { index: 1, .. })),
        "{result:?}"
    );

    let huge = vec![0; 17 * 1024 * 1024];
    let client = vec![
        out(&world.changelog, 0, "a", Some(b"fine")),
        out(&world.changelog, 0, "b", Some(&huge)),
    ];
    let result = lane.commit(transaction(client, &[(0, 1)], &membership)).await;
    assert!(
        matches!(result, Err(LogError::Refused { index: 1, .. })),
        "{result:?}"
    );

    // The lane goes on. The first transaction behind a refusal may be aborted once: librdkafka has
    // given the refused records sequence numbers that the broker never saw.
    let mut attempts = 0;
    loop {
        let fine = vec![out(&world.output, 0, "d", Some(b"fine"))];
        match lane.commit(transaction(fine, &[(0, 2)], &membership)).await {
            Ok(_) => break,
            Err(LogError::Abort(reason)) if attempts < 5 => println!("again: {reason}"),
            Err(e) => panic!("{e:?}"),
        }
        attempts += 1;
    }
    assert_eq!(
        values_of(&world, &world.output).await,
        [Some(Bytes::from_static(b"fine"))]
    );
    assert_eq!(values_of(&world, &world.changelog).await, []);
    assert_eq!(committed(&log, 0).await, Some(2));
}

#[tokio::test]
async fn a_topic_that_is_not_there_stops_the_lane() {
    let world = World::new(1).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let nowhere = vec![out(&world.input, 9, "a", Some(b"v"))];
    let result = lane.commit(transaction(nowhere, &[(0, 1)], &membership)).await;
    assert!(matches!(result, Err(LogError::Fatal(_))), "{result:?}");
    assert_eq!(committed(&log, 0).await, None);
}

#[tokio::test]
async fn a_newer_producer_of_the_same_lane_fences_the_older() {
    let world = World::new(1).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut old = log.producer(0).await.expect("a producer");
    let write = |key| vec![out(&world.output, 0, key, Some(b"v"))];
    old.commit(transaction(write("a"), &[(0, 1)], &membership))
        .await
        .expect("committed");
    let mut new = log.producer(0).await.expect("a producer");
    let result = old.commit(transaction(write("b"), &[(0, 2)], &membership)).await;
    assert!(is_fenced(&result), "{result:?}");
    new.commit(transaction(write("c"), &[(0, 3)], &membership))
        .await
        .expect("committed");
    assert_eq!(values_of(&world, &world.output).await.len(), 2);
    assert_eq!(committed(&log, 0).await, Some(3));
}

#[tokio::test]
async fn a_membership_of_an_older_generation_is_fenced() {
    let world = World::new(2).await;
    let first = world.log("one");
    let (mut input, stale, _) = join(&first).await;
    let mut lane = first.producer(0).await.expect("a producer");

    let second = world.log("two");
    let joining = tokio::spawn(async move { join(&second).await });
    let (_, done) = revoked(&mut input).await;
    drop(done);
    let (_, fresh) = super::kafka_support::assigned(&mut input).await;
    joining.await.expect("the second joins");

    let write = || vec![out(&world.output, 0, "k", Some(b"v"))];
    let result = lane.commit(transaction(write(), &[(0, 1)], &stale)).await;
    assert!(is_fenced(&result), "{result:?}");
    let mut lane = first.producer(0).await.expect("a producer");
    lane.commit(transaction(write(), &[(0, 2)], &fresh))
        .await
        .expect("committed");
    assert_eq!(values_of(&world, &world.output).await.len(), 1);
    assert_eq!(committed(&first, 0).await, Some(2));
}

#[tokio::test]
async fn an_open_transaction_hides_the_end_and_the_offset_until_it_is_resolved() {
    let world = World::new(1).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    lane.commit(transaction(vec![], &[(0, 4)], &membership))
        .await
        .expect("committed");

    let open = Raw::new(&world, "someone-else");
    open.write(&world.changelog, &[0]);
    let chunk = log.changelog(0, 0, 10).await.expect("an answer");
    assert_eq!((chunk.records.len(), chunk.next, chunk.end), (0, 0, 0));
    open.abort();
    // An aborted record and its marker, which the coordinator writes after it has answered.
    let chunk = changelog_to(&log, 0, 2).await;
    assert_eq!((chunk.records.len(), chunk.next, chunk.end), (0, 2, 2));
    assert_eq!(committed(&log, 0).await, Some(4));
}

#[tokio::test]
async fn a_transaction_that_does_not_come_back_is_left_to_a_new_producer() {
    let kafka = servers::own_kafka(Jvm::QuickStart);
    let world = World::on(&kafka, 1, BTreeMap::new()).await;
    let overrun = Overrun {
        left_after: Duration::from_secs(2),
        end: Arc::new(|call| panic!("{call} would end the process")),
    };
    let log = KafkaLog::new(world.stage("one"), overrun).expect("a log");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let one = |value: &'static [u8]| vec![out(&world.output, 0, "k", Some(value))];
    lane.commit(transaction(one(b"before"), &[(0, 1)], &membership))
        .await
        .expect("committed");

    kafka.pause();
    let hanging = lane.commit(transaction(one(b"hanging"), &[(0, 2)], &membership));
    let result = tokio::time::timeout(PATIENCE, hanging)
        .await
        .expect("left in time");
    assert!(
        matches!(&result, Err(LogError::Ambiguous(reason)) if reason.contains("has not come back")),
        "{result:?}"
    );
    kafka.resume();

    let mut lane = log
        .producer(0)
        .await
        .expect("a producer beside the one that was left");
    let position = committed(&log, 0).await;
    lane.commit(transaction(one(b"after"), &[(0, 3)], &membership))
        .await
        .expect("committed");
    assert_eq!(committed(&log, 0).await, Some(3));
    // Which of both it came to, the new producer has found settled.
    let values = values_of(&world, &world.output).await;
    let values: Vec<&[u8]> = values.iter().flatten().map(|value| &**value).collect();
    match position {
        Some(1) => assert_eq!(values, [&b"before"[..], b"after"]),
        Some(2) => assert_eq!(values, [&b"before"[..], b"hanging", b"after"]),
        other => panic!("{other:?}"),
    }
}
