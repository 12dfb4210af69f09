//! What goes wrong, and when: drawn from a seed. Several faults may overlap, but each has what it
//! disturbs for itself.
//!
//! Permitted: accrual dies, freezes, stops, is one more or one less; Redis and the lone broker
//! die, freeze, restart; Redis forgets or comes back with an old state; a request or its reply is
//! lost on the way. Survivable, because what was decided is in Kafka's log and the broker keeps
//! what it acknowledged. Not permitted: a broker that loses its log.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::fleet::{Desk, Fleet, GUEST, INSTANCES};
use super::proxy::{END_TXN, Half, Loss, PRODUCE, Proxy, Sort, TXN_OFFSET_COMMIT};
use crate::support::servers::{Kafka, Redis};

/// What a process may take to end after SIGTERM: its own bound is 25 s.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// A loss that has met nothing to lose by then is called off.
const LOSS_PATIENCE: Duration = Duration::from_secs(20);

/// A kind of fault. Milliseconds: how long it lasts, from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Kill,
    KillBeyondSession,
    FreezeBeyondSession,
    Hiccup,
    Restart,
    ScaleOut,
    ScaleIn,
    RedisFlushed,
    RedisRestarted,
    RedisKilled,
    RedisAsleep,
    RedisOldSnapshot,
    RedisCut,
    ScriptReplyLost,
    ScriptLost,
    BrokerRestarted,
    BrokerKilled,
    BrokerFrozen,
    BrokerCut,
    CommitReplyLost,
    CommitLost,
    OffsetsReplyLost,
    WriteReplyLost,
}

use Kind::*;

/// Name, how often beside the others, and for how long, in milliseconds.
const KINDS: [(Kind, &str, u32, std::ops::Range<u64>); 23] = [
    (
        KillBeyondSession,
        "kill -9, back after its session",
        2,
        32_000..36_000,
    ),
    (
        FreezeBeyondSession,
        "frozen beyond its session",
        3,
        33_000..38_000,
    ),
    (ScaleIn, "one less for a while", 2, 32_000..36_000),
    (ScaleOut, "one more for a while", 3, 10_000..25_000),
    (Kill, "kill -9, back at once", 10, 0..500),
    (Hiccup, "frozen for a moment", 6, 500..8_000),
    (Restart, "SIGTERM, back at once", 6, 0..500),
    (RedisFlushed, "Redis: FLUSHALL", 5, 0..1),
    (RedisRestarted, "Redis: saved and restarted", 3, 0..2_000),
    (
        RedisKilled,
        "Redis: killed, back with what was once saved",
        4,
        0..3_000,
    ),
    (RedisAsleep, "Redis: DEBUG SLEEP", 4, 500..8_000),
    (
        RedisOldSnapshot,
        "Redis: an older state put back",
        6,
        1_000..8_000,
    ),
    (RedisCut, "Redis: every connection cut", 6, 0..1),
    (ScriptReplyLost, "Redis: a script's reply lost", 10, 0..1),
    (ScriptLost, "Redis: a script lost", 5, 0..1),
    (BrokerRestarted, "Kafka: stopped and started", 2, 0..1_000),
    (BrokerKilled, "Kafka: kill -9 and started", 3, 0..3_000),
    (BrokerFrozen, "Kafka: frozen", 3, 1_000..12_000),
    (BrokerCut, "Kafka: every connection cut", 5, 0..1),
    (CommitReplyLost, "Kafka: a commit's reply lost", 14, 0..1),
    (CommitLost, "Kafka: a commit lost", 7, 0..1),
    (OffsetsReplyLost, "Kafka: an offset commit's reply lost", 4, 0..1),
    (WriteReplyLost, "Kafka: a write's reply lost", 5, 0..1),
];

