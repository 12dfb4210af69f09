//! Accepts connections: a bounded number in all and of each peer, each bounded in time. Whatever
//! others do, there is room for a probe.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::places::{Peer, Place, Places};
use super::write_limit::WriteLimit;
use crate::metrics::HTTP_CONNECTIONS_LIMITED_TOTAL;

const HEADERS_MAX_BYTES: usize = 32_768;
/// After an accept that failed, for example because file descriptors ran out.
const ACCEPT_PAUSE_MS: u64 = 100;
/// How long open requests may go on after `stop`.
const DRAIN_TIMEOUT_SECONDS: u64 = 5;
/// How often the log may say that connections are limited.
const LIMITED_LOG_INTERVAL_SECONDS: u64 = 60;

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections on which every path is served, from everybody.
    pub connections_max_count: usize,
    /// The same, from one peer.
    pub connections_per_peer: usize,
    /// Beyond those: connections on which only the probes are served.
    pub probes_max_count: usize,
    /// From the opening of a connection, or from an answer, to the end of the next head.
    pub head_timeout: Duration,
    /// How long a peer may take nothing of what is written to it.
    pub write_timeout: Duration,
    /// After that a connection ends with the request that is being answered, if there is one.
    pub life: Duration,
    /// All that a request on a connection for probes may take.
    pub probe_life: Duration,
}

pub const DEFAULT_CONNECTIONS_PER_PEER: usize = 64;
pub const CONNECTIONS_MAX_COUNT: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max_count: CONNECTIONS_MAX_COUNT,
            connections_per_peer: DEFAULT_CONNECTIONS_PER_PEER,
            probes_max_count: 256,
            head_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            life: Duration::from_secs(300),
            probe_life: Duration::from_secs(5),
        }
    }
}

/// What is served: everything, and on connections beyond the limits the probes alone.
#[derive(Clone)]
pub struct Routes {
    pub all: Router,
    pub probes: Router,
}

/// Serves until `stop` returns, then waits a bounded time for open requests.
pub async fn serve(listener: TcpListener, routes: Routes, limits: Limits, stop: impl Future<Output = ()>) {
    let (closing, closed) = watch::channel(());
    let mut server = Server {
        routes,
        limits,
        closed,
        places: Places::new(&limits),
        tasks: JoinSet::new(),
        logged: None,
    };
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = server.tasks.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                server.places.leave(id);
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => server.welcome(stream, address).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            },
        }
    }
    drop((listener, closing));
    let drained = async { while server.tasks.join_next().await.is_some() {} };
    let limit = Duration::from_secs(DRAIN_TIMEOUT_SECONDS);
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!("requests were still open when the HTTP interface closed");
    }
}

struct Server {
    routes: Routes,
    limits: Limits,
    closed: watch::Receiver<()>,
    places: Places,
    tasks: JoinSet<()>,
    /// When the log last said that connections are limited.
    logged: Option<Instant>,
}

impl Server {
    async fn welcome(&mut self, stream: TcpStream, address: SocketAddr) {
        let peer = Peer::of(address);
        let place = self.places.free(peer);
        if let Some(free_at) = self.places.free_at(place) {
            tokio::time::sleep_until(free_at).await;
        }
        let connection = self.connection(place, stream);
        let task = self.tasks.spawn(connection);
        self.places.enter(peer, place, task);
        if place == Place::Probe {
            counter!(HTTP_CONNECTIONS_LIMITED_TOTAL).increment(1);
            self.log_limited(address);
        }
    }

    fn log_limited(&mut self, address: SocketAddr) {
        let pause = Duration::from_secs(LIMITED_LOG_INTERVAL_SECONDS);
        if self.logged.is_none_or(|logged| logged.elapsed() >= pause) {
            self.logged = Some(Instant::now());
            tracing::warn!(
                peer = %address.ip(),
                per_peer = self.limits.connections_per_peer,
                in_all = self.limits.connections_max_count,
                "too many HTTP connections: on further ones only probes are answered"
            );
        }
    }

    fn connection(&self, place: Place, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let Limits {
            head_timeout,
            write_timeout,
            ..
        } = self.limits;
        let (router, life) = match place {
            Place::Any => (self.routes.all.clone(), self.limits.life),
            Place::Probe => (self.routes.probes.clone(), self.limits.probe_life),
        };
        // A request that is being answered when the life ends: its head, its handler, its answer.
        let last_request = match place {
            Place::Any => head_timeout + write_timeout + super::REQUEST_TIMEOUT,
            Place::Probe => Duration::ZERO,
        };
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(HEADERS_MAX_BYTES)
            .keep_alive(place == Place::Any);
        let stream = TokioIo::new(WriteLimit::new(stream, write_timeout));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(router));
        let mut closed = self.closed.clone();
        async move {
            let mut connection = pin!(connection);
            tokio::select! {
                // A client that goes away in the middle is no event of ours.
                _ended = connection.as_mut() => return,
                // Errs when the sender is dropped.
                _closed = closed.changed() => {}
                () = tokio::time::sleep(life) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ended = tokio::time::timeout(last_request, connection).await;
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
