//! Redis nodes: one by itself, or three that share the slots.
//!
//! A node keeps nothing on disk but what `save` writes. Killed and started again it comes back
//! with what was last saved: nothing, or an old snapshot.

use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use testcontainers::ImageExt;

use super::docker::Container;
use super::process::{Process, new_dir};
use super::{Control, Given, announce, free_port, missing, uses_docker, wait_for};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const IMAGE: (&str, &str) = ("redis", "8-alpine");
const SLOTS: u32 = 16_384;
const CLUSTER_NODES: u32 = 3;

/// A Redis that answers.
pub struct Redis {
    pub url: String,
    pub port: u16,
    pub version: String,
    control: Box<dyn Control>,
}

impl Redis {
    pub(super) fn new() -> Redis {
        static SAID: Once = Once::new();
        let redis = Redis::node(false);
        announce(&SAID, &format!("Redis {} at {}", redis.version, redis.url));
        redis
    }

    pub(super) fn given(url: String) -> Redis {
        static SAID: Once = Once::new();
        announce(&SAID, &format!("Redis given at {url}"));
        let info = redis::Client::open(url.as_str()).expect("a Redis URL");
        let port = match info.get_connection_info().addr() {
            redis::ConnectionAddr::Tcp(_, port) => *port,
            _ => 0,
        };
        let control = Box::new(Given(url.clone()));
        let mut redis = Redis {
            url,
            port,
            version: String::new(),
            control,
        };
        redis.wait_ready();
        redis.version = redis.ask_version();
        redis
    }

    fn node(clustered: bool) -> Redis {
        let port = free_port();
        let control: Box<dyn Control> = match uses_docker() {
            true => Box::new(container(port, clustered)),
            false => Box::new(process(port, clustered)),
        };
        let mut redis = Redis {
            url: format!("redis://127.0.0.1:{port}"),
            port,
            version: String::new(),
            control,
        };
        redis.start();
        redis.version = redis.ask_version();
        redis
    }

    /// A connection that gives up after a while.
    pub fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let client = redis::Client::open(self.url.as_str())?;
        let connection = client.get_connection_with_timeout(ANSWER_TIMEOUT)?;
        connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(connection)
    }

    /// Whether it answers a ping in time.
    pub fn answers(&self) -> bool {
        let pong = self
            .connect()
            .and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
        pong.is_ok_and(|pong| pong == "PONG")
    }

    /// Runs one command, its words given.
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connect().unwrap_or_else(|why| panic!("{}: {why}", self.url));
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
            .query(&mut connection)
            .unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    /// Starts it with what was last saved and waits until it answers.
    pub fn start(&self) {
        self.control.start();
        self.wait_ready();
    }

    pub fn kill(&self) {
        self.control.kill();
    }

    /// In good order, and without saving.
    pub fn stop(&self) {
        self.control.stop();
    }

    pub fn pause(&self) {
        self.control.pause();
    }

    pub fn resume(&self) {
        self.control.resume();
    }

    /// Goes and comes back knowing everything.
    pub fn restart(&self) {
        self.save();
        self.kill();
        self.start();
    }

    /// Loses everything while it runs, connections kept.
    pub fn flush_all(&self) {
        let _: () = self.command(&["FLUSHALL", "ASYNC"]);
    }

    /// Takes the snapshot that the next start comes back with.
    pub fn save(&self) {
        let _: () = self.command(&["SAVE"]);
    }

    /// Forgets what was written since the last `save`, as a failover to a late replica does.
    pub fn load_old_snapshot(&self) {
        self.kill();
        self.start();
    }

    fn wait_ready(&self) {
        wait_for(&format!("Redis at {}", self.url), START_TIMEOUT, || {
            if let Some(trouble) = self.control.trouble() {
                panic!("{trouble}");
            }
            let answer = self
                .connect()
                .and_then(|mut connection| redis::cmd("PING").query(&mut connection));
            answer.is_ok_and(|pong: String| pong == "PONG")
        });
    }

    fn ask_version(&self) -> String {
        let info: String = self.command(&["INFO", "server"]);
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.unwrap_or("unknown").trim().to_owned()
    }
}

/// Nodes that share the slots evenly, in this order.
pub struct Cluster {
    pub nodes: Vec<Redis>,
}

impl Cluster {
    pub(super) fn new() -> Cluster {
        static SAID: Once = Once::new();
        let nodes: Vec<Redis> = (0..CLUSTER_NODES).map(|_| Redis::node(true)).collect();
        for (number, node) in (0..).zip(&nodes) {
            let first = SLOTS * number / CLUSTER_NODES;
            let last = SLOTS * (number + 1) / CLUSTER_NODES - 1;
            let range = [first, last].map(|slot| slot.to_string());
            let _: () = node.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
            let _: () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        let (port, (_, bus)): (_, (String, String)) = (
            nodes[0].port.to_string(),
            nodes[0].command(&["CONFIG", "GET", "cluster-port"]),
        );
        for node in &nodes[1..] {
            let _: () = node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let knows_all = |node: &Redis| {
            let info: String = node.command(&["CLUSTER", "INFO"]);
            let has = |line: &str| info.lines().any(|present| present.trim() == line);
            has("cluster_state:ok") && has(&format!("cluster_known_nodes:{CLUSTER_NODES}"))
        };
        wait_for("the Redis cluster", START_TIMEOUT, || nodes.iter().all(knows_all));
        announce(
            &SAID,
            &format!("Redis {} cluster of {CLUSTER_NODES}", nodes[0].version),
        );
        Cluster { nodes }
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    /// The node that holds a key.
    pub fn holder(&self, key: &str) -> &Redis {
        let slot: u32 = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        let number = (1..CLUSTER_NODES).find(|number| slot < SLOTS * number / CLUSTER_NODES);
        &self.nodes[number.map_or(CLUSTER_NODES - 1, |number| number - 1) as usize]
    }

    pub fn flush_all(&self) {
        self.nodes.iter().for_each(Redis::flush_all);
    }
}

fn arguments(port: u16, clustered: bool) -> Vec<String> {
    let mut words = vec!["--port".to_owned(), port.to_string()];
    let fixed = "--save  --appendonly no --maxmemory-policy noeviction --enable-debug-command local";
    words.extend(fixed.split(' ').map(str::to_owned));
    if clustered {
        let options = "--cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000";
        words.extend(options.split(' ').map(str::to_owned));
        // Its default, the port and ten thousand, may be beyond the last port or taken.
        words.extend(["--cluster-port".to_owned(), free_port().to_string()]);
    }
    words
}

fn process(port: u16, clustered: bool) -> Process {
    if Command::new("redis-server").arg("--version").output().is_err() {
        missing("redis-server");
    }
    let dir = new_dir("redis");
    let arguments = arguments(port, clustered);
    Process::new("Redis", dir.join("log"), move || {
        let mut server = Command::new("redis-server");
        server
            .args(&arguments)
            .args(["--bind", "127.0.0.1", "--dir"])
            .arg(&dir);
        server
    })
}

fn container(port: u16, clustered: bool) -> Container {
    let mut words = vec!["redis-server".to_owned()];
    words.extend(arguments(port, clustered));
    words.extend(["--protected-mode".to_owned(), "no".to_owned()]);
    Container::new("redis", IMAGE, port, |request| match clustered {
        // Nodes must find each other where clients find them.
        true => request.with_cmd(words).with_network("host"),
        false => request.with_cmd(words),
    })
}
