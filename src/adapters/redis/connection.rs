//! Connection to Redis with time-outs. Refuses a server whose eviction policy may drop keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Client, Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

use crate::engine::error::StoreError;

use super::condition::{self, Fault};
use super::encode::Call;
use super::errors::{broken, refused, remedy};

const CONNECT_TIMEOUT_MS: u64 = 2_000;
const RESPONSE_TIMEOUT_MS: u64 = 5_000;
/// A server that takes longer to say how it is does not answer.
const PROBE_TIMEOUT_MS: u64 = 1_000;
const RECONNECT_MAX_DELAY_MS: u64 = 500;
/// Few, because a call that fails is made again anyway.
const RECONNECT_RETRIES: u32 = 1;

pub(super) struct Connection {
    urls: Vec<String>,
    route: ArcSwap<Route>,
    /// One at a time makes a new route.
    reopening: tokio::sync::Mutex<()>,
    /// Nothing is asked of the server before it is checked: it may be another one since the
    /// connection broke, or it was seen to be one that forgets.
    unchecked: AtomicBool,
}

#[derive(Clone)]
enum Route {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn open(urls: &[String]) -> Result<Self, StoreError> {
        let connection = Self {
            urls: urls.to_vec(),
            route: ArcSwap::from_pointee(Route::open(urls).await?),
            reopening: tokio::sync::Mutex::default(),
            unchecked: AtomicBool::new(true),
        };
        match connection.check().await? {
            Some(fault) if fault.forgets() => Err(StoreError::Fatal(fault.to_string())),
            _ => Ok(connection),
        }
    }

    pub(super) async fn run(&self, call: Call<'_>) -> Result<Value, StoreError> {
        if self.unchecked.load(Ordering::Relaxed)
            && let Some(fault) = self.check().await?.filter(Fault::forgets)
        {
            return Err(StoreError::Unavailable(fault.to_string()));
        }
        let mut route = self.route();
        match route.send(&call.cmd).await {
            Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                match route.load(call.script).await {
                    Ok(_) => route.send(&call.cmd).await,
                    Err(e) => Err(e),
                }
            }
            other => other,
        }
        .map_err(|e| self.failed(e))
    }

    /// Why nothing can be decided on this server just now, asked afresh and in a short time.
    pub(super) async fn probe(&self) -> Option<String> {
        match self.probe_once().await {
            // The first call on a connection that broke while it was idle only hears of that.
            Err(_) => self.probe_once().await.unwrap_or_else(Some),
            Ok(found) => found,
        }
    }

    /// `Err`: the call failed at once, with this reason.
    async fn probe_once(&self) -> Result<Option<String>, String> {
        let asked = tokio::time::timeout(Duration::from_millis(PROBE_TIMEOUT_MS), self.ask_memory()).await;
        match asked {
            Ok(Ok(reply)) => Ok(self.judge(&reply).map(|fault| fault.to_string())),
            Ok(Err(e)) if refused(&e) => {
                self.reopen().await.map_err(|error| error.to_string())?;
                Err(remedy(e).to_string())
            }
            Ok(Err(e)) => Err(self.failed(e).to_string()),
            Err(_) => Ok(Some(format!(
                "Redis does not answer within {PROBE_TIMEOUT_MS} ms"
            ))),
        }
    }

    /// E3: a server that evicts keys forgets state.
    async fn check(&self) -> Result<Option<Fault>, StoreError> {
        let reply = match self.ask_memory().await {
            Err(e) if refused(&e) => {
                self.reopen().await?;
                self.ask_memory().await
            }
            other => other,
        };
        Ok(self.judge(&reply.map_err(|e| self.failed(e))?))
    }

    async fn ask_memory(&self) -> Result<Value, RedisError> {
        self.route().info().await
    }

    /// Nothing more is asked of a server that forgets.
    fn judge(&self, memory: &Value) -> Option<Fault> {
        let fault = condition::fault(memory);
        let forgets = fault.as_ref().is_some_and(Fault::forgets);
        self.unchecked.store(forgets, Ordering::Relaxed);
        fault
    }

    /// A connection whose password was refused does not try again by itself.
    async fn reopen(&self) -> Result<(), StoreError> {
        let _one = self.reopening.lock().await;
        if self.ask_memory().await.is_err_and(|e| refused(&e)) {
            self.route.store(Arc::new(Route::open(&self.urls).await?));
        }
        Ok(())
    }

    fn failed(&self, e: RedisError) -> StoreError {
        if broken(&e) {
            self.unchecked.store(true, Ordering::Relaxed);
        }
        remedy(e)
    }

    fn route(&self) -> Route {
        Route::clone(&self.route.load())
    }
}

impl Route {
    async fn open(urls: &[String]) -> Result<Self, StoreError> {
        match urls {
            [] => Err(StoreError::Fatal("no Redis URL is configured".into())),
            [url] => {
                let client = Client::open(url.as_str()).map_err(remedy)?;
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
                    .set_response_timeout(Some(Duration::from_millis(RESPONSE_TIMEOUT_MS)))
                    .set_max_delay(Duration::from_millis(RECONNECT_MAX_DELAY_MS))
                    .set_number_of_retries(RECONNECT_RETRIES as usize);
                let manager = ConnectionManager::new_with_config(client, config).await;
                Ok(Self::Single(manager.map_err(remedy)?))
            }
            nodes => {
                let client = ClusterClient::builder(nodes.iter().map(String::as_str))
                    .connection_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
                    .response_timeout(Duration::from_millis(RESPONSE_TIMEOUT_MS))
                    .max_retry_wait(RECONNECT_MAX_DELAY_MS)
                    .retries(RECONNECT_RETRIES)
                    .build()
                    .map_err(remedy)?;
                Ok(Self::Cluster(
                    client.get_async_connection().await.map_err(remedy)?,
                ))
            }
        }
    }

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

    /// `INFO memory` of every node that holds keys.
    async fn info(&mut self) -> Result<Value, RedisError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        match self {
            Self::Single(manager) => manager.send_packed_command(&info).await,
            Self::Cluster(cluster) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                cluster.route_command(info, all).await
            }
        }?
        .extract_error()
    }
}
