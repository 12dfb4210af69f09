//! Which topic stands under a name, and how large it is.

use accrual::engine::ports::{Log, Position, Producer};

use super::kafka_support::{World, committed, join, transaction};

#[tokio::test]
async fn a_topic_created_again_has_another_id() {
    let world = World::new(2).await;
    let log = world.log("one");
    let first = log.input_topic().await.expect("an answer").expect("an id");
    assert_eq!(log.input_topic().await.expect("an answer"), Some(first));

    let changelog = world.changelog.to_string();
    let described = world
        .admin
        .identify(&[&world.input, &changelog, "no-such-topic"])
        .await
        .expect("an answer");
    assert_eq!(described.len(), 2, "{described:?}");
    let input = described[&*world.input];
    assert_eq!((input.id, input.partitions), (Some(first), 2));
    assert_ne!(described[&changelog].id, Some(first));

    world.create_again(&world.input, 3).await;
    let described = world.admin.identify(&[&world.input]).await.expect("an answer");
    let input = described[&*world.input];
    assert_ne!(input.id, Some(first));
    assert_eq!(input.partitions, 3);
    assert_eq!(log.input_topic().await.expect("an answer"), input.id);
}

#[tokio::test]
async fn a_committed_offset_keeps_the_id_of_its_topic() {
    let world = World::new(2).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let topic = log.input_topic().await.expect("an answer");
    assert!(topic.is_some());
    let position = Position { offset: 7, topic };
    let mut both = transaction(Vec::new(), &[(0, 5)], &membership);
    both.offsets.push((1, position));
    let mut lane = log.producer(0).await.expect("a producer");
    lane.commit(both).await.expect("committed");
    assert_eq!(log.committed(1).await.expect("an answer"), Some(position));
    assert_eq!(committed(&log, 0).await, Some(5));
    let untagged = log.committed(0).await.expect("an answer").expect("an offset");
    assert_eq!(untagged.topic, None);
}
