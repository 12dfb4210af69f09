//! The broker's side of the log: partitions, transactions, control records, compaction.
//!
//! Permitted: open transactions of the dead hold up the last stable offset until they time
//! out; the markers of one transaction reach its partitions at different times, after the
//! commit was answered; control records take offsets; compaction leaves holes and takes old
//! tombstones away. Survivable because only what is stable is read (E5), and because a store
//! older than the tombstones is rebuilt (E7).

use std::collections::{BTreeMap, BTreeSet};

use accrual::engine::partitioner::Partitioner;
use accrual::engine::ports::{Bounds, Header, Millis, Offset, OutRecord, Partition, Position, Record};
use bytes::Bytes;

use super::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Committed,
    Aborted,
    /// A marker of a transaction.
    Control,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub offset: Offset,
    pub time: Millis,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub tx: u64,
    pub state: State,
    /// When a compaction first met it as the last of its key: tombstones stay that much longer.
    pub met: Option<Millis>,
}

#[derive(Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    pub next: Offset,
    /// Open transactions and where each begins.
    open: BTreeMap<u64, Offset>,
}

pub type Place = (usize, Partition);

#[derive(Default)]
pub struct Producer {
    pub epoch: u32,
    tx: Option<Tx>,
    /// Partitions whose markers are still to come.
    completing: usize,
}

struct Tx {
    id: u64,
    places: BTreeSet<Place>,
    groups: BTreeSet<usize>,
}

#[derive(Default)]
pub struct Topics {
    names: Vec<&'static str>,
    logs: Vec<Vec<Log>>,
    pub producers: BTreeMap<String, Producer>,
    counter: u64,
}

/// What a producer is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The last transaction is not complete.
    Busy,
    Fenced,
    /// There is no such transaction any more.
    Gone,
}

impl Topics {
    pub fn create(&mut self, name: &'static str, partitions: i32) {
        self.names.push(name);
        self.logs.push((0..partitions).map(|_| Log::default()).collect());
    }

    pub fn id(&self, name: &str) -> usize {
        self.names
            .iter()
            .position(|n| *n == name)
            .unwrap_or_else(|| panic!("no topic {name}"))
    }

    pub fn name(&self, id: usize) -> &'static str {
        self.names[id]
    }

    pub fn partitions(&self, topic: usize) -> i32 {
        self.logs[topic].len() as i32
    }

    pub fn log(&self, (topic, partition): Place) -> &Log {
        &self.logs[topic][partition as usize]
    }

    pub fn log_mut(&mut self, (topic, partition): Place) -> &mut Log {
        &mut self.logs[topic][partition as usize]
    }

    fn producer(&mut self, id: &str, epoch: u32) -> Result<&mut Producer, Refused> {
        let producer = self.producers.get_mut(id).expect("initialised before");
        if producer.epoch != epoch {
            Err(Refused::Fenced)
        } else {
            Ok(producer)
        }
    }
}

impl Log {
    pub fn append(&mut self, time: Millis, entry: Entry) -> Offset {
        let offset = self.next;
        self.next += 1;
        self.entries.push(Entry {
            offset,
            time,
            ..entry
        });
        offset
    }

    /// The last stable offset.
    pub fn stable(&self) -> Offset {
        self.open.values().min().copied().unwrap_or(self.next)
    }

    pub fn bounds(&self) -> Bounds {
        Bounds {
            start: 0,
            end: self.stable(),
        }
    }

    /// What a read_committed reader gets, and where it goes on.
    pub fn read(&self, partition: Partition, from: Offset, limit: usize) -> (Vec<Record>, Offset) {
        let stable = self.stable();
        let mut records = Vec::new();
        let begin = self.entries.partition_point(|entry| entry.offset < from);
        for entry in self.entries[begin..]
            .iter()
            .take_while(|entry| entry.offset < stable)
        {
            if records.len() >= limit {
                return (records, entry.offset);
            }
            if entry.state == State::Committed {
                records.push(entry.record(partition));
            }
        }
        (records, stable.max(from))
    }

    fn resolve(&mut self, tx: u64, state: State, time: Millis) {
        let Some(first) = self.open.remove(&tx) else {
            return;
        };
        let begin = self.entries.partition_point(|entry| entry.offset < first);
        for entry in self.entries[begin..].iter_mut().filter(|entry| entry.tx == tx) {
            entry.state = state;
        }
        self.append(time, Entry::control(tx));
    }
}

impl Entry {
    pub fn data(key: Option<Bytes>, value: Option<Bytes>, headers: Vec<Header>, tx: u64) -> Self {
        let state = if tx == 0 { State::Committed } else { State::Open };
        Self {
            offset: 0,
            time: 0,
            key,
            value,
            headers,
            tx,
            state,
            met: None,
        }
    }

    fn control(tx: u64) -> Self {
        Self {
            offset: 0,
            time: 0,
            key: None,
            value: None,
            headers: Vec::new(),
            tx,
            state: State::Control,
            met: None,
        }
    }

    pub fn record(&self, partition: Partition) -> Record {
        Record {
            partition,
            offset: self.offset,
            timestamp: Some(self.time),
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.clone(),
        }
    }
}

