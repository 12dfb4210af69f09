//! Ends the process when a transaction call overruns its bound (E14): some of librdkafka's calls
//! ignore their time-out, and nothing can be said about a transaction that neither ends nor fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY_MS: u64 = 200;

/// What is done about an overrun; gets the name of the call.
pub type Overrun = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends the process: another instance, or the next life of this one, takes over afresh.
pub fn end_process() -> Overrun {
    Arc::new(|call| {
        tracing::error!(
            call,
            "a transaction call overran its bound: ending the process [E14]"
        );
        std::process::exit(70);
    })
}

#[derive(Default)]
struct Calls {
    next: u64,
    running: BTreeMap<u64, (Instant, String)>,
}

/// Looks after calls of any number of threads.
#[derive(Clone)]
pub struct Watchdog {
    calls: Arc<Mutex<Calls>>,
}

impl Watchdog {
    pub fn new(overrun: Overrun) -> Result<Self, std::io::Error> {
        let calls = Arc::new(Mutex::new(Calls::default()));
        let watched = Arc::downgrade(&calls);
        thread::Builder::new()
            .name("kafka-watchdog".into())
            .spawn(move || watch(&watched, &overrun))?;
        Ok(Self { calls })
    }

    /// The call is over when the guard is dropped.
    pub fn guard(&self, call: &str, bound: Duration) -> Guard<'_> {
        let mut calls = lock(&self.calls);
        let id = calls.next;
        calls.next += 1;
        calls
            .running
            .insert(id, (Instant::now() + bound, call.to_owned()));
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

fn watch(calls: &Weak<Mutex<Calls>>, overrun: &Overrun) {
    while let Some(calls) = calls.upgrade() {
        let now = Instant::now();
        let late: Vec<_> = {
            let mut calls = lock(&calls);
            let late = calls.running.extract_if(.., |_, (deadline, _)| *deadline < now);
            late.map(|(_, (_, call))| call).collect()
        };
        drop(calls);
        late.iter().for_each(|call| overrun(call));
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
    fn an_overrun_is_told_once_and_a_call_in_time_never() {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let overrun: Overrun = Arc::new(move |call| {
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner);
            tell.send(call.to_owned()).expect("the test listens");
        });
        let dog = Watchdog::new(overrun).expect("a thread");
        drop(dog.guard("in time", Duration::ZERO.saturating_add(Duration::from_secs(60))));
        let _late = dog.guard("late", Duration::ZERO);
        assert_eq!(told.recv_timeout(Duration::from_secs(5)).as_deref(), Ok("late"));
        assert!(
            told.recv_timeout(Duration::from_millis(3 * LOOK_EVERY_MS))
                .is_err()
        );
    }
}
