//! Records of an old input, byte for byte and with their times, to where they belong on the new
//! one; in the order of their arrival over all partitions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::adapters::kafka::Cargo;
use crate::engine::ports::{Millis, Offset, OutRecord, Partition, Record};

use super::Work;
use super::progress::Progress;
use super::routing::Routing;
use super::sides::{self, Pair};
use crate::app::patience::patiently;

/// Records of all partitions that wait for their turn.
const WAITING_MAX_RECORDS: usize = 10_000;
const CHUNK_MIN_RECORDS: usize = 50;
/// A pass this short has caught up with producers that go on writing.
const CAUGHT_UP: Duration = Duration::from_secs(1);
const PASSES_MAX: u32 = 1_000;

pub struct Forwarder<'a> {
    work: &'a Work,
    pair: &'a Pair,
    routing: Routing,
    sources: Vec<Source>,
}

impl<'a> Forwarder<'a> {
    /// Goes on where this move has forwarded to. `None`: that is not known any more.
    pub async fn open(work: &'a Work, pair: &'a Pair) -> anyhow::Result<Option<Self>> {
        let Some(forwarded) = pair.forwarded(&work.group()).await? else {
            return Ok(None);
        };
        let source = |(_, next)| Source {
            next,
            ..Source::default()
        };
        Ok(Some(Self {
            work,
            pair,
            routing: Routing::new(pair.kind, pair.placing),
            sources: forwarded.into_iter().map(source).collect(),
        }))
    }

    /// Forwards up to the end; of an input that others go on writing to, up to shortly before it.
    /// How many records.
    pub async fn catch_up(&mut self) -> anyhow::Result<u64> {
        let mut forwarded = 0;
        for _ in 0..PASSES_MAX {
            let begun = Instant::now();
            let ends = self.ends().await?;
            forwarded += self.pass(&ends).await?;
            if begun.elapsed() < CAUGHT_UP {
                break;
            }
        }
        Ok(forwarded)
    }

    async fn ends(&self) -> anyhow::Result<Vec<Offset>> {
        let mut ends = Vec::new();
        for partition in 0..self.sources.len() as Partition {
            let old = &self.pair.old;
            ends.push(match self.pair.is_from_outside() {
                true => patiently("ends", async || Ok(old.records.bounds(partition).await?.end)).await?,
                // The new side begins with all that the old one has written.
                false => old.settled_end(partition).await?,
            });
        }
        Ok(ends)
    }

    async fn pass(&mut self, ends: &[Offset]) -> anyhow::Result<u64> {
        let left = self
            .sources
            .iter()
            .zip(ends)
            .map(|(source, end)| (end - source.position()).max(0));
        let what = format!("forwarding {}", self.pair.old.input);
        let mut progress = Progress::new(what, left.sum::<Offset>() as u64);
        let mut forwarded = 0;
        loop {
            self.fill(ends).await?;
            let cargo = self.load(ends)?;
            let count = cargo.records.len() as u64;
            if count == 0 {
                return Ok(forwarded);
            }
            self.work.commit(cargo).await?;
            progress.add(count);
            forwarded += count;
        }
    }

    /// Reads where nothing waits, so that of every partition the next record is known.
    async fn fill(&mut self, ends: &[Offset]) -> anyhow::Result<()> {
        let limit = (WAITING_MAX_RECORDS / self.sources.len()).max(CHUNK_MIN_RECORDS);
        let records = &self.pair.old.records;
        for (partition, (source, end)) in self.sources.iter_mut().zip(ends).enumerate() {
            while source.wants(*end) {
                let (partition, from) = (partition as Partition, source.next);
                let chunk = patiently("records", async || {
                    Ok(records.read(partition, from, limit).await?)
                });
                let chunk = chunk.await?;
                source.take(chunk.records, chunk.next);
                if chunk.next <= from {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One transaction's records; none when all partitions are at their ends.
    fn load(&mut self, ends: &[Offset]) -> anyhow::Result<Cargo> {
        let (mut cargo, mut bytes) = (Cargo::default(), 0);
        let plan = &self.work.plan;
        while cargo.records.len() < plan.records_max && bytes < plan.bytes_max {
            if self
                .sources
                .iter()
                .zip(ends)
                .any(|(source, end)| source.wants(*end))
            {
                break;
            }
            let Some(record) = first(&mut self.sources) else {
                break;
            };
            bytes += record.value.as_ref().map_or(0, bytes::Bytes::len);
            cargo.records.push(self.forwarded(record)?);
        }
        let input = &self.pair.old.input;
        let position = |(partition, source): (usize, &Source)| {
            sides::read(input, partition as Partition, source.position())
        };
        cargo.read = self.sources.iter().enumerate().map(position).collect();
        Ok(cargo)
    }

    fn forwarded(&self, record: Record) -> anyhow::Result<(OutRecord, Option<Millis>)> {
        let new = &self.pair.new;
        let to = self.routing.record(&record, new.input_partitions)?;
        let timestamp = record.timestamp;
        let record = OutRecord {
            topic: new.input.clone(),
            partition: Some(to),
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        Ok((record, timestamp))
    }
}

/// One partition of the old input.
#[derive(Debug, Default, PartialEq)]
struct Source {
    /// Read and not forwarded yet.
    waiting: VecDeque<Record>,
    /// Where to read on.
    next: Offset,
}

impl Source {
    fn take(&mut self, records: Vec<Record>, next: Offset) {
        self.waiting.extend(records);
        self.next = next.max(self.next);
    }

    /// There is more to read before anything of any partition may go.
    fn wants(&self, end: Offset) -> bool {
        self.waiting.is_empty() && self.next < end
    }

    /// The next record that is not forwarded yet.
    fn position(&self) -> Offset {
        self.waiting.front().map_or(self.next, |record| record.offset)
    }
}

/// The record that arrived first; each partition keeps its order.
fn first(sources: &mut [Source]) -> Option<Record> {
    let source = sources
        .iter_mut()
        .filter(|source| !source.waiting.is_empty())
        .min_by_key(|source| source.waiting.front().and_then(|record| record.timestamp))?;
    source.waiting.pop_front()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(timestamps: &[Millis]) -> Source {
        let record = |(offset, timestamp): (usize, &Millis)| Record {
            offset: offset as Offset,
            timestamp: Some(*timestamp),
            ..Record::NONE
        };
        let mut source = Source::default();
        let records = timestamps.iter().enumerate().map(record).collect();
        source.take(records, timestamps.len() as Offset + 1);
        source
    }

    #[test]
    fn what_arrived_first_goes_first_and_each_partition_keeps_its_order() {
        // The clock of the third one's producer went back once.
        let mut sources = [source(&[1, 5, 9]), source(&[2, 3]), source(&[4, 1, 6])];
        let mut order = Vec::new();
        while let Some(record) = first(&mut sources) {
            order.push(record.timestamp.expect("a time"));
        }
        assert_eq!(order, [1, 2, 3, 4, 1, 5, 6, 9]);
        let positions: Vec<Offset> = sources.iter().map(Source::position).collect();
        assert_eq!(positions, [4, 3, 4], "behind control records too");
    }

    #[test]
    fn nothing_goes_before_the_next_of_every_partition_is_known() {
        let mut source = source(&[7]);
        assert!(!source.wants(9), "one waits");
        assert!(first(std::slice::from_mut(&mut source)).is_some());
        assert!(source.wants(9));
        assert!(!source.wants(2), "at its end");
    }
}
