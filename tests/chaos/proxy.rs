//! A TCP proxy that loses what it is told to lose: one reply or one request of a chosen sort,
//! with its connection, or every connection at once. Whoever asked cannot know what became of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::redis_faults::LEASE;
use crate::support::servers::Listener;

/// Larger than every request or reply of these tests.
const FRAME_MAX_BYTES: usize = 64 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Which half of an exchange is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// It never gets there.
    Request,
    /// It has happened, and nobody is told.
    Reply,
}

/// What a request is, told from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Of Kafka's protocol, by its number.
    Api(i16),
    /// A script of Redis that reads or writes states.
    Script,
}

pub const PRODUCE: Sort = Sort::Api(0);
pub const END_TXN: Sort = Sort::Api(26);
pub const TXN_OFFSET_COMMIT: Sort = Sort::Api(28);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub sort: Sort,
    pub half: Half,
}

/// How the two sides talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    Kafka,
    Redis,
}

/// Listens until the process ends.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    speech: Speech,
    /// The next loss, until it has struck.
    armed: Mutex<Option<Loss>>,
    struck: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Pair>>>,
}

/// The two connections of one client.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// Kafka: correlation id of the request whose reply is to be lost.
    doomed_reply: Mutex<Option<i32>>,
    /// Redis: whatever comes next from the server is lost.
    doomed: AtomicBool,
}

impl Pair {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Takes `port` for clients of the server at `target`.
    pub fn start(port: u16, target: u16, speech: Speech) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let shared = Arc::new(Shared {
            target,
            speech,
            armed: Mutex::new(None),
            struck: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().flatten()) {
                let shared = accepting.clone();
                thread::spawn(move || shared.serve(number, client));
            }
        });
        Proxy { port, shared }
    }
}

/// One for each broker, disturbed together: who asks for what is lost may ask any of them.
pub struct Proxies(Vec<Proxy>);

impl Proxies {
    pub fn start(listeners: &[Listener]) -> Proxies {
        let proxy = |at: &Listener| Proxy::start(at.advertised, at.port, Speech::Kafka);
        Proxies(listeners.iter().map(proxy).collect())
    }

    /// As clients are given them.
    pub fn brokers(&self) -> String {
        let at: Vec<String> = self
            .0
            .iter()
            .map(|proxy| format!("127.0.0.1:{}", proxy.port))
            .collect();
        at.join(",")
    }
}

/// What can be done to one proxy and to several.
pub trait Lossy {
    /// Loses the next exchange of that sort. Two at once are one.
    fn arm(&self, loss: Loss);
    /// Whether something was still to be lost everywhere.
    fn disarm(&self) -> bool;
    /// How often it has lost something it was armed for.
    fn struck(&self) -> u64;
    /// Ends every connection; new ones are welcome at once.
    fn cut_all(&self);
}

impl Lossy for Proxies {
    fn arm(&self, loss: Loss) {
        self.0.iter().for_each(|proxy| proxy.arm(loss));
    }

    fn disarm(&self) -> bool {
        // Every one of them, also behind the first that struck.
        let struck = self.0.iter().filter(|proxy| !proxy.disarm());
        struck.count() == 0
    }

    fn struck(&self) -> u64 {
        self.0.iter().map(Lossy::struck).sum()
    }

    fn cut_all(&self) {
        self.0.iter().for_each(Lossy::cut_all);
    }
}

impl Lossy for Proxy {
    fn arm(&self, loss: Loss) {
        *lock(&self.shared.armed) = Some(loss);
    }

    fn disarm(&self) -> bool {
        lock(&self.shared.armed).take().is_some()
    }

    fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    fn cut_all(&self) {
        lock(&self.shared.open).values().for_each(|pair| pair.cut());
    }
}

impl Shared {
    fn serve(&self, number: u64, client: TcpStream) {
        let address = ([127, 0, 0, 1], self.target).into();
        // A server that is away: the client sees its connection end.
        let Ok(server) = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) else {
            return;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let pair = Arc::new(Pair {
            client,
            server,
            doomed_reply: Mutex::new(None),
            doomed: AtomicBool::new(false),
        });
        lock(&self.open).insert(number, pair.clone());
        thread::scope(|scope| {
            let pair = &pair;
            scope.spawn(move || {
                let _ = match self.speech {
                    Speech::Kafka => self.kafka_replies(pair),
                    Speech::Redis => self.redis_replies(pair),
                };
                pair.cut();
            });
            let _ = match self.speech {
                Speech::Kafka => self.kafka_requests(pair),
                Speech::Redis => self.redis_requests(pair),
            };
            pair.cut();
        });
        lock(&self.open).remove(&number);
    }

    fn kafka_requests(&self, pair: &Pair) -> io::Result<()> {
        loop {
            let frame = read_frame(&pair.client)?;
            let sort = Sort::Api(i16::from_be_bytes(bytes(&frame, 4)?));
            match self.strikes(sort) {
                Some(Half::Request) => return Ok(()),
                Some(Half::Reply) => {
                    *lock(&pair.doomed_reply) = Some(i32::from_be_bytes(bytes(&frame, 8)?));
                }
                None => {}
            }
            (&pair.server).write_all(&frame)?;
        }
    }

    fn kafka_replies(&self, pair: &Pair) -> io::Result<()> {
        loop {
            let frame = read_frame(&pair.server)?;
            let id = i32::from_be_bytes(bytes(&frame, 4)?);
            if *lock(&pair.doomed_reply) == Some(id) {
                return Ok(());
            }
            (&pair.client).write_all(&frame)?;
        }
    }

    fn redis_requests(&self, pair: &Pair) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = read_some(&pair.client, &mut chunk)?;
            let chunk = &chunk[..length];
            let has = |word: &str| chunk.windows(word.len()).any(|bytes| bytes == word.as_bytes());
            let script = has("EVALSHA") && !has(LEASE);
            match script.then(|| self.strikes(Sort::Script)).flatten() {
                Some(Half::Request) => return Ok(()),
                Some(Half::Reply) => pair.doomed.store(true, Ordering::SeqCst),
                None => {}
            }
            (&pair.server).write_all(chunk)?;
        }
    }

    fn redis_replies(&self, pair: &Pair) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = read_some(&pair.server, &mut chunk)?;
            if pair.doomed.load(Ordering::SeqCst) {
                return Ok(());
            }
            (&pair.client).write_all(&chunk[..length])?;
        }
    }

    /// Whether this request is the one; if so, it was the only one.
    fn strikes(&self, sort: Sort) -> Option<Half> {
        let loss = lock(&self.armed).take_if(|loss| loss.sort == sort)?;
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(loss.half)
    }
}

/// A message of Kafka's protocol with its length before it, as it came.
fn read_frame(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = usize::try_from(i32::from_be_bytes(head)).map_err(|_| malformed())?;
    if length > FRAME_MAX_BYTES {
        return Err(malformed());
    }
    let mut frame = vec![0; 4 + length];
    frame[..4].copy_from_slice(&head);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn read_some(mut from: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    match from.read(into)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => Ok(length),
    }
}

fn bytes<const N: usize>(frame: &[u8], at: usize) -> io::Result<[u8; N]> {
    let found = frame.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
    found.ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
