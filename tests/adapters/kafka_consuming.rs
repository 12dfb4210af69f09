//! The input: from where it reads, when it stops, and how partitions change hands.

use std::time::{Duration, Instant};

use accrual::adapters::kafka::KafkaInput;
use accrual::engine::error::LogError;
use accrual::engine::ports::{Bounds, Input, InputEvent, Log, Producer};

use super::kafka_support::{
    World, assigned, committed, is_fenced, join, next, offsets, out, revoked, to_the_end, transaction,
};

#[tokio::test]
async fn nothing_comes_before_the_start_and_then_from_there() {
    let world = World::new(2).await;
    world.feed(2, 20).await;
    let log = world.log("one");
    assert_eq!(
        log.input_bounds(0).await.expect("bounds"),
        Bounds { start: 0, end: 20 }
    );
    let (mut input, _, partitions) = join(&log).await;
    assert_eq!(partitions, [0, 1]);
    let early = tokio::time::timeout(Duration::from_secs(1), input.next()).await;
    assert!(early.is_err(), "{early:?}");

    input.start(1, 5).await.expect("started");
    let (records, end) = to_the_end(&mut input, 1).await;
    assert_eq!(offsets(&records), (5..20).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.partition == 1));
    assert_eq!(end, 20);
    assert_eq!(records[0].key.as_deref(), Some(b"k5".as_slice()));

    // Started again, it goes back; what was on its way from before does not come.
    input.start(1, 18).await.expect("started");
    input.start(1, 2).await.expect("started");
    let (records, _) = to_the_end(&mut input, 1).await;
    assert_eq!(offsets(&records), (2..20).collect::<Vec<_>>());

    let elsewhere = input.start(7, 0).await;
    assert!(is_fenced(&elsewhere), "{elsewhere:?}");
}

