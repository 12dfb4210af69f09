//! One lane: a producer and the partitions that take their turns with it. A cycle is one
//! takeover or one transaction, from reading states to the store's answer.

mod apply;
mod decide;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;

use crate::engine::error::{LogError, Stopped};
use crate::engine::mutation::{self, Mutation};
use crate::engine::observe;
use crate::engine::partition::Owned;
use crate::engine::ports::{Clock, Log, Millis, Offset, Partition, Producer, Record, Store, Table};
use crate::engine::processor::Processor;
use crate::engine::spec::StageSpec;
use crate::engine::takeover::{Failure, Takeover};
use decide::Half;

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
    /// Look at the store even where there is nothing to decide (E15).
    pub look: bool,
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
            foreign: Default::default(),
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
        for half in decided {
            match half {
                Half::Decided(prepared) => open.push(*prepared),
                Half::Ended(fate, next) => {
                    fates.push(fate);
                    if matches!(end, End::Done) {
                        end = next;
                    }
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
                let batch = prepared.owned.marker.batch + 1;
                let _ = self
                    .replicate(&prepared.owned, &prepared.decision, batch, &cancel)
                    .await;
            }
        }
        let (transaction, ranges) = self.transaction(&mut open, membership);
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
                let now = self.clock.now();
                let undone = open.into_iter().zip(ranges);
                fates.extend(undone.map(|(prepared, own)| apply::undone(prepared, &error, own, now)));
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
}

fn retake<S>(partitions: &[Partition], reason: &str) -> Vec<Fate<S>> {
    partitions
        .iter()
        .map(|partition| Fate::Retake(*partition, reason.to_string()))
        .collect()
}
