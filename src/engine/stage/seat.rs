//! What a stage keeps of each partition assigned to it, and of each lane.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::engine::inbox::Inbox;
use crate::engine::partition::Owned;
use crate::engine::ports::Offset;

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
    /// Version of the global table at which nudges were last looked for.
    pub(super) table_seen: u64,
}

impl<S> Seat<S> {
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
