//! What each stage shows of its progress: to status pages, and to the stages behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ports::{Millis, Offset, Partition};

/// Within this time, two finds of somebody else's state are somebody else at work.
const FOREIGN_AGAIN_MS: Millis = 10 * 60_000;
/// So long after the last find readiness says so, and the log so often.
const FOREIGN_SHOWN_MS: Millis = 60_000;

/// Progress of one stage in this process.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<Inner>,
    /// Rung when progress was made.
    moved: Notify,
    /// Rung when a later stage asks how far this one is.
    asked: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// The group has told us at least once what is ours.
    assigned: bool,
    partitions: BTreeMap<Partition, Shown>,
    /// Since when (real time) a partition's running batch has not come back.
    busy: BTreeMap<Partition, Millis>,
    /// Arrival of the oldest record that was delivered and is not decided.
    oldest: BTreeMap<Partition, Millis>,
    wanted: Millis,
    /// Partitions of which a look-up found nothing in the store.
    doubted: BTreeSet<Partition>,
    stopped: Option<String>,
    /// Part of the input is read by nobody: no timer may fire (E13).
    timers_held: bool,
    /// Why the stage must join its group again, until it does.
    rejoin: Option<String>,
    /// When the store of a partition last held somebody else's state.
    foreign: BTreeMap<Partition, Millis>,
    /// Somebody else at work in the store.
    shared: Option<Shared>,
    /// Partitions that cannot go on just now, and those whose timers alone cannot.
    troubles: BTreeMap<(Partition, Halt), Trouble>,
    /// Restores that came to their end, since the start.
    restored: u64,
}

/// What of a partition cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    Everything,
    /// Records are decided; nobody knows how far the input must be read first (E13).
    Timers,
}

/// Why a partition cannot go on just now, and since when (real time).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub since: Millis,
    pub reason: String,
}

/// Somebody else's state that was found again: when last, and when the log said so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shared {
    identity: String,
    found: Millis,
    logged: Millis,
}

/// Progress of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub phase: Phase,
    /// Everything before is decided, committed and in the store. `None`: not known yet.
    pub position: Option<Offset>,
    /// Input before this time is decided and timers before it have fired.
    pub done: Millis,
    /// Arrival of the last record decided.
    pub clock: Millis,
    /// Timers pending and the earliest of them.
    pub pending: u64,
    pub next_wake: Option<Millis>,
    /// Keys are being looked at again because the global table changed.
    pub sweeping: bool,
    /// Version of the global table that every key has looked at, or is in the sweep for.
    pub table_seen: u64,
    /// Keys whose timers cannot be decided for now, and why.
    pub undecided: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Being restored; how many changelog records are behind and how many are read.
    Restoring {
        read: u64,
        to_read: u64,
    },
    Running,
    /// Stopped, with the reason.
    Stopped(String),
}

/// How far a stage is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub assigned: bool,
    pub partitions: BTreeMap<Partition, Shown>,
    pub stopped: Option<String>,
    /// Restores that came to their end, since the start.
    pub restored: u64,
}

impl Progress {
    pub fn is_restoring(&self) -> bool {
        let mut shown = self.partitions.values();
        shown.any(|shown| matches!(shown.phase, Phase::Restoring { .. }))
    }
}

impl Board {
    pub fn progress(&self) -> Progress {
        let inner = self.lock();
        Progress {
            assigned: inner.assigned,
            partitions: inner.partitions.clone(),
            stopped: inner.stopped.clone(),
            restored: inner.restored,
        }
    }

    pub fn assigned(&self) {
        self.lock().assigned = true;
        self.moved.notify_waiters();
    }

    /// A batch of the partition was begun.
    pub fn begun(&self, partition: Partition, at: Millis) {
        self.lock().busy.insert(partition, at);
    }

