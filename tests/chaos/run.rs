//! One run: servers, load, faults, settlement, table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::faults::{self, Fault, Kind, Plan};
use super::fleet::Fleet;
use super::load::{self, Load};
use super::proxy::{Proxies, Proxy, Speech};
use super::site::{Desks, Site};
use super::verdict::{Verdict, Wanted};
use super::watch::{Seen, Watch};
use crate::support::accrual::succeed;
use crate::support::deployment::Deployment;
use crate::support::outputs::{TOPICS, published};
use crate::support::servers::{self, Jvm, Listener, free_port};
use crate::support::topics::Topics;

const PARTITIONS: i32 = 6;
const TICK: Duration = Duration::from_millis(250);
const TICKS_A_SECOND: u32 = 4;
const LOOK: Duration = Duration::from_millis(100);
/// A fault that does not find its target free waits, but not many of them.
const PUT_OFF_MAX: usize = 6;
/// A bit longer than the longest fault.
const FAULTS_END_TIMEOUT: Duration = Duration::from_secs(150);
/// From the last fault on: sessions, transactions and time-outs of everybody's have passed by then.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Nothing is wrong, but somebody may want to know why.
const SLOW_SETTLEMENT: Duration = Duration::from_secs(60);
/// When nobody has anything left to do, all of it is read within so long, or it needs a new client.
const READER_PATIENCE: Duration = Duration::from_secs(20);

/// A run of so long that lets a kind of fault never happen has failed.
const ALL_KINDS_MIN: Duration = Duration::from_secs(15 * 60);

pub struct Options {
    pub seed: u64,
    /// Either one, or three that replicate to one another.
    pub brokers: usize,
    /// Processes are started so that their clocks can be set back.
    pub clocks: bool,
    /// None: until every kind has been there.
    pub minutes: Option<Duration>,
    pub orders_a_second: u32,
    pub gap: Duration,
    /// Also of a run that went well.
    pub keep_logs: bool,
    /// Lets the client of the one that reads along tell everything.
    pub debug_reader: bool,
}

struct Stage {
    deployment: Deployment,
    rules: PathBuf,
    site: Arc<Site>,
    watch: Watch,
}

pub fn run(options: &Options) -> ExitCode {
    println!("chaos: seed {}", options.seed);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}", options.seed));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a writable target directory");
    let stage = set_up(&dir, options);
    let begun = Instant::now();
    stage.watch.begin();
    let stop = AtomicBool::new(false);
    let (happened, load) = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&stage, options, &stop));
        let happened = disturb(&stage.site, options, begun);
        stop.store(true, Ordering::Relaxed);
        (happened, feeding.join().expect("the load is fed"))
    });
    let stall = stage.watch.longest_stall();
    let loaded = begun.elapsed();
    let settling = Instant::now();
    let wanted = Wanted::of(&stage.rules, &load.as_replay_reads_it(), &dir, &load.unsure);
    let settled = settle(&stage, &wanted);
    let took = settling.elapsed();
    let renewed = stage.watch.renewed();
    let seen = stage.watch.end();
    let got = published(&stage.deployment.topics);
    let mut verdict = Verdict::of(&wanted, &got, &load.unsure);
    // The one that read along saw the same, no more and no less.
    verdict.wrong += unread(&stage.deployment.topics, &seen);
    let times = Times {
        loaded,
        stall,
        took,
        renewed,
    };
    show(&stage.site, &load, &happened, &times, &verdict);
    let missed = missed(&stage.site, &happened, begun.elapsed());
    match settled {
        Ok(()) if verdict.is_good() && !missed => {
            if took > SLOW_SETTLEMENT {
                println!(
                    "slow to settle; seed {}; logs are in {}",
                    options.seed,
                    dir.display()
                );
            } else if !options.keep_logs {
                let _ = fs::remove_dir_all(&dir);
            }
            return ExitCode::SUCCESS;
        }
        Ok(()) => {}
        Err(why) => println!("not settled after {SETTLE_TIMEOUT:?}: {why}"),
    }
    println!("{verdict}seed {}; logs are in {}", options.seed, dir.display());
    ExitCode::FAILURE
}

