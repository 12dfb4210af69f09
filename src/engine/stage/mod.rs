//! The main loop of a stage: what happened next, and whose turn it is.
//!
//! One task owns everything: the input, the partitions that rest, and the lanes' cycles that
//! run. A partition is in at most one cycle, so its batches follow one another.

mod events;
mod seat;
mod turns;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Fuse, FusedFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::engine::board::Board;
use crate::engine::error::LogError;
use crate::engine::lane::{Cycle, Shared};
use crate::engine::ports::{Clock, Input, Log, Millis, Partition, Released, Store, Table};
use crate::engine::processor::Processor;
use seat::{Lane, Place, Seat};

/// How often a closed gate or a failed partition is looked at again.
const RECHECK_MS: u64 = 50;
/// Pause before a partition that failed is taken over again.
const RETAKE_BACKOFF_MS: u64 = 200;
/// Pause before a fenced stage joins its group again.
const REJOIN_BACKOFF_MS: u64 = 1_000;

type Running<P, L> = FuturesUnordered<
    Pin<Box<dyn Future<Output = Cycle<<L as Log>::Producer, <P as Processor>::State>> + Send>>,
>;

/// A stage, ready to run.
pub struct Stage<P: Processor, L: Log, S, C, T> {
    shared: Arc<Shared<P, L, S, C, T>>,
    seats: BTreeMap<Partition, Seat<P::State>>,
    lanes: BTreeMap<u32, Lane<L::Producer>>,
    membership: Option<L::Membership>,
    /// Counts assignments.
    term: u64,
    /// Revoked partitions whose cycles must end first.
    leaving: Option<(Vec<Partition>, Released)>,
    stopping: bool,
}

/// Why the loop was left.
enum Exit {
    Drained,
    Rejoin(String),
}

