//! Whose turn it is: cycles are begun for partitions that rest and have something to do.

use std::sync::Arc;

use super::seat::{Lane, Place, Seat};
use super::{Running, Stage};
use crate::engine::lane::Work;
use crate::engine::mutation::{self, Mutation};
use crate::engine::partition::Sweep;
use crate::engine::ports::{Clock, Input, Log, Millis, Partition, Store, Table};
use crate::engine::processor::Processor;

impl<P, L, S, C, T> Stage<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    pub(super) fn start_cycles(&mut self, running: &mut Running<P, L>) {
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

    pub(super) fn occupy(&mut self, lane: u32, partitions: &[Partition]) -> Option<L::Producer> {
        for partition in partitions {
            self.seats.get_mut(partition).expect("seated").place = Place::Away;
        }
        let lane = self.lanes.get_mut(&lane).expect("lanes are made before");
        lane.busy = true;
        lane.term = self.term;
        lane.producer.take()
    }

    pub(super) fn waiting(&self, lane: u32) -> Vec<Partition> {
        let due = |seat: &Seat<P::State>| matches!(seat.place, Place::Waiting { rechecks: 0 });
        self.seats
            .iter()
            .filter(|(_, seat)| seat.lane == lane && due(seat))
            .map(|(p, _)| *p)
            .collect()
    }

    /// What each resting partition of the lane has to do now.
    pub(super) fn works(&mut self, lane: u32) -> Vec<Work<P::State>> {
        let now = self.shared.clock.now();
        let ceiling = self.ceiling(now);
        let wanted = self.board().wanted().min(now);
        let limits = self.shared.spec.limits;
        let table = self.shared.table.version();
        let wall = self.shared.clock.wall();
        let held = self.board().timers_held();
        let mut busy: Vec<(Partition, bool, bool)> = Vec::new();
        for (&partition, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.lane == lane) {
            let Place::Here(owned) = &mut seat.place else {
                continue;
            };
            owned.timers_held = held;
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
                owned.sweep = next.map(Sweep::begin);
                if owned.sweep.is_none() {
                    seat.table_seen = table;
                }
            }
            let asked_for = wanted > owned.gate.open_until() || owned.waits_for_gate(now);
            let fence = asked_for && !owned.gate.fenced() && ceiling > owned.gate.open_until();
            let has_work =
                !seat.inbox.is_empty() || owned.fires_before(now).is_some() || owned.sweep.is_some();
            let doubted = self.shared.spec.board.take_doubt(partition);
            let due = owned.look_in(wall, limits.store_look_ms) <= 0;
            let look = self.shared.spec.changelog.is_some() && (doubted || due);
            if has_work || fence || look {
                busy.push((partition, fence, look));
            }
        }
        let share = (limits.batch_max_records / busy.len().max(1)).max(1);
        let bytes = limits.batch_max_bytes / busy.len().max(1);
        let mut works = Vec::new();
        for (partition, fence, look) in busy {
            let seat = self.seats.get_mut(&partition).expect("seated");
            let Place::Here(owned) = std::mem::replace(&mut seat.place, Place::Away) else {
                unreachable!("only resting partitions were listed")
            };
            // A narrow batch has turns of one kind only, and timers come first.
            let narrow = owned.is_narrow(&limits);
            let first = narrow && (owned.fires_before(now).is_some() || owned.sweep.is_some());
            let mut records_max = if first { 0 } else { share.min(owned.turns_max) };
            if mutation::on(Mutation::E10UnboundedBatch) {
                records_max = usize::MAX;
            }
            let records = seat.inbox.take(records_max, bytes);
            seat.in_turn = records.first().and_then(|record| record.timestamp);
            self.shared.spec.board.begun(partition, self.shared.clock.wall());
            works.push(Work {
                owned: *owned,
                records,
                ceiling,
                fence,
                look,
            });
        }
        works
    }

    /// The time up to which earlier stages in this process are done (E13).
    pub(super) fn ceiling(&self, now: Millis) -> Millis {
        let mut ceiling = now;
        for board in &self.shared.spec.upstream {
            ceiling = ceiling.min(board.done().unwrap_or(Millis::MIN));
        }
        ceiling
    }

    pub(super) fn open_gates(&mut self) {
        for seat in self.seats.values_mut() {
            let end = seat.read_to(0);
            if let Place::Here(owned) = &mut seat.place {
                owned.gate.reached(owned.position.max(end));
            }
        }
    }

    /// Pauses partitions that have enough waiting, resumes those that have room (E10).
    pub(super) fn regulate(&mut self, input: &mut L::Input) {
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
}
