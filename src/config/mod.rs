//! Settings: one TOML file and the environment, read raw, then resolved once into types.
//!
//! Whatever is wrong is told at start, all of it, with its place and what would be right.

pub mod limits;
pub mod problem;
pub mod properties;
mod raw;
mod reader;
pub mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

pub use self::raw::{File, LOG_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE};

use self::limits::Limits;
use self::problem::Error;
use self::problem::Source;
use self::properties::Properties;
use self::reader::Reader;
use self::secret::{RedisUrl, Secret};

const DEFAULT_BROKERS: &str = "127.0.0.1:9092";
const DEFAULT_REDIS: &str = "redis://127.0.0.1:6379";
const DEFAULT_APPLICATION: &str = "accrual";
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_PARTITIONS: i32 = 12;
const DEFAULT_COMMAND_IDS_DAYS: u32 = 90;
const DEFAULT_OUTPUTS_DAYS: u32 = 30;
const DEFAULT_TIER_FACTS_MONTHS: u32 = 36;

const ID_MAX_BYTES: usize = 100;
/// Kafka's own limit.
const TOPIC_MAX_BYTES: usize = 249;
const PARTITIONS_MAX_COUNT: i64 = 10_000;
const REPLICATION_MAX_COUNT: i64 = 127;
const RETENTION_MAX_DAYS: i64 = 36_500;
/// A hundred years.
const RETENTION_MAX_MONTHS: i64 = 1_200;
const TOKEN_MIN_BYTES: usize = 16;
/// Of the HTTP interface in all.
const CONNECTIONS_MAX_COUNT: i64 = 256;
const DEFAULT_CONNECTIONS_PER_PEER: usize = 64;

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Prefix of groups, transactional ids and Redis keys.
    pub application_id: String,
    /// Stable for each instance.
    pub instance_id: String,
    pub kafka: Kafka,
    pub redis: Redis,
    pub retention: Retention,
    /// In the order of the path, each once, never empty.
    pub stages: Vec<Stage>,
    pub topics: Topics,
    pub http: Http,
    pub clock: ClockKind,
    pub limits: Limits,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, separated by commas.
    pub brokers: String,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Never empty; several name nodes of one Cluster.
    pub urls: Vec<RedisUrl>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// 0: for ever.
    pub orders_days: u32,
    pub command_ids_days: u32,
    /// 0: for ever.
    pub tier_facts_months: u32,
    /// Of output topics that are created. 0: for ever.
    pub outputs_days: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Orders,
    Commands,
    Ledger,
}

impl Stage {
    pub const ALL: [Stage; 3] = [Stage::Orders, Stage::Commands, Stage::Ledger];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Orders => "orders",
            Stage::Commands => "commands",
            Stage::Ledger => "ledger",
        }
    }
}

/// Names and shape of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub order_events: String,
    pub point_commands: String,
    pub point_rules: String,
    pub points_issued: String,
    pub points_expired: String,
    pub points_events: String,
    pub dead_letters: String,
    pub ledger_entries: String,
    pub orders_changelog: String,
    pub ledger_changelog: String,
    pub partitions: i32,
    /// `None`: the broker's default.
    pub replication_factor: Option<i32>,
    pub partitioner: Partitioner,
}

/// How the producers of the inputs place keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioner {
    Murmur2,
    Crc32,
    /// Not checked.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub listen: SocketAddr,
    /// Always there when `listen` is not on loopback.
    pub token: Option<Secret>,
    /// Open at the same time.
    pub connections_per_peer: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    System,
    Manual,
}

impl Settings {
    /// Reads the file, if one is named, and this process' environment.
    pub fn load(path: Option<&Path>) -> Result<Self, Error> {
        let name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let text = path
            .map(std::fs::read_to_string)
            .transpose()
            .map_err(|reason| Error::File {
                name: name.clone(),
                reason,
            })?;
        let file = text.as_deref().map(|text| File { name: &name, text });
        Self::resolve(file, environment(), &host_name())
    }

