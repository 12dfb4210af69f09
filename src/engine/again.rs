//! A call to the store that is made again until it goes through.

use super::board::Halt;
use super::ports::{Clock, Partition};
use super::spec::StageSpec;

/// The back-off of one call, and what the board shows of it.
pub struct Again<'a, C> {
    spec: &'a StageSpec,
    clock: &'a C,
    partition: Partition,
    backoff_ms: u64,
    failed: bool,
}

impl<'a, C: Clock> Again<'a, C> {
    pub fn new(spec: &'a StageSpec, clock: &'a C, partition: Partition) -> Self {
        Self {
            spec,
            clock,
            partition,
            backoff_ms: spec.limits.backoff_min_ms,
            failed: false,
        }
    }

    /// Waits before the next try. Readiness shows the reason; the log has it at debug level,
    /// because a store that is away fails many calls a second.
    pub async fn wait(&mut self, reason: &str) {
        self.failed = true;
        tracing::debug!(
            stage = self.spec.name,
            partition = self.partition,
            reason,
            "the store fails; trying again"
        );
        let now = self.clock.wall();
        self.spec
            .board
            .in_trouble(self.partition, Halt::Everything, now, reason);
        self.clock.pause(self.backoff_ms).await;
        self.backoff_ms = (self.backoff_ms * 2).min(self.spec.limits.backoff_max_ms);
    }

    /// The call went through.
    pub fn passed(&self) {
        if self.failed {
            self.spec.board.is_well(self.partition, Halt::Everything);
        }
    }
}
