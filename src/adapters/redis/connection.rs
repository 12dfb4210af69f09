//! The way to the server: bounded, and never to one that may forget keys on its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Client, Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

use crate::engine::error::StoreError;

use super::encode::Call;

const CONNECT_TIMEOUT_MS: u64 = 2_000;
const RESPONSE_TIMEOUT_MS: u64 = 5_000;
const RECONNECT_MAX_DELAY_MS: u64 = 500;
const RECONNECT_RETRIES: u32 = 2;

pub(super) struct Connection {
    route: Route,
    /// Set when the connection broke: the server behind it may be another one now.
    unchecked: AtomicBool,
}

#[derive(Clone)]
enum Route {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn open(urls: &[String]) -> Result<Self, StoreError> {
        let route = match urls {
            [] => return Err(StoreError::Fatal("no Redis URL is configured".into())),
            [url] => {
                let client = Client::open(url.as_str()).map_err(error)?;
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
                    .set_response_timeout(Some(Duration::from_millis(RESPONSE_TIMEOUT_MS)))
                    .set_max_delay(Duration::from_millis(RECONNECT_MAX_DELAY_MS))
                    .set_number_of_retries(RECONNECT_RETRIES as usize);
                let manager = ConnectionManager::new_with_config(client, config).await;
                Route::Single(manager.map_err(error)?)
            }
            nodes => {
                let client = ClusterClient::builder(nodes.iter().map(String::as_str))
                    .connection_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
                    .response_timeout(Duration::from_millis(RESPONSE_TIMEOUT_MS))
                    .max_retry_wait(RECONNECT_MAX_DELAY_MS)
                    .retries(RECONNECT_RETRIES)
                    .build()
                    .map_err(error)?;
                Route::Cluster(client.get_async_connection().await.map_err(error)?)
            }
        };
        let connection = Self {
            route,
            unchecked: AtomicBool::new(true),
        };
        connection.check().await?;
        Ok(connection)
    }

    pub(super) async fn run(&self, call: Call<'_>) -> Result<Value, StoreError> {
        if self.unchecked.load(Ordering::Relaxed) {
            self.check().await?;
        }
        let mut route = self.route.clone();
        match route.send(&call.cmd).await {
            Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                match route.load(call.script).await {
                    Ok(_) => route.send(&call.cmd).await,
                    Err(e) => Err(e),
                }
            }
            other => other,
        }
        .map_err(|e| {
            if broken(&e) {
                self.unchecked.store(true, Ordering::Relaxed);
            }
            error(e)
        })
    }

    /// E3: a server that evicts keys forgets state. Asked for by `INFO`, which managed servers
    /// allow where they forbid `CONFIG`.
    async fn check(&self) -> Result<(), StoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let reply = match self.route.clone() {
            Route::Single(mut manager) => manager.send_packed_command(&info).await,
            Route::Cluster(mut cluster) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                cluster.route_command(info, all).await
            }
        };
        let mut policies = Vec::new();
        collect_policies(&reply.map_err(error)?, &mut policies);
        if policies.is_empty() {
            return Err(StoreError::Fatal(
                "Redis does not tell its maxmemory_policy (INFO memory): it must be noeviction".into(),
            ));
        }
        if let Some(other) = policies.iter().find(|policy| *policy != "noeviction") {
            return Err(StoreError::Fatal(format!(
                "Redis has maxmemory-policy {other}, which lets it drop state: set it to noeviction [E3]"
            )));
        }
        self.unchecked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Route {
    async fn load(&mut self, script: &Script) -> Result<(), RedisError> {
        match self {
            Self::Single(manager) => script.load_async(manager).await,
            Self::Cluster(cluster) => script.load_async(cluster).await,
        }
        .map(|_| ())
    }

    async fn send(&mut self, cmd: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Single(manager) => manager.send_packed_command(cmd).await,
            Self::Cluster(cluster) => cluster.req_packed_command(cmd).await,
        }?
        .extract_error()
    }
}

fn collect_policies(reply: &Value, found: &mut Vec<String>) {
    let mut text = |text: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("maxmemory_policy:"));
        found.extend(line.map(|policy| policy.trim().to_owned()));
    };
    match reply {
        Value::BulkString(bytes) => text(&String::from_utf8_lossy(bytes)),
        Value::SimpleString(string) | Value::VerbatimString { text: string, .. } => text(string),
        Value::Array(items) => items.iter().for_each(|item| collect_policies(item, found)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect_policies(value, found)),
        _ => {}
    }
}

/// Whether the next answer may come from another server than the last.
fn broken(e: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown, Moved, ReadOnly};
    e.is_io_error()
        || e.is_connection_dropped()
        || matches!(
            e.kind(),
            ErrorKind::Server(BusyLoading | MasterDown | Moved | ReadOnly)
        )
}

/// An error's class is its remedy (E14).
fn error(e: RedisError) -> StoreError {
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, ExecAbort, MasterDown, Moved, NoScript, ReadOnly, TryAgain,
    };
    let passes = e.is_io_error()
        || e.is_timeout()
        || e.is_connection_dropped()
        || e.is_connection_refusal()
        || match e.kind() {
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Parse
            | ErrorKind::Server(
                Ask | BusyLoading | ClusterDown | ExecAbort | MasterDown | Moved | NoScript | ReadOnly
                | TryAgain,
            ) => true,
            // Memory full, another script running, disk trouble, too few replicas.
            ErrorKind::Extension | ErrorKind::Server(_) => {
                matches!(e.code(), Some("OOM" | "BUSY" | "MISCONF" | "NOREPLICAS"))
            }
            _ => false,
        };
    if passes {
        StoreError::Unavailable(e.to_string())
    } else {
        StoreError::Fatal(format!("Redis: {e}"))
    }
}
