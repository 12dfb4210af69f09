//! Waiting for servers that are away when the process starts: after an outage everything starts at
//! once, and a process that gave up at the first refusal would come back later than it could.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::adapters::kafka::SESSION_TIMEOUT_MS;
use crate::engine::error::{LogError, StoreError};

/// Of a command: long enough for a broker to restart. What is set wrongly then ends it.
const COMMAND_PATIENCE: Duration = Duration::from_millis(2 * SESSION_TIMEOUT_MS);
const AGAIN: Duration = Duration::from_millis(500);
const LOG_EVERY: Duration = Duration::from_secs(60);

static WAITS_FOR: Mutex<Option<String>> = Mutex::new(None);

/// What this process waits for at its start, for readiness.
pub fn waits_for() -> Option<String> {
    waiting().clone()
}

/// Says it for a wait that is none for servers.
pub fn set_waits_for(what: Option<String>) {
    *waiting() = what;
}

/// For commands: tries until it goes through, fails for good, or patience ends.
pub async fn patiently<T>(what: &str, attempt: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    again_and_again(what, Some(Instant::now() + COMMAND_PATIENCE), attempt).await
}

/// For `run`, which waits for servers at its start as it does later: until it goes through or fails
/// for good. Readiness says why meanwhile.
pub async fn however_long<T>(
    what: &str,
    attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    set_waits_for(Some(what.to_owned()));
    let result = again_and_again(what, None, attempt).await;
    set_waits_for(None);
    result
}

async fn again_and_again<T>(
    what: &str,
    deadline: Option<Instant>,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut logged = None::<Instant>;
    loop {
        let error = match attempt().await {
            Err(error) if passes(&error) => error,
            other => return other,
        };
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(error);
        }
        let reason = format!("{what}: {error:#}");
        if logged.is_none_or(|logged| now - logged >= LOG_EVERY) {
            tracing::warn!("{reason}; trying again");
            logged = Some(now);
        }
        if deadline.is_none() {
            set_waits_for(Some(reason));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn waiting() -> MutexGuard<'static, Option<String>> {
    WAITS_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error's class is its remedy (E14).
fn passes(error: &anyhow::Error) -> bool {
    let log = matches!(error.downcast_ref(), Some(LogError::Retry(_)));
    let store = matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)));
    log || store
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[tokio::test]
    async fn what_passes_is_tried_again_and_nothing_else() {
        type Fails = fn() -> anyhow::Error;
        let rows: [(Fails, u32); 4] = [
            (|| LogError::Retry("away".into()).into(), 3),
            (|| StoreError::Unavailable("away".into()).into(), 3),
            (|| LogError::Fatal("no right".into()).into(), 1),
            (|| anyhow::anyhow!("no topic"), 1),
        ];
        for (fails, wanted) in rows {
            let mut attempts = 0;
            let result = patiently("a test", async || {
                attempts += 1;
                let result = if attempts < 3 { Err(fails()) } else { Ok(()) };
                result.context("seen through what was said of it")
            });
            let passed = result.await.is_ok();
            assert_eq!((attempts, passed), (wanted, wanted == 3), "{:#}", fails());
        }
    }

    #[tokio::test]
    async fn what_is_waited_for_is_known_meanwhile() {
        let mut seen = Vec::new();
        let result = however_long("rules", async || {
            seen.push(waits_for());
            match seen.len() {
                1 => Err(LogError::Retry("away".into()).into()),
                _ => Ok(()),
            }
        });
        result.await.unwrap();
        assert_eq!(
            seen,
            ["rules", "rules: not now: away"].map(|text| Some(text.to_owned()))
        );
        assert_eq!(waits_for(), None);
    }
}