impl Kind {
    pub fn name(self) -> &'static str {
        row(self).1
    }

    fn target(self) -> Target {
        match self {
            Kill | KillBeyondSession | FreezeBeyondSession | Hiccup | Restart | ScaleIn => Target::Instance,
            ScaleOut => Target::Guest,
            RedisFlushed | RedisRestarted | RedisKilled | RedisAsleep | RedisOldSnapshot => Target::Redis,
            BrokerRestarted | BrokerKilled | BrokerFrozen => Target::Broker,
            RedisCut | ScriptReplyLost | ScriptLost => Target::RedisProxy,
            BrokerCut | CommitReplyLost | CommitLost | OffsetsReplyLost | WriteReplyLost => {
                Target::BrokerProxy
            }
        }
    }

    fn loss(self) -> Option<Loss> {
        let (sort, half) = match self {
            ScriptReplyLost => (Sort::Script, Half::Reply),
            ScriptLost => (Sort::Script, Half::Request),
            CommitReplyLost => (END_TXN, Half::Reply),
            CommitLost => (END_TXN, Half::Request),
            OffsetsReplyLost => (TXN_OFFSET_COMMIT, Half::Reply),
            WriteReplyLost => (PRODUCE, Half::Reply),
            _ => return None,
        };
        Some(Loss { sort, half })
    }
}

fn row(kind: Kind) -> &'static (Kind, &'static str, u32, std::ops::Range<u64>) {
    let row = KINDS.iter().find(|(found, ..)| *found == kind);
    row.expect("every kind has a row")
}

enum Target {
    Instance,
    Guest,
    Redis,
    Broker,
    RedisProxy,
    BrokerProxy,
}

/// One fault to come.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub kind: Kind,
    /// Which instance, where one is meant: the next that is free from here on.
    instance: usize,
    pub lasts: Duration,
    /// Time from the fault before.
    pub gap: Duration,
}

/// Every kind once, the long ones first, and then whatever comes.
pub struct Plan {
    random: StdRng,
    first: Vec<Kind>,
    mean_gap_ms: u64,
}

impl Plan {
    pub fn new(seed: u64, mean_gap: Duration) -> Plan {
        let mut random = StdRng::seed_from_u64(seed ^ 0xfau64);
        let long = KINDS.iter().filter(|(.., lasts)| lasts.start >= 10_000);
        let mut first: Vec<Kind> = KINDS.iter().map(|(kind, ..)| *kind).collect();
        let long: Vec<Kind> = long.map(|(kind, ..)| *kind).collect();
        first.retain(|kind| !long.contains(kind));
        first.shuffle(&mut random);
        first.extend(long.into_iter().rev());
        Plan {
            random,
            first,
            mean_gap_ms: mean_gap.as_millis() as u64,
        }
    }

    /// Whether every kind has been drawn.
    pub fn has_been_round(&self) -> bool {
        self.first.is_empty()
    }
}

impl Iterator for Plan {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        let kind = self.first.pop().unwrap_or_else(|| {
            let all: u32 = KINDS.iter().map(|(_, _, weight, _)| weight).sum();
            let mut drawn = self.random.random_range(0..all);
            let hit = |(_, _, weight, _): &&(Kind, &str, u32, _)| match drawn.checked_sub(*weight) {
                Some(rest) => {
                    drawn = rest;
                    false
                }
                None => true,
            };
            KINDS.iter().find(hit).expect("within the sum").0
        });
        let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(self.random.random_range(range));
        Some(Fault {
            kind,
            lasts: millis(row(kind).3.clone()),
            gap: millis(self.mean_gap_ms / 4..self.mean_gap_ms * 7 / 4),
            instance: self.random.random_range(0..INSTANCES),
        })
    }
}

/// Everything that can be disturbed.
pub struct Site {
    pub fleet: Fleet,
    pub kafka: Kafka,
    pub redis: Redis,
    pub kafka_proxy: Proxy,
    pub redis_proxy: Proxy,
    pub desks: [Desk; 4],
}

impl Site {
    /// Takes what the fault disturbs, if it is free: the desk, and the instance where one is meant.
    fn take(&self, fault: &Fault) -> Option<(&Desk, usize)> {
        let members = &self.fleet.members;
        let server = |number: usize| self.desks[number].take().then(|| (&self.desks[number], 0));
        match fault.kind.target() {
            Target::Redis => server(0),
            Target::Broker => server(1),
            Target::RedisProxy => server(2),
            Target::BrokerProxy => server(3),
            Target::Guest => members[GUEST].desk.take().then(|| (&members[GUEST].desk, GUEST)),
            Target::Instance => (0..INSTANCES)
                .map(|step| (fault.instance + step) % INSTANCES)
                .find(|number| members[*number].desk.take())
                .map(|number| (&members[number].desk, number)),
        }
    }

