//! Bounds how long a transaction is waited for (E14). Some of librdkafka's calls ignore their time-out
//! and come back neither way. The lane then leaves its client: a new one fences it and finds out what
//! became of the transaction. Where nobody leaves a client, or too many were left, the process ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::adapters::kafka::client::settings::TRANSACTION_TIMEOUT_MS;

const LOOK_EVERY_MS: u64 = 200;
/// The broker has aborted the transaction by then, and a healthy one takes milliseconds.
const LEFT_AFTER_MS: u64 = TRANSACTION_TIMEOUT_MS + 20_000;
/// Calls that hang in clients that were left, each with its threads and buffers.
const LEFT_MAX: usize = 16;

/// What is done about a transaction that overruns its bound.
#[derive(Clone)]
pub struct Overrun {
    /// A lane leaves its client after this time.
    pub left_after: Duration,
    /// Called with the name of a call that nothing else can be done about.
    pub end: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Overrun {
    /// Ends the process: another instance, or the next life of this one, takes over afresh.
    pub fn end_process() -> Self {
        let end = |call: &str| {
            tracing::error!(
                call,
                "a transaction call overran its bound: ending the process [E14]"
            );
            std::process::exit(70);
        };
        Self {
            left_after: Duration::from_millis(LEFT_AFTER_MS),
            end: Arc::new(end),
        }
    }
}

struct Call {
    name: String,
    deadline: Instant,
    left: Arc<AtomicBool>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    running: BTreeMap<u64, Call>,
}

impl Calls {
    /// Names of the calls to end the process for.
    fn overdue(&mut self, now: Instant) -> Vec<String> {
        let left = |call: &Call| call.left.load(Ordering::Relaxed);
        let all_left = self.running.values().filter(|call| left(call)).count();
        let overdue = |_: &u64, call: &mut Call| match left(call) {
            true => all_left > LEFT_MAX,
            false => call.deadline < now,
        };
        let overdue = self.running.extract_if(.., overdue);
        overdue.map(|(_, call)| call.name).collect()
    }
}

/// Looks after the calls of any number of clients.
#[derive(Clone)]
pub struct Watchdog {
    calls: Arc<Mutex<Calls>>,
    /// Nobody waits for this client any more.
    left: Arc<AtomicBool>,
}

impl Watchdog {
    pub fn new(overrun: &Overrun) -> Result<Self, std::io::Error> {
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (watched, end) = (Arc::downgrade(&calls), overrun.end.clone());
        thread::Builder::new()
            .name("kafka-watchdog".into())
            .spawn(move || watch(&watched, &*end))?;
        Ok(Self {
            calls,
            left: Arc::default(),
        })
    }

    /// For the calls of one more client.
    pub fn of_client(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            left: Arc::default(),
        }
    }

    /// The client is left to itself: its calls may take as long as they like.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// The call is over when the guard is dropped.
    pub fn guard(&self, name: &str, bound: Duration) -> Guard<'_> {
        let mut calls = lock(&self.calls);
        let id = calls.next;
        calls.next += 1;
        let call = Call {
            name: name.to_owned(),
            deadline: Instant::now() + bound,
            left: self.left.clone(),
        };
        calls.running.insert(id, call);
        Guard { watchdog: self, id }
    }
}

pub struct Guard<'a> {
    watchdog: &'a Watchdog,
    id: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        lock(&self.watchdog.calls).running.remove(&self.id);
    }
}

fn watch(calls: &Weak<Mutex<Calls>>, end: &dyn Fn(&str)) {
    while let Some(calls) = calls.upgrade() {
        let overdue = lock(&calls).overdue(Instant::now());
        drop(calls);
        overdue.iter().for_each(|call| end(call));
        thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
    }
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn an_overrun_is_reported_once_and_a_call_in_time_never() {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let end = move |call: &str| {
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner);
            tell.send(call.to_owned()).expect("the test listens");
        };
        let overrun = Overrun {
            end: Arc::new(end),
            ..Overrun::end_process()
        };
        let dog = Watchdog::new(&overrun).expect("a thread");
        drop(dog.guard("in time", Duration::from_secs(60)));
        let _late = dog.guard("late", Duration::ZERO);
        assert_eq!(told.recv_timeout(Duration::from_secs(5)).as_deref(), Ok("late"));
        assert!(
            told.recv_timeout(Duration::from_millis(3 * LOOK_EVERY_MS))
                .is_err()
        );
    }

    #[test]
    fn clients_that_were_left_may_hang_until_there_are_too_many() {
        let dog = Watchdog::new(&Overrun::end_process()).expect("a thread");
        let later = Instant::now() + Duration::from_secs(7_200);
        let overdue = |dog: &Watchdog| lock(&dog.calls).overdue(later);
        let hour = Duration::from_secs(3_600);
        let clients: Vec<Watchdog> = (0..=LEFT_MAX).map(|_| dog.of_client()).collect();
        let (last, others) = clients.split_last().expect("clients");
        let _hanging: Vec<Guard<'_>> = clients.iter().map(|client| client.guard("hangs", hour)).collect();
        others.iter().for_each(Watchdog::leave);
        assert_eq!(overdue(&dog), ["hangs"], "only the one that somebody waits for");
        let _again = last.guard("hangs again", hour);
        last.leave();
        assert_eq!(overdue(&dog).len(), LEFT_MAX + 1);
    }
}
