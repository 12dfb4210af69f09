//! What passes between the poll thread and the engine's side of an input.

use std::fmt;
use std::sync::Arc;

use rdkafka::consumer::ConsumerGroupMetadata;
use tokio::sync::oneshot;

use crate::engine::error::LogError;
use crate::engine::ports::{InputEvent, Offset, Partition, Record};

/// Proof of group membership, as it was at an assignment (E6).
#[derive(Clone)]
pub struct Membership {
    pub group: Arc<str>,
    pub metadata: Arc<ConsumerGroupMetadata>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Membership")
    }
}

/// An assignment or a revocation, or the end of the membership.
pub type GroupEvent = Result<InputEvent<Membership>, LogError>;

/// What the poll thread read, and the number of the latest `start` before it.
pub struct Delivery {
    pub started: u64,
    pub content: Content,
}

pub enum Content {
    Records(Vec<Record>),
    End { partition: Partition, offset: Offset },
}

/// What the engine asks of the poll thread.
pub enum Command {
    Start {
        partition: Partition,
        offset: Offset,
        number: u64,
        reply: oneshot::Sender<Result<(), LogError>>,
    },
    Pause {
        partition: Partition,
        paused: bool,
    },
    Leave(oneshot::Sender<()>),
}
