//! The consumer of one stage on one machine: it joins, beats, is assigned, is revoked, fetches.
//!
//! Permitted: it learns of rebalances late, gives up waiting for a revocation after a while,
//! and a join or a start may fail. Survivable because a transaction of a membership that is
//! gone is refused (E6). It keeps the promise of `Input::start`: what was delivered under an
//! earlier start is not delivered any more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Poll, Waker};

use accrual::engine::error::LogError;
use accrual::engine::ports::{Input, InputEvent, Millis, Offset, Partition, Released};
use tokio::sync::oneshot;

use super::group::{Beat, Membership};
use super::world::{Caller, Sim, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Joining,
    Stable,
    /// Waits for the engine to let go, at most until then.
    Revoking(Millis),
    Closed,
}

/// Deliveries that wait for the engine; then the broker is not asked.
const QUEUE_MAX: usize = 4;
/// Pause of a consumer that has something to do; twice that for each time it had not.
const TICK_MS: Millis = 5;
const IDLE_MAX: u32 = 3;

struct Flow {
    position: Offset,
    paused: bool,
    ended_at: Option<Offset>,
}

struct Inner {
    phase: Phase,
    member: Option<u64>,
    generation: i32,
    owned: Vec<Partition>,
    flows: BTreeMap<Partition, Flow>,
    queue: VecDeque<InputEvent<Membership>>,
    revoked: Option<oneshot::Receiver<()>>,
    waker: Option<Waker>,
    /// Ticks in which nothing happened.
    idle: u32,
}

type Client = Arc<Mutex<Inner>>;

pub struct SimInput {
    sim: Sim,
    client: Client,
    group: usize,
}

#[derive(Clone)]
struct Member {
    client: Client,
    caller: Caller,
    group: usize,
    topic: usize,
}

impl SimInput {
    pub fn join(sim: &Sim, caller: Caller, group: usize, topic: usize) -> Self {
        let inner = Inner {
            phase: Phase::Joining,
            member: None,
            generation: -1,
            owned: Vec::new(),
            flows: BTreeMap::new(),
            queue: VecDeque::new(),
            revoked: None,
            waker: None,
            idle: 0,
        };
        let client = Arc::new(Mutex::new(inner));
        let member = Member {
            client: client.clone(),
            caller,
            group,
            topic,
        };
        let mut world = sim.lock();
        let delay = world.latency();
        world.after(delay, move |world| member.tick(world));
        drop(world);
        Self {
            sim: sim.clone(),
            client,
            group,
        }
    }
}

impl Member {
    /// The consumer's thread, once in a while.
    fn tick(self, world: &mut World) {
        let (caller, client) = (self.caller, self.client.clone());
        world.step(caller, move |world| {
            let mut inner = client.lock().expect("client");
            if inner.phase == Phase::Closed {
                return;
            }
            let (phase, waiting) = (inner.phase, inner.queue.len());
            self.beat(world, &mut inner);
            if inner.phase == Phase::Stable && inner.queue.len() < QUEUE_MAX {
                self.fetch(world, &mut inner);
            }
            let quiet = inner.phase == phase && inner.queue.len() == waiting;
            inner.idle = if quiet { (inner.idle + 1).min(IDLE_MAX) } else { 0 };
            let delay = (TICK_MS << inner.idle) + world.latency();
            if !inner.queue.is_empty()
                && let Some(waker) = inner.waker.take()
            {
                waker.wake();
            }
            drop(inner);
            world.after(delay, move |world| self.tick(world));
        });
    }

    fn beat(&self, world: &mut World, inner: &mut Inner) {
        let beat = match inner.member {
            Some(member) => world.heartbeat(self.group, member),
            None => Beat::Unknown,
        };
        match (inner.phase, beat) {
            (Phase::Joining, Beat::Unknown) => {
                inner.member = Some(world.join_group(self.group, self.caller.machine, None));
            }
            (Phase::Joining, Beat::Stable(generation)) => {
                inner.phase = Phase::Stable;
                inner.generation = generation;
                let member = inner.member.expect("it beat");
                let owned = world.owned(self.group, member);
                inner.owned = owned.clone();
                let membership = Membership {
                    group: self.group,
                    member,
                    generation,
                };
                world.note(|| {
                    format!(
                        "m{} group {}: assigned {owned:?}",
                        self.caller.machine, self.group
                    )
                });
                inner.queue.push_back(InputEvent::Assigned {
                    partitions: owned,
                    membership,
                });
            }
            // The next rebalance may begin before this member has heard of the last one.
            (Phase::Joining, Beat::Rebalancing) => world.join_again(self.group, inner.member),
            (Phase::Stable, Beat::Stable(generation)) if generation == inner.generation => {}
            (Phase::Stable, beat) => {
                if beat == Beat::Unknown {
                    inner.member = None;
                }
                self.revoke(world, inner);
            }
            (Phase::Revoking(until), beat) => {
                if beat == Beat::Unknown {
                    inner.member = None;
                }
                let receiver = inner.revoked.as_mut().expect("it is revoking");
                let released = receiver.try_recv() != Err(oneshot::error::TryRecvError::Empty);
                if released || world.now >= until {
                    world.note(|| {
                        format!(
                            "m{} group {}: let go ({released})",
                            self.caller.machine, self.group
                        )
                    });
                    inner.revoked = None;
                    inner.phase = Phase::Joining;
                    inner.member = Some(world.join_group(self.group, self.caller.machine, inner.member));
                }
            }
            (Phase::Closed, _) => {}
        }
    }

