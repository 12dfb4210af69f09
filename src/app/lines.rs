//! Event files of a replay, merged by time, ties in the order given.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;

use crate::engine::ports::{Millis, Record};
use crate::wire::head;

/// A longer line is malformed: no event is that long, and memory has an end.
const LINE_MAX_BYTES: usize = 1 << 20;

/// One event of a file.
pub struct Line {
    pub record: Record,
    pub kind: Kind,
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

/// Which stage an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Order,
    Rules,
    Command,
}

impl Kind {
    fn of(kind: &str) -> Self {
        match kind {
            "rules.published" | "shop.status_changed" => Kind::Rules,
            order if order.starts_with("order.") => Kind::Order,
            _ => Kind::Command,
        }
    }
}

/// What came next.
pub enum Read {
    Line(Line),
    Malformed { place: String, detail: String },
}

/// Several files, each in its own order.
pub struct Lines {
    sources: Vec<Source>,
    /// The next line of each source that has one, by its time; ties by the order of the sources.
    next: BTreeMap<(Millis, usize), Line>,
    malformed: Vec<Read>,
    primed: bool,
}

impl Lines {
    pub fn open(files: &[PathBuf]) -> anyhow::Result<Self> {
        let sources = files
            .iter()
            .map(|file| Source::open(file))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
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
            match self.sources[source].read()? {
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
    fn read(&mut self) -> anyhow::Result<Option<Read>> {
        loop {
            self.buffer.clear();
            let read = self.lines.read_until(b'\n', &mut self.buffer);
            if read.with_context(|| format!("{}: cannot be read", self.name))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(self.line()));
            }
        }
    }

    fn line(&mut self) -> Read {
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
        let (kind, time) = match head::read(&bytes) {
            Ok((kind, time)) => (Kind::of(&kind), time),
            Err(error) => return malformed(format!("malformed: {error}")),
        };
        let at = time.0.div_euclid(1_000);
        self.clock = self.clock.max(at);
        Read::Line(Line {
            record: Record {
                partition: 0,
                offset: self.number as i64,
                timestamp: None,
                key: None,
                value: Some(bytes),
                headers: Vec::new(),
            },
            kind,
            at: self.clock,
            file: self.name.clone(),
            number: self.number,
        })
    }
}
