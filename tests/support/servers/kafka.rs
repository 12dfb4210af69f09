//! Kafka nodes, each broker and controller with a data directory of its own: one by itself, or
//! three that replicate to one another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use testcontainers::ImageExt;
use testcontainers::core::IntoContainerPort;

use super::docker::Container;
use super::process::{Process, new_dir};
use super::{Control, Given, announce, free_port, missing, uses_docker, wait_for};

const START_TIMEOUT: Duration = Duration::from_secs(90);
const PROPERTIES: &str = include_str!("../../../deploy/local/server.properties");
const IMAGE: (&str, &str) = ("apache/kafka", "4.3.0");

/// How the broker's machine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jvm {
    /// Serves after two seconds; for tests.
    QuickStart,
    /// G1 and the optimizing compiler; for benchmarks.
    FullSpeed,
}

/// A second way to a broker: it listens at one port and tells its clients another, as behind a
/// proxy.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub port: u16,
    pub advertised: u16,
}

/// One node of a cluster, and how it is reached.
#[derive(Clone)]
struct Node {
    id: usize,
    port: u16,
    controller_port: u16,
    second: Option<Listener>,
    /// Who logs in at the second listener and has the rights that he was given; empty where everybody
    /// has all of them.
    users: Vec<String>,
    /// How long it may be silent, where that is not the default.
    session: Option<Duration>,
    cluster: ClusterIs,
}

/// What every node of a cluster has in common.
#[derive(Clone)]
struct ClusterIs {
    id: String,
    /// `id@host:port` of each; empty where there is one.
    voters: String,
}

/// How many replicas a topic of several brokers has, and how many of them must have a record.
const REPLICAS: usize = 3;
const MIN_IN_SYNC: usize = 2;

/// A broker that answers.
pub struct Kafka {
    /// `host:port`
    pub brokers: String,
    pub version: String,
    control: Box<dyn Control>,
    /// Who its clients log in as.
    user: Option<String>,
}

impl Kafka {
    pub(super) fn new(jvm: Jvm, second: Option<Listener>, session: Option<Duration>) -> Kafka {
        Kafka::with_users(jvm, second, session, Vec::new())
    }

    pub(super) fn with_users(
        jvm: Jvm,
        second: Option<Listener>,
        session: Option<Duration>,
        users: Vec<String>,
    ) -> Kafka {
        static SAID: Once = Once::new();
        let node = Node {
            id: 1,
            port: free_port(),
            controller_port: free_port(),
            second,
            users,
            session,
            cluster: ClusterIs {
                id: cluster_id(),
                voters: String::new(),
            },
        };
        let kafka = Kafka::stopped(&node, jvm);
        kafka.start();
        announce(&SAID, &format!("Kafka {} at {}", kafka.version, kafka.brokers));
        kafka
    }

    /// Nodes that replicate to one another, each also at a second listener.
    pub(super) fn cluster(jvm: Jvm, seconds: &[Listener]) -> Vec<Kafka> {
        static SAID: Once = Once::new();
        assert!(
            !uses_docker(),
            "several brokers run as processes only: set ACCRUAL_TEST_SERVERS=local"
        );
        let ports: Vec<u16> = seconds.iter().map(|_| free_port()).collect();
        let voters = (1..)
            .zip(&ports)
            .map(|(id, port)| format!("{id}@127.0.0.1:{port}"));
        let cluster = ClusterIs {
            id: cluster_id(),
            voters: voters.collect::<Vec<_>>().join(","),
        };
        let node = |((id, controller_port), second): ((usize, &u16), &Listener)| Node {
            id,
            port: free_port(),
            controller_port: *controller_port,
            second: Some(*second),
            users: Vec::new(),
            session: None,
            cluster: cluster.clone(),
        };
        let nodes = (1..).zip(&ports).zip(seconds).map(node);
        let nodes: Vec<Kafka> = nodes.map(|node| Kafka::stopped(&node, jvm)).collect();
        // None of them answers before most of them are there.
        nodes.iter().for_each(|node| node.control.start());
        nodes.iter().for_each(Kafka::wait_ready);
        let at: Vec<&str> = nodes.iter().map(|node| node.brokers.as_str()).collect();
        announce(&SAID, &format!("Kafka {} at {}", nodes[0].version, at.join(", ")));
        nodes
    }

