//! Watches Redis beside the stages, so that readiness turns within seconds whatever the stages are
//! doing, and the log has one line a minute of what is wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::engine::ports::{Clock, Millis};

use super::node::{Node, RunningStage};

const PROBE_EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What is wrong with a stage's store just now.
#[derive(Debug, Default)]
pub struct StoreTrouble(Mutex<Option<Trouble>>);

#[derive(Debug)]
struct Trouble {
    reason: String,
    /// All partitions have it, not single ones.
    is_of_server: bool,
    logged: Instant,
}

impl StoreTrouble {
    /// What is wrong with the server, for all partitions.
    pub fn of_server(&self) -> Option<String> {
        let trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = trouble.as_ref().filter(|trouble| trouble.is_of_server);
        trouble.map(|trouble| trouble.reason.clone())
    }

    /// Keeps what was found and logs it: when it begins, once a minute, and when it is over.
    fn found(&self, stage: &str, of_server: Option<String>, of_partition: Option<String>) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_server = of_server.is_some();
        let Some(reason) = of_server.or(of_partition) else {
            if trouble.take().is_some() {
                tracing::info!(stage, "decisions go on");
            }
            return;
        };
        let now = Instant::now();
        let logged = trouble.as_ref().map(|trouble| trouble.logged);
        let is_logged = logged.is_none_or(|logged| now - logged >= LOG_EVERY);
        if is_logged {
            tracing::error!(
                stage,
                reason,
                "nothing can be decided; it goes on by itself once this is over"
            );
        }
        let logged = if is_logged { now } else { logged.unwrap_or(now) };
        *trouble = Some(Trouble {
            reason,
            is_of_server,
            logged,
        });
    }
}

/// Asks every store how it is, until it is dropped.
pub async fn watch_stores(node: Arc<Node>) {
    loop {
        let stages = node.stages.iter().filter(|stage| stage.keeps_state());
        join_all(stages.map(|stage| look(stage, node.clock.wall()))).await;
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn look(stage: &RunningStage, wall: Millis) {
    let of_server = stage.store.trouble().await;
    // A server that answers may still refuse what a partition asks of it.
    let of_partition = stage.troubles(wall).into_iter().next();
    stage
        .store_trouble
        .found(stage.kind.as_str(), of_server, of_partition);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_kept_until_it_is_over() {
        let trouble = StoreTrouble::default();
        let why = |text: &str| Some(text.to_owned());
        trouble.found("orders", why("full"), None);
        assert_eq!(trouble.of_server(), why("full"));
        trouble.found("orders", why("gone"), why("3: away"));
        assert_eq!(trouble.of_server(), why("gone"));
        trouble.found("orders", None, why("3: away"));
        assert_eq!(trouble.of_server(), None);
        trouble.found("orders", None, None);
        assert_eq!(trouble.of_server(), None);
    }
}
