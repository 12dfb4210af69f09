//! What a static member makes of being told that another has its name.
//!
//! Either there is another process with this `instance_id`, or the coordinator died between
//! answering our join and the end of the rebalance: it comes back with the member id of before and
//! fences us by it. A look alone cannot tell. Joining again can: whoever has no namesake is left
//! in peace, of two the same one is fenced once more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::error::LogError;

/// Two that fence one another in turn meet again within a few heartbeats and a rebalance.
const AGAIN_WITHIN_MS: u64 = 120_000;

/// When a stage was last fenced by its own name. Lives longer than one membership.
#[derive(Default)]
pub(super) struct Namesake {
    last: Mutex<Option<Instant>>,
}

impl Namesake {
    /// We were fenced by our name: join again, or stop where that has not helped.
    pub(super) fn met(&self, what: &str) -> LogError {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let again = last.is_some_and(|at| at.elapsed() < Duration::from_millis(AGAIN_WITHIN_MS));
        *last = Some(Instant::now());
        match again {
            true => LogError::Fatal(format!(
                "{what}: another process runs with this instance_id; each needs its own"
            )),
            false => LogError::Fenced(format!("{what}: a member of the same instance_id")),
        }
    }
}
