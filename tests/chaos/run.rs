//! One run: servers, load, faults, settlement, table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::disturb::disturb;
use super::faults::{self, Kind};
use super::fleet::{Fleet, INSTANCES};
use super::load::{self, Load};
use super::proxy::{Proxies, Proxy, Speech};
use super::site::{Desks, Site};
use super::table::{self, Times};
use super::topic_runs;
use super::verdict::{Verdict, Wanted};
use super::watch::Watch;
use crate::support::accrual::succeed;
use crate::support::deployment::Deployment;
use crate::support::outputs::published;
use crate::support::servers::{self, Jvm, Listener, free_port};

pub(super) const PARTITIONS: i32 = 6;
const TICK: Duration = Duration::from_millis(250);
const TICKS_A_SECOND: u32 = 4;
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// From the last fault on: sessions, transactions and time-outs of everybody's have passed by then.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Nothing is wrong, but somebody may want to know why.
const SLOW_SETTLEMENT: Duration = Duration::from_secs(60);
/// When nobody has anything left to do, all of it is read within so long, or it needs a new client.
const READER_PATIENCE: Duration = Duration::from_secs(20);

pub struct Options {
    pub seed: u64,
    /// Either one, or three that replicate to one another.
    pub brokers: usize,
    /// Processes are started so that their clocks can be set back.
    pub clocks: bool,
    /// A run of its own: somebody changes a topic, and nothing else goes wrong.
    pub change: Option<Kind>,
    /// None: until every kind has been there.
    pub minutes: Option<Duration>,
    pub orders_a_second: u32,
    pub gap: Duration,
    /// Also of a run that went well.
    pub keep_logs: bool,
    /// Lets the client of the one that reads along tell everything.
    pub debug_reader: bool,
}

impl Options {
    /// What may happen in such a run.
    pub fn kinds(&self) -> Vec<Kind> {
        match self.change {
            Some(change) => vec![change],
            None => faults::drawn(self.clocks),
        }
    }
}

/// Servers, processes and who reads along.
pub struct Setup {
    /// The side that everything begins on; outputs stay where they are.
    pub deployment: Deployment,
    /// The side that was moved to, if one was.
    pub moved: Option<Deployment>,
    pub rules: PathBuf,
    pub site: Arc<Site>,
    pub watch: Watch,
}

impl Setup {
    /// The side that is fed and read.
    pub fn side(&self) -> &Deployment {
        self.moved.as_ref().unwrap_or(&self.deployment)
    }
}

pub fn run(options: &Options) -> ExitCode {
    println!("chaos: seed {}", options.seed);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}", options.seed));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a writable target directory");
    let mut setup = set_up(&dir, options);
    let begun = Instant::now();
    setup.watch.begin();
    let mut load = Load::new(options.seed);
    let happened = match options.change {
        Some(change) => topic_runs::run(&mut setup, options, change, &mut load, &dir),
        None => while_feeding(&setup, options, &mut load, || {
            disturb(&setup.site, options, begun)
        }),
    };
    let stall = setup.watch.longest_stall();
    let loaded = begun.elapsed();
    let settling = Instant::now();
    let mut wanted = Wanted::of(&setup.rules, &load.as_replay_reads_it(), &dir, &load.unsure);
    // What waited where nobody read is due by the time that it is decided: it is not told as pending.
    let optional = (options.change == Some(Kind::TopicGrown)).then_some("points-pending");
    wanted.leave_out(optional);
    let settled = settle(&setup, &wanted);
    let took = settling.elapsed();
    let renewed = setup.watch.renewed();
    let seen = setup.watch.end();
    let mut got = published(&setup.deployment.topics);
    got.retain(|event| Some(&*event.kind) != optional);
    let mut verdict = Verdict::of(&wanted, &got, &load.unsure);
    // The one that read along saw the same, no more and no less.
    verdict.wrong += table::unread(&setup.deployment.topics, &seen);
    let times = Times {
        loaded,
        stall,
        took,
        renewed,
    };
    let counted = |kind| (kind, happened.get(&kind).copied().unwrap_or(0));
    let kinds: Vec<(Kind, u32)> = options.kinds().into_iter().map(counted).collect();
    table::show(&setup.site, &load, &kinds, &times, &verdict);
    let missed = table::missed(&kinds, begun.elapsed());
    if settled.is_ok() && verdict.is_good() && !missed {
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
    // What went wrong comes last, where a cut log still shows it.
    print!("{verdict}");
    if let Err(why) = settled {
        println!("not settled after {SETTLE_TIMEOUT:?}: {why}");
    }
    println!("seed {}; logs are in {}", options.seed, dir.display());
    ExitCode::FAILURE
}

fn set_up(dir: &Path, options: &Options) -> Setup {
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
    fleet.members[..INSTANCES]
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
    Setup {
        deployment,
        moved: None,
        rules,
        site: Arc::new(site),
        watch,
    }
}

/// Feeds for as long as `act` takes, and then what was put off.
pub fn while_feeding<T>(setup: &Setup, options: &Options, load: &mut Load, act: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(setup, options, &stop, load));
        // Also when `act` panics: the scope waits for the feeding thread.
        let stops = StopOnDrop(&stop);
        let done = act();
        drop(stops);
        feeding.join().expect("the load is fed");
        done
    })
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn feed(setup: &Setup, options: &Options, stop: &AtomicBool, load: &mut Load) {
    let topics = &setup.side().topics;
    let issued = || std::mem::take(&mut setup.watch.seen().newly_issued);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        load.tick(topics, options.orders_a_second / TICKS_A_SECOND, &issued());
        next = (next + TICK).max(Instant::now());
        thread::sleep(next - Instant::now());
    }
    while !load.rest(topics, &issued()) {
        thread::sleep(TICK);
    }
}

/// Waits until everything wanted is out and nobody has anything left to do.
pub fn settle(setup: &Setup, wanted: &Wanted) -> Result<(), String> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let (fleet, partitions) = (&setup.site.fleet, setup.side().topics.partitions);
    let mut quiet_since = None;
    loop {
        fleet.look_after();
        let all_in = wanted.all_in(&setup.watch.seen().ids);
        let quiet = fleet.quiet(partitions);
        if quiet.is_err() {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() > READER_PATIENCE {
            setup.watch.renew();
            quiet_since = None;
        }
        match quiet.and_then(|()| all_in.then_some(()).ok_or_else(String::new)) {
            Ok(()) => return Ok(()),
            Err(status) if Instant::now() > deadline => {
                let missing = wanted.missing(&setup.watch.seen().ids);
                return Err(format!(
                    "{missing} outputs are missing\n{status}{}",
                    fleet.complaints()
                ));
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}
