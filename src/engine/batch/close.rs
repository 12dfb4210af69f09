//! Closing a batch: what was decided becomes records and writes, within their bounds.

use super::round::{Read, Round, laid_out};
use super::{Broken, Cause, Decision, Outcome};
use crate::engine::cache::Held;
use crate::engine::changelog::parts::Target;
use crate::engine::changelog::{self, Meta};
use crate::engine::dead_letter;
use crate::engine::mutation::{self, Mutation};
use crate::engine::partition::Swept;
use crate::engine::ports::{Change, Key, OutRecord, Write};
use crate::engine::processor::{Processor, Saved};
use crate::engine::stored;

impl<P: Processor> Round<'_, P> {
    /// Turns what is on the desk into a decision.
    pub(super) fn close(mut self, read: &Read) -> Outcome<P::State> {
        let (spec, owned) = (self.given.spec, self.given.owned);
        assert!(read.position >= owned.position, "E5: the input never goes back");
        assert!(read.clock >= owned.clock, "E13: the clock never goes back");
        let mut records = self.desk.take_records();
        let writes = self.writes(&mut records);
        if !self.broken.is_empty() {
            return Outcome::Broken(self.broken);
        }
        let answer = self.given.answer;
        let nudged = answer.scanned.len() + self.given.batch.nudged.len();
        let turns = read.taken + answer.due.len() + nudged;
        let bytes: usize = records.iter().map(OutRecord::bytes).sum();
        if bytes > spec.limits.transaction_max_bytes && turns > 1 {
            return Outcome::TooMuch;
        }
        if let Some(topic) = &spec.changelog {
            let meta = Meta {
                epoch: owned.marker.epoch,
                batch: owned.marker.batch + 1,
                previous: owned.marker.batch,
                input: read.position,
                clock: read.clock,
                table: owned.table,
                ..Meta::default()
            };
            let meta = meta.in_topic(owned.topic);
            records.push(changelog::meta_record(topic, owned.id, meta));
        }
        let mut dead_letters = Vec::with_capacity(self.dead.len());
        for (code, letter) in std::mem::take(&mut self.dead) {
            dead_letters.push((code, dead_letter::in_words(&letter)));
            records.push(letter);
        }
        Outcome::Decided(Box::new(Decision {
            single: (turns == 1).then(|| self.single()).flatten(),
            swept: self.swept(),
            records,
            writes,
            counts: std::mem::take(&mut self.desk.effects.counts),
            timers_fired: self.desk.timers_fired,
            dead_letters,
            position: read.position,
            clock: read.clock,
            passed: read.passed,
            slots: self.slots,
            taken: read.taken,
            turns,
        }))
    }

    /// What is to be kept of every key that changed, in the store and in the changelog.
    fn writes(&mut self, records: &mut Vec<OutRecord>) -> Vec<Write> {
        let (spec, owned) = (self.given.spec, self.given.owned);
        let mut keys = std::mem::take(&mut self.desk.touched);
        let mut aside: Vec<Key> = owned.being_set_aside().cloned().collect();
        aside.retain(|key| self.slots.contains_key(key) && !keys.contains(key));
        aside.sort();
        keys.append(&mut aside);
        let mut writes = Vec::with_capacity(keys.len());
        for key in keys {
            let slot = laid_out(&mut self.slots, &key);
            let mut saved = slot
                .state
                .as_ref()
                .map(|state| self.given.processor.save(&key, state));
            let aside = owned.set_aside.get(&key).filter(|aside| aside.fresh);
            if let (Some(saved), Some(aside)) = (&mut saved, aside) {
                saved.wake = Some(aside.wake(saved.wake, self.given.batch.now));
            }
            let postponed = aside.is_some();
            let before = std::mem::replace(&mut slot.stored_bytes, 0);
            slot.dirty = false;
            slot.held = saved.as_ref().map(|saved| Held {
                wake: saved.wake,
                indexed: saved.indexed,
                postponed,
            });
            if slot.stored.is_none() && slot.held.is_none() {
                continue;
            }
            let write = write_of(&key, slot.stored, saved.as_ref(), postponed);
            let bytes = write.value.as_ref().map_or(0, bytes::Bytes::len);
            let unbounded = mutation::on(Mutation::E10NoLimit);
            if bytes > spec.limits.state_max_bytes && !owned.measured.contains(&key) && !unbounded {
                self.broken.push(Broken::Large(key));
                continue;
            }
            (slot.stored, slot.stored_bytes) = (slot.held, bytes);
            if let Some(topic) = &spec.changelog {
                let target = Target {
                    topic,
                    partition: owned.id,
                    batch: owned.marker.batch + 1,
                    sizes: spec.limits.state_sizes,
                };
                target.write(&write, before, records);
            }
            if let Some(aside) = aside.filter(|aside| aside.tries == 1) {
                let value = write.value.clone();
                let letter = dead_letter::of_timer(spec, owned.id, &key, value, &aside.refusal);
                self.dead.push((aside.refusal.code, letter));
            }
            writes.push(write);
        }
        writes
    }

    fn single(&self) -> Option<Cause> {
        let answer = self.given.answer;
        let key = answer.due.first().map(|(key, ..)| key);
        let key = key.or_else(|| answer.scanned.first().map(|(key, _)| key));
        let key = key.or_else(|| self.given.batch.nudged.first());
        let record = || self.given.batch.records.first();
        key.cloned()
            .map(Cause::Key)
            .or_else(|| record().map(|record| Cause::Record(record.offset)))
    }

    fn swept(&self) -> Option<Swept> {
        let (batch, scanned) = (self.given.batch, &self.given.answer.scanned);
        if !batch.nudged.is_empty() {
            return Some(Swept::Page(batch.nudged.len()));
        }
        let scan = batch.scan.as_ref()?;
        let last = scanned.last().map(|(key, _)| key.clone());
        let more = scanned.len() >= scan.limit;
        Some(Swept::Index { last, more })
    }
}

/// The change from what the store holds to what is to be kept. Only what changed is touched.
fn write_of(key: &Key, before: Option<Held>, saved: Option<&Saved>, postponed: bool) -> Write {
    let Some(saved) = saved else {
        return Write {
            key: key.clone(),
            value: None,
            wake: Change::Clear,
            index: Change::Clear,
        };
    };
    let before = before.unwrap_or_default();
    let wake = match saved.wake {
        wake if wake == before.wake => Change::Keep,
        Some(wake) => Change::Set(wake),
        None => Change::Clear,
    };
    let index = match saved.indexed {
        indexed if indexed == before.indexed => Change::Keep,
        true => Change::Set(()),
        false => Change::Clear,
    };
    Write {
        key: key.clone(),
        value: Some(stored::encode(saved, postponed)),
        wake,
        index,
    }
}
