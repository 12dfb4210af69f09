//! The log as one stage on one machine calls it, step by step.
//!
//! Permitted: each step may be refused, done with its answer lost, or arrive late; the machine
//! may die or freeze between two steps; a call goes on when the engine no longer waits for it,
//! as one on a thread of its own does; delivery offsets may be missing. Survivable because each
//! outcome has its class, and an unknown one its remedy: a new producer and a new claim (E14).

use std::sync::Arc;

use accrual::engine::error::LogError;
use accrual::engine::ports::{
    Bounds, ChangelogChunk, Committed, Log, Offset, OutRecord, Partition, Position, Producer, TopicId,
    Transaction,
};

use super::group::Membership;
use super::input::SimInput;
use super::log::{Place, Refused};
use super::mutation::{self, Mutation};
use super::world::{Caller, Sim, Slot, World};

pub struct SimLog {
    pub sim: Sim,
    pub caller: Caller,
    pub stage: usize,
    pub input: usize,
    pub changelog: usize,
}

/// A producer with the epoch it got.
pub struct SimProducer {
    sim: Sim,
    id: String,
    epoch: u32,
    caller: Caller,
    changelog: usize,
}

type Outcome = Result<Committed, LogError>;

/// One run of `commit`, on its way.
struct Chain {
    id: String,
    epoch: u32,
    caller: Caller,
    changelog: usize,
    records: Vec<OutRecord>,
    sent: usize,
    offsets: Vec<(Partition, Position)>,
    membership: Membership,
    written: Vec<(Place, Offset)>,
    slot: Slot<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Produce,
    Offsets,
    Commit,
    Abort,
}

impl Chain {
    /// Sends the next request on its way.
    fn go(self, world: &mut World, step: Step, aborting: Option<LogError>) {
        let (caller, delay) = (self.caller, world.latency());
        world.step(caller, move |world| {
            let (refused, lost) = (world.knobs.log_refused, world.knobs.log_lost);
            if step != Step::Abort && world.chance(refused) {
                // It never arrived: the client knows and gives the transaction up.
                return self.go(
                    world,
                    Step::Abort,
                    Some(LogError::Abort(format!("{step:?} failed"))),
                );
            }
            if world.chance(lost * 0.3) {
                let what = format!("{step:?} timed out");
                // It may still arrive, much later.
                if world.chance(0.5) {
                    let late = world.rng.between(0, 800);
                    let slot = self.slot.clone();
                    world.after(late, move |world| {
                        let mut chain = Chain {
                            slot: Slot::default(),
                            ..self
                        };
                        let done = chain.perform(world, step);
                        world.note(|| format!("late {step:?} of {}: {done:?}", chain.id));
                    });
                    return unknown(world, slot, what);
                }
                return unknown(world, self.slot, what);
            }
            world.after(delay, move |world| self.arrive(world, step, aborting));
        });
    }

    fn arrive(mut self, world: &mut World, step: Step, aborting: Option<LogError>) {
        let done = self.perform(world, step);
        if done == Err(Refused::Busy) {
            return world.after(3, move |world| self.arrive(world, step, aborting));
        }
        let (caller, delay, lost) = (self.caller, world.latency(), world.knobs.log_lost);
        if world.chance(lost * 0.3) {
            world.note(|| format!("m{}: reply to {step:?} of {} lost", caller.machine, self.id));
            return unknown(world, self.slot, format!("no reply to {step:?}"));
        }
        world.after(delay, move |world| {
            world.step(caller, move |world| self.answered(world, step, done, aborting));
        });
    }

