//! The consumer side of a stage, as the engine sees it. The consumer itself is polled on a thread
//! of its own (`poller`), because a rebalance is served inside the poll.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak, mpsc};

use rdkafka::consumer::ConsumerGroupMetadata;
use tokio::sync::mpsc as channel;
use tokio::sync::oneshot;

use crate::engine::error::LogError;
use crate::engine::ports::{Input, InputEvent, Offset, Partition, Record};

use super::namesake::Namesake;
use super::poller::{self, Command};
use super::queue::Queue;
use super::reader::Reader;
use super::settings::Stage;
use super::silence::{self, Flows};

/// Batches between the poll thread and the engine.
const BATCHES_MAX: usize = 16;

/// Proof of group membership, as it was at an assignment (E6).
#[derive(Clone)]
pub struct Membership(pub(super) Arc<ConsumerGroupMetadata>);

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Membership")
    }
}

pub(super) type Event = InputEvent<Membership>;

/// What the poll thread read, and behind which `start` it did.
pub(super) struct Delivered {
    pub(super) started: u64,
    pub(super) what: What,
}

pub(super) enum What {
    Records(Vec<Record>),
    End { partition: Partition, offset: Offset },
}

/// What a poll thread is tied to the engine with, and what outlives it.
pub(super) struct Wires {
    pub(super) namesake: Arc<Namesake>,
    pub(super) flows: Arc<Flows>,
    pub(super) tell: channel::UnboundedSender<Result<Event, LogError>>,
    pub(super) deliver: channel::Sender<Delivered>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// A member of the stage's consumer group.
pub struct KafkaInput {
    control: channel::UnboundedReceiver<Result<Event, LogError>>,
    data: channel::Receiver<Delivered>,
    commands: mpsc::Sender<Command>,
    queue: Weak<Queue>,
    /// Which start a partition's records must be behind: what was read before it is dropped.
    started: BTreeMap<Partition, u64>,
    starts: u64,
}

impl KafkaInput {
    pub(super) async fn join(
        stage: &Stage,
        namesake: Arc<Namesake>,
        reader: Arc<Reader>,
    ) -> Result<Self, LogError> {
        let (tell, control) = channel::unbounded_channel();
        let (deliver, data) = channel::channel(BATCHES_MAX);
        let (commands, orders) = mpsc::channel();
        let (ready, joined) = oneshot::channel();
        let flows = Arc::<Flows>::default();
        let watch = silence::watch(
            Arc::downgrade(&flows),
            reader,
            stage.input.clone(),
            tell.downgrade(),
        );
        let wires = Wires {
            namesake,
            flows,
            tell,
            deliver,
            commands: orders,
        };
        poller::spawn(stage.clone(), wires, ready)?;
        let queue = joined
            .await
            .map_err(|_| LogError::Fatal("the consumer thread ended".into()))??;
        tokio::spawn(watch);
        Ok(Self {
            control,
            data,
            commands,
            queue,
            started: BTreeMap::new(),
            starts: 0,
        })
    }

    async fn event(&mut self) -> Result<Event, LogError> {
        loop {
            tokio::select! {
                biased;
                told = self.control.recv() => {
                    let event = told.unwrap_or_else(|| Err(LogError::Fatal("the consumer thread ended".into())))?;
                    // Assignment and revocation are always of everything: whatever was read
                    // before belongs to nobody now.
                    self.started.clear();
                    return Ok(event);
                }
                Some(delivered) = self.data.recv() => {
                    if let Some(event) = self.wanted(delivered) {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// What of a delivery was read behind the latest start of its partition.
    fn wanted(&self, delivered: Delivered) -> Option<Event> {
        let wants = |partition: &Partition| {
            let start = self.started.get(partition);
            start.is_some_and(|start| delivered.started >= *start)
        };
        match delivered.what {
            What::Records(mut records) => {
                records.retain(|record| wants(&record.partition));
                (!records.is_empty()).then_some(InputEvent::Records(records))
            }
            What::End { partition, offset } => {
                wants(&partition).then_some(InputEvent::End { partition, offset })
            }
        }
    }

    async fn begin(&mut self, partition: Partition, offset: Offset) -> Result<(), LogError> {
        self.starts += 1;
        let number = self.starts;
        self.started.remove(&partition);
        let (reply, answer) = oneshot::channel();
        self.order(Command::Start {
            partition,
            offset,
            number,
            reply,
        });
        answer
            .await
            .map_err(|_| LogError::Fatal("the consumer thread ended".into()))??;
        self.started.insert(partition, number);
        Ok(())
    }

    fn order(&self, command: Command) {
        // A thread that has ended is told by its closed channels.
        let _ = self.commands.send(command);
        if let Some(queue) = self.queue.upgrade() {
            queue.wake();
        }
    }
}

impl Input for KafkaInput {
    type Membership = Membership;

    fn next(&mut self) -> impl Future<Output = Result<Event, LogError>> + Send {
        self.event()
    }

    fn start(
        &mut self,
        partition: Partition,
        offset: Offset,
    ) -> impl Future<Output = Result<(), LogError>> + Send {
        self.begin(partition, offset)
    }

    fn pause(&mut self, partition: Partition, paused: bool) {
        self.order(Command::Pause { partition, paused });
    }

    async fn leave(&mut self) {
        self.started.clear();
        let (reply, left) = oneshot::channel();
        self.order(Command::Leave(reply));
        let _ = left.await;
    }
}
