//! What happened: the group's decisions, records, ends of cycles.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::seat::{Place, Seat};
use super::{Exit, RECHECK_MS, RETAKE_BACKOFF_MS, Stage};
use crate::engine::board::Halt;
use crate::engine::error::LogError;
use crate::engine::inbox::Inbox;
use crate::engine::lane::{Cycle, End, Fate};
use crate::engine::ports::{Clock, Input, InputEvent, Log, Partition, Record, Released, Store, Table};
use crate::engine::processor::Processor;

impl<P, L, S, C, T> Stage<P, L, S, C, T>
where
    P: Processor,
    L: Log,
    S: Store,
    C: Clock,
    T: Table,
{
    pub(super) fn happened(&mut self, event: InputEvent<L::Membership>, input: &mut L::Input) {
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
    pub(super) fn assigned(&mut self, partitions: Vec<Partition>, membership: L::Membership) {
        tracing::info!(stage = self.name(), ?partitions, "assigned");
        metrics::counter!(crate::metrics::REBALANCES_TOTAL, "stage" => self.name(), "reason" => "assigned")
            .increment(1);
        // The group has not waited for what was revoked: it is let go of now, and what its
        // cycles still come to belongs to an earlier term.
        self.give_up();
        self.membership = Some(membership);
        self.term += 1;
        let lanes = self.shared.spec.limits.lanes.max(1);
        // The input may have grown. The changelog has no place for more partitions, and where a key
        // belongs is settled by the number at the start (E12).
        let known = self.shared.spec.input_partitions;
        let (partitions, unknown): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|partition| *partition < known);
        if !unknown.is_empty() {
            let (stage, topic) = (self.name(), &*self.shared.spec.input_topic);
            tracing::error!(stage, topic, partitions = ?unknown, "the input has grown: not read [E12]");
        }
        for partition in partitions {
            let lane = partition as u32 % lanes;
            let place = Place::Waiting { rechecks: 0 };
            let seat = Seat {
                lane,
                term: self.term,
                place,
                inbox: Inbox::default(),
                in_turn: None,
                failures: 0,
                logged: 0,
                table_seen: u64::MAX,
            };
            self.seats.insert(partition, seat);
            self.board().restoring(partition, 0, 0);
        }
        self.board().assigned();
    }

    pub(super) fn revoked(&mut self, partitions: Vec<Partition>, done: Released) {
        tracing::info!(stage = self.name(), ?partitions, "revoked");
        metrics::counter!(crate::metrics::REBALANCES_TOTAL, "stage" => self.name(), "reason" => "revoked")
            .increment(1);
        self.cancel_cycles();
        self.leaving = Some((partitions, done));
        self.let_go();
    }

    /// What runs ends as soon as its transaction has.
    pub(super) fn cancel_cycles(&self) {
        for lane in self.lanes.values() {
            lane.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Gives revoked partitions up once no cycle holds them: a transaction in flight ends first.
    pub(super) fn let_go(&mut self) {
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

    pub(super) fn give_up(&mut self) {
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

    pub(super) fn arrived(&mut self, records: Vec<Record>) {
        for record in records {
            if let Some(seat) = self.seats.get_mut(&record.partition) {
                seat.inbox.push(record);
            }
        }
    }

    pub(super) async fn cycle_ended(
        &mut self,
        cycle: Cycle<L::Producer, P::State>,
        input: &mut L::Input,
    ) -> Result<Option<Exit>, LogError> {
        let term = self.lanes.get(&cycle.lane).map_or(0, |lane| lane.term);
        for fate in cycle.fates {
            let partition = fate.partition();
            self.shared.spec.board.ended(partition);
            if !self.seats.contains_key(&partition) {
                // It was given up while the cycle ran. What that has shown of it since would hold up
                // later stages for ever (E13).
                self.board().drop_partition(partition);
            }
            let seat = self.seats.get_mut(&partition);
            if let Some(seat) = seat.filter(|seat| seat.term <= term && matches!(seat.place, Place::Away)) {
                seat.in_turn = None;
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

    pub(super) async fn settle(
        &mut self,
        fate: Fate<P::State>,
        input: &mut L::Input,
    ) -> Result<(), LogError> {
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
                    self.shared.spec.board.restored();
                    tracing::info!(
                        stage = self.shared.spec.name,
                        partition = owned.id,
                        position = owned.position,
                        batch = owned.marker.batch,
                        epoch = owned.marker.epoch,
                        "restored"
                    );
                }
                seat.failures = 0;
                self.shared.spec.board.is_well(owned.id, Halt::Everything);
                seat.inbox.put_back(undecided);
                owned.gate.reached(seat.read_to(owned.position));
                let partition = owned.id;
                seat.place = Place::Here(owned);
                // Now, for it may be away again before the loop comes round: later stages wait
                // for what a busy partition has done.
                self.show_seat(partition);
            }
            Fate::Retake(partition, reason) => {
                let (stage, now) = (self.name(), self.shared.clock.wall());
                self.board().in_trouble(partition, Halt::Everything, now, &reason);
                let backoff_max_ms = self.shared.spec.limits.backoff_max_ms;
                let Some(seat) = self.seats.get_mut(&partition) else {
                    return Ok(());
                };
                let (backoff_ms, is_logged) = seat.failed(now, (RETAKE_BACKOFF_MS, backoff_max_ms));
                if is_logged {
                    tracing::warn!(stage, partition, reason, "taking the partition over afresh");
                }
                // What still comes under the old start is dropped, and no more is fetched.
                input.pause(partition, true);
                seat.inbox = Inbox::default();
                seat.place = Place::Waiting {
                    rechecks: backoff_ms / RECHECK_MS,
                };
                self.board().restoring(partition, 0, 0);
            }
            Fate::Stopped(stopped) => {
                tracing::error!(stage = self.name(), %stopped, "partition stopped");
                self.board()
                    .stop_partition(stopped.partition, stopped.to_string(), stopped.position);
                if let Some(seat) = self.seats.get_mut(&stopped.partition) {
                    input.pause(stopped.partition, true);
                    seat.inbox = Inbox::default();
                    seat.place = Place::Stopped;
                }
            }
        }
        Ok(())
    }
}