    fn perform(&mut self, world: &mut World, step: Step) -> Result<(), Refused> {
        match step {
            Step::Produce => {
                let some = world.rng.between(1, self.records.len().max(1) as i64) as usize;
                let until = (self.sent + some).min(self.records.len());
                let written = world.produce(&self.id, self.epoch, &self.records[self.sent..until])?;
                self.written.extend(written);
                self.sent = until;
                Ok(())
            }
            Step::Offsets => {
                if mutation::on(Mutation::E6FreshMembership) {
                    self.membership =
                        world
                            .groups
                            .fresh(self.membership.group, self.caller.machine, self.membership);
                }
                if !world.groups.accepts(self.membership) {
                    return Err(Refused::Gone);
                }
                world.send_offsets(&self.id, self.epoch, self.membership.group, &self.offsets)
            }
            Step::Commit => world.end(&self.id, self.epoch, true),
            Step::Abort => world.end(&self.id, self.epoch, false),
        }
    }

    fn answered(self, world: &mut World, step: Step, done: Result<(), Refused>, aborting: Option<LogError>) {
        match (step, done) {
            (Step::Abort, Ok(()) | Err(Refused::Gone)) => {
                let error = aborting.expect("an abort has its reason");
                self.slot.answer(Err(error));
            }
            (Step::Produce, Ok(())) if self.sent < self.records.len() => self.go(world, Step::Produce, None),
            (Step::Produce, Ok(())) if self.offsets.is_empty() => self.go(world, Step::Commit, None),
            (Step::Produce, Ok(())) => self.go(world, Step::Offsets, None),
            (Step::Offsets, Ok(())) => self.go(world, Step::Commit, None),
            (Step::Commit, Ok(())) => {
                let committed = self.hints(world);
                world.note(|| format!("m{}: {} committed", self.caller.machine, self.id));
                self.slot.answer(Ok(committed));
            }
            (Step::Offsets, Err(Refused::Gone)) => {
                world.note(|| format!("m{}: {} has a stale membership", self.caller.machine, self.id));
                let error = LogError::Fenced("stale membership".into());
                self.go(world, Step::Abort, Some(error));
            }
            (Step::Commit, Err(Refused::Gone)) => unknown(world, self.slot, "no such transaction".into()),
            (_, Err(Refused::Fenced)) => {
                world.note(|| format!("m{}: {} fenced", self.caller.machine, self.id));
                self.slot.answer(Err(LogError::Fenced(self.id.clone())));
            }
            (_, Err(refused)) => self
                .slot
                .answer(Err(LogError::Ambiguous(format!("{step:?}: {refused:?}")))),
        }
    }

    fn hints(&self, world: &mut World) -> Committed {
        let mut hints: std::collections::BTreeMap<Partition, Offset> = Default::default();
        for ((topic, partition), offset) in &self.written {
            let lost = world.knobs.hint_lost;
            if *topic == self.changelog && !world.chance(lost) {
                let highest = hints.entry(*partition).or_insert(*offset);
                *highest = (*highest).max(*offset);
            }
        }
        Committed {
            changelog: hints.into_iter().collect(),
        }
    }
}

fn unknown(world: &mut World, slot: Slot<Outcome>, reason: String) {
    let delay = world.rng.between(1, 300);
    world.after(delay, move |_| slot.answer(Err(LogError::Ambiguous(reason))));
}

impl Producer for SimProducer {
    type Membership = Membership;

    async fn commit(&mut self, transaction: Transaction<Membership>) -> Outcome {
        let Transaction {
            records,
            offsets,
            mut membership,
        } = transaction;
        if mutation::on(Mutation::E6UnfencedGeneration) {
            membership.generation = -1;
        }
        let retry = {
            let mut world = self.sim.lock();
            let p = world.knobs.log_retry * 0.3;
            world.chance(p)
        };
        if retry {
            return Err(LogError::Abort("queue full".into()));
        }
        let (id, epoch, caller, changelog) = (self.id.clone(), self.epoch, self.caller, self.changelog);
        self.sim
            .call(move |world, slot| {
                let written = Vec::new();
                let chain = Chain {
                    id,
                    epoch,
                    caller,
                    changelog,
                    records,
                    sent: 0,
                    offsets,
                    membership,
                    written,
                    slot,
                };
                chain.go(world, Step::Produce, None);
            })
            .await
    }
}