    /// Lets it happen on a thread of its own. None: what it disturbs is not free. The thread's
    /// answer: whether it met anything.
    pub fn begin(self: &Arc<Site>, fault: Fault) -> Option<thread::JoinHandle<bool>> {
        let (_, instance) = self.take(&fault)?;
        let site = self.clone();
        let run = move || {
            let met = site.happen(&fault, instance);
            match fault.kind.target() {
                Target::Redis => site.desks[0].give_back(),
                Target::Broker => site.desks[1].give_back(),
                Target::RedisProxy => site.desks[2].give_back(),
                Target::BrokerProxy => site.desks[3].give_back(),
                Target::Guest | Target::Instance => site.fleet.members[instance].desk.give_back(),
            }
            met
        };
        Some(thread::spawn(run))
    }

    fn happen(&self, fault: &Fault, instance: usize) -> bool {
        if let Some(loss) = fault.kind.loss() {
            return self.lose(loss);
        }
        match fault.kind.target() {
            Target::Redis => self.disturb_redis(fault),
            Target::Broker => self.disturb_broker(fault),
            Target::RedisProxy => self.redis_proxy.cut_all(),
            Target::BrokerProxy => self.kafka_proxy.cut_all(),
            Target::Guest | Target::Instance => self.disturb_instance(fault, instance),
        }
        true
    }

    fn lose(&self, loss: Loss) -> bool {
        let proxy = match loss.sort {
            Sort::Script => &self.redis_proxy,
            Sort::Api(_) => &self.kafka_proxy,
        };
        let before = proxy.struck();
        proxy.arm(loss);
        let deadline = Instant::now() + LOSS_PATIENCE;
        while proxy.struck() == before && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        !proxy.disarm()
    }

    fn disturb_instance(&self, fault: &Fault, instance: usize) {
        let accrual = &self.fleet.members[instance].accrual;
        match fault.kind {
            Kill | KillBeyondSession => {
                self.fleet.kill(instance);
                thread::sleep(fault.lasts);
                self.fleet.launch(instance);
            }
            Hiccup | FreezeBeyondSession => {
                if !accrual.has_ended() {
                    accrual.pause();
                    thread::sleep(fault.lasts);
                    accrual.resume();
                }
            }
            Restart | ScaleIn => {
                self.fleet.stop(instance, STOP_PATIENCE);
                thread::sleep(fault.lasts);
                self.fleet.launch(instance);
            }
            _ => {
                self.fleet.launch(instance);
                thread::sleep(fault.lasts);
                self.fleet.stop(instance, STOP_PATIENCE);
            }
        }
    }

    fn disturb_redis(&self, fault: &Fault) {
        let redis = &self.redis;
        match fault.kind {
            RedisFlushed => redis.flush_all(),
            RedisAsleep => {
                let seconds = format!("{:.3}", fault.lasts.as_secs_f64());
                let mut connection = redis.connect().expect("Redis runs");
                let mut sleep = redis::cmd("DEBUG");
                // Its answer comes later than anybody waits for.
                let _ = sleep.arg("SLEEP").arg(seconds).query::<()>(&mut connection);
                drop(connection);
                thread::sleep(fault.lasts);
            }
            RedisRestarted => {
                redis.save();
                redis.stop();
                thread::sleep(fault.lasts);
                redis.start();
            }
            RedisOldSnapshot => {
                redis.save();
                thread::sleep(fault.lasts);
                redis.load_old_snapshot();
            }
            _ => {
                redis.kill();
                thread::sleep(fault.lasts);
                redis.start();
            }
        }
    }

    fn disturb_broker(&self, fault: &Fault) {
        match fault.kind {
            BrokerFrozen => {
                self.kafka.pause();
                thread::sleep(fault.lasts);
                self.kafka.resume();
            }
            BrokerRestarted => {
                self.kafka.stop();
                thread::sleep(fault.lasts);
                self.kafka.start();
            }
            _ => {
                self.kafka.kill();
                thread::sleep(fault.lasts);
                self.kafka.start();
            }
        }
    }
}
