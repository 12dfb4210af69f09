//! The changelog, global tables and topics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use accrual::adapters::kafka::{Created, KafkaLog, Overrun, Publisher, Stage, TableReader, TopicSpec};
use accrual::engine::error::{LogError, Refusal};
use accrual::engine::ports::{Bounds, Log, Producer, Record};
use accrual::engine::processor::GlobalTable;

use super::kafka_support::{PATIENCE, Raw, World, changelog_to, join, offsets, out, transaction};

#[tokio::test]
async fn a_changelog_is_read_in_chunks_across_aborted_transactions() {
    let world = World::new(2).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let other = Raw::new(&world, "other");
    for round in 0..5 {
        let write = |partition| (0..30).map(move |i| (partition, format!("k{i}")));
        let records = write(0).chain(write(1));
        let records = records
            .map(|(partition, key)| out(&world.changelog, partition, &key, Some(b"v")))
            .collect();
        lane.commit(transaction(records, &[(0, round)], &membership))
            .await
            .expect("committed");
        other.write(&world.changelog, &[0, 1]);
        other.abort();
    }
    // Five times 30 records and a marker, and one record, aborted, and its marker.
    for partition in [0, 1] {
        changelog_to(&log, partition, 165).await;
        let mut from = 0;
        let mut seen = Vec::new();
        loop {
            let chunk = log.changelog(partition, from, 7).await.expect("a chunk");
            assert!(chunk.records.len() <= 7);
            seen.extend(offsets(&chunk.records));
            from = chunk.next;
            if chunk.next >= chunk.end {
                break;
            }
        }
        assert_eq!(seen.len(), 150);
        assert!(seen.is_sorted());
        // Read again from somewhere else.
        let chunk = log
            .changelog(partition, seen[100], usize::MAX)
            .await
            .expect("a chunk");
        assert_eq!(offsets(&chunk.records), seen[100..]);
        let chunk = log.changelog(partition, chunk.end, 10).await.expect("a chunk");
        assert_eq!(chunk.records, []);
        log.close_changelog(partition).await;
        assert_eq!(
            log.changelog(partition, 0, 3)
                .await
                .expect("a chunk")
                .records
                .len(),
            3
        );
    }
}

/// A broker that has just started may tell a topic without some of its partitions; a topic that
/// grows looks the same to who has asked before.
#[tokio::test]
async fn a_partition_that_was_not_known_is_asked_for_anew() {
    let world = World::new(1).await;
    let log = world.log("one");
    let empty = Bounds { start: 0, end: 0 };
    assert_eq!(log.input_bounds(0).await.expect("bounds"), empty);
    world.grow(&world.input, 2).await;
    let deadline = Instant::now() + PATIENCE;
    while world.log("two").input_bounds(1).await.is_err() {
        assert!(Instant::now() < deadline, "the broker does not know it");
    }
    assert_eq!(log.input_bounds(1).await.expect("bounds"), empty);
}

#[tokio::test]
async fn a_stage_without_state_has_no_changelog() {
    let world = World::new(1).await;
    let stage = Stage {
        changelog: None,
        ..world.stage("one")
    };
    let log = KafkaLog::new(stage, Overrun::end_process()).expect("a log");
    assert!(matches!(log.changelog(0, 0, 1).await, Err(LogError::Fatal(_))));
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let committed = lane
        .commit(transaction(vec![], &[(0, 0)], &membership))
        .await
        .expect("committed");
    assert_eq!(committed.changelog, []);
}

#[derive(Default)]
struct Seen(Mutex<Vec<Record>>);

impl GlobalTable for Seen {
    fn apply(&self, record: &Record) -> Result<(), Refusal> {
        if record.value.as_deref() == Some(b"bad") {
            return Err(Refusal::new("malformed", "bad"));
        }
        self.0.lock().expect("unpoisoned").push(record.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_table_is_read_whole_and_followed() {
    let world = World::new(2).await;
    let publisher = Publisher::new(&world.cluster, "feeder").expect("a publisher");
    let publish = async |partition, value: &[u8]| {
        publisher
            .publish(out(&world.input, partition, "k", Some(value)))
            .await
            .expect("published")
    };
    publish(0, b"1").await;
    publish(0, b"bad").await;
    publish(1, b"2").await;

    let table = Arc::new(Seen::default());
    let refused = Arc::new(Mutex::new(0));
    let count = refused.clone();
    let reader = TableReader::start(
        &world.cluster,
        "table",
        &world.application,
        &world.input,
        table.clone(),
        move |_, _| *count.lock().expect("unpoisoned") += 1,
    )
    .await
    .expect("a table");
    reader.catch_up().await.expect("caught up");
    assert_eq!(table.0.lock().expect("unpoisoned").len(), 2);
    assert_eq!(*refused.lock().expect("unpoisoned"), 1);

    // Behind a transaction's marker, too.
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let mut progress = reader.progress();
    let before = progress.borrow_and_update().applied;
    let write = vec![out(&world.input, 0, "k", Some(b"3"))];
    lane.commit(transaction(write, &[(0, 0)], &membership))
        .await
        .expect("committed");
    // The marker is written after the commit was answered, so the end moves a little later.
    let behind_it = progress.wait_for(|now| now.applied > before && now.next[&0] == 4);
    tokio::time::timeout(PATIENCE, behind_it)
        .await
        .expect("in time")
        .expect("a table");
    reader.catch_up().await.expect("caught up");
    assert_eq!(table.0.lock().expect("unpoisoned").len(), 3);
    publish(1, b"4").await;
    reader.catch_up().await.expect("caught up");
    assert_eq!(table.0.lock().expect("unpoisoned").len(), 4);
}

#[tokio::test]
async fn topics_are_created_once_and_compared() {
    let world = World::new(3).await;
    let spec = |partitions| TopicSpec {
        name: world.changelog.to_string(),
        partitions,
        replication: Some(1),
        config: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    assert_eq!(
        world.admin.create(&spec(3)).await.expect("an answer"),
        Created::Before
    );
    assert_eq!(world.admin.check(&spec(3)).await.expect("an answer"), []);
    assert_eq!(world.admin.check(&spec(4)).await.expect("an answer").len(), 1);
    let state = world
        .admin
        .describe(&world.changelog)
        .await
        .expect("an answer")
        .expect("a topic");
    assert_eq!((state.partitions, state.replication), (3, 1));
    assert!(state.cleans_by("compact"));
    assert!(state.number("delete.retention.ms").is_some_and(|ms| ms > 0));
    assert!(state.number("max.message.bytes").is_some_and(|bytes| bytes > 0));
    assert_eq!(
        world.admin.describe("no-such-topic").await.expect("an answer"),
        None
    );
    assert!(!world.admin.cluster_id().await.expect("an answer").is_empty());

    let nowhere = Publisher::new(&world.cluster, "p").expect("a publisher");
    let lost = nowhere.publish(out(&Arc::from("no-such-topic"), 0, "k", None));
    let result = tokio::time::timeout(Duration::from_secs(60), lost)
        .await
        .expect("in time");
    assert!(result.is_err(), "{result:?}");
}