    fn stopped(node: &Node, jvm: Jvm) -> Kafka {
        let (version, control): (String, Box<dyn Control>) = match uses_docker() {
            true => (IMAGE.1.to_owned(), Box::new(container(node))),
            false => {
                let jars = jars();
                (version_of(&jars), Box::new(process(node, jars, jvm)))
            }
        };
        Kafka {
            brokers: format!("127.0.0.1:{}", node.port),
            version,
            control,
            user: None,
        }
    }

    pub(super) fn given(brokers: String) -> Kafka {
        static SAID: Once = Once::new();
        announce(&SAID, &format!("Kafka given at {brokers}"));
        let control = Box::new(Given(brokers.clone()));
        let version = "unknown".to_owned();
        let kafka = Kafka {
            brokers,
            version,
            control,
            user: None,
        };
        kafka.wait_ready();
        kafka
    }

    /// All of these brokers as clients see them; what is done to one is done to it alone.
    pub(super) fn of_all(nodes: &[Kafka]) -> Kafka {
        let brokers: Vec<&str> = nodes.iter().map(|node| node.brokers.as_str()).collect();
        let brokers = brokers.join(",");
        Kafka {
            control: Box::new(Given(brokers.clone())),
            version: nodes[0].version.clone(),
            brokers,
            user: None,
        }
    }

    /// As a user sees it who logs in at that port.
    pub fn as_user(&self, port: u16, user: &str) -> Kafka {
        let brokers = format!("127.0.0.1:{port}");
        Kafka {
            control: Box::new(Given(brokers.clone())),
            version: self.version.clone(),
            brokers,
            user: Some(user.to_owned()),
        }
    }

    /// Client settings that reach this broker.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("log_level", "3");
        if let Some(user) = &self.user {
            config
                .set("security.protocol", "SASL_PLAINTEXT")
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", user)
                .set("sasl.password", user);
        }
        config
    }

    /// Starts it again where it stopped and waits until it answers.
    pub fn start(&self) {
        self.control.start();
        self.wait_ready();
    }

    pub fn stop(&self) {
        self.control.stop();
    }

    pub fn kill(&self) {
        self.control.kill();
    }

    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    pub fn pause(&self) {
        self.control.pause();
    }

    pub fn resume(&self) {
        self.control.resume();
    }

    fn wait_ready(&self) {
        let client: BaseConsumer = self.client().create().expect("a client");
        wait_for(&format!("Kafka at {}", self.brokers), START_TIMEOUT, || {
            if let Some(trouble) = self.control.trouble() {
                panic!("{trouble}");
            }
            let metadata = client.fetch_metadata(None, Duration::from_millis(500));
            metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
    }
}

fn process(node: &Node, jars: PathBuf, jvm: Jvm) -> Process {
    let dir = new_dir("kafka");
    let config = dir.join("server.properties");
    let data = dir.join("data");
    let text = properties(node, "127.0.0.1", &data.to_string_lossy());
    fs::write(&config, text).expect("a writable temp dir");
    format_storage(&jars, &config, &node.cluster);
    Process::new("Kafka", dir.join("log"), move || {
        let mut java = Command::new("java");
        java.args(match jvm {
            Jvm::QuickStart => [
                "-Xms256m",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
            ],
            Jvm::FullSpeed => ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"],
        });
        java.arg(format!(
            "-Dlog4j2.configurationFile={}",
            checkout("deploy/local/log4j2.xml").display()
        ));
        java.arg("-cp")
            .arg(jars.join("*"))
            .arg("kafka.Kafka")
            .arg(&config);
        java
    })
}

fn format_storage(jars: &Path, config: &Path, cluster: &ClusterIs) {
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
        .arg(jars.join("*"))
        .args(["kafka.tools.StorageTool", "format"]);
    if cluster.voters.is_empty() {
        java.arg("--standalone");
    }
    java.args(["-t", &cluster.id, "-c"]).arg(config);
    let output = java.output().unwrap_or_else(|_| missing("java"));
    assert!(
        output.status.success(),
        "Kafka's storage: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where `make servers` puts the jars.
fn jars() -> PathBuf {
    let jars = checkout(".servers/kafka");
    match jars.join("pom.xml").exists() {
        true => jars,
        false => missing("Kafka"),
    }
}

fn version_of(jars: &Path) -> String {
    let names = fs::read_dir(jars).into_iter().flatten().flatten();
    names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned())
        })
        .next()
        .unwrap_or_else(|| missing("Kafka"))
}

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn properties(node: &Node, bind: &str, data: &str) -> String {
    let text = PROPERTIES
        .replace("@port@", &node.port.to_string())
        .replace("@controller_port@", &node.controller_port.to_string())
        .replace("@bind@", bind)
        .replace("@data@", data);
    let mut text: String = text.lines().map(|line| node.property(bind, line)).collect();
    if let Some(session) = node.session {
        text += &format!("broker.session.timeout.ms={}\n", session.as_millis());
    }
    if !node.users.is_empty() {
        text += &rights(&node.users);
    }
    if !node.cluster.voters.is_empty() {
        text += &format!("default.replication.factor={REPLICAS}\nmin.insync.replicas={MIN_IN_SYNC}\n");
    }
    text
}