    /// Partitions whose batch was begun before `at` and has not come back.
    pub fn stalled_since(&self, at: Millis) -> Vec<Partition> {
        let inner = self.lock();
        inner
            .busy
            .iter()
            .filter(|(_, begun)| **begun < at)
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Arrival of the oldest record of the partition that was delivered and is not decided; `None`:
    /// nothing that is known of waits.
    pub fn holds(&self, partition: Partition, oldest: Option<Millis>) {
        let mut inner = self.lock();
        match oldest {
            Some(oldest) => inner.oldest.insert(partition, oldest),
            None => inner.oldest.remove(&partition),
        };
    }

    pub fn oldest(&self, partition: Partition) -> Option<Millis> {
        self.lock().oldest.get(&partition).copied()
    }

    /// The partition's batch came back.
    pub fn ended(&self, partition: Partition) {
        self.lock().busy.remove(&partition);
    }

    pub fn show(&self, partition: Partition, shown: Shown) {
        self.lock().partitions.insert(partition, shown);
        self.moved.notify_waiters();
    }

    /// The partition cannot go on just now; it tries again.
    pub fn in_trouble(&self, partition: Partition, halt: Halt, now: Millis, reason: &str) {
        let mut inner = self.lock();
        let known = inner.troubles.get(&(partition, halt));
        let since = known.map_or(now, |trouble| trouble.since);
        let reason = reason.to_owned();
        inner
            .troubles
            .insert((partition, halt), Trouble { since, reason });
    }

    pub fn is_well(&self, partition: Partition, halt: Halt) {
        self.lock().troubles.remove(&(partition, halt));
    }

    /// What keeps partitions from going on, for longer than since `at`.
    pub fn troubles_since(&self, at: Millis) -> Vec<(Partition, String)> {
        let inner = self.lock();
        let lasting = inner.troubles.iter().filter(|(_, trouble)| trouble.since <= at);
        lasting
            .map(|((partition, _), trouble)| (*partition, trouble.reason.clone()))
            .collect()
    }

    /// The store of the partition held the state of `identity` at `now`. True where the log is to
    /// say so: it did a short while ago as well.
    pub fn found_foreign(&self, partition: Partition, now: Millis, identity: &str) -> bool {
        let mut inner = self.lock();
        let before = inner.foreign.insert(partition, now);
        if before.is_none_or(|before| now - before > FOREIGN_AGAIN_MS) {
            return false;
        }
        let logged = inner.shared.as_ref().map(|shared| shared.logged);
        let is_due = logged.is_none_or(|logged| now - logged >= FOREIGN_SHOWN_MS);
        inner.shared = Some(Shared {
            identity: identity.to_owned(),
            found: now,
            logged: logged.filter(|_| !is_due).unwrap_or(now),
        });
        is_due
    }

    /// Whose state the store holds again and again.
    pub fn shared_with(&self, now: Millis) -> Option<String> {
        let inner = self.lock();
        let shared = inner.shared.as_ref();
        let recent = shared.filter(|shared| now - shared.found <= FOREIGN_SHOWN_MS);
        recent.map(|shared| shared.identity.clone())
    }

    /// Rings only where something moved.
    pub fn show_if_changed(&self, partition: Partition, shown: Shown) {
        if self.lock().partitions.get(&partition) != Some(&shown) {
            self.show(partition, shown);
        }
    }

    /// A partition has been restored.
    pub fn restored(&self) {
        self.lock().restored += 1;
    }

    pub fn restoring(&self, partition: Partition, read: u64, to_read: u64) {
        let shown = Shown {
            phase: Phase::Restoring { read, to_read },
            position: self.position(partition),
            ..Shown::nothing()
        };
        self.show(partition, shown);
    }

    /// A restore begins, and will go on from `position` of the input.
    pub fn restoring_from(&self, partition: Partition, position: Offset) {
        let shown = Shown {
            phase: Phase::Restoring { read: 0, to_read: 0 },
            position: Some(position),
            ..Shown::nothing()
        };
        self.show(partition, shown);
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        let inner = self.lock();
        inner.partitions.get(&partition).and_then(|shown| shown.position)
    }

    pub fn stop_partition(&self, partition: Partition, reason: String, position: Option<Offset>) {
        let position = position.or_else(|| self.position(partition));
        self.show(
            partition,
            Shown {
                phase: Phase::Stopped(reason),
                position,
                ..Shown::nothing()
            },
        );
    }

    pub fn drop_partition(&self, partition: Partition) {
        let mut inner = self.lock();
        inner.partitions.remove(&partition);
        inner.busy.remove(&partition);
        inner.oldest.remove(&partition);
        inner.doubted.remove(&partition);
        inner.troubles.retain(|(of, _), _| *of != partition);
        drop(inner);
        self.moved.notify_waiters();
    }

    pub fn stop(&self, reason: String) {
        self.lock().stopped = Some(reason);
        self.moved.notify_waiters();
    }

    /// Holds all timers, or lets them fire again: a cancellation may lie in a part of the input that
    /// nobody reads (E13).
    pub fn hold_timers(&self, held: bool) {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.timers_held, held) != held {
            drop(inner);
            self.asked.notify_waiters();
            self.moved.notify_waiters();
        }
    }