    /// The settings of the other side of a move: this process' variables for the topics and the
    /// application are not meant for it.
    pub fn load_other(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|reason| Error::File {
            name: name.clone(),
            reason,
        })?;
        let file = File {
            name: &name,
            text: &text,
        };
        let shared = environment().filter(|(name, _)| !raw::names_a_side(name));
        Self::resolve(Some(file), shared, &host_name())
    }

    /// The same from values alone.
    pub fn resolve(
        file: Option<File<'_>>,
        environment: impl IntoIterator<Item = (String, String)>,
        host_name: &str,
    ) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let entries = raw::read(file, environment, &mut problems);
        let mut reader = Reader::new(entries, problems);
        let settings = Self::read(&mut reader, host_name);
        match reader.finish() {
            problems if problems.is_empty() => Ok(settings),
            problems => Err(Error::Wrong(problems)),
        }
    }

    /// Every key that there is.
    pub fn keys() -> Vec<&'static str> {
        let mut reader = Reader::new(BTreeMap::new(), Vec::new());
        Self::read(&mut reader, DEFAULT_APPLICATION);
        reader.known().to_vec()
    }

    fn read(reader: &mut Reader, host_name: &str) -> Self {
        Self {
            application_id: id(reader, "application_id", DEFAULT_APPLICATION),
            instance_id: id(reader, "instance_id", host_name),
            kafka: kafka(reader),
            redis: redis(reader),
            retention: retention(reader),
            stages: stages(reader),
            topics: topics(reader),
            http: http(reader),
            clock: reader
                .choice(
                    "clock",
                    &[("system", ClockKind::System), ("manual", ClockKind::Manual)],
                )
                .unwrap_or(ClockKind::System),
            limits: Limits::read(reader),
        }
    }
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn id(reader: &mut Reader, path: &'static str, default: &str) -> String {
    let expected = format!("1 to {ID_MAX_BYTES} letters, digits, '.', '_' or '-'");
    let read = reader.parsed(path, &expected, |text| legal(text, ID_MAX_BYTES));
    if let Some((id, _)) = read {
        return id;
    }
    if legal(default, ID_MAX_BYTES).is_none() {
        let what = format!("the host's name {default:?} cannot be used");
        reader.report(path, Source::Default, &what, &format!("set it: {expected}"));
    }
    default.to_owned()
}

/// What Kafka takes as a name.
fn legal(text: &str, max_bytes: usize) -> Option<String> {
    let good = !text.is_empty()
        && text.len() <= max_bytes
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    good.then(|| text.to_owned())
}

fn kafka(reader: &mut Reader) -> Kafka {
    let expected = "\"host:port\", several separated by commas";
    let brokers = reader
        .list("kafka.brokers", expected, |text| {
            broker(text).then(|| text.to_owned())
        })
        .map_or_else(|| DEFAULT_BROKERS.to_owned(), |(brokers, _)| brokers.join(","));
    Kafka {
        brokers,
        properties: reader.properties(),
    }
}

