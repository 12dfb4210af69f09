//! A read_committed consumer of the outputs that reads along: what came, how often, and how long
//! nothing did.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;

use crate::support::outputs::{Published, TOPICS, from_record};
use crate::support::servers::Kafka;
use crate::support::topics::{Topics, assign_all, received};

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
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// What the clients say goes to files in `dir`.
    pub fn start(kafka: &Kafka, topics: &Topics, dir: &Path, debug: bool) -> Watch {
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let follow = |topic: &'static str| {
            let journal = File::create(dir.join(format!("watch-{topic}.log"))).expect("a writable directory");
            let mut config = kafka.client();
            if debug {
                config.set("debug", "topic,consumer,cgrp,fetch,metadata");
                config.set("log_level", "7").set_log_level(RDKafkaLogLevel::Debug);
            }
            let consumer: Follower = config
                .set("group.id", "watch")
                .set("isolation.level", "read_committed")
                .set("enable.auto.commit", "false")
                .set("auto.offset.reset", "error")
                .set("fetch.wait.max.ms", "100")
                .set("reconnect.backoff.max.ms", "500")
                .create_with_context(Journal(Mutex::new(journal)))
                .expect("a consumer");
            assign_all(&consumer, &topics.name(topic));
            let (seen, stop) = (seen.clone(), stop.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    follow_once(&consumer, topic, &seen);
                }
            })
        };
        let threads = TOPICS.into_iter().map(follow).collect();
        Watch { seen, stop, threads }
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

fn follow_once(consumer: &Follower, topic: &'static str, seen: &Mutex<Seen>) {
    match consumer.poll(POLL) {
        Some(Ok(message)) => {
            let event = from_record(topic, &received(&message));
            lock(seen).take((topic, message.partition(), message.offset()), event);
        }
        // It was there and is not any more: nothing may ever do that.
        Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
            panic!("{topic}: an offset that was read is gone")
        }
        // The broker is away.
        Some(Err(why)) => consumer.context().write(&why.to_string()),
        None => {}
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