    pub fn timers_held(&self) -> bool {
        self.lock().timers_held
    }

    /// Makes the stage leave its group and join again, so that every partition is taken over afresh.
    pub fn rejoin(&self, reason: String) {
        self.lock().rejoin = Some(reason);
        self.asked.notify_waiters();
    }

    pub fn take_rejoin(&self) -> Option<String> {
        self.lock().rejoin.take()
    }

    /// The time before which every partition here is done. Partitions that others own do not
    /// count, nor does a stopped one: it would hold up everybody's expiries for ever.
    pub fn done(&self) -> Option<Millis> {
        let inner = self.lock();
        if !inner.assigned {
            return None;
        }
        if inner.timers_held {
            return Some(Millis::MIN);
        }
        let counted = inner
            .partitions
            .values()
            .filter(|shown| !matches!(shown.phase, Phase::Stopped(_)));
        Some(counted.map(|shown| shown.done).min().unwrap_or(Millis::MAX))
    }

    /// Asks the stage to find out whether it is done before `at`.
    pub fn want(&self, at: Millis) {
        let mut inner = self.lock();
        if at > inner.wanted {
            inner.wanted = at;
            self.asked.notify_waiters();
        }
    }

    /// A look-up found the partition's state missing in the store: its owner, if it is here, looks
    /// at once instead of at the next regular look.
    pub fn doubt_store(&self, partition: Partition) {
        let mut inner = self.lock();
        if inner.partitions.contains_key(&partition) && inner.doubted.insert(partition) {
            self.asked.notify_waiters();
        }
    }

    /// Whether somebody doubted since the last call.
    pub fn take_doubt(&self, partition: Partition) -> bool {
        self.lock().doubted.remove(&partition)
    }

    pub fn wanted(&self) -> Millis {
        self.lock().wanted
    }

    /// Waits for progress made after this call.
    pub fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.moved.notified()
    }

    /// Waits for a question asked after this call.
    pub fn asked(&self) -> tokio::sync::futures::Notified<'_> {
        self.asked.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn nothing() -> Self {
        Self {
            phase: Phase::Running,
            position: None,
            done: Millis::MIN,
            clock: Millis::MIN,
            pending: 0,
            next_wake: None,
            sweeping: false,
            table_seen: 0,
            undecided: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_state_is_at_work_when_it_is_found_twice_within_minutes() {
        let board = Board::default();
        let found = |partition, at| board.found_foreign(partition, at, "b");
        let (again, shown) = (FOREIGN_AGAIN_MS, FOREIGN_SHOWN_MS);
        assert!(!found(1, 0), "once is a store that was used before");
        assert!(!found(2, 1), "another partition");
        assert_eq!(board.shared_with(1), None);
        assert!(found(1, again));
        assert!(!found(2, again + 1), "the log says so already");
        assert!(found(2, again + shown), "and says it again");
        assert_eq!(board.shared_with(again + 2 * shown), Some("b".to_owned()));
        assert_eq!(board.shared_with(again + 2 * shown + 1), None, "it has ended");
        assert!(!found(1, 3 * again), "long ago");
    }

    #[test]
    fn a_trouble_keeps_its_beginning_until_all_is_well() {
        let board = Board::default();
        board.in_trouble(1, Halt::Everything, 5, "full");
        board.in_trouble(1, Halt::Everything, 9, "gone");
        board.in_trouble(1, Halt::Timers, 7, "unknown");
        let (gone, unknown) = ((1, "gone".to_owned()), (1, "unknown".to_owned()));
        assert_eq!(board.troubles_since(4), []);
        assert_eq!(board.troubles_since(5), std::slice::from_ref(&gone));
        assert_eq!(board.troubles_since(7), [gone, unknown.clone()]);
        board.is_well(1, Halt::Everything);
        assert_eq!(board.troubles_since(9), [unknown]);
        board.drop_partition(1);
        assert_eq!(board.troubles_since(9), []);
    }
}
