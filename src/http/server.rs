//! Accepts connections: a bounded number, each bounded in time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

const CONNECTIONS_MAX_COUNT: u32 = 256;
const HEADER_TIMEOUT_SECONDS: u64 = 10;
const HEADERS_MAX_BYTES: usize = 32_768;
/// After an accept that failed, for want of file descriptors for example.
const ACCEPT_PAUSE_MS: u64 = 100;
/// How long open requests may go on after `stop`.
const DRAIN_TIMEOUT_SECONDS: u64 = 5;

/// Serves until `stop` returns, then lets open requests end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX_COUNT as usize));
    let (closing, closed) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = converse(stream, router.clone(), closed.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    drop(closing);
    let limit = Duration::from_secs(DRAIN_TIMEOUT_SECONDS);
    let all_ended = places.acquire_many(CONNECTIONS_MAX_COUNT);
    if tokio::time::timeout(limit, all_ended).await.is_err() {
        tracing::warn!("requests were still open when the HTTP interface closed");
    }
}

/// One connection, to its end. A client that goes away in the middle is no event of ours.
async fn converse(stream: TcpStream, router: Router, mut closed: watch::Receiver<()>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_TIMEOUT_SECONDS))
        .max_buf_size(HEADERS_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        // Errs when `closing` is dropped.
        _closed = closed.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}
