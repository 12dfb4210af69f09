//! Waiting for servers that are away when the process starts: after an outage everything starts at
//! once, and whoever gave up at the first refusal would come back later than need be.

use std::time::{Duration, Instant};

use crate::adapters::kafka::SESSION_TIMEOUT_MS;
use crate::engine::error::{LogError, StoreError};

/// Long enough for a broker to restart; what is set wrongly is then told by an end.
const PATIENCE_MS: u64 = 2 * SESSION_TIMEOUT_MS;
const AGAIN_MS: u64 = 500;

/// Tries until it goes through, fails for good, or patience ends.
pub async fn patiently<T>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    loop {
        match attempt().await {
            Err(error) if passes(&error) && Instant::now() < deadline => {
                tracing::warn!("{what}: {error:#}; trying again");
                tokio::time::sleep(Duration::from_millis(AGAIN_MS)).await;
            }
            other => return other,
        }
    }
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
}
