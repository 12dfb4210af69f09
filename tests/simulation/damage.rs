//! What becomes of Redis: it forgets its last writes, all of them, or gets an old snapshot back;
//! it loses single entries or keys; it was written by a version that kept no sizes.

use std::sync::Arc;

use accrual::engine::ports::Partition;

use super::rng::Rng;
use super::store::{HISTORY_MAX, Shard};
use super::store_keys::Keys;
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
            match kind {
                "forgets" => {
                    self.forget(at, back);
                    continue;
                }
                "loses" => {
                    self.lose(at);
                    continue;
                }
                _ => {}
            }
            let history = self.shard(at);
            let found = match kind {
                "empty" => Some(Arc::default()),
                "uncounted" => Some(history.now.uncounted()),
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

impl World {
    pub fn empty(&mut self, at: (usize, Partition)) {
        self.shard(at).now = Arc::default();
    }

    /// One entry of a shard, or a whole key, is gone; its meta says nothing of it.
    fn lose(&mut self, at: (usize, Partition)) {
        let mut rng = Rng::new(self.rng.next());
        let history = self.shard(at);
        let what = Arc::make_mut(&mut history.now).lose(&mut rng);
        if let Some(what) = what {
            self.note(|| format!("redis {at:?}: loses {what}"));
        }
    }
}

impl Shard {
    /// As a version that kept no sizes would have left it.
    pub fn uncounted(&self) -> Arc<Shard> {
        let mut shard = self.clone();
        if let Some(meta) = &mut shard.meta {
            meta.sizes = None;
        }
        Arc::new(shard)
    }

    /// What was lost, if there was something to lose.
    fn lose(&mut self, rng: &mut Rng) -> Option<String> {
        if rng.chance(0.1) {
            return self.meta.take().map(|_| "meta".to_string());
        }
        if self.shadow_marker.is_some() && rng.chance(0.3) {
            return self.shadow.lose(rng).map(|what| format!("{what} of a shadow"));
        }
        self.keys.lose(rng)
    }
}

impl Keys {
    fn lose(&mut self, rng: &mut Rng) -> Option<String> {
        let whole = rng.chance(0.2);
        let any = |rng: &mut Rng, n: usize| (n > 0).then(|| rng.below(n));
        match (rng.below(3), whole) {
            (0, true) => (!std::mem::take(&mut self.states).is_empty()).then(|| "all states".into()),
            (1, true) => (!std::mem::take(&mut self.timers).is_empty()).then(|| "all timers".into()),
            (_, true) => (!std::mem::take(&mut self.index).is_empty()).then(|| "the index".into()),
            (0, false) => {
                let at = any(rng, self.states.len())?;
                let key = self.states.keys().nth(at).cloned()?;
                self.states.remove(&key);
                Some(format!("state {}", key.escape_ascii()))
            }
            (1, false) => {
                let at = any(rng, self.timers.len())?;
                let timer = self.timers.iter().nth(at).cloned()?;
                self.timers.remove(&timer);
                Some(format!("timer {}", timer.1.escape_ascii()))
            }
            (_, false) => {
                let at = any(rng, self.index.len())?;
                let key = self.index.iter().nth(at).cloned()?;
                self.index.remove(&key);
                Some(format!("index entry {}", key.escape_ascii()))
            }
        }
    }
}
