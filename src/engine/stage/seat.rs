//! What a stage keeps of each partition assigned to it, and of each lane.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::engine::inbox::Inbox;
use crate::engine::partition::Owned;
use crate::engine::ports::{Millis, Offset};

/// A partition that fails again and again is logged this often.
const LOG_EVERY_MS: Millis = 60_000;

/// Where an assigned partition is.
pub(super) enum Place<S> {
    /// To be taken over, not before this many rechecks.
    Waiting {
        rechecks: u64,
    },
    /// In a running cycle.
    Away,
    Here(Box<Owned<S>>),
    Stopped,
}

pub(super) struct Seat<S> {
    pub(super) lane: u32,
    /// The assignment it came with.
    pub(super) term: u64,
    pub(super) place: Place<S>,
    pub(super) inbox: Inbox,
    /// Arrival of the oldest record in the running batch.
    pub(super) in_turn: Option<Millis>,
    /// Takeovers and turns in a row that came to nothing.
    pub(super) failures: u32,
    /// Real time at which the log last had one of them.
    pub(super) logged: Millis,
    /// Version of the global table at which nudges were last looked for.
    pub(super) table_seen: u64,
}

impl<S> Seat<S> {
    /// Counts a failure at `now`: how long to wait before the next try, and whether to log it.
    pub(super) fn failed(&mut self, now: Millis, (min_ms, max_ms): (u64, u64)) -> (u64, bool) {
        let backoff = min_ms
            .saturating_mul(1 << self.failures.min(16))
            .min(max_ms.max(min_ms));
        let is_logged = self.failures == 0 || now - self.logged >= LOG_EVERY_MS;
        if is_logged {
            self.logged = now;
        }
        self.failures = self.failures.saturating_add(1);
        (backoff, is_logged)
    }

    /// Arrival of the oldest record that was delivered and is not decided.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.in_turn.or_else(|| self.inbox.oldest())
    }

    /// How far the input is decided where `position` is decided. The end that was reported
    /// counts once nothing waits before it.
    pub(super) fn read_to(&self, position: Offset) -> Offset {
        if self.inbox.is_empty() {
            position.max(self.inbox.end())
        } else {
            position
        }
    }
}

pub(super) struct Lane<M> {
    pub(super) producer: Option<M>,
    pub(super) busy: bool,
    /// The assignment under which its cycle was begun.
    pub(super) term: u64,
    pub(super) rest_rechecks: u64,
    pub(super) cancel: Arc<AtomicBool>,
}
