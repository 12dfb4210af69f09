//! One lane: a producer and the partitions that take their turns with it. A cycle is one
//! takeover or one transaction, from reading states to the store's answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::batch::{self, Batch, Broken, Decision};
use super::error::{LogError, Stopped, StoreError};
use super::mutation::{self, Mutation};
use super::observe;
use super::partition::Owned;
use super::ports::{
    Answer, Ask, Clock, Due, Key, KeyMap, Log, Marker, Millis, Offset, Partition, Producer, Record, Scan,
    Step, Store, Table, Timers, Transaction,
};
use super::processor::Processor;
use super::spec::StageSpec;
use super::takeover::{Failure, Takeover};

/// What a stage's lanes share.
pub struct Shared<P, L, S, C, T> {
    pub spec: StageSpec,
    pub processor: Arc<P>,
    pub log: Arc<L>,
    pub store: Arc<S>,
    pub clock: Arc<C>,
    pub table: Arc<T>,
}

/// One partition's share of a cycle.
pub struct Work<S> {
    pub owned: Owned<S>,
    pub records: Vec<Record>,
    /// Until this time all input of earlier stages is known: fences may be set so far (E13).
    pub ceiling: Millis,
    /// Ask where the input ends, to open the gate.
    pub fence: bool,
}

/// What became of a partition.
pub enum Fate<S> {
    /// Ready for its next batch; records that were not decided come back.
    Ready(Box<Owned<S>>, Vec<Record>),
    /// Its store or transaction is in doubt: take it over afresh.
    Retake(Partition, String),
    Stopped(Stopped),
}

impl<S> Fate<S> {
    pub fn partition(&self) -> Partition {
        match self {
            Fate::Ready(owned, _) => owned.id,
            Fate::Retake(partition, _) => *partition,
            Fate::Stopped(stopped) => stopped.partition,
        }
    }
}

/// What a cycle came to.
pub struct Cycle<M, S> {
    pub lane: u32,
    /// `None`: thrown away (E14).
    pub producer: Option<M>,
    pub fates: Vec<Fate<S>>,
    pub end: End,
}

/// What the whole lane must do next.
#[derive(Debug)]
pub enum End {
    Done,
    /// Wait a little before the next cycle.
    Backoff(String),
    /// The group has moved on without us: drop everything, rejoin.
    Fenced(String),
    Fatal(String),
}

type CycleOf<P, L> = Cycle<<L as Log>::Producer, <P as Processor>::State>;

