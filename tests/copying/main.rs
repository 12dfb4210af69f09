//! What Apache Kafka's own test of transactions asks of its client (`transactions_test.py`), asked
//! of ours: processes copy an input topic to an output topic in transactions while they and the
//! broker are bounced, hard and clean, and some transactions fail. Input and output hold the same
//! records, none twice, in the same order within a partition; a reader beside it has seen the same.
//!
//! `cargo test --test copying -- --rounds 5` bounces more often than once.

mod copier;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use copier::Job;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;
use support::servers::{self, Control, Jvm, Kafka, Process, new_dir, wait_for};
use support::topics::{Outgoing, Topics, assign_all};

const PARTITIONS: i32 = 2;
const COPIERS: usize = 2;
/// Fed before each bounce.
const RECORDS: usize = 2_500;
/// Sessions and transactions time out, and the broker starts, slowly on a busy machine.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(180);
const INPUT: &str = "order_events";
const OUTPUT: &str = "points_events";

#[derive(Clone, Copy, Debug)]
enum Bounce {
    CopierKilled(usize),
    CopierStopped(usize),
    BrokerKilled,
    BrokerStopped,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("copier") => copier::run(&Job::from_arguments(&arguments[1..])),
        // A list and a filter by name are for the other test programs.
        Some("--list") => ExitCode::SUCCESS,
        Some(word) if !word.starts_with('-') && !"copying".contains(word) => ExitCode::SUCCESS,
        _ => {
            let begun = Instant::now();
            let rounds = arguments.iter().skip_while(|word| *word != "--rounds").nth(1);
            let rounds = rounds.map_or(1, |count| count.parse().expect("a number of rounds"));
            copies_are_neither_lost_nor_doubled_nor_disordered(rounds);
            println!("copying: passed in {:.1} s", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
    }
}

fn copies_are_neither_lost_nor_doubled_nor_disordered(rounds: usize) {
    let kafka = servers::own_kafka(Jvm::QuickStart);
    let topics = Topics::new(&kafka, PARTITIONS);
    topics.create(INPUT);
    topics.create(OUTPUT);
    let copiers: Vec<Process> = (0..COPIERS)
        .map(|number| copier(&kafka, &topics, number))
        .collect();
    copiers.iter().for_each(Control::start);
    let mut fed = vec![Vec::new(); PARTITIONS as usize];
    let (seen, stop) = (
        Mutex::new(vec![Vec::new(); PARTITIONS as usize]),
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_along(&kafka, &topics, &seen, &stop));
        let count = || {
            seen.lock()
                .expect("never poisoned")
                .iter()
                .map(Vec::len)
                .sum::<usize>()
        };
        let progress = |what: &str, wanted: usize| {
            wait_for(what, PROGRESS_TIMEOUT, || {
                for copier in &copiers {
                    if let Some(trouble) = copier.trouble() {
                        panic!("{trouble}");
                    }
                }
                count() >= wanted
            });
        };
        for bounce in bounces(rounds) {
            let before = count();
            feed(&topics, &mut fed);
            // In the middle of the copying.
            progress("the copying to begin", before + 1);
            bounce_once(bounce, &kafka, &copiers);
        }
        progress("everything to be copied", fed.iter().map(Vec::len).sum());
        stop.store(true, Ordering::Relaxed);
        reader.join().expect("no panic while reading along");
    });
    for copier in &copiers {
        let status = copier.terminate();
        assert!(status.success(), "{status}: {}", copier.log_tail());
    }
    let mut output = vec![Vec::new(); PARTITIONS as usize];
    for record in topics.read(OUTPUT) {
        let value = record.value.expect("a copy has a value");
        output[record.partition as usize].push(String::from_utf8(value).expect("UTF-8"));
    }
    assert_same("the output", &fed, &output);
    assert_same(
        "what was read along",
        &fed,
        &seen.into_inner().expect("never poisoned"),
    );
}

/// Each kind once a round, those of copiers for each of them.
fn bounces(rounds: usize) -> Vec<Bounce> {
    let of_copiers = |bounce: fn(usize) -> Bounce| (0..COPIERS).map(bounce);
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.extend(of_copiers(Bounce::CopierKilled));
        all.push(Bounce::BrokerKilled);
        all.extend(of_copiers(Bounce::CopierStopped));
        all.push(Bounce::BrokerStopped);
    }
    all
}

fn bounce_once(bounce: Bounce, kafka: &Kafka, copiers: &[Process]) {
    match bounce {
        Bounce::CopierKilled(number) => {
            copiers[number].kill();
            copiers[number].start();
        }
        Bounce::CopierStopped(number) => {
            let status = copiers[number].terminate();
            assert!(status.success(), "{status}: {}", copiers[number].log_tail());
            copiers[number].start();
        }
        Bounce::BrokerKilled => {
            kafka.kill();
            kafka.start();
        }
        Bounce::BrokerStopped => kafka.restart(),
    }
}

fn copier(kafka: &Kafka, topics: &Topics, number: usize) -> Process {
    let job = Job {
        brokers: kafka.brokers.clone(),
        application: topics.prefix.clone(),
        instance: format!("copier-{number}"),
        input: topics.name(INPUT),
        output: topics.name(OUTPUT),
    };
    let log = new_dir("copier").join("log");
    Process::new("a copier", log, move || {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.arg("copier").args(job.arguments());
        command
    })
}

/// Numbers without end, in turn on every partition.
fn feed(topics: &Topics, fed: &mut [Vec<String>]) {
    let begin: usize = fed.iter().map(Vec::len).sum();
    for number in begin..begin + RECORDS {
        let (text, partition) = (number.to_string(), number % fed.len());
        let record = Outgoing::new(text.as_str(), text.as_str()).on(partition as i32);
        topics.produce(INPUT, &record);
        fed[partition].push(text);
    }
    topics.flush();
}

fn read_along(kafka: &Kafka, topics: &Topics, seen: &Mutex<Vec<Vec<String>>>, stop: &AtomicBool) {
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", "reader")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .expect("a consumer");
    assign_all(&consumer, &topics.name(OUTPUT));
    let mut next = vec![0; PARTITIONS as usize];
    while !stop.load(Ordering::Relaxed) {
        // Errors: the broker is away.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else {
            continue;
        };
        let partition = message.partition() as usize;
        assert!(message.offset() >= next[partition], "an offset comes twice");
        next[partition] = message.offset() + 1;
        let value = message.payload().expect("a copy has a value").to_vec();
        let value = String::from_utf8(value).expect("UTF-8");
        seen.lock().expect("never poisoned")[partition].push(value);
    }
}

fn assert_same(what: &str, fed: &[Vec<String>], got: &[Vec<String>]) {
    for (partition, (fed, got)) in fed.iter().zip(got).enumerate() {
        let (wanted, found): (BTreeSet<_>, BTreeSet<_>) = (fed.iter().collect(), got.iter().collect());
        assert_eq!(
            got.len(),
            found.len(),
            "{what}: records of {partition} come twice"
        );
        let lost: Vec<_> = wanted.difference(&found).take(5).collect();
        assert_eq!(
            found.len(),
            wanted.len(),
            "{what}: records of {partition} are lost, such as {lost:?}"
        );
        assert_eq!(got, fed, "{what}: the order of {partition}");
    }
}
