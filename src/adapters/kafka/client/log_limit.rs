//! Bounds what librdkafka logs of one kind: a client that retries many times a second repeats its
//! line as often, for as long as what it wants is missing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of one kind in one window.
const LINES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

struct Window {
    begin: Instant,
    logged: u32,
    left_out: u64,
}

/// By kind: few, for they are named by librdkafka.
#[derive(Default)]
pub struct LogLimit(BTreeMap<String, Window>);

impl LogLimit {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether a line of this kind is to be logged: then with how many were left out before it.
    pub fn admit(&mut self, kind: &str, now: Instant) -> Option<u64> {
        if !self.0.contains_key(kind) {
            let window = Window {
                begin: now,
                logged: 0,
                left_out: 0,
            };
            self.0.insert(kind.to_owned(), window);
        }
        let window = self.0.get_mut(kind)?;
        if now.duration_since(window.begin) >= WINDOW {
            window.begin = now;
            window.logged = 0;
        }
        if window.logged >= LINES_MAX {
            window.left_out += 1;
            return None;
        }
        window.logged += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_repeats_itself_is_left_out_and_counted() {
        let mut limit = LogLimit::default();
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let logged = (0..1_000).filter(|n| limit.admit("TXNERR", at(*n)).is_some());
        assert_eq!(logged.count(), 5);
        assert_eq!(limit.admit("FAIL", at(1_000)), Some(0), "another kind");
        assert_eq!(limit.admit("TXNERR", at(59_999)), None);
        assert_eq!(limit.admit("TXNERR", at(60_000)), Some(996));
        assert_eq!(limit.admit("TXNERR", at(60_001)), Some(0));
    }
}