impl<P, L, S, C, T> Stage<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    pub fn new(shared: Shared<P, L, S, C, T>) -> Self {
        Self {
            shared: Arc::new(shared),
            seats: BTreeMap::new(),
            lanes: BTreeMap::new(),
            membership: None,
            term: 0,
            leaving: None,
            stopping: false,
        }
    }

    /// Runs until `stop` resolves and all is drained, or until something fatal happens.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), LogError> {
        let stop = stop.fuse();
        let mut stop = std::pin::pin!(stop);
        loop {
            let mut input = self.shared.log.join().await?;
            let exit = self.serve(&mut input, stop.as_mut()).await;
            input.leave().await;
            for partition in std::mem::take(&mut self.seats).into_keys() {
                self.board().drop_partition(partition);
            }
            self.lanes.clear();
            self.membership = None;
            self.leaving = None;
            match exit {
                Ok(Exit::Drained) => return Ok(()),
                Ok(Exit::Rejoin(reason)) => {
                    tracing::warn!(stage = self.name(), reason, "fenced; joining the group again");
                    metrics::counter!(crate::metrics::REBALANCES_TOTAL, "stage" => self.name(), "reason" => "fenced")
                        .increment(1);
                    self.shared.clock.pause(REJOIN_BACKOFF_MS).await;
                }
                Err(error) => {
                    self.board().stop(error.to_string());
                    return Err(error);
                }
            }
        }
    }

    async fn serve(
        &mut self,
        input: &mut L::Input,
        mut stop: Pin<&mut futures_util::future::Fuse<impl Future<Output = ()> + Send>>,
    ) -> Result<Exit, LogError> {
        let mut running: Running<P, L> = FuturesUnordered::new();
        let shared = self.shared.clone();
        let mut look_again: Fuse<BoxFuture<'_, ()>> = Fuse::terminated();
        let mut store_look: Fuse<BoxFuture<'_, ()>> = Fuse::terminated();
        loop {
            if let Some(exit) = self.finished(&running) {
                return Ok(exit);
            }
            // Armed before what they ring for is looked at: no bell is missed.
            let asked = shared.spec.board.asked();
            if let Some(reason) = self.board().take_rejoin() {
                return Ok(Exit::Rejoin(reason));
            }
            let moved = moved(&shared.spec.upstream);
            let table = shared.table.version();
            self.start_cycles(&mut running);
            self.regulate(input);
            self.show();
            let wake = self.next_wake();
            let gated = self.ask_upstream();
            // Goes on over many rounds: what else happens must not put it off for ever.
            if look_again.is_terminated() && (gated || self.waits()) {
                look_again = shared.clock.pause(RECHECK_MS).boxed().fuse();
            }
            if store_look.is_terminated() {
                store_look = shared.clock.pause(self.store_look_in()).boxed().fuse();
            }
            futures_util::select_biased! {
                cycle = running.select_next_some() => {
                    if let Some(exit) = self.cycle_ended(cycle, input).await? {
                        // Cycles that still run are let go: what they commit is not lost, only
                        // taken over by the next claim.
                        return Ok(exit);
                    }
                }
                event = input.next().fuse() => match event {
                    Ok(event) => self.happened(event, input),
                    Err(LogError::Fatal(reason)) => return Err(LogError::Fatal(reason)),
                    Err(error) => return Ok(Exit::Rejoin(error.to_string())),
                },
                () = stop.as_mut() => {
                    self.stopping = true;
                    // A takeover may take long, and is for whoever comes next.
                    self.cancel_cycles();
                }
                () = shared.clock.wait_until(wake).fuse() => {}
                () = shared.table.changed(table).fuse() => {}
                () = asked.fuse() => {}
                () = moved.fuse() => {}
                () = look_again => self.rechecked(),
                () = store_look => {}
            }
        }
    }

    fn finished(&self, running: &Running<P, L>) -> Option<Exit> {
        (self.stopping && running.is_empty()).then_some(Exit::Drained)
    }

    fn name(&self) -> &'static str {
        self.shared.spec.name
    }

    fn board(&self) -> &Board {
        &self.shared.spec.board
    }

    fn show(&self) {
        self.seats.keys().for_each(|partition| self.show_seat(*partition));
    }

    fn show_seat(&self, partition: Partition) {
        let Some(seat) = self.seats.get(&partition) else {
            return;
        };
        self.board().holds(partition, seat.oldest());
        if let Place::Here(owned) = &seat.place {
            let mut shown = owned.shown();
            shown.table_seen = seat.table_seen;
            shown.position = shown.position.map(|position| seat.read_to(position));
            self.board().show_if_changed(partition, shown);
        }
    }

    /// The clock time at which the next timer of a resting partition comes due.
    fn next_wake(&self) -> Millis {
        let now = self.shared.clock.now();
        let resting = self.seats.values().filter_map(|seat| match &seat.place {
            Place::Here(owned) => owned.timers.next.filter(|next| *next >= now),
            _ => None,
        });
        resting.min().map_or(Millis::MAX, |next| next.saturating_add(1))
    }

    /// Asks earlier stages how far they are, where a timer waits for that.
    fn ask_upstream(&self) -> bool {
        let now = self.shared.clock.now();
        let gated = |seat: &Seat<P::State>| match &seat.place {
            Place::Here(owned) => owned.waits_for_gate(now),
            _ => false,
        };
        let gated = self.seats.values().any(gated);
        if gated {
            for board in &self.shared.spec.upstream {
                board.want(now);
            }
        }
        gated
    }

    /// Milliseconds until the store of a resting partition is looked at, whatever happens (E15).
    fn store_look_in(&self) -> u64 {
        let (wall, every) = (self.shared.clock.wall(), self.shared.spec.limits.store_look_ms);
        let resting = self.seats.values().filter_map(|seat| match &seat.place {
            Place::Here(owned) => Some(owned.look_in(wall, every)),
            _ => None,
        });
        resting.min().unwrap_or(every).max(RECHECK_MS as Millis) as u64
    }

    /// Whether something waits for what rings no bell: it is looked at again in real time.
    fn waits(&self) -> bool {
        let resting = self.lanes.values().any(|lane| lane.rest_rechecks > 0);
        resting
            || self
                .seats
                .values()
                .any(|seat| matches!(seat.place, Place::Waiting { .. }))
    }

    fn rechecked(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.rest_rechecks = lane.rest_rechecks.saturating_sub(1);
        }
        for seat in self.seats.values_mut() {
            if let Place::Waiting { rechecks } = &mut seat.place {
                *rechecks = rechecks.saturating_sub(1);
            }
        }
    }
}

/// Resolves when an earlier stage makes progress after this call.
fn moved(upstream: &[Arc<Board>]) -> BoxFuture<'_, ()> {
    if upstream.is_empty() {
        return std::future::pending().boxed();
    }
    let boards = upstream.iter().map(|board| board.moved().boxed());
    futures_util::future::select_all(boards).map(|_| ()).boxed()
}
