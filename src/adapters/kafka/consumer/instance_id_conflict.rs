//! Decides what to do when the group fences our `group.instance.id`: rejoin once, then stop.
//!
//! Either another process runs with this `instance_id`, or the coordinator died between answering our
//! join and the end of the rebalance: it comes back with the earlier member id and fences us by it.
//! The fencing alone does not tell which. Joining again does: without a second process nothing fences
//! us again, with one we are fenced within a few heartbeats.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::error::LogError;

/// Two processes that fence one another in turn do so within a few heartbeats and a rebalance.
const AGAIN_WITHIN_MS: u64 = 120_000;

/// When the group last fenced this stage. Outlives one membership.
#[derive(Default)]
pub struct InstanceIdConflict {
    last: Mutex<Option<Instant>>,
}

impl InstanceIdConflict {
    /// The group fenced us: join again, or stop where that has not helped.
    pub fn fenced(&self, what: &str) -> LogError {
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
