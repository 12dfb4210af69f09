//! What goes wrong, and when: drawn from a seed. Several faults may overlap, but each has what it
//! disturbs for itself.
//!
//! Permitted: accrual dies, freezes, stops, is one more or one less; Redis and one broker die,
//! freeze, restart; a process' clock is behind for a while; Redis forgets all or single keys, comes back with an old state, takes no writes
//! or no password for a while; a request or its reply is lost on the way. Survivable, because what
//! was decided is in Kafka's log and the broker keeps what it acknowledged. Not permitted: a broker
//! that loses its log, and Redis with a value that somebody changed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::fleet::INSTANCES;
use super::proxy::{END_TXN, Half, Loss, PRODUCE, Sort, TXN_OFFSET_COMMIT};

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
    RedisFieldsLost,
    RedisKeyLost,
    RedisPassword,
    RedisFull,
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
    ClockBack,
    TopicCreatedAgain,
    TopicGrown,
}

use Kind::*;

/// Every kind that is drawn, so that one that never happened is named too. Those of no weight have
/// runs of their own, and clocks can be set back only where processes were started for that.
pub fn drawn(clocks: bool) -> Vec<Kind> {
    let kinds = KINDS.iter().filter(|(kind, _, weight, _)| {
        let possible = clocks || *kind != ClockBack;
        possible && *weight > 0
    });
    kinds.map(|(kind, ..)| *kind).collect()
}

/// What lasts so long is begun first where every kind is to be met in a short time.
const LONG_MS: u64 = 10_000;

/// Name, how often beside the others, and for how long, in milliseconds.
const KINDS: [(Kind, &str, u32, std::ops::Range<u64>); 30] = [
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
    (RedisFieldsLost, "Redis: single fields lost", 6, 0..1),
    (RedisKeyLost, "Redis: one key lost", 6, 0..1),
    (
        RedisPassword,
        "Redis: another password for a while",
        4,
        500..6_000,
    ),
    (RedisFull, "Redis: no memory for a while", 4, 500..8_000),
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
    (ClockBack, "a clock ten minutes back for a while", 6, 1_000..8_000),
    (
        TopicCreatedAgain,
        "order-events deleted and created again",
        0,
        0..1,
    ),
    (TopicGrown, "order-events grown in place, and moved", 0, 0..1),
];

impl Kind {
    pub fn name(self) -> &'static str {
        row(self).1
    }

    pub fn is_long(self) -> bool {
        row(self).3.start >= LONG_MS
    }

    pub fn target(self) -> Target {
        match self {
            Kill | KillBeyondSession | FreezeBeyondSession | Hiccup | Restart | ScaleIn | ClockBack => {
                Target::Instance
            }
            ScaleOut => Target::Guest,
            TopicCreatedAgain | TopicGrown => unreachable!("it has a run of its own"),
            RedisFlushed | RedisRestarted | RedisKilled | RedisAsleep | RedisOldSnapshot
            | RedisFieldsLost | RedisKeyLost | RedisPassword | RedisFull => Target::Redis,
            BrokerRestarted | BrokerKilled | BrokerFrozen => Target::Broker,
            RedisCut | ScriptReplyLost | ScriptLost => Target::RedisProxy,
            BrokerCut | CommitReplyLost | CommitLost | OffsetsReplyLost | WriteReplyLost => {
                Target::BrokerProxy
            }
        }
    }

    /// What is lost on the way, where it is a loss.
    pub fn loss(self) -> Option<Loss> {
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

/// What a fault has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
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
    pub instance: usize,
    /// For what is drawn while it happens: which broker, which keys.
    pub seed: u64,
    pub lasts: Duration,
    /// Time from the fault before.
    pub gap: Duration,
}

/// Every kind once, the long ones first, and then whatever comes.
pub struct Plan {
    random: StdRng,
    kinds: Vec<Kind>,
    first: Vec<Kind>,
    mean_gap_ms: u64,
}

impl Plan {
    pub fn new(seed: u64, mean_gap: Duration, kinds: Vec<Kind>) -> Plan {
        let mut random = StdRng::seed_from_u64(seed ^ 0xfau64);
        let mut first = kinds.clone();
        let long: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.is_long()).collect();
        first.retain(|kind| !long.contains(kind));
        first.shuffle(&mut random);
        first.extend(long.into_iter().rev());
        Plan {
            random,
            kinds,
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
            let weight = |kind: &Kind| row(*kind).2;
            let drawn = self.random.random_range(0..self.kinds.iter().map(weight).sum());
            let mut below = 0;
            let hit = |kind: &&Kind| {
                below += weight(kind);
                drawn < below
            };
            *self.kinds.iter().find(hit).expect("within the sum")
        });
        let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(self.random.random_range(range));
        Some(Fault {
            kind,
            lasts: millis(row(kind).3.clone()),
            gap: millis(self.mean_gap_ms / 4..self.mean_gap_ms * 7 / 4),
            instance: self.random.random_range(0..INSTANCES),
            seed: self.random.random(),
        })
    }
}
