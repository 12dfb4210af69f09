//! Real Kafka and Redis for tests, as containers where a Docker engine answers, else as processes.
//!
//! | variable | says |
//! | --- | --- |
//! | `ACCRUAL_TEST_SERVERS` | `docker` or `local`: do not ask the engine |
//! | `ACCRUAL_TEST_KAFKA` | `host:port` of a running broker to use; tests that stop one start their own |
//! | `ACCRUAL_TEST_REDIS` | URL of a running server to use; tests that stop one start their own |
//!
//! `make servers` installs what processes need.

mod docker;
mod kafka;
mod process;
mod redis;

use std::io::{self, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Once, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub use kafka::{Jvm, Kafka, Listener};
pub use process::{Process, new_dir};
pub use redis::{Cluster, Redis};

const POLL: Duration = Duration::from_millis(10);
const DOCKER_ANSWER_SECONDS: u64 = 5;

/// The broker of this test process: for tests that leave it running.
pub fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| match given("ACCRUAL_TEST_KAFKA") {
        Some(brokers) => Kafka::given(brokers),
        None => Kafka::new(Jvm::QuickStart, None, None),
    })
}

/// A broker of the caller's own: for tests that stop it, and for benchmarks.
pub fn own_kafka(jvm: Jvm) -> Kafka {
    Kafka::new(jvm, None, None)
}

/// A broker of the caller's own that stays the leader while it is frozen for less than `session`. One
/// that was killed may take as long to be accepted again.
pub fn own_kafka_with_session(jvm: Jvm, session: Duration) -> Kafka {
    Kafka::new(jvm, None, Some(session))
}

/// A broker of the caller's own that also serves at a second listener.
pub fn own_kafka_behind(jvm: Jvm, second: Listener) -> Kafka {
    Kafka::new(jvm, Some(second), None)
}

/// A broker of the caller's own with an authorizer. At `brokers` everybody has every right; at the port
/// `guarded` these users log in, each with its name as password, and have those that they are given.
pub fn own_kafka_with_users(jvm: Jvm, guarded: u16, users: Vec<String>) -> Kafka {
    let second = Listener {
        port: guarded,
        advertised: guarded,
    };
    Kafka::with_users(jvm, Some(second), None, users)
}

/// Brokers of the caller's own that replicate to one another, each also at a second listener; and
/// all of them as clients see them.
pub fn kafka_cluster(jvm: Jvm, seconds: &[Listener]) -> (Vec<Kafka>, Kafka) {
    let nodes = Kafka::cluster(jvm, seconds);
    let all = Kafka::of_all(&nodes);
    (nodes, all)
}

/// A Redis of the caller's own, unless one is given.
pub fn redis() -> Redis {
    match given("ACCRUAL_TEST_REDIS") {
        Some(url) => Redis::given(url),
        None => Redis::new(),
    }
}

/// A Redis of the caller's own: for tests that stop it.
pub fn own_redis() -> Redis {
    Redis::new()
}

/// One that runs already and is somebody else's to stop.
pub fn redis_at(url: &str) -> Redis {
    Redis::given(url.to_owned())
}

/// Three Redis nodes that share the slots, without replicas.
pub fn redis_cluster() -> Cluster {
    Cluster::new()
}

/// What can be done to a server, wherever it runs.
pub trait Control: Send + Sync {
    fn start(&self);
    /// In good order.
    fn stop(&self);
    /// At once, without a word.
    fn kill(&self);
    /// Freezes it: connections stay open and nothing answers.
    fn pause(&self);
    fn resume(&self);
    /// Why it no longer runs, if it ended by itself.
    fn trouble(&self) -> Option<String>;
}

/// Waits for a condition, with a bound. Panics with `what` when time is up.
pub fn wait_for(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {timeout:?} in vain for {what}");
        thread::sleep(POLL);
    }
}

/// A port that is free now. Not one of those that the kernel hands to outgoing connections,
/// so that a stopped server finds it free again.
pub fn free_port() -> u16 {
    const ATTEMPTS: usize = 200;
    (0..ATTEMPTS)
        .map(|_| rand::random_range(15_000..32_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Whether servers are to be containers. Asked once.
fn uses_docker() -> bool {
    static DOCKER: LazyLock<bool> = LazyLock::new(|| match given("ACCRUAL_TEST_SERVERS").as_deref() {
        Some("docker") => true,
        Some("local") => false,
        Some(other) => panic!("ACCRUAL_TEST_SERVERS is docker or local, not {other}"),
        None => engine_answers(),
    });
    *DOCKER
}

/// The client may be there with no engine behind it: ask the engine.
fn engine_answers() -> bool {
    let child = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let deadline = Instant::now() + Duration::from_secs(DOCKER_ANSWER_SECONDS);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Says once which server a test process uses, past the capture of a test's output.
fn announce(once: &Once, line: &str) {
    once.call_once(|| {
        let _ = writeln!(io::stderr(), "servers: {line}");
    });
}

fn missing(what: &str) -> ! {
    panic!("{what} is missing: `make servers` installs it")
}

/// A server that was given: it is not ours to stop.
struct Given(String);

impl Given {
    fn refuse(&self) -> ! {
        panic!("{} was given and is not ours to stop", self.0)
    }
}

impl Control for Given {
    fn start(&self) {}
    fn stop(&self) {
        self.refuse()
    }
    fn kill(&self) {
        self.refuse()
    }
    fn pause(&self) {
        self.refuse()
    }
    fn resume(&self) {
        self.refuse()
    }
    fn trouble(&self) -> Option<String> {
        None
    }
}
