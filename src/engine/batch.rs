//! One batch of one partition: what is read, what is decided, what is to be committed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::cache::{Held, Slot};
use super::changelog::{self, Meta};
use super::dead_letter;
use super::desk::{Desk, Fault};
use super::error::Refusal;
use super::mutation::{self, Mutation};
use super::partition::Owned;
use super::ports::{Answer, Ask, Change, Due, Key, KeyMap, Millis, Offset, OutRecord, Record, Scan, Write};
use super::processor::{Decoded, Processor};
use super::spec::StageSpec;
use super::stored;

/// Records of a batch as they came, each decoded or refused.
pub struct Batch<E> {
    pub records: Vec<Record>,
    decoded: Vec<Result<Decoded<E>, Refusal>>,
    pub due: Option<Due>,
    pub scan: Option<Scan>,
    /// The processor's time when the batch was begun.
    pub now: Millis,
}

/// What a batch came to. Nothing of it has happened yet.
pub struct Decision<S> {
    /// Outputs, dead letters, changelog records and the meta record.
    pub records: Vec<OutRecord>,
    pub writes: Vec<Write>,
    pub counts: Vec<(&'static str, &'static str, u64)>,
    pub timers_fired: Vec<Millis>,
    pub dead_letters: Vec<&'static str>,
    pub position: Offset,
    pub clock: Millis,
    /// The clock may be moved on to here by the records themselves (E13).
    pub passed: Option<Millis>,
    pub slots: Slots<S>,
    /// The sweep's last key in this turn, and whether more follow.
    pub swept: Option<(Option<Key>, bool)>,
}

/// A decision that panicked: the batch is decided again without it (E9).
#[derive(Debug)]
pub enum Broken {
    Record(Offset, Refusal),
    Timer(Key, Refusal),
}

impl<E: Send + Sync> Batch<E> {
    /// Reads the records. What cannot be read is a dead letter already.
    pub fn read<P>(processor: &P, spec: &StageSpec, records: Vec<Record>, now: Millis) -> Self
    where
        P: Processor<Event = E>,
    {
        let decoded = records
            .iter()
            .map(|record| decode(processor, spec, record))
            .collect();
        Self {
            records,
            decoded,
            due: None,
            scan: None,
            now,
        }
    }

    /// Whether a decision looks at the global table (E11).
    pub fn reads_table(&self) -> bool {
        self.decoded.iter().flatten().any(|decoded| decoded.reads_table)
    }

    /// The states that are not warm, and the timers and keys of this turn.
    pub fn ask<S>(&self, owned: &Owned<S>) -> Ask {
        let mut keys: Vec<Key> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for decoded in self.decoded.iter().flatten() {
            if !owned.cache.contains(&decoded.key) && seen.insert(&decoded.key) {
                keys.push(decoded.key.clone());
            }
        }
        Ask {
            keys,
            due: self.due,
            scan: self.scan.clone(),
        }
    }
}

fn decode<P: Processor>(
    processor: &P,
    spec: &StageSpec,
    record: &Record,
) -> Result<Decoded<P::Event>, Refusal> {
    let bytes = record.value.as_ref().map_or(0, Bytes::len) + record.key.as_ref().map_or(0, Bytes::len);
    if bytes > spec.limits.record_max_bytes {
        let limit = spec.limits.record_max_bytes;
        return Err(Refusal::new(
            "too_large",
            format!("{bytes} bytes; at most {limit} are read"),
        ));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| processor.decode(record)))
        .unwrap_or_else(|_| Err(Refusal::new("panicked", "while it was read")))?;
    let belongs = decoded
        .placed_by()
        .and_then(|by| spec.partitioner.place(by, spec.input_partitions));
    if let Some(belongs) = belongs.filter(|belongs| *belongs != record.partition) {
        let detail = format!(
            "stands on partition {}, its key belongs on {belongs}",
            record.partition
        );
        return Err(Refusal::new("wrong_partition", detail));
    }
    Ok(decoded)
}

/// States of a partition at hand.
pub type Slots<S> = KeyMap<Box<Slot<S>>>;

