//! The thread that polls a consumer. It never waits for the engine for long: when the engine is
//! behind, it first waits a little (pausing throws prefetched records away), then pauses.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::mpsc as channel;
use tokio::sync::oneshot;

use crate::engine::error::LogError;
use crate::engine::ports::{InputEvent, Offset, Partition, Record, Released};

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::queue::{self, Client, HeaderNames, Queue};
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::Stage;

use super::instance_id_conflict::InstanceIdConflict;
use super::messages::{Command, Delivery, GroupEvent, Membership};
use super::outbox::Outbox;
use super::stall::{Flow, Flows};

/// How long an idle poll waits; commands interrupt it.
const IDLE_POLL_MS: i32 = 100;
/// How long the engine may be behind before its partitions are paused.
const PATIENCE_MS: u64 = 500;
const BEHIND_POLL_MS: i32 = 5;
/// How long a revocation waits for the engine to let go: below the session time-out.
const RELEASE_WAIT_MS: u64 = 25_000;
const RELEASE_LOOK_MS: u64 = 2;
/// librdkafka refuses to seek while an assigned partition is not yet active.
const SEEK_WAIT_MS: u64 = 10_000;
const SEEK_RETRY_MS: u64 = 5;
const SEEK_CALL_MS: u64 = 2_000;

/// What ties a poll thread to the engine.
pub struct Links {
    /// Outlive one membership.
    pub conflict: Arc<InstanceIdConflict>,
    pub flows: Arc<Flows>,
    pub events: channel::UnboundedSender<GroupEvent>,
    pub deliver: channel::Sender<Delivery>,
    pub commands: Receiver<Command>,
}

/// Joins the group on a new thread, and says on `ready` how that went.
pub fn spawn(
    stage: Stage,
    links: Links,
    ready: oneshot::Sender<Result<Weak<Queue>, LogError>>,
) -> Result<(), LogError> {
    thread::Builder::new()
        .name(format!("{}-input", stage.stage))
        .spawn(move || match Poller::subscribe(&stage, links) {
            Ok(mut poller) => {
                let _ = ready.send(Ok(Arc::downgrade(&poller.queue)));
                poller.run();
            }
            Err(e) => {
                let _ = ready.send(Err(e));
            }
        })
        .map(|_| ())
        .map_err(|e| LogError::Fatal(format!("no thread for the consumer: {e}")))
}

/// A started partition.
struct Started {
    /// The next offset wanted: whatever is below it comes twice.
    next: Offset,
    /// By the engine's wish.
    paused: bool,
    flow: Arc<Flow>,
}

struct Poller {
    topic: Arc<str>,
    group: Arc<str>,
    queue: Arc<Queue>,
    client: Arc<Client>,
    conflict: Arc<InstanceIdConflict>,
    flows: Arc<Flows>,
    events: channel::UnboundedSender<GroupEvent>,
    commands: Receiver<Command>,
    names: HeaderNames,
    owned: Vec<Partition>,
    started: BTreeMap<Partition, Started>,
    outbox: Outbox,
    /// Everything is paused until the engine has caught up.
    throttled: bool,
}

impl Poller {
    fn subscribe(stage: &Stage, links: Links) -> Result<Self, LogError> {
        let Links {
            conflict,
            flows,
            events,
            deliver,
            commands,
        } = links;
        let client: Client = stage
            .member()
            .create_with_context(Context)
            .map_err(|e| classify::reading("consumer", &e))?;
        let client = Arc::new(client);
        let queue = Arc::new(Queue::of_consumer(&client)?);
        client
            .subscribe(&[&stage.input])
            .map_err(|e| classify::reading("subscribing", &e))?;
        Ok(Self {
            topic: stage.input.clone(),
            group: stage.group().into(),
            queue,
            client,
            conflict,
            flows,
            events,
            commands,
            names: HeaderNames::default(),
            owned: Vec::new(),
            started: BTreeMap::new(),
            outbox: Outbox::new(deliver),
            throttled: false,
        })
    }