/// Logins at the second listener, each user's name being the password. Rights are by Kafka's own
/// authorizer; the first listener's clients have all of them.
fn rights(users: &[String]) -> String {
    let logins = users.iter().map(|user| format!(" user_{user}=\"{user}\""));
    let logins: String = logins.collect();
    format!(
        "sasl.enabled.mechanisms=PLAIN\n\
         listener.name.second.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required{logins};\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n"
    )
}

impl Node {
    /// A line of the settings of a lone node, as this one needs it.
    fn property(&self, bind: &str, line: &str) -> String {
        let name = line.split_once('=').map_or("", |(name, _)| name);
        let voters = &self.cluster.voters;
        if !voters.is_empty() {
            match name {
                "node.id" => return format!("node.id={}\n", self.id),
                "controller.quorum.bootstrap.servers" => {
                    return format!("controller.quorum.voters={voters}\n");
                }
                name if name.ends_with("topic.replication.factor")
                    || name.ends_with("log.replication.factor") =>
                {
                    return format!("{name}={REPLICAS}\n");
                }
                name if name.ends_with(".min.isr") => return format!("{name}={MIN_IN_SYNC}\n"),
                _ => {}
            }
        }
        match (name, self.second) {
            ("listeners", Some(second)) => format!("{line},SECOND://{bind}:{}\n", second.port),
            ("advertised.listeners", Some(second)) => {
                format!("{line},SECOND://127.0.0.1:{}\n", second.advertised)
            }
            ("listener.security.protocol.map", Some(_)) => {
                let login = if self.users.is_empty() { "" } else { "SASL_" };
                format!("{line},SECOND:{login}PLAINTEXT\n")
            }
            _ => format!("{line}\n"),
        }
    }
}

/// Sixteen bytes in base64, as Kafka wants them: a log of another day is another cluster.
fn cluster_id() -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = (0..21).map(|_| char::from(DIGITS[rand::random_range(0..DIGITS.len())]));
    // The last digit holds two bits only.
    random.chain(['A']).collect()
}

/// The same settings, as the variables that the image reads.
fn container(node: &Node) -> Container {
    let text = properties(node, "0.0.0.0", "/tmp/kafka-data");
    let mut variables = vec![("CLUSTER_ID".to_owned(), node.cluster.id.clone())];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        // The image formats its storage for a fixed set of voters.
        let (name, value) = match name {
            "controller.quorum.bootstrap.servers" => ("controller.quorum.voters", format!("1@{value}")),
            name => (name, value.to_owned()),
        };
        variables.push((format!("KAFKA_{}", name.replace('.', "_").to_uppercase()), value));
    }
    Container::new("kafka", IMAGE, node.port, |request| {
        let request = match node.second {
            Some(Listener { port, .. }) => request.with_mapped_port(port, port.tcp()),
            None => request,
        };
        variables.into_iter().fold(request, |request, (name, value)| {
            request.with_env_var(name, value)
        })
    })
}