impl World {
    /// A record of somebody who uses no transactions.
    pub fn append(&mut self, topic: &str, partition: Partition, key: &str, value: String) -> Offset {
        let topic = self.topics.id(topic);
        let entry = Entry::data(Some(key.to_string().into()), Some(value.into()), Vec::new(), 0);
        let now = self.now;
        let offset = self.topics.log_mut((topic, partition)).append(now, entry);
        self.moved((topic, partition));
        offset
    }

    /// Fences whoever used the id before; what it left open is aborted.
    pub fn init_producer(&mut self, id: &str) -> u32 {
        let producer = self.topics.producers.entry(id.to_string()).or_default();
        producer.epoch += 1;
        let epoch = producer.epoch;
        self.finish(id, State::Aborted);
        epoch
    }

    pub fn completing(&self, id: &str) -> bool {
        self.topics.producers[id].completing > 0
    }

    /// Begins the transaction if there is none. It is given up when it takes too long.
    fn begin(&mut self, id: &str, epoch: u32) -> Result<u64, Refused> {
        self.topics.counter += 1;
        let counter = self.topics.counter;
        let producer = self.topics.producer(id, epoch)?;
        if producer.completing > 0 {
            return Err(Refused::Busy);
        }
        if let Some(tx) = &producer.tx {
            return Ok(tx.id);
        }
        producer.tx = Some(Tx {
            id: counter,
            places: BTreeSet::new(),
            groups: BTreeSet::new(),
        });
        let (id, delay) = (id.to_string(), self.knobs.transaction_ms);
        self.after(delay, move |world| world.time_out(&id, counter));
        Ok(counter)
    }

    fn time_out(&mut self, id: &str, tx: u64) {
        let producer = self.topics.producers.get_mut(id).expect("it began a transaction");
        if producer.tx.as_ref().is_some_and(|open| open.id == tx) {
            producer.epoch += 1;
            self.note(|| format!("log: transaction {tx} of {id} timed out"));
            self.finish(id, State::Aborted);
        }
    }

    pub fn produce(
        &mut self,
        id: &str,
        epoch: u32,
        records: &[OutRecord],
    ) -> Result<Vec<(Place, Offset)>, Refused> {
        let tx = self.begin(id, epoch)?;
        let mut written = Vec::new();
        for record in records {
            let topic = self.topics.id(&record.topic);
            let partitions = self.topics.partitions(topic);
            let partition = record.partition.unwrap_or_else(|| {
                let key = record.key.as_deref().unwrap_or_default();
                // As the port demands and as the stages expect of their own topics.
                Partitioner::Murmur2
                    .place(key, partitions)
                    .expect("a topic has partitions")
            });
            let place = (topic, partition);
            let entry = Entry::data(
                record.key.clone(),
                record.value.clone(),
                record.headers.clone(),
                tx,
            );
            let now = self.now;
            let log = self.topics.log_mut(place);
            let offset = log.append(now, entry);
            log.open.entry(tx).or_insert(offset);
            written.push((place, offset));
            let producer = self.topics.producer(id, epoch).expect("checked by begin");
            producer.tx.as_mut().expect("begun").places.insert(place);
        }
        Ok(written)
    }

    /// Adds the group's offsets. The group checks member and generation, nothing else.
    pub fn send_offsets(
        &mut self,
        id: &str,
        epoch: u32,
        group: usize,
        offsets: &[(Partition, Position)],
    ) -> Result<(), Refused> {
        let tx = self.begin(id, epoch)?;
        self.groups.pend(group, tx, offsets);
        let producer = self.topics.producer(id, epoch).expect("checked by begin");
        producer.tx.as_mut().expect("begun").groups.insert(group);
        Ok(())
    }

    pub fn end(&mut self, id: &str, epoch: u32, commit: bool) -> Result<(), Refused> {
        let producer = self.topics.producer(id, epoch)?;
        if producer.completing > 0 {
            return Err(Refused::Busy);
        }
        if producer.tx.is_none() {
            return Err(Refused::Gone);
        }
        self.finish(id, if commit { State::Committed } else { State::Aborted });
        Ok(())
    }

    /// Sends the markers on their ways.
    fn finish(&mut self, id: &str, state: State) {
        let producer = self.topics.producers.get_mut(id).expect("it has a transaction");
        let Some(tx) = producer.tx.take() else { return };
        producer.completing += tx.places.len() + tx.groups.len();
        self.note(|| format!("log: transaction {} of {id} {state:?}", tx.id));
        for place in tx.places {
            let (id, delay) = (id.to_string(), self.marker_delay());
            self.after(delay, move |world| {
                let now = world.now;
                world.topics.log_mut(place).resolve(tx.id, state, now);
                world.marked(&id);
                world.moved(place);
            });
        }
        for group in tx.groups {
            let (id, delay) = (id.to_string(), self.marker_delay());
            self.after(delay, move |world| {
                world.groups.resolve(group, tx.id, state == State::Committed);
                world.marked(&id);
            });
        }
    }

    fn marker_delay(&mut self) -> Millis {
        let late = self.knobs.marker_late;
        if self.chance(late) {
            self.rng.between(50, 1_000)
        } else {
            self.latency()
        }
    }

    fn marked(&mut self, id: &str) {
        self.topics
            .producers
            .get_mut(id)
            .expect("it sent a marker")
            .completing -= 1;
    }
}
