//! The broker's log cleaner. Tombstones stay for a while after a cleaning has met them, and only
//! what is stable is cleaned.

use std::collections::BTreeMap;

use accrual::engine::changelog::{self, Entry as Change};
use accrual::engine::ports::{Millis, Offset, Record};
use bytes::Bytes;

use super::log::{Entry, Log, Place, State};
use super::world::World;

impl Log {
    /// Whether a key that was read is gone by a tombstone that was not: the worst moment for a
    /// cleaner to come by.
    pub fn outlived(&self, read: &[Record], next: Offset) -> bool {
        let begin = self.entries.partition_point(|entry| entry.offset < next);
        let later = &self.entries[begin..];
        read.iter().filter(|record| record.value.is_some()).any(|record| {
            let last = later.iter().rev().find(|entry| entry.key == record.key);
            last.is_some_and(|entry| entry.value.is_none())
        })
    }

    /// Offset of the newest claim.
    pub fn last_claim(&self) -> Option<Offset> {
        let committed = self
            .entries
            .iter()
            .rev()
            .filter(|entry| entry.state == State::Committed);
        committed
            .map(|entry| (entry.offset, changelog::read(&entry.record(0))))
            .find_map(|(offset, change)| matches!(change, Ok(Change::Claim(_))).then_some(offset))
    }

    /// Removes a part of a state that is still in use.
    pub fn lose_part(&mut self) -> Option<Offset> {
        let mut last = BTreeMap::new();
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.state == State::Committed)
        {
            if let Ok(Change::Part(key, number, part)) = changelog::read(&entry.record(0)) {
                last.insert((key, number), part.map(|_| entry.offset));
            }
        }
        let offset = last.into_values().flatten().next()?;
        self.entries.retain(|entry| entry.offset != offset);
        Some(offset)
    }

    /// Keeps the last of each key up to `until`; drops what was aborted, and tombstones that an
    /// earlier compaction met before `tombstones_before`.
    fn compact(&mut self, until: Offset, now: Millis, tombstones_before: Millis) {
        let until = until.min(self.stable());
        let mut last: BTreeMap<Bytes, Offset> = BTreeMap::new();
        let cleaned = |entry: &Entry| entry.offset < until;
        let committed = |entry: &Entry| entry.state == State::Committed;
        for entry in self
            .entries
            .iter()
            .filter(|entry| cleaned(entry) && committed(entry))
        {
            last.insert(entry.key.clone().unwrap_or_default(), entry.offset);
        }
        self.entries.retain_mut(|entry| {
            if !cleaned(entry) {
                return true;
            }
            let newest = last.get(entry.key.as_deref().unwrap_or_default()) == Some(&entry.offset);
            let met = *entry.met.get_or_insert(now);
            let gone = entry.value.is_none() && met < tombstones_before;
            committed(entry) && newest && !gone
        });
    }
}

impl World {
    /// Cleans both changelogs to their ends.
    pub fn clean_all(&mut self) {
        let (now, before) = (self.now, self.now - self.knobs.retention_ms);
        for name in ["in-changelog", "mid-changelog"] {
            let topic = self.topics.id(name);
            for partition in 0..self.topics.partitions(topic) {
                let log = self.topics.log_mut((topic, partition));
                log.compact(log.next, now, before);
            }
        }
        self.note(|| "log: everything compacted".to_string());
    }

    pub fn compact(&mut self, place: Place) {
        let now = self.now;
        let before = now - self.knobs.retention_ms;
        let end = self.topics.log(place).next;
        let until = if self.rng.chance(0.5) {
            end
        } else {
            self.rng.between(0, end)
        };
        self.note(|| format!("log: {place:?} compacted to {until}"));
        self.topics.log_mut(place).compact(until, now, before);
    }
}
