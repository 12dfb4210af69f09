//! Transactions around a broker that is away for as long as one may last: what was committed is there
//! whole, and of what was aborted there is nothing.
//!
//! `ACCRUAL_TEST_ROUNDS=10` lets the broker be away more often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use accrual::adapters::kafka::{KafkaLog, KafkaProducer, Membership, TopicReader};
use accrual::engine::error::LogError;
use accrual::engine::ports::{Log, Producer};

use super::kafka_support::{PATIENCE, World, join, out, transaction};
use super::servers::{self, Jvm};

const LANES: u32 = 12;
const PARTITIONS: i32 = 4;
/// Of each transaction, in each partition of the output.
const RECORDS: usize = 5;
const WHOLE: usize = PARTITIONS as usize * RECORDS;
/// About as long as a transaction may last, and shorter than the sessions of the group.
const AWAY: std::ops::Range<u64> = 9_800..11_300;
const BROKER_SESSION: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(3_000);
const AFTERWARDS: Duration = Duration::from_secs(4);

/// What became of a lane's transactions, by number.
#[derive(Default)]
struct Fates {
    committed: BTreeSet<u32>,
    aborted: BTreeSet<u32>,
}

struct Lanes {
    world: World,
    log: KafkaLog,
    membership: Membership,
    stop: AtomicBool,
}

impl Lanes {
    /// One transaction after the other. One whose fate is not known is followed by a new producer.
    async fn write(&self, lane: u32) -> Fates {
        let (mut fates, mut producer) = (Fates::default(), None::<KafkaProducer>);
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let mut open = match producer.take() {
                Some(open) => open,
                None => match self.log.producer(lane).await {
                    Ok(open) => open,
                    Err(LogError::Retry(_)) => continue,
                    Err(error) => panic!("lane {lane}: {error}"),
                },
            };
            let value = format!("{lane} {number}");
            let record = |index| {
                let partition = index as i32 % PARTITIONS;
                out(&self.world.output, partition, "k", Some(value.as_bytes()))
            };
            let records = (0..WHOLE).map(record).collect();
            let offsets = [(lane as i32, i64::from(number))];
            let result = open
                .commit(transaction(records, &offsets, &self.membership))
                .await;
            if let Err(error) = &result {
                eprintln!("{value}: {error:?}");
            }
            match result {
                Ok(_) => drop(fates.committed.insert(number)),
                Err(LogError::Abort(_) | LogError::Retry(_)) => drop(fates.aborted.insert(number)),
                Err(LogError::Ambiguous(_) | LogError::Fenced(_)) => continue,
                Err(error) => panic!("lane {lane}: {error}"),
            }
            producer = Some(open);
        }
        fates
    }
}

/// How often each value is there, once no transaction is open any more.
async fn written(world: &World) -> BTreeMap<String, usize> {
    let name = &world.application;
    let reader = TopicReader::new(&world.cluster, "look", name, &world.output).expect("a reader");
    let mut found = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    for partition in 0..PARTITIONS {
        let mut end = reader.bounds(partition).await.expect("bounds").end;
        while end < reader.written_end(partition).await.expect("an end") {
            assert!(Instant::now() < deadline, "a transaction stays open");
            tokio::time::sleep(Duration::from_millis(100)).await;
            end = reader.bounds(partition).await.expect("bounds").end;
        }
        let mut from = 0;
        while from < end {
            let chunk = reader.read(partition, from, usize::MAX).await.expect("records");
            from = chunk.next;
            for record in chunk.records {
                let value = record.value.expect("a value").to_vec();
                *found
                    .entry(String::from_utf8(value).expect("a text"))
                    .or_default() += 1;
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_a_while_tears_no_transaction() {
    let kafka = servers::own_kafka_with_session(Jvm::QuickStart, BROKER_SESSION);
    let world = World::on(&kafka, LANES as i32, BTreeMap::new()).await;
    let log = world.log("one");
    let (_input, membership, _) = join(&log).await;
    let lanes = Arc::new(Lanes {
        world,
        log,
        membership,
        stop: AtomicBool::new(false),
    });
    let write = |lane| {
        let lanes = lanes.clone();
        tokio::spawn(async move { lanes.write(lane).await })
    };
    let writing: Vec<_> = (0..LANES).map(write).collect();
    let given = std::env::var("ACCRUAL_TEST_ROUNDS").ok();
    for _ in 0..given.map_or(2, |rounds| rounds.parse().expect("a number")) {
        tokio::time::sleep(BETWEEN).await;
        kafka.pause();
        tokio::time::sleep(Duration::from_millis(rand::random_range(AWAY))).await;
        kafka.resume();
    }
    tokio::time::sleep(AFTERWARDS).await;
    lanes.stop.store(true, Ordering::Relaxed);

    let mut wanted = BTreeMap::new();
    for (lane, fates) in (0..).zip(writing) {
        let Fates { committed, aborted } = fates.await.expect("no panic");
        wanted.extend(committed.iter().map(|number| (format!("{lane} {number}"), WHOLE)));
        wanted.extend(aborted.iter().map(|number| (format!("{lane} {number}"), 0)));
    }
    assert!(!wanted.is_empty(), "transactions came to an end");
    let found = written(&lanes.world).await;
    let wrong = wanted.iter().filter_map(|(value, wanted)| {
        let found = found.get(value).copied().unwrap_or(0);
        (found != *wanted).then(|| format!("{value}: {found} of {wanted}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), wanted.len());
}
