//! What becomes of Redis: it forgets its last writes, all of them, or gets an old snapshot back.

use std::sync::Arc;

use accrual::engine::ports::Partition;

use super::store::HISTORY_MAX;
use super::world::World;

impl World {
    /// A background save: it may be put back much later.
    pub fn save_snapshots(&mut self) {
        for history in self.redis.shards.values_mut() {
            history.snapshots.push(history.now.clone());
        }
    }

    /// The last writes of a shard are gone.
    pub fn forget(&mut self, at: (usize, Partition), back: usize) {
        let history = self.shard(at);
        let keep = history.last.len().saturating_sub(back);
        if let Some(found) = history.last.get(keep).cloned() {
            history.now = found;
            history.last.truncate(keep);
            self.note(|| format!("redis {at:?}: forgets {back} writes"));
        }
    }

    /// Each shard loses what `pick` says, or only some of them do.
    pub fn damage_redis(&mut self, kind: &str) {
        let all = self.rng.chance(0.5);
        let places: Vec<_> = self.redis.shards.keys().copied().collect();
        for at in places {
            if !all && self.rng.chance(0.5) {
                continue;
            }
            let most = *self.rng.pick(&[4, HISTORY_MAX]);
            let (back, any) = (self.rng.below(most), self.rng.next() as usize);
            if kind == "forgets" {
                self.forget(at, back);
                continue;
            }
            let history = self.shard(at);
            let found = match kind {
                "empty" => Some(Arc::default()),
                _ if history.snapshots.is_empty() => None,
                _ => Some(history.snapshots[any % history.snapshots.len()].clone()),
            };
            if let Some(found) = found {
                history.now = found;
                self.note(|| format!("redis {at:?}: {kind}"));
            }
        }
    }
}
