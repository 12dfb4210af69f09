//! The main loop of a stage: what happened next, and whose turn it is.
//!
//! One task owns everything: the input, the partitions that rest, and the lanes' cycles that
//! run. A partition is in at most one cycle, so its batches follow one another.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Fuse, FusedFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::board::Board;
use super::error::LogError;
use super::inbox::Inbox;
use super::lane::{Cycle, End, Fate, Shared, Work};
use super::mutation::{self, Mutation};
use super::partition::{Owned, Sweep};
use super::ports::{
    Clock, Input, InputEvent, Log, Millis, Offset, Partition, Record, Released, Store, Table,
};
use super::processor::Processor;

/// How often a closed gate or a failed partition is looked at again.
const RECHECK_MS: u64 = 50;
/// Pause before a partition that failed is taken over again.
const RETAKE_BACKOFF_MS: u64 = 200;
/// Pause before a fenced stage joins its group again.
const REJOIN_BACKOFF_MS: u64 = 1_000;

type Running<P, L> = FuturesUnordered<
    Pin<Box<dyn Future<Output = Cycle<<L as Log>::Producer, <P as Processor>::State>> + Send>>,
>;

/// Where an assigned partition is.
enum Place<S> {
    /// To be taken over, not before this many rechecks.
    Waiting {
        rechecks: u64,
    },
    /// In a running cycle.
    Away,
    Here(Box<Owned<S>>),
    Stopped,
}

struct Seat<S> {
    lane: u32,
    /// The assignment it came with.
    term: u64,
    place: Place<S>,
    inbox: Inbox,
    /// Version of the global table at which nudges were last looked for.
    table_seen: u64,
}

impl<S> Seat<S> {
    /// How far the input is decided where `position` is decided. The end that was reported
    /// counts once nothing waits before it.
    fn read_to(&self, position: Offset) -> Offset {
        if self.inbox.is_empty() {
            position.max(self.inbox.end())
        } else {
            position
        }
    }
}