/// Partitions of which the one that read along has not read as much as there is.
fn unread(topics: &Topics, seen: &Seen) -> usize {
    let mut partitions = 0;
    for topic in TOPICS {
        let there = topics.read(topic);
        for partition in 0..PARTITIONS {
            let there = there.iter().filter(|record| record.partition == partition);
            let there = there.count();
            let read = seen
                .events
                .range((topic, partition, 0)..(topic, partition + 1, 0));
            let (read, last) = (read.clone().count(), read.last().map(|((.., offset), _)| *offset));
            if read != there {
                println!("{topic} {partition}: {read} of {there} outputs were read along, up to {last:?}");
                partitions += 1;
            }
        }
    }
    partitions
}

/// Whether a fault never happened in a run that is long enough for all of them; says which.
fn missed(site: &Site, happened: &BTreeMap<Kind, u32>, took: Duration) -> bool {
    let never = faults::all(site.clocks.is_some()).filter(|kind| !happened.contains_key(kind));
    let never: Vec<&str> = never.map(Kind::name).collect();
    if !never.is_empty() {
        println!("never happened: {}", never.join("; "));
    }
    !never.is_empty() && took >= ALL_KINDS_MIN
}

struct Times {
    loaded: Duration,
    stall: Duration,
    took: Duration,
    renewed: u32,
}

fn show(site: &Site, load: &Load, happened: &BTreeMap<Kind, u32>, times: &Times, verdict: &Verdict) {
    let fleet = &site.fleet;
    let (ended, stopped) = (fleet.ended(), fleet.stopped());
    println!("\n{:<46} {:>6}", "fault", "times");
    for kind in faults::all(site.clocks.is_some()) {
        let times = happened.get(&kind).copied().unwrap_or(0);
        println!("{:<46} {times:>6}", kind.name());
    }
    let row = |what: &str, value: String| println!("{what:<46} {value:>6}");
    row("faults in all", happened.values().sum::<u32>().to_string());
    row("seconds under load", times.loaded.as_secs().to_string());
    row("events fed", load.events().to_string());
    row("outputs", verdict.outputs.to_string());
    row("issued", verdict.issued.to_string());
    row("expired", verdict.expired.to_string());
    row(
        "orders left out (reversed too late)",
        load.unsure.len().to_string(),
    );
    row(
        "longest time without an output, seconds",
        format!("{:.1}", times.stall.as_secs_f64()),
    );
    row(
        "settled after, seconds",
        format!("{:.1}", times.took.as_secs_f64()),
    );
    row(
        "times the test's own reader had stopped fetching",
        times.renewed.to_string(),
    );
    row("exit codes after SIGTERM", format!("{stopped:?}"));
    row(
        "exit codes of processes that ended themselves",
        format!("{ended:?}"),
    );
    row("lost", verdict.lost.to_string());
    row("twice", verdict.twice.to_string());
    row("otherwise wrong", verdict.wrong.to_string());
}

fn set_up(dir: &Path, options: &Options) -> Stage {
    let listener = |_| Listener {
        port: free_port(),
        advertised: free_port(),
    };
    let listeners: Vec<Listener> = (0..options.brokers).map(listener).collect();
    let (brokers, kafka) = match listeners[..] {
        [listener] => (vec![servers::own_kafka_behind(Jvm::QuickStart, listener)], None),
        _ => {
            let (nodes, all) = servers::kafka_cluster(Jvm::QuickStart, &listeners);
            (nodes, Some(all))
        }
    };
    let kafka = kafka.as_ref().unwrap_or(&brokers[0]);
    let redis = servers::own_redis();
    let kafka_proxy = Proxies::start(&listeners);
    let redis_proxy = Proxy::start(free_port(), redis.port, Speech::Redis);
    let url = format!("redis://127.0.0.1:{}", redis_proxy.port);
    let mut deployment = Deployment::new(kafka, &[url], PARTITIONS);
    let rules = dir.join("rules.yaml");
    fs::write(&rules, load::RULES).expect("a writable directory");
    deployment.publish_rules(&rules);
    let through_proxies = ("ACCRUAL_KAFKA__BROKERS".to_owned(), kafka_proxy.brokers());
    deployment.settings.push(through_proxies);
    succeed(&["topics", "check"], &deployment.settings);
    let watch = Watch::start(kafka, &deployment.topics, dir, options.debug_reader);
    let clocks = options.clocks.then(|| Clocks::new(dir));
    let fleet = Fleet::start(&deployment.settings, dir, clocks.as_ref());
    fleet.members[..super::fleet::INSTANCES]
        .iter()
        .for_each(|member| member.accrual.wait_ready());
    let site = Site {
        fleet,
        clocks,
        brokers,
        redis,
        kafka_proxy,
        redis_proxy,
        desks: Desks::default(),
        long: AtomicUsize::new(0),
    };
    Stage {
        deployment,
        rules,
        site: Arc::new(site),
        watch,
    }
}

