//! An error's class is its remedy (E14).

use super::ports::{Offset, Partition};

/// What went wrong at the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing has happened; the same call may go through later.
    #[error("not now: {0}")]
    Retry(String),
    /// The transaction was aborted and left nothing; its batch is decided again.
    #[error("transaction aborted: {0}")]
    Abort(String),
    /// One record of the transaction can never be written (too large, for example).
    #[error("record {index} of the transaction was refused: {reason}")]
    Refused { index: usize, reason: String },
    /// Somebody else owns the partitions now: drop them and rejoin.
    #[error("fenced: {0}")]
    Fenced(String),
    /// It may have happened or not: throw the producer away and take over afresh.
    #[error("outcome unknown: {0}")]
    Ambiguous(String),
    /// No retry can help: stop with this reason.
    #[error("{0}")]
    Fatal(String),
}

/// What went wrong at the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer, or late: the same call may be made again.
    #[error("{0}")]
    Unavailable(String),
    /// A newer owner has been here: I am the zombie.
    #[error("a newer owner (epoch {epoch}) holds the store")]
    Fenced { epoch: Offset },
    /// The store is not where its owner left it: heal it from the changelog (E3).
    #[error("the store forgot: found {found}")]
    Lost { found: String },
    /// A key of this partition is somebody else's: take over afresh, until it is free.
    #[error("the store holds a foreign key: {0}")]
    Occupied(String),
    /// No retry can help: stop with this reason.
    #[error("{0}")]
    Fatal(String),
}

/// A record or a timer that cannot be decided, however often it is tried (E9).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// Stable code, as it stands in the dead letter.
    pub code: &'static str,
    pub detail: String,
}

impl Refusal {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

/// Why a partition stopped.
#[derive(Debug, thiserror::Error)]
#[error("partition {partition}: {reason} [{invariant}]")]
pub struct Stopped {
    pub partition: Partition,
    /// The invariant that would break, E1 to E15.
    pub invariant: &'static str,
    pub reason: String,
    /// Next input offset to be decided, where that is known: what waits there counts as behind.
    pub position: Option<Offset>,
}
