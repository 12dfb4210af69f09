//! The consumer side of a stage, as the engine sees it. The consumer itself is polled on a thread
//! of its own (`poller`), because a rebalance is served inside the poll.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Weak, mpsc};

use tokio::sync::mpsc as channel;
use tokio::sync::oneshot;

use crate::engine::error::LogError;
use crate::engine::ports::{Input, InputEvent, Offset, Partition};

use crate::adapters::kafka::client::queue::Queue;
use crate::adapters::kafka::client::settings::Stage;
use crate::adapters::kafka::reader::Reader;

use super::instance_id_conflict::InstanceIdConflict;
use super::messages::{Command, Content, Delivery, GroupEvent, Membership};
use super::poller::{self, Links};
use super::stall::{self, Flows};

/// Batches between the poll thread and the engine.
const BATCHES_MAX: usize = 16;

/// A member of the stage's consumer group.
pub struct KafkaInput {
    control: channel::UnboundedReceiver<GroupEvent>,
    data: channel::Receiver<Delivery>,
    commands: mpsc::Sender<Command>,
    queue: Weak<Queue>,
    /// Which start a partition's records must be behind: what was read before it is dropped.
    started: BTreeMap<Partition, u64>,
    starts: u64,
}

impl KafkaInput {
    pub async fn join(
        stage: &Stage,
        conflict: Arc<InstanceIdConflict>,
        reader: Arc<Reader>,
    ) -> Result<Self, LogError> {
        let (events, control) = channel::unbounded_channel();
        let (deliver, data) = channel::channel(BATCHES_MAX);
        let (commands, received) = mpsc::channel();
        let (ready, joined) = oneshot::channel();
        let flows = Arc::<Flows>::default();
        let watch = stall::watch(
            Arc::downgrade(&flows),
            reader,
            stage.input.clone(),
            events.downgrade(),
        );
        let links = Links {
            conflict,
            flows,
            events,
            deliver,
            commands: received,
        };
        poller::spawn(stage.clone(), links, ready)?;
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

    async fn event(&mut self) -> GroupEvent {
        loop {
            tokio::select! {
                biased;
                received = self.control.recv() => {
                    let event = received.unwrap_or_else(|| Err(LogError::Fatal("the consumer thread ended".into())))?;
                    // Assignment and revocation are always of everything: whatever was read
                    // before belongs to nobody now.
                    self.started.clear();
                    return Ok(event);
                }
                Some(delivery) = self.data.recv() => {
                    if let Some(event) = self.wanted(delivery) {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// What of a delivery was read behind the latest start of its partition.
    fn wanted(&self, delivery: Delivery) -> Option<InputEvent<Membership>> {
        let wants = |partition: &Partition| {
            let start = self.started.get(partition);
            start.is_some_and(|start| delivery.started >= *start)
        };
        match delivery.content {
            Content::Records(mut records) => {
                records.retain(|record| wants(&record.partition));
                (!records.is_empty()).then_some(InputEvent::Records(records))
            }
            Content::End { partition, offset } => {
                wants(&partition).then_some(InputEvent::End { partition, offset })
            }
        }
    }

    async fn begin(&mut self, partition: Partition, offset: Offset) -> Result<(), LogError> {
        self.starts += 1;
        let number = self.starts;
        self.started.remove(&partition);
        let (reply, answer) = oneshot::channel();
        self.send(Command::Start {
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

    fn send(&self, command: Command) {
        // If the thread has ended, its closed channels show it.
        let _ = self.commands.send(command);
        if let Some(queue) = self.queue.upgrade() {
            queue.wake();
        }
    }
}

impl Input for KafkaInput {
    type Membership = Membership;

    fn next(&mut self) -> impl Future<Output = GroupEvent> + Send {
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
        self.send(Command::Pause { partition, paused });
    }

    async fn leave(&mut self) {
        self.started.clear();
        let (reply, left) = oneshot::channel();
        self.send(Command::Leave(reply));
        let _ = left.await;
    }
}
