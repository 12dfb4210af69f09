//! Notices a partition of which nothing comes although there is more of it. A client can stop
//! fetching one when the broker went away at the wrong moment, without a word, and for as long as
//! it lives (librdkafka 2.12; seen with a broker that was restarted many times). The remedy is a
//! new client: the stage joins again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::WeakUnboundedSender;

use crate::engine::error::LogError;
use crate::engine::ports::{Offset, Partition};

use crate::adapters::kafka::reader::Reader;

use super::messages::GroupEvent;

const LOOK_EVERY_MS: u64 = 10_000;
/// Longer than any fetch, retry or leader's election takes while its broker answers.
const STALL_MAX_MS: u64 = 30_000;

/// How far the client has got with a started partition.
pub struct Flow {
    /// The next offset to come: behind what was delivered, or at the reported end.
    reached: AtomicI64,
    /// Not paused.
    flowing: AtomicBool,
}

impl Flow {
    pub fn reached(&self, offset: Offset) {
        self.reached.fetch_max(offset, Ordering::Relaxed);
    }

    pub fn set_flowing(&self, flowing: bool) {
        self.flowing.store(flowing, Ordering::Relaxed);
    }
}

/// The started partitions of one client.
#[derive(Default)]
pub struct Flows(Mutex<BTreeMap<Partition, Arc<Flow>>>);

impl Flows {
    /// Not flowing yet.
    pub fn start(&self, partition: Partition, from: Offset) -> Arc<Flow> {
        let flow = Arc::new(Flow {
            reached: AtomicI64::new(from),
            flowing: AtomicBool::new(false),
        });
        self.lock().insert(partition, flow.clone());
        flow
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn flowing(&self) -> BTreeMap<Partition, Offset> {
        let flows = self.lock();
        let flowing = flows
            .iter()
            .filter(|(_, flow)| flow.flowing.load(Ordering::Relaxed));
        flowing
            .map(|(partition, flow)| (*partition, flow.reached.load(Ordering::Relaxed)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, Arc<Flow>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks on until the input is gone.
pub async fn watch(
    flows: Weak<Flows>,
    reader: Arc<Reader>,
    topic: Arc<str>,
    events: WeakUnboundedSender<GroupEvent>,
) {
    let mut stall = Stall::default();
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
        let Some(flowing) = flows.upgrade().map(|flows| flows.flowing()) else {
            return;
        };
        for (partition, reached) in stall.unmoved(&flowing) {
            let (asked, topic) = (reader.clone(), topic.clone());
            let bounds = tokio::task::spawn_blocking(move || asked.bounds(&topic, partition)).await;
            let Ok(Ok(bounds)) = bounds else {
                // The broker is away: stall means nothing.
                stall.forget();
                break;
            };
            if stall.lasts(partition, bounds.end > reached, Instant::now()) {
                let reason = format!(
                    "nothing comes of partition {partition} at {reached}, though there is more up to {}",
                    bounds.end
                );
                if let Some(events) = events.upgrade() {
                    let _ = events.send(Err(LogError::Fenced(reason)));
                }
                return;
            }
        }
    }
}

/// What was seen at the looks before.
#[derive(Default)]
struct Stall {
    last: BTreeMap<Partition, Offset>,
    /// Since when there was more and nothing came.
    since: BTreeMap<Partition, Instant>,
}

impl Stall {
    /// Partitions that flow and are where they were at the look before.
    fn unmoved(&mut self, flowing: &BTreeMap<Partition, Offset>) -> Vec<(Partition, Offset)> {
        let last = std::mem::replace(&mut self.last, flowing.clone());
        self.since.retain(|partition, _| {
            flowing.contains_key(partition) && flowing.get(partition) == last.get(partition)
        });
        let unmoved = flowing
            .iter()
            .filter(|(partition, reached)| last.get(partition) == Some(reached));
        unmoved
            .map(|(partition, reached)| (*partition, *reached))
            .collect()
    }

    /// Whether one that has not moved is to be given up.
    fn lasts(&mut self, partition: Partition, more: bool, now: Instant) -> bool {
        if !more {
            self.since.remove(&partition);
            return false;
        }
        let since = *self.since.entry(partition).or_insert(now);
        now.duration_since(since) >= Duration::from_millis(STALL_MAX_MS)
    }

    fn forget(&mut self) {
        self.since.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One look: what flows, whether there is more of partition 0, seconds since the first look.
    type Look = (&'static [(Partition, Offset)], bool, u64);

    #[test]
    fn stall_counts_from_when_there_was_more_and_nothing_came() {
        let still: &[(Partition, Offset)] = &[(0, 5), (1, 7)];
        let rows: [(&str, &[Look], bool); 6] = [
            (
                "lasts",
                &[(still, true, 0), (still, true, 10), (still, true, 40)],
                true,
            ),
            (
                "not yet",
                &[(still, true, 0), (still, true, 10), (still, true, 39)],
                false,
            ),
            (
                "at its end",
                &[(still, false, 0), (still, false, 10), (still, false, 90)],
                false,
            ),
            (
                "more only now",
                &[(still, false, 0), (still, false, 10), (still, true, 90)],
                false,
            ),
            (
                "moved meanwhile",
                &[
                    (still, true, 0),
                    (still, true, 10),
                    (&[(0, 6)], true, 20),
                    (&[(0, 6)], true, 45),
                ],
                false,
            ),
            (
                "paused meanwhile",
                &[
                    (still, true, 0),
                    (still, true, 10),
                    (&[], true, 20),
                    (still, true, 40),
                    (still, true, 50),
                ],
                false,
            ),
        ];
        for (name, looks, wanted) in rows {
            let (mut stall, begin) = (Stall::default(), Instant::now());
            let mut given_up = false;
            for (flowing, more, second) in looks {
                for (partition, _) in stall.unmoved(&flowing.iter().copied().collect()) {
                    let now = begin + Duration::from_secs(*second);
                    given_up |= stall.lasts(partition, *more && partition == 0, now);
                }
            }
            assert_eq!(given_up, wanted, "{name}");
        }
    }
}