impl<P, L, S, C, T> Shared<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    /// Claims and restores partitions.
    pub async fn take_over(
        &self,
        lane: u32,
        producer: Option<L::Producer>,
        partitions: Vec<Partition>,
        membership: L::Membership,
        cancel: Arc<AtomicBool>,
    ) -> CycleOf<P, L> {
        let takeover = Takeover {
            spec: &self.spec,
            log: &*self.log,
            store: &*self.store,
            clock: &*self.clock,
            cancel: &cancel,
        };
        let mut producer = match self.producer(lane, producer).await {
            Ok(producer) => producer,
            Err(error) => return self.whole(lane, None, retake(&partitions, "no producer"), error),
        };
        // Rules are known to their end before the first decision (E11).
        let claims = match self.table.catch_up().await {
            Ok(()) => takeover.claim(&mut producer, &partitions, membership).await,
            Err(error) => Err(Failure::Log(error)),
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(Failure::Log(error)) => {
                let keep = matches!(error, LogError::Abort(_) | LogError::Retry(_)).then_some(producer);
                return self.whole(lane, keep, retake(&partitions, &format!("claim: {error}")), error);
            }
            Err(failure) => {
                let fates = retake(&partitions, &format!("{failure:?}"));
                return Cycle {
                    lane,
                    producer: Some(producer),
                    fates,
                    end: End::Backoff("claim".into()),
                };
            }
        };
        let restored = join_all(claims.into_iter().map(|claim| takeover.restore(claim))).await;
        let mut end = End::Done;
        let mut fates = Vec::new();
        for (partition, result) in partitions.into_iter().zip(restored) {
            fates.push(match result {
                Ok(owned) => Fate::Ready(Box::new(owned), Vec::new()),
                Err(Failure::Stopped(stopped)) => Fate::Stopped(stopped),
                Err(Failure::Log(LogError::Fatal(reason))) => {
                    end = End::Fatal(reason.clone());
                    Fate::Retake(partition, reason)
                }
                Err(failure) => {
                    if matches!(end, End::Done) {
                        end = End::Backoff(format!("{failure:?}"));
                    }
                    Fate::Retake(partition, format!("{failure:?}"))
                }
            });
        }
        Cycle {
            lane,
            producer: Some(producer),
            fates,
            end,
        }
    }

    /// Decides one batch of each partition and commits them together.
    pub async fn turn(
        &self,
        lane: u32,
        producer: Option<L::Producer>,
        works: Vec<Work<P::State>>,
        membership: L::Membership,
        cancel: Arc<AtomicBool>,
    ) -> CycleOf<P, L> {
        let mut producer = match self.producer(lane, producer).await {
            Ok(producer) => producer,
            Err(error) => {
                let fates = works
                    .into_iter()
                    .map(|w| Fate::Ready(Box::new(w.owned), w.records))
                    .collect();
                return self.whole(lane, None, fates, error);
            }
        };
        let decided = join_all(works.into_iter().map(|work| self.decide(work, &cancel))).await;
        let (mut fates, mut open, mut end) = (Vec::new(), Vec::new(), End::Done);
        for result in decided {
            match result {
                Ok(prepared) if prepared.decision.is_none() => {
                    fates.push(Fate::Ready(Box::new(prepared.owned), prepared.batch.records));
                }
                Ok(prepared) => open.push(prepared),
                Err((fate, backoff)) => {
                    fates.push(fate);
                    end = backoff;
                }
            }
        }
        if open.is_empty() {
            return Cycle {
                lane,
                producer: Some(producer),
                fates,
                end,
            };
        }
        if mutation::on(Mutation::E2StoreFirst) {
            for prepared in &open {
                let decision = prepared.decision.as_ref().expect("only decided batches are open");
                let batch = prepared.owned.marker.batch + 1;
                let _ = self.replicate(&prepared.owned, decision, batch, &cancel).await;
            }
        }
        let transaction = self.transaction(&mut open, membership);
        let begun = observe::begin();
        match producer.commit(transaction).await {
            Ok(committed) => {
                observe::committed(self.spec.name, begun);
                let hints: HashMap<Partition, Offset> = committed.changelog.into_iter().collect();
                let applied = open.into_iter().map(|prepared| {
                    let hint = hints.get(&prepared.owned.id).copied();
                    self.apply(prepared, hint, &cancel)
                });
                fates.extend(join_all(applied).await);
                Cycle {
                    lane,
                    producer: Some(producer),
                    fates,
                    end,
                }
            }
            Err(error) => {
                observe::failed(self.spec.name, &error);
                let keep = matches!(
                    error,
                    LogError::Abort(_) | LogError::Retry(_) | LogError::Refused { .. }
                ) || mutation::on(Mutation::E14KeepProducer);
                fates.extend(open.into_iter().map(|prepared| undone(prepared, &error)));
                self.whole(lane, keep.then_some(producer), fates, error)
            }
        }
    }

    async fn producer(&self, lane: u32, kept: Option<L::Producer>) -> Result<L::Producer, LogError> {
        match kept {
            Some(producer) => Ok(producer),
            None => self.log.producer(lane).await,
        }
    }

    /// A failure of the whole lane.
    fn whole(
        &self,
        lane: u32,
        producer: Option<L::Producer>,
        fates: Vec<Fate<P::State>>,
        error: LogError,
    ) -> CycleOf<P, L> {
        let end = match error {
            LogError::Retry(reason) | LogError::Abort(reason) | LogError::Ambiguous(reason) => {
                End::Backoff(reason)
            }
            LogError::Refused { reason, .. } => End::Backoff(reason),
            LogError::Fenced(reason) => End::Fenced(reason),
            LogError::Fatal(reason) => End::Fatal(reason),
        };
        Cycle {
            lane,
            producer,
            fates,
            end,
        }
    }

    /// Reads states and decides; opens the gate where that was asked for.
    async fn decide(
        &self,
        work: Work<P::State>,
        cancel: &AtomicBool,
    ) -> Result<Prepared<P::Event, P::State>, (Fate<P::State>, End)> {
        let Work {
            mut owned,
            records,
            ceiling,
            fence,
        } = work;
        let now = self.clock.now();
        if fence {
            // The time is taken before the end is asked for: what came before it lies before the end.
            if let Ok(bounds) = self.log.input_bounds(owned.id).await {
                owned.gate.fence(now.min(ceiling), bounds.end);
            }
        }
        let mut batch = Batch::read(&*self.processor, &self.spec, records, now);
        loop {
            let before = owned.fires_before(now);
            batch.due = before.map(|before| Due {
                before,
                limit: self.spec.limits.timers_max_per_turn,
            });
            batch.scan = owned.sweep.as_ref().map(|sweep| Scan {
                prefix: sweep.nudge.prefix.clone(),
                after: sweep.after.clone(),
                limit: self.spec.limits.sweep_max_keys,
            });
            if batch.records.is_empty() && batch.due.is_none() && batch.scan.is_none() {
                return Ok(Prepared {
                    owned,
                    batch,
                    decision: None,
                });
            }
            if batch.reads_table()
                && !mutation::on(Mutation::E11NoCatchUp)
                && let Err(error) = self.table.catch_up().await
            {
                return Err((
                    Fate::Ready(Box::new(owned), batch.records),
                    End::Backoff(error.to_string()),
                ));
            }
            match self.decide_once(&mut owned, &batch, cancel).await {
                Ok(Ok(decision)) => {
                    return Ok(Prepared {
                        owned,
                        batch,
                        decision: Some(decision),
                    });
                }
                Ok(Err(broken)) => self.poison(&mut owned, broken),
                Err(Unread::NothingToDo) => {
                    finish_sweep(&mut owned, None, false);
                    return Ok(Prepared {
                        owned,
                        batch,
                        decision: None,
                    });
                }
                Err(Unread::Backoff(reason)) => {
                    return Err((Fate::Ready(Box::new(owned), batch.records), End::Backoff(reason)));
                }
                Err(Unread::Retake(reason)) => {
                    return Err((Fate::Retake(owned.id, reason.clone()), End::Backoff(reason)));
                }
                Err(Unread::Stopped(reason)) => {
                    let stopped = Stopped {
                        partition: owned.id,
                        invariant: "E3",
                        reason,
                    };
                    return Err((Fate::Stopped(stopped), End::Done));
                }
            }
        }
    }

    async fn decide_once(
        &self,
        owned: &mut Owned<P::State>,
        batch: &Batch<P::Event>,
        cancel: &AtomicBool,
    ) -> Result<Result<Decision<P::State>, Broken>, Unread> {
        let ask = batch.ask(owned);
        let answer = self.read(owned.id, owned.marker, ask.clone(), cancel).await?;
        if self.spec.changelog.is_some() {
            owned.timers = answer.timers;
        }
        if batch.records.is_empty() && answer.due.is_empty() && answer.scanned.is_empty() {
            return Err(Unread::NothingToDo);
        }
        let desk = batch::lay_out(&*self.processor, owned, batch, &ask, &answer)
            .map_err(|refusal| Unread::Stopped(refusal.to_string()))?;
        let mut scans: KeyMap<Vec<Key>> = KeyMap::default();
        for (key, _, _) in &answer.due {
            let state = desk.slots.get(key).and_then(|slot| slot.state.as_ref());
            if let Some(scan) = state.and_then(|state| self.processor.scan(key, state)) {
                let ask = Ask {
                    scan: Some(scan),
                    ..Ask::default()
                };
                let found = self.read(owned.id, owned.marker, ask, cancel).await?;
                scans.insert(
                    key.clone(),
                    found.scanned.into_iter().map(|(key, _)| key).collect(),
                );
            }
        }
        Ok(batch::decide(&self.spec, owned, batch, &answer, &scans, desk))
    }

    fn poison(&self, owned: &mut Owned<P::State>, broken: Broken) {
        // What was half decided went with the desk: every state that a batch names leaves the
        // cache for it, and is read again from the store.
        match broken {
            Broken::Record(offset, refusal) => {
                tracing::error!(stage = self.spec.name, partition = owned.id, offset, %refusal, "dead letter");
                owned.poisoned.insert(offset, refusal);
            }
            Broken::Timer(key, refusal) => {
                tracing::error!(stage = self.spec.name, partition = owned.id, ?key, %refusal, "broken timer");
                owned.broken_timers.insert(key, refusal);
            }
        }
    }

    /// Asks the store until it answers. A stage without state has nothing to ask.
    async fn read(
        &self,
        partition: Partition,
        marker: Marker,
        ask: Ask,
        cancel: &AtomicBool,
    ) -> Result<Answer, Unread> {
        if self.spec.changelog.is_none() {
            return Ok(Answer {
                values: vec![None; ask.keys.len()],
                ..Answer::default()
            });
        }
        let mut backoff = self.spec.limits.backoff_min_ms;
        loop {
            let begun = observe::begin();
            match self.store.read(partition, marker, ask.clone()).await {
                Ok(answer) => {
                    observe::read(self.spec.name, begun);
                    return Ok(answer);
                }
                Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                    return Err(Unread::Backoff(reason));
                }
                Err(StoreError::Unavailable(reason)) => {
                    tracing::warn!(stage = self.spec.name, partition, reason, "store does not answer");
                    self.clock.pause(backoff).await;
                    backoff = (backoff * 2).min(self.spec.limits.backoff_max_ms);
                }
                Err(StoreError::Fatal(reason)) => return Err(Unread::Stopped(reason)),
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    fn transaction(
        &self,
        open: &mut [Prepared<P::Event, P::State>],
        membership: L::Membership,
    ) -> Transaction<L::Membership> {
        let mut records = Vec::new();
        let mut offsets = Vec::with_capacity(open.len());
        for prepared in open {
            let decision = prepared
                .decision
                .as_mut()
                .expect("only decided batches are committed");
            records.append(&mut decision.records);
            assert!(decision.position >= 0, "E1: an absolute offset");
            if mutation::on(Mutation::E1TimersWithoutOffset) && prepared.batch.records.is_empty() {
                continue;
            }
            offsets.push((prepared.owned.id, decision.position));
        }
        Transaction {
            records,
            offsets,
            membership,
        }
    }

    /// The transaction has happened: bring the store along, then move on.
    async fn apply(
        &self,
        prepared: Prepared<P::Event, P::State>,
        hint: Option<Offset>,
        cancel: &AtomicBool,
    ) -> Fate<P::State> {
        let Prepared {
            mut owned,
            batch: decided,
            decision,
        } = prepared;
        let decision = decision.expect("only decided batches are applied");
        let batch = owned.marker.batch + 1;
        owned.changelog = hint.unwrap_or(owned.changelog);
        if self.spec.changelog.is_some() {
            match self.replicate(&owned, &decision, batch, cancel).await {
                Ok(timers) => owned.timers = timers,
                Err(Unread::Stopped(reason)) => {
                    return Fate::Stopped(Stopped {
                        partition: owned.id,
                        invariant: "E3",
                        reason,
                    });
                }
                Err(Unread::Backoff(reason) | Unread::Retake(reason)) => {
                    return Fate::Retake(owned.id, reason);
                }
                Err(Unread::NothingToDo) => unreachable!("a replication always has something to do"),
            }
        }
        observe::applied(self.spec.name, &decision, decided.records.len(), self.clock.now());
        owned.marker.batch = batch;
        owned.position = decision.position;
        owned.clock = decision.clock;
        if let Some(passed) = decision.passed.filter(|_| self.spec.upstream.is_empty()) {
            owned.gate.passed(passed);
        }
        owned.gate.reached(owned.position);
        owned.poisoned.retain(|offset, _| *offset >= decision.position);
        owned.broken_timers.clear();
        owned.records_max = self.spec.limits.batch_max_records;
        for (key, slot) in decision.slots {
            if slot.state.is_some() {
                owned.cache.put(key, slot);
            }
        }
        if let Some((after, more)) = decision.swept {
            finish_sweep(&mut owned, after, more);
        }
        Fate::Ready(Box::new(owned), Vec::new())
    }

    /// The store is not where we left it, or a newer owner was there.
    fn lost(&self, error: &StoreError) -> Unread {
        if matches!(error, StoreError::Lost { .. }) {
            observe::lost(self.spec.name);
        }
        Unread::Retake(error.to_string())
    }

    async fn replicate(
        &self,
        owned: &Owned<P::State>,
        decision: &Decision<P::State>,
        to: u64,
        cancel: &AtomicBool,
    ) -> Result<Timers, Unread> {
        let chunk = self.spec.limits.store_chunk_max_keys;
        let parts = decision.writes.len().div_ceil(chunk).max(1);
        let mut timers = Timers::default();
        for part in 0..parts {
            let writes = decision.writes.chunks(chunk).nth(part).unwrap_or_default();
            let step = Step {
                epoch: owned.marker.epoch,
                from: owned.marker.batch,
                to,
                part: part as u32,
                last: part + 1 == parts,
                changelog: owned.changelog,
                stamp: self.clock.wall(),
            };
            let mut backoff = self.spec.limits.backoff_min_ms;
            timers = loop {
                let begun = observe::begin();
                match self.store.replicate(owned.id, step, writes.to_vec()).await {
                    Ok(timers) => {
                        observe::replicated(self.spec.name, begun);
                        break timers;
                    }
                    Err(StoreError::Unavailable(reason)) if cancel.load(Ordering::Relaxed) => {
                        return Err(Unread::Retake(reason));
                    }
                    Err(StoreError::Unavailable(reason)) => {
                        tracing::warn!(
                            stage = self.spec.name,
                            partition = owned.id,
                            reason,
                            "store is behind"
                        );
                        self.clock.pause(backoff).await;
                        backoff = (backoff * 2).min(self.spec.limits.backoff_max_ms);
                    }
                    Err(StoreError::Fatal(reason)) => return Err(Unread::Stopped(reason)),
                    Err(error) => return Err(self.lost(&error)),
                }
            };
        }
        Ok(timers)
    }
}

struct Prepared<E, S> {
    owned: Owned<S>,
    batch: Batch<E>,
    /// `None`: there was nothing to decide.
    decision: Option<Decision<S>>,
}

enum Unread {
    /// A sweep found no key: there is nothing to commit.
    NothingToDo,
    Backoff(String),
    Retake(String),
    Stopped(String),
}

/// Moves the sweep on behind `after`, or ends it.
fn finish_sweep<S>(owned: &mut Owned<S>, after: Option<Key>, more: bool) {
    let Some(sweep) = &mut owned.sweep else { return };
    sweep.after = after;
    if !more {
        owned.table = sweep.nudge.offset;
        owned.sweep = None;
    }
}

/// Nothing of the batch has happened, or nobody knows.
fn undone<E, S>(prepared: Prepared<E, S>, error: &LogError) -> Fate<S> {
    let Prepared { mut owned, batch, .. } = prepared;
    let records = batch.records;
    match error {
        LogError::Abort(_) | LogError::Retry(_) => {}
        LogError::Refused { reason, .. } => {
            // Bisected until the record that cannot be written stands alone.
            if let [record] = &records[..] {
                let refusal = super::error::Refusal::new("state_too_large", reason.clone());
                owned.poisoned.insert(record.offset, refusal);
            }
            owned.records_max = (records.len() / 2).max(1);
        }
        LogError::Ambiguous(_) if mutation::on(Mutation::E14AmbiguousIsAbort) => {}
        other => return Fate::Retake(owned.id, other.to_string()),
    }
    // The slots went with the decision: the next batch reads them again.
    Fate::Ready(Box::new(owned), records)
}

fn retake<S>(partitions: &[Partition], reason: &str) -> Vec<Fate<S>> {
    partitions
        .iter()
        .map(|partition| Fate::Retake(*partition, reason.to_string()))
        .collect()
}