impl SimLog {
    /// A read: it may fail, and then it may be asked again.
    async fn ask<T: Send + 'static>(
        &self,
        what: impl Fn(&mut World) -> Option<T> + Send + Sync + 'static,
    ) -> Result<T, LogError> {
        self.sim
            .call(move |world, slot| {
                let delay = world.latency();
                world.after(delay, move |world| look(world, Arc::new(what), slot));
            })
            .await
    }
}

fn look<T: Send + 'static>(
    world: &mut World,
    what: Arc<impl Fn(&mut World) -> Option<T> + Send + Sync + 'static>,
    slot: Slot<Result<T, LogError>>,
) {
    let retry = world.knobs.log_retry * 0.2;
    let answer = if world.chance(retry) {
        Some(Err(LogError::Retry("no answer".into())))
    } else {
        what(world).map(Ok)
    };
    match answer {
        Some(answer) => {
            let delay = world.latency();
            world.after(delay, move |_| slot.answer(answer));
        }
        None => world.after(20, move |world| look(world, what, slot)),
    }
}

impl Log for SimLog {
    type Membership = Membership;
    type Input = SimInput;
    type Producer = SimProducer;

    async fn join(&self) -> Result<SimInput, LogError> {
        self.ask(|_| Some(())).await.or_else(|error| match error {
            // A client is made without asking anybody; only its thread could fail.
            LogError::Retry(_) => Ok(()),
            other => Err(other),
        })?;
        Ok(SimInput::join(&self.sim, self.caller, self.stage, self.input))
    }

    async fn producer(&self, lane: u32) -> Result<SimProducer, LogError> {
        let id = format!("s{}-m{}-{lane}", self.stage, self.caller.machine);
        let asked = id.clone();
        let init = self.ask(move |world| Some(world.init_producer(&asked))).await;
        let epoch = init.map_err(|error| LogError::Ambiguous(error.to_string()))?;
        let asked = id.clone();
        let complete = self
            .ask(move |world| (!world.completing(&asked)).then_some(()))
            .await;
        complete.map_err(|error| LogError::Ambiguous(error.to_string()))?;
        Ok(SimProducer {
            sim: self.sim.clone(),
            id,
            epoch,
            caller: self.caller,
            changelog: self.changelog,
        })
    }

    async fn changelog(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<ChangelogChunk, LogError> {
        let (place, stage) = ((self.changelog, partition), self.stage);
        self.ask(move |world| {
            let log = world.topics.log(place);
            let (records, next) = log.read(partition, from, limit);
            let end = log.stable();
            let gone = world.knobs.night > 0.0 && log.outlived(&records, next);
            // Who has claimed the store copies into it; before that the claim and the last batch
            // are looked for, and a night would take away what the copy is to meet.
            let claim = log.last_claim().filter(|_| gone);
            let copies = claim.is_some_and(|claim| world.shard((stage, partition)).now.is_claimed_by(claim));
            if copies && world.rng.chance(0.5) {
                world.note(|| format!("night falls on who copies {place:?}"));
                world.night_falls();
            }
            Some(ChangelogChunk { records, next, end })
        })
        .await
    }

    async fn input_bounds(&self, partition: Partition) -> Result<Bounds, LogError> {
        let place = (self.input, partition);
        self.ask(move |world| Some(world.topics.log(place).bounds()))
            .await
    }

    async fn input_topic(&self) -> Result<Option<TopicId>, LogError> {
        let input = self.input as u128;
        self.ask(move |_| Some(TopicId::new(input + 1))).await
    }

    async fn committed(&self, partition: Partition) -> Result<Option<Position>, LogError> {
        let group = self.stage;
        self.ask(move |world| world.groups.stable(group, partition)).await
    }
}
