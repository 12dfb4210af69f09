//! Progress in the log: every few seconds, and at the end of something long.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(5);

pub struct Progress {
    what: String,
    done: u64,
    total: u64,
    begun: Instant,
    said: Instant,
}

impl Progress {
    pub fn new(what: String, total: u64) -> Self {
        let now = Instant::now();
        Self {
            what,
            done: 0,
            total,
            begun: now,
            said: now,
        }
    }

    pub fn add(&mut self, count: u64) {
        self.done += count;
        if self.said.elapsed() > EVERY {
            self.said = Instant::now();
            self.say();
        }
    }

    fn say(&self) {
        let seconds = self.begun.elapsed().as_secs();
        tracing::info!(done = self.done, total = self.total, seconds, "{}", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.done > 0 {
            self.say();
        }
    }
}