/// Takes warm states and the store's answer to hand.
pub fn lay_out<P: Processor>(
    processor: &P,
    owned: &mut Owned<P::State>,
    batch: &Batch<P::Event>,
    ask: &Ask,
    answer: &Answer,
) -> Result<Slots<P::State>, Refusal> {
    let mut slots = Slots::default();
    for (key, value) in ask.keys.iter().zip(&answer.values) {
        slots.insert(key.clone(), Box::new(Slot::load(processor, key, value.as_ref())?));
    }
    let keys = batch.decoded.iter().flatten().map(|decoded| &decoded.key);
    let listed = answer.due.iter().map(|(key, _, value)| (key, value));
    let scanned = answer.scanned.iter().map(|(key, value)| (key, value));
    for (key, value) in listed.chain(scanned) {
        if slots.contains_key(key) {
            continue;
        }
        let slot = match owned.cache.take(key) {
            Some(slot) => slot,
            None => Box::new(Slot::load(processor, key, Some(value))?),
        };
        slots.insert(key.clone(), slot);
    }
    for key in keys {
        if !slots.contains_key(key) {
            let slot = owned.cache.take(key).unwrap_or_else(|| Box::new(Slot::absent()));
            slots.insert(key.clone(), slot);
        }
    }
    Ok(slots)
}

/// Decides the whole batch: due timers, then the sweep, then records.
pub fn decide<P: Processor>(
    processor: &P,
    spec: &StageSpec,
    owned: &Owned<P::State>,
    batch: &Batch<P::Event>,
    answer: &Answer,
    scans: &KeyMap<Vec<Key>>,
    mut slots: Slots<P::State>,
) -> Result<Decision<P::State>, Broken> {
    let mut desk = Desk::new(processor, owned.id);
    let mut dead = Vec::new();
    let mut stopped_timers = Vec::new();
    for (key, due, stored) in &answer.due {
        if let Some(refusal) = owned.broken_timers.get(key) {
            dead.push((
                refusal.code,
                dead_letter::of_timer(spec, owned.id, key, Some(stored.clone()), refusal),
            ));
            stopped_timers.push(key.clone());
            continue;
        }
        let scanned = scans.get(key).map_or(&[][..], Vec::as_slice);
        desk.late = mutation::on(Mutation::E8TimerNow).then_some(batch.now);
        desk.timer(key, laid_out(&mut slots, key), *due, scanned)
            .map_err(|fault| Broken::Timer(key.clone(), fault.into_refusal()))?;
    }
    for (key, _) in &answer.scanned {
        // What a sweep cannot decide waits for the key's next event or timer.
        if !owned.broken_timers.contains_key(key) {
            desk.nudge(key, laid_out(&mut slots, key), batch.now)
                .map_err(|fault| Broken::Timer(key.clone(), fault.into_refusal()))?;
        }
    }
    let (mut clock, mut passed) = (owned.clock, None);
    for (record, decoded) in batch.records.iter().zip(&batch.decoded) {
        let arrival = record.timestamp.unwrap_or(batch.now).min(batch.now).max(clock);
        clock = arrival;
        if record.timestamp.is_some_and(|timestamp| timestamp <= batch.now) {
            passed = Some(arrival);
        }
        let refused = match (decoded, owned.poisoned.get(&record.offset)) {
            (_, Some(refusal)) | (Err(refusal), None) => Some(refusal.clone()),
            (Ok(decoded), None) => take_event(&mut desk, &mut slots, decoded, record, arrival)
                .map_err(|refusal| Broken::Record(record.offset, refusal))?,
        };
        if let Some(refusal) = refused
            && !mutation::on(Mutation::E9NoDeadLetter)
        {
            dead.push((refusal.code, dead_letter::of_record(spec, record, &refusal)));
        }
    }
    let position = batch
        .records
        .last()
        .map_or(owned.position, |record| record.offset + 1);
    let mut decision = close(spec, owned, desk, slots, &stopped_timers, position, clock);
    if let Some(broken) = decision
        .writes
        .iter()
        .find_map(|write| too_large(spec, batch, write))
    {
        return Err(broken);
    }
    for (code, letter) in dead {
        decision.dead_letters.push(code);
        decision.records.push(letter);
    }
    decision.passed = passed;
    decision.swept = batch.scan.as_ref().map(|scan| {
        (
            answer.scanned.last().map(|(key, _)| key.clone()),
            answer.scanned.len() >= scan.limit,
        )
    });
    Ok(decision)
}