fn broker(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn redis(reader: &mut Reader) -> Redis {
    let expected = "\"redis://host:6379\" or \"rediss://user:password@host:6379\"; \
                    a list of them, without database numbers, for a Cluster";
    match reader.list("redis.url", expected, RedisUrl::parse) {
        Some((urls, source)) => {
            if urls.len() > 1 && urls.iter().any(|url| url.database() != 0) {
                let remedy = "leave the database number out of every URL";
                reader.report("redis.url", source, "a Cluster has no databases", remedy);
            }
            Redis { urls }
        }
        None => Redis {
            urls: RedisUrl::parse(DEFAULT_REDIS).into_iter().collect(),
        },
    }
}

fn retention(reader: &mut Reader) -> Retention {
    let mut days = |path, least, default| {
        let days = reader.number(path, least..=RETENTION_MAX_DAYS);
        days.and_then(|days| u32::try_from(days).ok()).unwrap_or(default)
    };
    let (orders_days, command_ids_days, outputs_days) = (
        days("retention.orders_days", 0, 0),
        days("retention.command_ids_days", 1, DEFAULT_COMMAND_IDS_DAYS),
        days("retention.outputs_days", 0, DEFAULT_OUTPUTS_DAYS),
    );
    let months = reader.number("retention.tier_facts_months", 0..=RETENTION_MAX_MONTHS);
    let months = months.and_then(|months| u32::try_from(months).ok());
    Retention {
        orders_days,
        command_ids_days,
        tier_facts_months: months.unwrap_or(DEFAULT_TIER_FACTS_MONTHS),
        outputs_days,
    }
}

fn stages(reader: &mut Reader) -> Vec<Stage> {
    let pick = |text: &str| Stage::ALL.into_iter().find(|stage| stage.as_str() == text);
    let expected = "some of \"orders\", \"commands\", \"ledger\"";
    let mut stages = match reader.list("stages", expected, pick) {
        Some((stages, _)) => stages,
        None => Stage::ALL.to_vec(),
    };
    stages.sort();
    stages.dedup();
    stages
}

fn topics(reader: &mut Reader) -> Topics {
    let mut taken: Vec<(&'static str, String, Source)> = Vec::new();
    let mut name = |path: &'static str, default: &str| {
        let expected = format!("1 to {TOPIC_MAX_BYTES} letters, digits, '.', '_' or '-'");
        let read = reader.parsed(path, &expected, |text| legal(text, TOPIC_MAX_BYTES));
        let (name, source) = read.unwrap_or_else(|| (default.to_owned(), Source::Default));
        // The outputs may share a topic; everything else would read what it must not.
        let other = taken
            .iter()
            .find(|(other, taken, _)| *taken == name && !(output(path) && output(other)));
        if let Some((other, _, others)) = other {
            // The one that somebody has set is the one to be changed.
            let (path, other, source) = match &source {
                Source::Default => (*other, path, others.clone()),
                source => (path, *other, source.clone()),
            };
            let what = format!("{name:?} is the name of {other} too");
            reader.report(path, source, &what, "give each its own topic");
        }
        taken.push((path, name.clone(), source));
        name
    };
    Topics {
        order_events: name("topics.order_events", "order-events"),
        point_commands: name("topics.point_commands", "point-commands"),
        point_rules: name("topics.point_rules", "point-rules"),
        points_issued: name("topics.points_issued", "points-issued"),
        points_expired: name("topics.points_expired", "points-expired"),
        points_events: name("topics.points_events", "points-events"),
        dead_letters: name("topics.dead_letters", "accrual-dead-letters"),
        ledger_entries: name("topics.ledger_entries", "accrual-ledger-entries"),
        orders_changelog: name("topics.orders_changelog", "accrual-orders-changelog"),
        ledger_changelog: name("topics.ledger_changelog", "accrual-ledger-changelog"),
        partitions: reader
            .number("topics.partitions", 1..=PARTITIONS_MAX_COUNT)
            .and_then(|count| i32::try_from(count).ok())
            .unwrap_or(DEFAULT_PARTITIONS),
        replication_factor: reader
            .number("topics.replication_factor", 1..=REPLICATION_MAX_COUNT)
            .and_then(|count| i32::try_from(count).ok()),
        partitioner: reader
            .choice(
                "topics.partitioner",
                &[
                    ("murmur2", Partitioner::Murmur2),
                    ("crc32", Partitioner::Crc32),
                    ("any", Partitioner::Any),
                ],
            )
            .unwrap_or(Partitioner::Murmur2),
    }
}

fn output(path: &str) -> bool {
    path.starts_with("topics.points_")
}

fn http(reader: &mut Reader) -> Http {
    let expected = "\"address:port\", for example \"127.0.0.1:8080\" or \"[::]:8080\"";
    let read = reader.parsed("http.listen", expected, |text| text.parse::<SocketAddr>().ok());
    let (listen, source) = read.unwrap_or((DEFAULT_LISTEN, Source::Default));
    let expected = format!("at least {TOKEN_MIN_BYTES} visible ASCII characters without spaces");
    let before = reader.problems.len();
    let token = reader.parsed("http.token", &expected, |text| {
        let good = text.len() >= TOKEN_MIN_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Secret::new(text))
    });
    if token.is_none() && reader.problems.len() == before && !listen.ip().is_loopback() {
        let what = format!("{listen} can be reached from other machines and there is no http.token");
        reader.report(
            "http.listen",
            source,
            &what,
            "set http.token, or listen on 127.0.0.1",
        );
    }
    Http {
        listen,
        token: token.map(|(token, _)| token),
        connections_per_peer: reader
            .number("http.connections_per_peer", 1..=CONNECTIONS_MAX_COUNT)
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(DEFAULT_CONNECTIONS_PER_PEER),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
