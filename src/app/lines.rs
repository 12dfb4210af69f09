//! Event files of a replay, merged by time, ties in the order given.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;

use crate::domain::instant::Instant;
use crate::domain::order::facts::OrderEvent;
use crate::engine::error::Refusal;
use crate::engine::ports::{Millis, Record};
use crate::engine::processor::{Decoded, Processor};
use crate::stages::orders::Orders;
use crate::wire::head;

/// A longer line is malformed: no event is that long, and memory has an end.
const LINE_MAX_BYTES: usize = 1 << 20;

/// One event of a file.
pub struct Line {
    pub record: Record,
    pub event: Event,
    pub at: Millis,
    file: Arc<str>,
    number: u64,
}

impl Line {
    pub fn place(&self) -> String {
        place(&self.file, self.number)
    }
}

fn place(file: &str, number: u64) -> String {
    format!("{file}:{number}")
}

/// Which stage an event is for. Nearly all are of orders: those are read but once.
pub enum Event {
    Order(Box<Decoded<OrderEvent>>),
    Rules,
    Command,
}

impl Event {
    fn read(record: &Record, orders: &Orders) -> Result<(Self, Instant), Refusal> {
        let refusal = match orders.decode(record) {
            Ok(decoded) => {
                let time = decoded.event.time;
                return Ok((Event::Order(Box::new(decoded)), time));
            }
            Err(refusal) => refusal,
        };
        let (kind, time) = head::read(record.value.as_deref().unwrap_or_default())
            .map_err(|error| Refusal::new("malformed", error.to_string()))?;
        match &*kind {
            "rules.published" | "shop.status_changed" => Ok((Event::Rules, time)),
            order if order.starts_with("order.") => Err(refusal),
            _ => Ok((Event::Command, time)),
        }
    }
}

/// What came next.
pub enum Read {
    Line(Line),
    Malformed { place: String, detail: String },
}

/// Several files, each in its own order.
pub struct Lines<'a> {
    orders: &'a Orders,
    sources: Vec<Source>,
    /// The next line of each source that has one, by its time; ties by the order of the sources.
    next: BTreeMap<(Millis, usize), Line>,
    malformed: Vec<Read>,
    primed: bool,
}

impl<'a> Lines<'a> {
    pub fn open(files: &[PathBuf], orders: &'a Orders) -> anyhow::Result<Self> {
        let sources = files
            .iter()
            .map(|file| Source::open(file))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            orders,
            sources,
            next: BTreeMap::new(),
            malformed: Vec::new(),
            primed: false,
        })
    }

    pub fn next(&mut self) -> anyhow::Result<Option<Read>> {
        if !self.primed {
            self.primed = true;
            for source in 0..self.sources.len() {
                self.advance(source)?;
            }
        }
        if !self.malformed.is_empty() {
            return Ok(Some(self.malformed.remove(0)));
        }
        let Some(((_, source), line)) = self.next.pop_first() else {
            return Ok(None);
        };
        self.advance(source)?;
        Ok(Some(Read::Line(line)))
    }

    /// Reads on to the source's next event; malformed lines on the way are kept to be told.
    fn advance(&mut self, source: usize) -> anyhow::Result<()> {
        loop {
            match self.sources[source].read(self.orders)? {
                None => return Ok(()),
                Some(Read::Line(line)) => {
                    let at = self.sources[source].clock;
                    self.next.insert((at, source), line);
                    return Ok(());
                }
                Some(malformed) => self.malformed.push(malformed),
            }
        }
    }
}

struct Source {
    name: Arc<str>,
    lines: Box<dyn BufRead>,
    buffer: Vec<u8>,
    number: u64,
    /// Arrival times of a file never go back.
    clock: Millis,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let lines: Box<dyn BufRead> = match name.as_str() {
            "-" => Box::new(BufReader::with_capacity(1 << 16, io::stdin())),
            _ => Box::new(BufReader::with_capacity(
                1 << 16,
                File::open(path).with_context(|| format!("{name}: cannot be opened"))?,
            )),
        };
        Ok(Self {
            name: name.into(),
            lines,
            buffer: Vec::new(),
            number: 0,
            clock: Millis::MIN,
        })
    }

    /// The next line that is not blank.
    fn read(&mut self, orders: &Orders) -> anyhow::Result<Option<Read>> {
        loop {
            self.buffer.clear();
            let read = self.lines.read_until(b'\n', &mut self.buffer);
            if read.with_context(|| format!("{}: cannot be read", self.name))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(self.line(orders)));
            }
        }
    }

    fn line(&mut self, orders: &Orders) -> Read {
        let malformed = |detail: String| Read::Malformed {
            place: place(&self.name, self.number),
            detail,
        };
        if self.buffer.len() > LINE_MAX_BYTES {
            return malformed(format!(
                "{} bytes; at most {LINE_MAX_BYTES} are read",
                self.buffer.len()
            ));
        }
        let bytes = Bytes::copy_from_slice(self.buffer.trim_ascii());
        let record = Record {
            partition: 0,
            offset: self.number as i64,
            timestamp: None,
            key: None,
            value: Some(bytes),
            headers: Vec::new(),
        };
        let (event, time) = match Event::read(&record, orders) {
            Ok(read) => read,
            Err(refusal) => return malformed(refusal.to_string()),
        };
        let at = time.0.div_euclid(1_000);
        self.clock = self.clock.max(at);
        Read::Line(Line {
            record,
            event,
            at: self.clock,
            file: self.name.clone(),
            number: self.number,
        })
    }
}