/// The slot of a key that the batch names.
fn laid_out<'a, S>(slots: &'a mut Slots<S>, key: &Key) -> &'a mut Slot<S> {
    slots.get_mut(key).expect("every key of a batch is laid out")
}

/// `Ok(Some)`: refused; `Err`: broken.
fn take_event<P: Processor>(
    desk: &mut Desk<'_, P>,
    slots: &mut Slots<P::State>,
    decoded: &Decoded<P::Event>,
    record: &Record,
    arrival: Millis,
) -> Result<Option<Refusal>, Refusal> {
    match desk.event(
        &decoded.key,
        laid_out(slots, &decoded.key),
        &decoded.event,
        record,
        decoded.at.unwrap_or(arrival),
    ) {
        Ok(()) => Ok(None),
        Err(Fault::Refused(refusal)) => Ok(Some(refusal)),
        Err(Fault::Broken(refusal)) => Err(refusal),
    }
}

/// Who made a state too large for the broker: the last record of its key, else its timer.
fn too_large<E>(spec: &StageSpec, batch: &Batch<E>, write: &Write) -> Option<Broken> {
    let size = write.value.as_ref().map_or(0, Bytes::len);
    if size <= spec.limits.state_max_bytes {
        return None;
    }
    let detail = format!(
        "state would grow to {size} bytes; at most {}",
        spec.limits.state_max_bytes
    );
    let refusal = Refusal::new("state_too_large", detail);
    let of_key = |decoded: &Result<Decoded<E>, Refusal>| decoded.as_ref().is_ok_and(|d| d.key == write.key);
    let last = batch
        .records
        .iter()
        .zip(&batch.decoded)
        .rev()
        .find(|(_, decoded)| of_key(decoded));
    Some(match last {
        Some((record, _)) => Broken::Record(record.offset, refusal),
        None => Broken::Timer(write.key.clone(), refusal),
    })
}

/// Turns what is on the desk into records and writes.
fn close<P: Processor>(
    spec: &StageSpec,
    owned: &Owned<P::State>,
    mut desk: Desk<'_, P>,
    mut slots: Slots<P::State>,
    stopped_timers: &[Key],
    position: Offset,
    clock: Millis,
) -> Decision<P::State> {
    let mut records = desk.take_records();
    let mut writes = Vec::with_capacity(desk.touched.len());
    let touched = std::mem::take(&mut desk.touched);
    for key in touched.iter().chain(stopped_timers) {
        let slot = laid_out(&mut slots, key);
        let state = slot.state.as_ref();
        let mut saved = state.map(|state| desk.processor.save(key, state));
        if stopped_timers.contains(key)
            && let Some(saved) = &mut saved
        {
            saved.wake = None;
        }
        slot.dirty = false;
        slot.held = saved.as_ref().map(|saved| Held {
            wake: saved.wake,
            indexed: saved.indexed,
        });
        if slot.stored.is_none() && slot.held.is_none() {
            continue;
        }
        writes.push(write_of(key, slot.stored, saved.as_ref()));
        slot.stored = slot.held;
    }
    if let Some(topic) = &spec.changelog {
        for write in &writes {
            records.push(changelog::state_record(
                topic,
                owned.id,
                &write.key,
                write.value.clone(),
            ));
        }
        let meta = Meta {
            epoch: owned.marker.epoch,
            batch: owned.marker.batch + 1,
            previous: owned.marker.batch,
            input: position,
            clock,
            table: owned.table,
            ..Meta::default()
        };
        let meta = meta.in_topic(owned.topic);
        records.push(changelog::meta_record(topic, owned.id, meta));
    }
    Decision {
        records,
        writes,
        counts: std::mem::take(&mut desk.effects.counts),
        timers_fired: desk.timers_fired,
        dead_letters: Vec::new(),
        position,
        clock,
        passed: None,
        slots,
        swept: None,
    }
}

/// The change from what the store holds to what is to be kept. Only what changed is touched.
fn write_of(key: &Key, before: Option<Held>, saved: Option<&super::processor::Saved>) -> Write {
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
        value: Some(stored::encode(saved)),
        wake,
        index,
    }
}

impl Fault {
    fn into_refusal(self) -> Refusal {
        match self {
            Fault::Refused(refusal) | Fault::Broken(refusal) => refusal,
        }
    }
}