    fn revoke(&self, world: &mut World, inner: &mut Inner) {
        let (sender, receiver) = oneshot::channel();
        let until = world.now + world.knobs.rebalance_ms;
        inner.phase = Phase::Revoking(until);
        inner.flows.clear();
        inner.revoked = Some(receiver);
        let partitions = std::mem::take(&mut inner.owned);
        world.note(|| {
            format!(
                "m{} group {}: revoked {partitions:?}",
                self.caller.machine, self.group
            )
        });
        inner.queue.push_back(InputEvent::Revoked {
            partitions,
            done: Released(Some(sender)),
        });
    }

    fn fetch(&self, world: &mut World, inner: &mut Inner) {
        for (&partition, flow) in inner.flows.iter_mut().filter(|(_, flow)| !flow.paused) {
            let limit = world.rng.between(1, 5) as usize;
            // What waits here has not been the engine's to pause.
            let on_its_way = first_of(&inner.queue, partition).unwrap_or(flow.position);
            let log = world.topics.log((self.topic, partition));
            let (records, next) = log.read(partition, flow.position, limit);
            let end = log.stable();
            flow.position = next;
            if !records.is_empty() {
                let offsets: Vec<_> = records.iter().map(|r| r.offset).collect();
                world.note(|| {
                    format!(
                        "m{} {}/{partition}: delivers {offsets:?}",
                        self.caller.machine, self.topic
                    )
                });
                inner.queue.push_back(InputEvent::Records(records));
                if self.group == 0 {
                    world.watch_inbox(partition, on_its_way);
                }
            }
            if next >= end && flow.ended_at != Some(next) {
                flow.ended_at = Some(next);
                inner.queue.push_back(InputEvent::End {
                    partition,
                    offset: next,
                });
            }
        }
    }
}

/// The first record of a partition that waits in the queue.
fn first_of(queue: &VecDeque<InputEvent<Membership>>, partition: Partition) -> Option<Offset> {
    queue.iter().find_map(|event| match event {
        InputEvent::Records(records) if records[0].partition == partition => Some(records[0].offset),
        _ => None,
    })
}

impl Input for SimInput {
    type Membership = Membership;

    async fn next(&mut self) -> Result<InputEvent<Membership>, LogError> {
        let lost = {
            let mut world = self.sim.lock();
            let p = world.knobs.log_lost * 0.002;
            world.chance(p)
        };
        if lost {
            return Err(LogError::Retry("the consumer has had enough".into()));
        }
        std::future::poll_fn(|cx| {
            let mut inner = self.client.lock().expect("client");
            match inner.queue.pop_front() {
                Some(event) => {
                    // What was started before the engine knew of it belongs to nobody.
                    if matches!(event, InputEvent::Assigned { .. } | InputEvent::Revoked { .. }) {
                        inner.flows.clear();
                    }
                    Poll::Ready(Ok(event))
                }
                None => {
                    inner.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    async fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), LogError> {
        let mut world = self.sim.lock();
        let mut inner = self.client.lock().expect("client");
        if !inner.owned.contains(&partition) || inner.phase != Phase::Stable {
            return Err(LogError::Fenced(format!("partition {partition} is not assigned")));
        }
        let p = world.knobs.log_retry;
        if world.chance(p) {
            return Err(LogError::Retry("seek failed".into()));
        }
        inner.queue.retain_mut(|event| match event {
            InputEvent::Records(records) => records.iter().all(|record| record.partition != partition),
            InputEvent::End { partition: ended, .. } => *ended != partition,
            _ => true,
        });
        inner.flows.insert(
            partition,
            Flow {
                position: offset,
                paused: false,
                ended_at: None,
            },
        );
        Ok(())
    }

    fn pause(&mut self, partition: Partition, paused: bool) {
        if let Some(flow) = self.client.lock().expect("client").flows.get_mut(&partition) {
            flow.paused = paused;
        }
    }

    async fn leave(&mut self) {
        let mut world = self.sim.lock();
        let member = {
            let mut inner = self.client.lock().expect("client");
            inner.phase = Phase::Closed;
            inner.member.take()
        };
        // Static members keep their place until their session times out.
        if let Some(member) = member.filter(|_| !world.knobs.static_members) {
            world.leave_group(self.group, member);
        }
    }
}
