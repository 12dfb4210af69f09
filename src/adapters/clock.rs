//! The processor's time: the system's, or one that stands still until it is set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::engine::ports::{Clock, Millis};

/// Longest single sleep: a system clock that was set is noticed within this time.
const SLEEP_MAX_MS: i64 = 1_000;

/// The processor's clock.
#[derive(Debug)]
pub enum ProcessorClock {
    System,
    /// For tests and rehearsals: stands still until it is set, never goes back.
    Manual {
        now: AtomicI64,
        set: Notify,
    },
}

impl ProcessorClock {
    /// A manual clock, standing at the epoch.
    pub fn manual() -> Self {
        ProcessorClock::Manual {
            now: AtomicI64::new(0),
            set: Notify::new(),
        }
    }

    /// Sets a manual clock. `Err` says where the clock stands: it does not go back, and the
    /// system's is not set.
    pub fn set(&self, to: Millis) -> Result<Millis, Millis> {
        let ProcessorClock::Manual { now, set } = self else {
            return Err(self.now());
        };
        let before = now.fetch_max(to, Ordering::SeqCst);
        set.notify_waiters();
        if before > to { Err(before) } else { Ok(to) }
    }
}

fn system_now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

impl Clock for ProcessorClock {
    fn now(&self) -> Millis {
        match self {
            ProcessorClock::System => system_now(),
            ProcessorClock::Manual { now, .. } => now.load(Ordering::SeqCst),
        }
    }

    fn wall(&self) -> Millis {
        system_now()
    }

    fn standing(&self) -> Option<Millis> {
        match self {
            ProcessorClock::System => None,
            ProcessorClock::Manual { .. } => Some(self.now()),
        }
    }

    async fn wait_until(&self, at: Millis) {
        match self {
            ProcessorClock::System => {
                while self.now() < at {
                    let rest = at.saturating_sub(self.now()).clamp(1, SLEEP_MAX_MS);
                    tokio::time::sleep(Duration::from_millis(rest as u64)).await;
                }
            }
            ProcessorClock::Manual { set, .. } => {
                let changed = set.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                if self.now() < at {
                    changed.await;
                }
            }
        }
    }

    async fn pause(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_who_waits_and_never_goes_back() {
        let clock = std::sync::Arc::new(ProcessorClock::manual());
        assert_eq!(clock.now(), 0);
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(50).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(clock.set(50), Ok(50));
        waiter.await.unwrap();
        assert_eq!(clock.set(40), Err(50));
        assert_eq!(clock.now(), 50);
        assert_eq!(clock.standing(), Some(50));
        assert!(ProcessorClock::System.set(1).is_err());
        assert_eq!(ProcessorClock::System.standing(), None);
    }
}