/// Feeds until told to stop, and then what was put off.
fn feed(stage: &Stage, options: &Options, stop: &AtomicBool) -> Load {
    let mut load = Load::new(options.seed);
    let topics = &stage.deployment.topics;
    let issued = || std::mem::take(&mut stage.watch.seen().newly_issued);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        load.tick(topics, options.orders_a_second / TICKS_A_SECOND, &issued());
        next = (next + TICK).max(Instant::now());
        thread::sleep(next - Instant::now());
    }
    while !load.rest(topics, &issued()) {
        thread::sleep(TICK);
    }
    load
}

/// Lets things go wrong until time is up, and waits until the last of it is over.
fn disturb(site: &Arc<Site>, options: &Options, begun: Instant) -> BTreeMap<Kind, u32> {
    let mut plan = Plan::new(options.seed, options.gap, options.clocks);
    let mut happened = BTreeMap::new();
    let mut running: Vec<(Kind, JoinHandle<bool>)> = Vec::new();
    let mut put_off: Vec<Fault> = Vec::new();
    let mut drawn = Instant::now();
    let more = |plan: &Plan| match options.minutes {
        Some(minutes) => begun.elapsed() < minutes,
        None => !plan.has_been_round(),
    };
    while more(&plan) || !put_off.is_empty() {
        if put_off.len() < PUT_OFF_MAX && more(&plan) {
            put_off.extend(plan.next());
            drawn = Instant::now();
        }
        assert!(
            drawn.elapsed() < FAULTS_END_TIMEOUT,
            "nothing is free to be disturbed by {put_off:?}"
        );
        let gap = put_off.first().map_or(options.gap, |fault| fault.gap);
        let until = Instant::now() + gap;
        while Instant::now() < until {
            site.fleet.look_after();
            thread::sleep(LOOK);
        }
        let begin = |fault: &mut Fault| {
            let thread = site.begin(*fault);
            thread.map(|thread| (fault.kind, thread))
        };
        let started = put_off
            .iter_mut()
            .enumerate()
            .find_map(|(at, fault)| Some((at, begin(fault)?)));
        if let Some((at, (kind, thread))) = started {
            let fault = put_off.remove(at);
            let second = begun.elapsed().as_secs_f64();
            println!(
                "{second:7.1} s  {} ({:.1} s)",
                kind.name(),
                fault.lasts.as_secs_f64()
            );
            running.push((kind, thread));
        }
        collect(&mut running, &mut happened);
    }
    let deadline = Instant::now() + FAULTS_END_TIMEOUT;
    while !running.is_empty() {
        assert!(Instant::now() < deadline, "faults do not end: {:?}", running);
        site.fleet.look_after();
        collect(&mut running, &mut happened);
        thread::sleep(LOOK);
    }
    happened
}

/// Counts the faults that are over and met something.
fn collect(running: &mut Vec<(Kind, JoinHandle<bool>)>, happened: &mut BTreeMap<Kind, u32>) {
    let over = running.extract_if(.., |(_, thread)| thread.is_finished());
    for (kind, thread) in over {
        if thread.join().expect("a fault that happens as planned") {
            *happened.entry(kind).or_default() += 1;
        }
    }
}

/// Waits until everything wanted is out and nobody has anything left to do.
fn settle(stage: &Stage, wanted: &Wanted) -> Result<(), String> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let fleet = &stage.site.fleet;
    let mut quiet_since = None;
    loop {
        fleet.look_after();
        let all_in = wanted.all_in(&stage.watch.seen().ids);
        let quiet = fleet.quiet(PARTITIONS);
        if quiet.is_err() {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() > READER_PATIENCE {
            stage.watch.renew();
            quiet_since = None;
        }
        match quiet.and_then(|()| all_in.then_some(()).ok_or_else(String::new)) {
            Ok(()) => return Ok(()),
            Err(status) if Instant::now() > deadline => {
                let missing = wanted.missing(&stage.watch.seen().ids);
                return Err(format!(
                    "{missing} outputs are missing\n{status}{}",
                    fleet.complaints()
                ));
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}
