//! Event files of a replay, merged by time, ties in the order given.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;

use crate::domain::entry::Entry;
use crate::domain::instant::Instant;
use crate::domain::order::facts::OrderEvent;
use crate::engine::error::Refusal;
use crate::engine::ports::Record;
use crate::engine::processor::{Decoded, Processor};
use crate::stages::commands::Commands;
use crate::stages::{orders, rule_table};
use crate::wire::envelope;
use crate::wire::rule_document::RuleEvent;

/// A longer line is malformed: no event is that long, and memory has an end.
const LINE_MAX_BYTES: usize = 1 << 20;
/// Read at a time: some hundred lines, so that the processor's caches hold what is read.
const BLOCK_BYTES: usize = 1 << 15;

/// Some editors begin a file with it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One event of a file.
pub struct Line {
    pub event: Event,
    /// Arrival.
    pub at: Instant,
    pub place: Place,
}

/// Which line of which file.
#[derive(Clone)]
pub struct Place {
    file: Arc<str>,
    number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.number)
    }
}

/// Whom an event is for, read once. What cannot be read has no time and moves no clock.
pub enum Event {
    Order(Decoded<Box<OrderEvent>>),
    Command(Box<Decoded<Entry>>),
    Rules(RuleEvent),
}

/// Reads a line. Nearly all events are of orders, so that is tried first.
fn read(line: &[u8], commands: &Commands) -> Result<(Event, Instant), Refusal> {
    let refusal = match orders::read(Some(line), [].into_iter()) {
        Ok(decoded) => {
            let time = decoded.event.time;
            return Ok((Event::Order(decoded), time));
        }
        Err(refusal) => refusal,
    };
    let envelope = envelope::read(Some(line), [].into_iter())
        .map_err(|error| Refusal::new("malformed", error.to_string()))?;
    let record = Record {
        value: Some(Bytes::copy_from_slice(line)),
        ..Record::NONE
    };
    let event = match &*envelope.kind {
        "rules.published" | "shop.status_changed" => Event::Rules(rule_table::read(&record)?),
        order if order.starts_with("order.") => return Err(refusal),
        _ => Event::Command(Box::new(commands.decode(&record)?)),
    };
    Ok((event, envelope.time))
}

/// What came next.
pub enum Read {
    Line(Line),
    Malformed { place: Place, detail: String },
}

/// Several files, each in its own order.
pub struct Lines<'a> {
    commands: &'a Commands,
    sources: Vec<Source>,
}

impl<'a> Lines<'a> {
    pub fn open(files: &[PathBuf], commands: &'a Commands) -> anyhow::Result<Self> {
        let sources = files
            .iter()
            .map(|file| Source::open(file))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { commands, sources })
    }

    /// The earliest of the sources' next lines; ties in the order of the sources. What is
    /// malformed has no time: it is told as soon as it is reached.
    pub fn next(&mut self) -> anyhow::Result<Option<Read>> {
        let mut first: Option<(Instant, usize)> = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            match source.peek(self.commands)? {
                None => {}
                Some(Read::Malformed { .. }) => return Ok(source.ahead.pop_front()),
                Some(Read::Line(line)) if first.is_some_and(|(earliest, _)| earliest <= line.at) => {}
                Some(Read::Line(line)) => first = Some((line.at, at)),
            }
        }
        Ok(first.and_then(|(_, at)| self.sources[at].ahead.pop_front()))
    }
}

struct Source {
    name: Arc<str>,
    input: Box<dyn io::Read>,
    /// The first `filled` bytes of it are what has been read behind the last whole line.
    buffer: Vec<u8>,
    filled: usize,
    /// Lines that were read together: reading many in a row is faster than taking turns with
    /// what becomes of them.
    ahead: VecDeque<Read>,
    number: u64,
    /// Arrival times of a file never go back.
    clock: Instant,
    /// Bytes of a line that is too long, already dropped.
    dropped: usize,
    ended: bool,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let input: Box<dyn io::Read> = match name.as_str() {
            "-" => Box::new(io::stdin()),
            _ => Box::new(File::open(path).with_context(|| format!("{name}: cannot be opened"))?),
        };
        Ok(Self {
            name: name.into(),
            input,
            buffer: Vec::new(),
            filled: 0,
            ahead: VecDeque::new(),
            number: 0,
            clock: Instant::MIN,
            dropped: 0,
            ended: false,
        })
    }

    /// What comes next, left where it is; `None` at the end.
    fn peek(&mut self, commands: &Commands) -> anyhow::Result<Option<&Read>> {
        while self.ahead.is_empty() && !self.ended {
            self.read_block(commands)
                .with_context(|| format!("{}: cannot be read", self.name))?;
        }
        Ok(self.ahead.front())
    }

    /// Reads what there is, a block at most, and the lines that end in it.
    fn read_block(&mut self, commands: &Commands) -> io::Result<()> {
        let known = self.filled;
        if self.buffer.len() < known + BLOCK_BYTES {
            self.buffer.resize(known + BLOCK_BYTES, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[known..known + BLOCK_BYTES]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        let whole = match memchr::memrchr(b'\n', &self.buffer[known..self.filled]) {
            Some(at) => known + at + 1,
            None if self.ended => self.filled,
            None => {
                self.drop_overlong();
                return Ok(());
            }
        };
        let buffer = std::mem::take(&mut self.buffer);
        self.take_lines(&buffer[..whole], commands);
        self.buffer = buffer;
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        Ok(())
    }

    fn take_lines(&mut self, block: &[u8], commands: &Commands) {
        let mut from = 0;
        while from < block.len() {
            let end = memchr::memchr(b'\n', &block[from..]).map_or(block.len(), |at| from + at);
            let line = block[from..end].trim_ascii();
            self.number += 1;
            let line = match self.number {
                1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
                _ => line,
            };
            let length = self.dropped + (end - from);
            self.dropped = 0;
            if length > LINE_MAX_BYTES {
                self.ahead
                    .push_back(self.malformed(format!("{length} bytes; at most {LINE_MAX_BYTES} are read")));
            } else if !line.is_empty() {
                let read = self.line(line, commands);
                self.ahead.push_back(read);
            }
            from = end + 1;
        }
    }

    /// A line beyond the limit is counted, not kept.
    fn drop_overlong(&mut self) {
        if self.dropped > 0 || self.filled > LINE_MAX_BYTES {
            self.dropped += self.filled;
            self.filled = 0;
        }
    }

    fn line(&mut self, line: &[u8], commands: &Commands) -> Read {
        let (event, time) = match read(line, commands) {
            Ok(read) => read,
            Err(refusal) => return self.malformed(refusal.to_string()),
        };
        self.clock = self.clock.max(time);
        Read::Line(Line {
            event,
            at: self.clock,
            place: self.place(),
        })
    }

    fn malformed(&self, detail: String) -> Read {
        Read::Malformed {
            place: self.place(),
            detail,
        }
    }

    fn place(&self) -> Place {
        Place {
            file: self.name.clone(),
            number: self.number,
        }
    }
}