struct Lane<M> {
    producer: Option<M>,
    busy: bool,
    /// The assignment under which its cycle was begun.
    term: u64,
    rest_rechecks: u64,
    cancel: Arc<AtomicBool>,
}

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
        loop {
            if let Some(exit) = self.finished(&running) {
                return Ok(exit);
            }
            // Armed before what they ring for is looked at: no bell is missed.
            let asked = shared.spec.board.asked();
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

    // --- what happened ---------------------------------------------------------------------

    fn happened(&mut self, event: InputEvent<L::Membership>, input: &mut L::Input) {
        match event {
            InputEvent::Assigned {
                partitions,
                membership,
            } => self.assigned(partitions, membership),
            InputEvent::Revoked { partitions, done } => self.revoked(partitions, done),
            InputEvent::Records(records) => self.arrived(records),
            InputEvent::End { partition, offset } => {
                if let Some(seat) = self.seats.get_mut(&partition) {
                    seat.inbox.ended(offset);
                }
                self.open_gates();
            }
        }
        self.regulate(input);
    }

    /// Membership and owned set are swapped together (E6).
    fn assigned(&mut self, partitions: Vec<Partition>, membership: L::Membership) {
        tracing::info!(stage = self.name(), ?partitions, "assigned");
        metrics::counter!(crate::metrics::REBALANCES_TOTAL, "stage" => self.name(), "reason" => "assigned")
            .increment(1);
        // The group has not waited for what was revoked: it is let go of now, and what its
        // cycles still come to belongs to an earlier term.
        self.give_up();
        self.membership = Some(membership);
        self.term += 1;
        let lanes = self.shared.spec.limits.lanes.max(1);
        for partition in partitions {
            let lane = partition as u32 % lanes;
            let place = Place::Waiting { rechecks: 0 };
            let seat = Seat {
                lane,
                term: self.term,
                place,
                inbox: Inbox::default(),
                table_seen: u64::MAX,
            };
            self.seats.insert(partition, seat);
            self.board().restoring(partition, 0, 0);
        }
        self.board().assigned();
    }

    fn revoked(&mut self, partitions: Vec<Partition>, done: Released) {
        tracing::info!(stage = self.name(), ?partitions, "revoked");
        metrics::counter!(crate::metrics::REBALANCES_TOTAL, "stage" => self.name(), "reason" => "revoked")
            .increment(1);
        self.cancel_cycles();
        self.leaving = Some((partitions, done));
        self.let_go();
    }

    /// What runs ends as soon as its transaction has.
    fn cancel_cycles(&self) {
        for lane in self.lanes.values() {
            lane.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Gives revoked partitions up once no cycle holds them: a transaction in flight ends first.
    fn let_go(&mut self) {
        let Some((partitions, _)) = &self.leaving else {
            return;
        };
        let away = |partition| {
            self.seats
                .get(partition)
                .is_some_and(|seat| matches!(seat.place, Place::Away))
        };
        if partitions.iter().any(away) {
            return;
        }
        self.give_up();
    }

    fn give_up(&mut self) {
        let Some((partitions, done)) = self.leaving.take() else {
            return;
        };
        for partition in partitions {
            self.seats.remove(&partition);
            self.board().drop_partition(partition);
        }
        for lane in self.lanes.values_mut() {
            lane.cancel = Arc::default();
        }
        drop(done);
    }

    fn arrived(&mut self, records: Vec<Record>) {
        for record in records {
            if let Some(seat) = self.seats.get_mut(&record.partition) {
                seat.inbox.push(record);
            }
        }
    }

    async fn cycle_ended(
        &mut self,
        cycle: Cycle<L::Producer, P::State>,
        input: &mut L::Input,
    ) -> Result<Option<Exit>, LogError> {
        let term = self.lanes.get(&cycle.lane).map_or(0, |lane| lane.term);
        for fate in cycle.fates {
            self.shared.spec.board.ended(fate.partition());
            let seat = self.seats.get(&fate.partition());
            if seat.is_some_and(|seat| seat.term <= term && matches!(seat.place, Place::Away)) {
                self.settle(fate, input).await?;
            }
        }
        let lane = self
            .lanes
            .get_mut(&cycle.lane)
            .expect("a cycle belongs to a lane");
        lane.busy = false;
        lane.producer = cycle.producer;
        match cycle.end {
            End::Done => {}
            End::Backoff(reason) => {
                tracing::debug!(stage = self.shared.spec.name, reason, "lane rests");
                lane.rest_rechecks = 1;
            }
            End::Fenced(reason) => return Ok(Some(Exit::Rejoin(reason))),
            End::Fatal(reason) => return Err(LogError::Fatal(reason)),
        }
        self.let_go();
        Ok(None)
    }

    async fn settle(&mut self, fate: Fate<P::State>, input: &mut L::Input) -> Result<(), LogError> {
        match fate {
            Fate::Ready(mut owned, undecided) => {
                let Some(seat) = self.seats.get_mut(&owned.id) else {
                    return Ok(());
                };
                if !seat.inbox.started() {
                    match input.start(owned.id, owned.position).await {
                        Ok(()) => seat.inbox.start(),
                        Err(LogError::Fatal(reason)) => return Err(LogError::Fatal(reason)),
                        Err(error) => {
                            // It is being taken from us, or cannot be read right now.
                            tracing::info!(stage = self.shared.spec.name, partition = owned.id, %error, "not started");
                            seat.place = Place::Waiting {
                                rechecks: RETAKE_BACKOFF_MS / RECHECK_MS,
                            };
                            return Ok(());
                        }
                    }
                    tracing::info!(
                        stage = self.shared.spec.name,
                        partition = owned.id,
                        position = owned.position,
                        batch = owned.marker.batch,
                        epoch = owned.marker.epoch,
                        "restored"
                    );
                }
                seat.inbox.put_back(undecided);
                owned.gate.reached(seat.read_to(owned.position));
                let partition = owned.id;
                seat.place = Place::Here(owned);
                // Now, for it may be away again before the loop comes round: later stages wait
                // for what a busy partition has done.
                self.show_seat(partition);
            }
            Fate::Retake(partition, reason) => {
                tracing::warn!(
                    stage = self.name(),
                    partition,
                    reason,
                    "taking the partition over afresh"
                );
                let Some(seat) = self.seats.get_mut(&partition) else {
                    return Ok(());
                };
                // What still comes under the old start is dropped, and no more is fetched.
                input.pause(partition, true);
                seat.inbox = Inbox::default();
                seat.place = Place::Waiting {
                    rechecks: RETAKE_BACKOFF_MS / RECHECK_MS,
                };
                self.board().restoring(partition, 0, 0);
            }
            Fate::Stopped(stopped) => {
                tracing::error!(stage = self.name(), %stopped, "partition stopped");
                self.board()
                    .stop_partition(stopped.partition, stopped.to_string());
                if let Some(seat) = self.seats.get_mut(&stopped.partition) {
                    input.pause(stopped.partition, true);
                    seat.inbox = Inbox::default();
                    seat.place = Place::Stopped;
                }
            }
        }
        Ok(())
    }

    // --- whose turn it is ------------------------------------------------------------------

    fn start_cycles(&mut self, running: &mut Running<P, L>) {
        if self.stopping || self.leaving.is_some() {
            return;
        }
        let Some(membership) = self.membership.clone() else {
            return;
        };
        for lane in 0..self.shared.spec.limits.lanes.max(1) {
            let entry = self.lanes.entry(lane).or_insert_with(|| Lane {
                producer: None,
                busy: false,
                term: 0,
                rest_rechecks: 0,
                cancel: Arc::default(),
            });
            if entry.busy || entry.rest_rechecks > 0 {
                continue;
            }
            let cancel = entry.cancel.clone();
            let waiting = self.waiting(lane);
            let shared = self.shared.clone();
            let membership = membership.clone();
            if !waiting.is_empty() {
                let producer = self.occupy(lane, &waiting);
                running.push(Box::pin(async move {
                    shared
                        .take_over(lane, producer, waiting, membership, cancel)
                        .await
                }));
                continue;
            }
            let works = self.works(lane);
            if !works.is_empty() {
                let producer = self.occupy(lane, &[]);
                running.push(Box::pin(async move {
                    shared.turn(lane, producer, works, membership, cancel).await
                }));
            }
        }
    }

    fn occupy(&mut self, lane: u32, partitions: &[Partition]) -> Option<L::Producer> {
        for partition in partitions {
            self.seats.get_mut(partition).expect("seated").place = Place::Away;
        }
        let lane = self.lanes.get_mut(&lane).expect("lanes are made before");
        lane.busy = true;
        lane.term = self.term;
        lane.producer.take()
    }

    fn waiting(&self, lane: u32) -> Vec<Partition> {
        let due = |seat: &Seat<P::State>| matches!(seat.place, Place::Waiting { rechecks: 0 });
        self.seats
            .iter()
            .filter(|(_, seat)| seat.lane == lane && due(seat))
            .map(|(p, _)| *p)
            .collect()
    }

    /// What each resting partition of the lane has to do now.
    fn works(&mut self, lane: u32) -> Vec<Work<P::State>> {
        let now = self.shared.clock.now();
        let ceiling = self.ceiling(now);
        let wanted = self.board().wanted().min(now);
        let limits = self.shared.spec.limits;
        let table = self.shared.table.version();
        let mut busy: Vec<(Partition, bool)> = Vec::new();
        for (&partition, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.lane == lane) {
            let Place::Here(owned) = &mut seat.place else {
                continue;
            };
            if seat.table_seen != table && owned.sweep.is_none() {
                if owned.table < 0 && owned.marker.batch == 0 {
                    // A partition without a past has nothing to look at again.
                    let all = self.shared.processor.nudges(-1);
                    owned.table = all.iter().map(|nudge| nudge.offset).max().unwrap_or(-1);
                }
                // Looked at again until nothing asks any more.
                let next = self
                    .shared
                    .processor
                    .nudges(owned.table)
                    .into_iter()
                    .min_by_key(|nudge| nudge.offset);
                owned.sweep = next.map(|nudge| Sweep { nudge, after: None });
                if owned.sweep.is_none() {
                    seat.table_seen = table;
                }
            }
            let asked_for = wanted > owned.gate.open_until() || owned.waits_for_gate(now);
            let fence = asked_for && !owned.gate.fenced() && ceiling > owned.gate.open_until();
            let has_work =
                !seat.inbox.is_empty() || owned.fires_before(now).is_some() || owned.sweep.is_some();
            if has_work || fence {
                busy.push((partition, fence));
            }
        }
        let share = (limits.batch_max_records / busy.len().max(1)).max(1);
        let bytes = limits.batch_max_bytes / busy.len().max(1);
        let mut works = Vec::new();
        for (partition, fence) in busy {
            let seat = self.seats.get_mut(&partition).expect("seated");
            let Place::Here(owned) = std::mem::replace(&mut seat.place, Place::Away) else {
                unreachable!("only resting partitions were listed")
            };
            let mut records_max = share.min(owned.records_max);
            if mutation::on(Mutation::E10UnboundedBatch) {
                records_max = usize::MAX;
            }
            let records = seat.inbox.take(records_max, bytes);
            self.shared.spec.board.begun(partition, self.shared.clock.wall());
            works.push(Work {
                owned: *owned,
                records,
                ceiling,
                fence,
            });
        }
        works
    }

    /// The time up to which earlier stages in this process are done (E13).
    fn ceiling(&self, now: Millis) -> Millis {
        let mut ceiling = now;
        for board in &self.shared.spec.upstream {
            ceiling = ceiling.min(board.done().unwrap_or(Millis::MIN));
        }
        ceiling
    }

    fn open_gates(&mut self) {
        for seat in self.seats.values_mut() {
            let end = seat.read_to(0);
            if let Place::Here(owned) = &mut seat.place {
                owned.gate.reached(owned.position.max(end));
            }
        }
    }

    /// Pauses partitions that have enough waiting, resumes those that have room (E10).
    fn regulate(&mut self, input: &mut L::Input) {
        let limits = self.shared.spec.limits;
        if mutation::on(Mutation::E10NeverPause) {
            return;
        }
        for (partition, seat) in &mut self.seats {
            if let Some(paused) = seat
                .inbox
                .regulate(limits.inbox_max_records, limits.inbox_max_bytes)
            {
                input.pause(*partition, paused);
            }
        }
    }

    fn show(&self) {
        self.seats.keys().for_each(|partition| self.show_seat(*partition));
    }

    fn show_seat(&self, partition: Partition) {
        let Some(seat) = self.seats.get(&partition) else {
            return;
        };
        if let Place::Here(owned) = &seat.place {
            let mut shown = owned.shown();
            shown.table_seen = seat.table_seen;
            shown.position = seat.read_to(shown.position);
            self.board().show_if_changed(partition, shown);
        }
    }

    // --- waiting ---------------------------------------------------------------------------

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