#[tokio::test]
async fn an_offset_that_is_gone_stops_and_is_not_reset() {
    let world = World::new(1).await;
    world.feed(1, 3).await;
    let log = world.log("one");
    let (mut input, _, _) = join(&log).await;
    input.start(0, 500).await.expect("started");
    let told = loop {
        match tokio::time::timeout(Duration::from_secs(30), input.next())
            .await
            .expect("in time")
        {
            Err(e) => break e,
            Ok(InputEvent::Records(records)) => panic!("{records:?}"),
            Ok(_) => {}
        }
    };
    assert!(
        matches!(&told, LogError::Fatal(reason) if reason.contains("E12")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_paused_partition_is_silent_and_goes_on_where_it_stopped() {
    let world = World::new(1).await;
    world.feed(1, 10).await;
    let log = world.log("one");
    let (mut input, _, _) = join(&log).await;
    input.start(0, 0).await.expect("started");
    to_the_end(&mut input, 0).await;
    input.pause(0, true);
    world.feed(1, 10).await;
    let early = tokio::time::timeout(Duration::from_secs(1), input.next()).await;
    assert!(early.is_err(), "{early:?}");
    input.pause(0, false);
    let (records, end) = to_the_end(&mut input, 0).await;
    assert_eq!(offsets(&records), (10..20).collect::<Vec<_>>());
    assert_eq!(end, 20);
}

#[tokio::test]
async fn the_end_lies_behind_control_records() {
    let world = World::new(1).await;
    let log = world.log("one");
    let (mut input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    let record = vec![out(&world.input, 0, "k", Some(b"v"))];
    lane.commit(transaction(record, &[(0, 0)], &membership))
        .await
        .expect("committed");
    input.start(0, 0).await.expect("started");
    let (records, end) = to_the_end(&mut input, 0).await;
    assert_eq!((offsets(&records), end), (vec![0], 2));
    assert_eq!(
        log.input_bounds(0).await.expect("bounds"),
        Bounds { start: 0, end: 2 }
    );
}

#[tokio::test]
async fn an_engine_that_is_behind_gets_everything_once_and_in_order() {
    const COUNT: i64 = 60_000;
    let world = World::new(1).await;
    super::kafka_support::fill(&world.input, 1, COUNT as usize).await;
    let log = world.log("one");
    let (mut input, _, _) = join(&log).await;
    input.start(0, 0).await.expect("started");
    let mut expected = 0;
    let mut stalls = 0;
    while expected < COUNT {
        if let InputEvent::Records(records) = next(&mut input).await {
            for record in records {
                assert_eq!(record.offset, expected);
                expected += 1;
            }
            // Longer than the poll thread is patient: it pauses, and goes on polling.
            if stalls < 2 {
                stalls += 1;
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_waits_until_it_is_let_go() {
    let world = World::new(2).await;
    world.feed(2, 5).await;
    let first = world.log("one");
    let (mut input, membership, _) = join(&first).await;
    input.start(0, 0).await.expect("started");
    input.start(1, 0).await.expect("started");
    let mut lane = first.producer(0).await.expect("a producer");

    let second = world.log("two");
    let joining = tokio::spawn(async move {
        let (input, membership, partitions) = join(&second).await;
        (second, input, membership, partitions, Instant::now())
    });
    let (partitions, done) = revoked(&mut input).await;
    assert_eq!(partitions.len(), 2);
    let refused = input.start(0, 0).await;
    assert!(is_fenced(&refused), "{refused:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!joining.is_finished());
    // Meanwhile the batch in flight is committed under the old membership.
    let write = vec![out(&world.output, 0, "k", Some(b"v"))];
    lane.commit(transaction(write, &[(0, 5), (1, 3)], &membership))
        .await
        .expect("committed");
    let released = Instant::now();
    drop(done);

    let (mine, _) = assigned(&mut input).await;
    let (second, mut theirs_input, _, theirs, at) = joining.await.expect("the second joins");
    assert!(at >= released);
    assert_eq!(mine.len() + theirs.len(), 2);
    assert_ne!(mine, theirs);
    // The second goes on where the first has committed.
    let wanted = if theirs == [0] { 5 } else { 3 };
    assert_eq!(committed(&second, theirs[0]).await, Some(wanted));
    theirs_input.start(theirs[0], wanted).await.expect("started");
    let (records, _) = to_the_end(&mut theirs_input, theirs[0]).await;
    assert_eq!(offsets(&records), (wanted..5).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_comes_back_under_its_name_gets_its_partitions_at_once() {
    let world = World::new(2).await;
    world.feed(2, 3).await;
    let log = world.log("one");
    let (mut input, membership, _) = join(&log).await;
    let mut lane = log.producer(0).await.expect("a producer");
    lane.commit(transaction(vec![], &[(0, 2), (1, 1)], &membership))
        .await
        .expect("committed");
    input.leave().await;
    drop((input, lane, log));

    let begun = Instant::now();
    let log = world.log("one");
    let (mut input, _, partitions) = join(&log).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(partitions, [0, 1]);
    let from = committed(&log, 1).await.expect("an offset");
    assert_eq!(from, 1);
    input.start(1, from).await.expect("started");
    assert_eq!(offsets(&to_the_end(&mut input, 1).await.0), [1, 2]);
}

#[tokio::test]
async fn two_processes_of_one_name_are_told() {
    let world = World::new(1).await;
    let first = world.log("one");
    let (input, _, _) = join(&first).await;
    let second = world.log("one");
    let second_input = second.join().await.expect("an input");
    // Once may be a coordinator that came back with the member of before: it joins again.
    let told = error(input).await;
    assert!(matches!(told, LogError::Fenced(_)), "{told:?}");
    let input = first.join().await.expect("an input");
    let told = error(second_input).await;
    assert!(matches!(told, LogError::Fenced(_)), "{told:?}");
    let _second_input = second.join().await.expect("an input");
    let told = error(input).await;
    assert!(
        matches!(&told, LogError::Fatal(reason) if reason.contains("instance_id")),
        "{told:?}"
    );
}

/// What ends a membership.
async fn error(mut input: KafkaInput) -> LogError {
    loop {
        match tokio::time::timeout(Duration::from_secs(30), input.next())
            .await
            .expect("in time")
        {
            Err(e) => return e,
            Ok(InputEvent::Revoked { done, .. }) => drop(done),
            Ok(_) => {}
        }
    }
}