    fn run(&mut self) {
        while self.serve_commands() {
            self.hand_over();
            let Some(wait_ms) = self.wait_ms() else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            match self.queue.poll(wait_ms, &mut self.names) {
                None => self.outbox.close_batch(),
                Some(queue::Event::Record(record)) => self.take(record),
                Some(queue::Event::End { partition, offset }) => self.end(partition, offset),
                Some(queue::Event::Assign(partitions)) => self.assign(partitions),
                Some(queue::Event::Revoke(partitions)) => self.revoke(partitions),
                Some(queue::Event::Error {
                    code,
                    partition,
                    fatal,
                    reason,
                }) => self.fail(code, partition, fatal, &reason),
                Some(queue::Event::Other) => {}
            }
        }
    }

    /// How long the next poll may wait; `None`: do not poll, the engine is a little behind.
    fn wait_ms(&self) -> Option<i32> {
        match (self.outbox.is_behind(), self.throttled) {
            (false, _) if self.outbox.is_empty() => Some(IDLE_POLL_MS),
            (false, _) => Some(0),
            (true, true) => Some(BEHIND_POLL_MS),
            (true, false) => None,
        }
    }

    /// False when the input is gone.
    fn serve_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Leave(reply)) => {
                    self.leave();
                    let _ = reply.send(());
                    return false;
                }
                Ok(command) => self.serve(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn serve(&mut self, command: Command) {
        match command {
            Command::Start {
                partition,
                offset,
                number,
                reply,
            } => {
                let result = self.start(partition, offset);
                // What was read so far was read before this start.
                self.outbox.started(number);
                let _ = reply.send(result);
            }
            Command::Pause { partition, paused } => {
                if let Some(started) = self.started.get_mut(&partition) {
                    started.paused = paused;
                    if !self.throttled {
                        self.set_paused(&[partition], paused);
                    }
                }
            }
            Command::Leave(reply) => drop(reply),
        }
    }

    fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), LogError> {
        if !self.owned.contains(&partition) {
            return Err(LogError::Fenced(format!("partition {partition} is not assigned")));
        }
        self.started.remove(&partition);
        let deadline = Instant::now() + Duration::from_millis(SEEK_WAIT_MS);
        while let Err(e) = self.seek(partition, offset) {
            if Instant::now() >= deadline {
                return Err(e);
            }
            thread::sleep(Duration::from_millis(SEEK_RETRY_MS));
        }
        self.started.insert(
            partition,
            Started {
                next: offset,
                paused: false,
                flow: self.flows.start(partition, offset),
            },
        );
        if !self.throttled {
            self.set_paused(&[partition], false);
        }
        Ok(())
    }

    fn seek(&self, partition: Partition, offset: Offset) -> Result<(), LogError> {
        let what = || format!("seeking partition {partition} to {offset}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, KafkaOffset::Offset(offset))
            .map_err(|e| classify::reading(&what(), &e))?;
        let list = self
            .client
            .seek_partitions(list, Duration::from_millis(SEEK_CALL_MS))
            .map_err(|e| classify::reading(&what(), &e))?;
        for element in list.elements() {
            element.error().map_err(|e| classify::reading(&what(), &e))?;
        }
        Ok(())
    }

    fn take(&mut self, record: Record) {
        let Some(started) = self.started.get_mut(&record.partition) else {
            return;
        };
        if record.offset < started.next {
            return;
        }
        started.next = record.offset + 1;
        started.flow.reached(started.next);
        self.outbox.push(record);
    }

    fn end(&mut self, partition: Partition, offset: Offset) {
        let started = self.started.get(&partition);
        if let Some(started) = started.filter(|started| offset >= started.next) {
            started.flow.reached(offset);
            self.outbox.push_end(partition, offset);
        }
    }

    /// Gives the engine what it has room for, and pauses when it stays behind.
    fn hand_over(&mut self) {
        self.outbox.hand_over();
        if !self.outbox.is_behind() {
            if self.throttled {
                self.throttle(false);
            }
        } else if !self.throttled && self.outbox.behind_for() >= Duration::from_millis(PATIENCE_MS) {
            self.throttle(true);
        }
    }

    fn throttle(&mut self, throttled: bool) {
        self.throttled = throttled;
        let running = self.started.iter().filter(|(_, started)| !started.paused);
        let running: Vec<_> = running.map(|(partition, _)| *partition).collect();
        self.set_paused(&running, throttled);
    }

    fn set_paused(&self, partitions: &[Partition], paused: bool) {
        if partitions.is_empty() {
            return;
        }
        for started in partitions
            .iter()
            .filter_map(|partition| self.started.get(partition))
        {
            started.flow.set_flowing(!paused);
        }
        let list = self.list(partitions);
        let result = if paused {
            self.client.pause(&list)
        } else {
            self.client.resume(&list)
        };
        if let Err(e) = result {
            tracing::warn!(topic = %self.topic, ?partitions, paused, "pausing or resuming: {e}");
        }
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Nothing is fetched before the engine has said from where: each partition is assigned at a
    /// stated offset, so that the group's is not asked for, and paused at once.
    fn assign(&mut self, partitions: Vec<Partition>) {
        let mut list = self.list(&partitions);
        let assigned = list
            .set_all_offsets(KafkaOffset::Offset(0))
            .and_then(|()| self.client.assign(&list));
        if let Err(e) = assigned {
            self.report(classify::reading("assigning", &e));
            return;
        }
        self.set_paused(&partitions, true);
        self.forget_deliveries();
        self.owned.clone_from(&partitions);
        match queue::membership(&self.client) {
            Some(membership) => {
                let membership = Membership {
                    group: self.group.clone(),
                    metadata: Arc::new(membership),
                };
                let _ = self.events.send(Ok(InputEvent::Assigned {
                    partitions,
                    membership,
                }));
            }
            // Kicked out meanwhile: a revocation is on its way (E6).
            None => tracing::warn!(topic = %self.topic, "assigned without a generation: waiting to rejoin"),
        }
    }

    /// Also for partitions lost already: what is in flight ends first either way (E6).
    fn revoke(&mut self, partitions: Vec<Partition>) {
        self.set_paused(&self.owned, true);
        self.forget_deliveries();
        if !partitions.is_empty() {
            let (done, released) = oneshot::channel();
            let sent = self.events.send(Ok(InputEvent::Revoked {
                partitions,
                done: Released(Some(done)),
            }));
            if sent.is_ok() {
                self.wait_for(released);
            }
        }
        self.owned.clear();
        if let Err(e) = self.client.unassign() {
            self.report(classify::reading("unassigning", &e));
        }
    }

    /// Answers commands meanwhile, so that the engine cannot wait for us while we wait for it.
    fn wait_for(&mut self, mut released: oneshot::Receiver<()>) {
        let deadline = Instant::now() + Duration::from_millis(RELEASE_WAIT_MS);
        while Instant::now() < deadline {
            if released.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
                return;
            }
            match self.commands.recv_timeout(Duration::from_millis(RELEASE_LOOK_MS)) {
                Ok(Command::Start { partition, reply, .. }) => {
                    let _ = reply.send(Err(LogError::Fenced(format!("partition {partition} is revoked"))));
                }
                Ok(Command::Leave(reply)) => {
                    let _ = reply.send(());
                    return;
                }
                Ok(Command::Pause { .. }) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        tracing::error!(topic = %self.topic, "revoked partitions were not let go in time [E6]");
    }

    fn forget_deliveries(&mut self) {
        self.started.clear();
        self.flows.clear();
        self.outbox.clear();
        self.throttled = false;
    }

    fn fail(&mut self, code: Code, partition: Option<Partition>, fatal: bool, reason: &str) {
        // A partition that was never started has no pending command.
        if partition.is_some_and(|partition| !self.started.contains_key(&partition)) {
            return;
        }
        let place = partition.map_or_else(String::new, |partition| format!(" partition {partition}"));
        let what = format!("input {}{place}", self.topic);
        if fatal {
            let cause = self.client.client().fatal_error().map(|(code, _)| code);
            return self.report(match cause {
                Some(Code::FencedInstanceId) => self.conflict.fenced(&what),
                _ => LogError::Fatal(format!("{what}: {reason}")),
            });
        }
        let needs = [
            Right::topic("Read", &self.topic),
            Right::group("Read", &self.group),
        ];
        match rights::reading_code(&what, code, &needs) {
            // librdkafka goes on by itself.
            LogError::Retry(_) => tracing::warn!(topic = %self.topic, ?partition, ?code, "{reason}"),
            error => self.report(error),
        }
    }

    fn report(&self, error: LogError) {
        let _ = self.events.send(Err(error));
    }

    /// A static member keeps its place for the session time-out: a restart moves no partition.
    fn leave(&mut self) {
        self.forget_deliveries();
        self.set_paused(&self.owned, true);
        self.client.unsubscribe();
    }
}
