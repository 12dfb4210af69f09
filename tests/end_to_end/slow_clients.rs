//! HTTP clients that are slow, or too many: probes are answered all the while, each of those clients
//! is ended after its time, and then everything is served again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::redis_losses::Shop;
use crate::support::accrual::Accrual;
use crate::support::servers::wait_for;

/// More of each than there are connections on which everything is served.
const CLIENTS_EACH: usize = 150;
/// Generous, for a machine that is busy with other tests.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// Ten seconds without a byte taken, or without a whole head, and some for a busy machine.
const ENDED_AFTER: Duration = Duration::from_secs(20);

/// Asks and never reads an answer, until the server ends it.
async fn never_read(address: SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let Ok(mut stream) = socket.connect(address).await else {
        return;
    };
    let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    while stream.write_all(many.as_bytes()).await.is_ok() {}
}

/// Writes one byte of its head now and then, until the server ends it.
async fn slow_head(address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nx-slow: ").await;
    let mut rest = [0; 64];
    let pause = Duration::from_millis(200);
    while tokio::time::timeout(pause, stream.read(&mut rest)).await.is_err() {
        if stream.write_all(b"x").await.is_err() {
            return;
        }
    }
}

/// An orchestrator forgives one answer, not two in a row.
fn probe(accrual: &Accrual, path: &str, failed_in_a_row: &mut u32) {
    let begun = Instant::now();
    let answer = accrual.probe(path);
    let good = answer.as_ref().is_some_and(|answer| answer.status == 200);
    *failed_in_a_row = match good && begun.elapsed() < PROBE_LIMIT {
        true => 0,
        false => *failed_in_a_row + 1,
    };
    assert!(
        *failed_in_a_row < 2,
        "{path}: {answer:?} after {:?}",
        begun.elapsed()
    );
}

#[test]
fn slow_clients_stop_no_probe_and_lose_their_places() {
    let shop = Shop::new();
    let accrual = shop.start();
    let address = accrual.address();
    let mut clients = tokio::runtime::Builder::new_multi_thread();
    let clients = clients.worker_threads(1).enable_all().build().expect("a runtime");
    let first = [
        clients.spawn(never_read(address)),
        clients.spawn(slow_head(address)),
    ];
    for _ in 0..CLIENTS_EACH {
        clients.spawn(async move {
            loop {
                slow_head(address).await;
            }
        });
        clients.spawn(async move {
            loop {
                never_read(address).await;
            }
        });
    }
    let begun = Instant::now();
    let (mut probes, mut failed) = (0, [0, 0]);
    while !first.iter().all(JoinHandle::is_finished) {
        assert!(begun.elapsed() < ENDED_AFTER, "{first:?} hold their places");
        probe(&accrual, "/livez", &mut failed[0]);
        probe(&accrual, "/readyz", &mut failed[1]);
        probes += 1;
    }
    assert!(probes > 1, "{probes} probes in {:?}", begun.elapsed());
    clients.shutdown_background();
    wait_for("everything to be served again", ENDED_AFTER, || {
        accrual
            .probe("/v1/status")
            .is_some_and(|answer| answer.status == 200)
    });
    assert!(
        accrual.log().contains("too many HTTP connections"),
        "{}",
        accrual.log()
    );
    assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());
}
