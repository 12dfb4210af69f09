//! A read_committed consumer of the outputs that reads along: what came, how often, and how long
//! nothing did.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext, Offset};

use crate::support::outputs::{Published, TOPICS, from_record};
use crate::support::servers::Kafka;
use crate::support::topics::{Topics, assign_from, received};

const POLL: Duration = Duration::from_millis(50);

type Follower = BaseConsumer<Journal>;

/// Keeps what the client has to say.
struct Journal(Mutex<File>);

impl Journal {
    fn write(&self, line: &str) {
        let now = chrono::Utc::now().format("%H:%M:%S%.3f");
        let _ = writeln!(lock(&self.0), "{now} {line}");
    }
}

impl ClientContext for Journal {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        self.write(&format!("{facility}: {line}"));
    }
}

impl ConsumerContext for Journal {}

/// Where a record stands.
pub type Place = (&'static str, i32, i64);

#[derive(Default)]
pub struct Seen {
    pub events: BTreeMap<Place, Published>,
    /// How often an id came.
    pub ids: HashMap<String, u32>,
    /// Orders whose points were issued since somebody last asked.
    pub newly_issued: Vec<String>,
    stall: Stall,
}

/// The longest time without anything new.
#[derive(Default)]
struct Stall {
    last: Option<Instant>,
    longest: Duration,
}

impl Stall {
    fn look(&mut self, new: bool) {
        let now = Instant::now();
        if let Some(last) = self.last {
            self.longest = self.longest.max(now - last);
        }
        if new || self.last.is_none() {
            self.last = Some(now);
        }
    }
}

pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    /// Counts the clients that each topic has had.
    clients: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// What the clients say goes to files in `dir`.
    pub fn start(kafka: &Kafka, topics: &Topics, dir: &Path, debug: bool) -> Watch {
        let mut watch = Watch {
            seen: Arc::default(),
            stop: Arc::default(),
            clients: Arc::default(),
            threads: Vec::new(),
        };
        for topic in TOPICS {
            let mut config = kafka.client();
            config
                .set("group.id", "watch")
                .set("isolation.level", "read_committed")
                .set("enable.auto.commit", "false")
                .set("auto.offset.reset", "error")
                .set("fetch.wait.max.ms", "100")
                .set("reconnect.backoff.max.ms", "500");
            if debug {
                config.set("debug", "topic,consumer,cgrp,fetch,metadata");
                config.set("log_level", "7").set_log_level(RDKafkaLogLevel::Debug);
            }
            let log = dir.join(format!("watch-{topic}.log"));
            let reader = Reader {
                topic,
                name: topics.name(topic),
                config,
                log,
                seen: watch.seen.clone(),
                stop: watch.stop.clone(),
                clients: watch.clients.clone(),
            };
            watch.threads.push(thread::spawn(move || reader.run()));
        }
        watch
    }

    /// Goes on with new clients where the old ones have got to: one can stop fetching a partition
    /// for good when the broker went away at the wrong moment.
    pub fn renew(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was needed.
    pub fn renewed(&self) -> u32 {
        self.clients.load(Ordering::Relaxed)
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// From now on time without outputs counts.
    pub fn begin(&self) {
        self.seen().stall = Stall::default();
        self.seen().stall.look(true);
    }

    /// The longest time without outputs since `begin`.
    pub fn longest_stall(&self) -> Duration {
        let mut seen = self.seen();
        seen.stall.look(false);
        seen.stall.longest
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no panic while reading along");
        }
        std::mem::take(&mut *lock(&self.seen))
    }
}

/// Follows one topic.
struct Reader {
    topic: &'static str,
    name: String,
    config: ClientConfig,
    log: PathBuf,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    clients: Arc<AtomicU32>,
}

impl Reader {
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.clients.load(Ordering::Relaxed);
            let consumer = self.open();
            while !self.stop.load(Ordering::Relaxed) && self.clients.load(Ordering::Relaxed) == number {
                self.read(&consumer);
            }
        }
    }

    fn open(&self) -> Follower {
        let journal = File::options().create(true).append(true).open(&self.log);
        let journal = Journal(Mutex::new(journal.expect("a writable directory")));
        let consumer: Follower = self.config.create_with_context(journal).expect("a consumer");
        let next = |partition| {
            let seen = lock(&self.seen);
            let mut read = seen
                .events
                .range((self.topic, partition, 0)..(self.topic, partition + 1, 0));
            read.next_back().map(|((.., offset), _)| offset + 1)
        };
        assign_from(&consumer, &self.name, |partition| {
            next(partition).map_or(Offset::Beginning, Offset::Offset)
        });
        consumer
    }

    fn read(&self, consumer: &Follower) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let event = from_record(self.topic, &received(&message));
                let place = (self.topic, message.partition(), message.offset());
                lock(&self.seen).take(place, event);
            }
            // It was there and is not any more: nothing may ever do that.
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                panic!("{}: an offset that was read is gone", self.topic)
            }
            // The broker is away.
            Some(Err(why)) => consumer.context().write(&why.to_string()),
            None => {}
        }
    }
}

impl Seen {
    fn take(&mut self, place: Place, event: Published) {
        // A consumer that reconnects may be given a record again.
        if self.events.contains_key(&place) {
            return;
        }
        self.stall.look(true);
        *self.ids.entry(event.id.clone()).or_default() += 1;
        if event.kind == "points-issued"
            && let Some(order) = event.data()["order_id"].as_str()
        {
            self.newly_issued.push(order.to_owned());
        }
        self.events.insert(place, event);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
