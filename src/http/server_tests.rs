use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::*;

/// Generous, for a machine that is busy with other tests: without room for probes none is answered.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
const ATTACK: Duration = Duration::from_secs(2);
/// Fills the buffers between server and client in a few answers.
const LARGE_BYTES: usize = 256 * 1_024;
/// That never read.
const CLIENTS: usize = 70;
const REQUEST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// Serves probes and a path of its own until the test ends.
async fn start(limits: Limits) -> SocketAddr {
    let probes = Router::new()
        .route("/livez", get(async || "alive"))
        .route("/large", get(async || vec![b'x'; LARGE_BYTES]));
    let all = probes.clone().route("/v1/status", get(async || "status"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        Routes { all, probes },
        limits,
        std::future::pending(),
    ));
    address
}

/// The whole answer to one request, on a connection of its own.
async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// Asks `/livez` while an attack goes on: an orchestrator forgives one answer, not two in a row.
async fn assert_alive(address: SocketAddr) {
    let begun = Instant::now();
    let (mut all, mut failed_in_a_row) = (0, 0);
    while begun.elapsed() < ATTACK {
        let answer = tokio::time::timeout(PROBE_LIMIT, ask(address, "/livez")).await;
        let good = matches!(&answer, Ok(Ok(text)) if text.starts_with("HTTP/1.1 200"));
        failed_in_a_row = if good { 0 } else { failed_in_a_row + 1 };
        all += 1;
        assert!(failed_in_a_row < 2, "probe {all}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(all > 1, "{all} probes");
}

/// Sends requests one behind the other and reads no answer, until the server ends it.
async fn never_read(address: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let Ok(mut stream) = socket.connect(address).await else {
        return;
    };
    let many = "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    while stream.write_all(many.as_bytes()).await.is_ok() {}
}

#[tokio::test]
async fn clients_that_never_read_stop_no_probe_and_lose_their_places() {
    // A quarter of the default places, and some clients more than that.
    let limits = Limits {
        connections_max_count: 64,
        write_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let address = start(limits).await;
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..CLIENTS {
        let ended = ended.clone();
        tokio::spawn(async move {
            never_read(address).await;
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_alive(address).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while ended.load(Ordering::Relaxed) < CLIENTS {
        assert!(Instant::now() < deadline, "{ended:?} of {CLIENTS} were ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = ask(address, "/v1/status").await.unwrap();
    assert!(answer.ends_with("status"), "{answer}");
}

#[tokio::test]
async fn slow_heads_that_come_again_stop_no_probe() {
    // A quarter of the default places and of the 380 attackers that once took them all.
    let limits = Limits {
        connections_max_count: 64,
        connections_per_peer: 16,
        probes_max_count: 64,
        ..Limits::default()
    };
    let address = start(limits).await;
    // A runtime of their own: the probes are not to wait for the attackers' turns.
    let mut elsewhere = tokio::runtime::Builder::new_multi_thread();
    let elsewhere = elsewhere.worker_threads(1).enable_all().build().unwrap();
    let attackers: Vec<JoinHandle<()>> = (0..95)
        .map(|_| {
            elsewhere.spawn(async move {
                loop {
                    let Ok(mut stream) = TcpStream::connect(address).await else {
                        continue;
                    };
                    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nx-slow: ").await;
                    let mut rest = [0; 64];
                    // Until the server ends it, one more byte of the head now and then.
                    while tokio::time::timeout(Duration::from_millis(200), stream.read(&mut rest))
                        .await
                        .is_err()
                    {
                        if stream.write_all(b"x").await.is_err() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_alive(address).await;
    attackers.iter().for_each(JoinHandle::abort);
    elsewhere.shutdown_background();
}

#[tokio::test]
async fn beyond_its_share_a_peer_gets_answers_to_probes_alone() {
    let limits = Limits {
        connections_per_peer: 2,
        ..Limits::default()
    };
    let address = start(limits).await;
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    assert!(ask(address, "/livez").await.unwrap().ends_with("alive"));
    let refused = ask(address, "/v1/status").await.unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 404"),
        "the probes' own routes: {refused}"
    );
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ask(address, "/v1/status").await.unwrap().ends_with("status") {
        assert!(Instant::now() < deadline, "the place does not become free");
    }
}

#[tokio::test]
async fn a_connection_ends_at_the_end_of_its_life() {
    let limits = Limits {
        life: Duration::from_millis(300),
        ..Limits::default()
    };
    let address = start(limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    let mut answers = 0;
    loop {
        let mut answer = [0; 1_024];
        let sent = stream.write_all(REQUEST.as_bytes()).await;
        let read = stream.read(&mut answer).await;
        if sent.is_err() || !read.is_ok_and(|length| length > 0) {
            break;
        }
        answers += 1;
        assert!(begun.elapsed() < Duration::from_secs(5), "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(answers > 1 && begun.elapsed() >= limits.life, "{answers} answers");
}
