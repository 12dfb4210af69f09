//! The keys of a partition in the simulated store: states, timers, index.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use accrual::engine::ports::{Answer, Ask, Change, Key, Millis, Page, Sizes, Timers, Write};
use bytes::Bytes;

#[derive(Clone, Default)]
pub struct Keys {
    pub states: BTreeMap<Key, Bytes>,
    pub timers: BTreeSet<(Millis, Key)>,
    pub index: BTreeSet<Key>,
}

impl Keys {
    pub fn write(&mut self, writes: &[Write]) {
        let keys: BTreeSet<&Key> = writes.iter().map(|write| &write.key).collect();
        assert_eq!(
            keys.len(),
            writes.len(),
            "a real store would not let the later write win"
        );
        for write in writes {
            match &write.value {
                Some(value) => drop(self.states.insert(write.key.clone(), value.clone())),
                None => drop(self.states.remove(&write.key)),
            }
            if write.wake != Change::Keep {
                self.timers.retain(|(_, key)| *key != write.key);
            }
            if let Change::Set(wake) = write.wake {
                self.timers.insert((wake, write.key.clone()));
            }
            match write.index {
                Change::Keep => {}
                Change::Set(()) => drop(self.index.insert(write.key.clone())),
                Change::Clear => drop(self.index.remove(&write.key)),
            }
        }
    }

    pub fn sizes(&self) -> Sizes {
        Sizes {
            states: self.states.len() as u64,
            timers: self.timers.len() as u64,
            index: self.index.len() as u64,
        }
    }

    pub fn timers(&self) -> Timers {
        Timers {
            pending: self.timers.len() as u64,
            next: self.timers.first().map(|(wake, _)| *wake),
        }
    }

    pub fn page(&self, from: u64, limit: usize) -> Page {
        let mut behind: Vec<(u64, &Key)> = self.states.keys().map(|key| (rank(key), key)).collect();
        behind.retain(|(rank, _)| *rank >= from);
        behind.sort();
        let next = behind.get(limit.max(1)).map(|(rank, _)| *rank);
        // Keys of one rank are in one page.
        behind.retain(|(rank, _)| next.is_none_or(|next| *rank < next));
        Page {
            keys: behind.into_iter().map(|(_, key)| key.clone()).collect(),
            next,
        }
    }

    pub fn answer(&self, ask: &Ask) -> Answer {
        let value = |key: &Key| self.states.get(key).cloned().unwrap_or_default();
        let due = ask.due.map_or(Vec::new(), |due| {
            let early = self.timers.iter().take_while(|(wake, _)| *wake < due.before);
            early
                .take(due.limit)
                .map(|(wake, key)| (key.clone(), *wake, value(key)))
                .collect()
        });
        let scanned = ask.scan.as_ref().map_or(Vec::new(), |scan| {
            let behind = |key: &&Key| {
                key.starts_with(&scan.prefix) && scan.after.as_ref().is_none_or(|after| *key > after)
            };
            self.index
                .iter()
                .filter(behind)
                .take(scan.limit)
                .map(|key| (key.clone(), value(key)))
                .collect()
        });
        let values = ask.keys.iter().map(|key| self.states.get(key).cloned()).collect();
        Answer {
            values,
            due,
            scanned,
            timers: self.timers(),
        }
    }
}

/// Where a key stands in the order in which pages name them.
fn rank(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().max(1)
}
