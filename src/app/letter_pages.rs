//! Refused records, read in stretches of the topic that they lie in: from its beginning to its end by
//! a command, and in bounded pages for who asks by HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Mutex;

use crate::adapters::kafka::{Cluster, TopicReader};
use crate::config::Settings;
use crate::domain::instant::Instant;
use crate::engine::dead_letter::{DETAIL, OFFSET, PARTITION, REASON, TOPIC};
use crate::engine::error::LogError;
use crate::engine::ports::Record;
use crate::http::backend::Problem;
use crate::http::views::{DeadLetter, DeadLetters, DeadLettersRequest, RedrivenLetter};

use super::operations::{Letter, LetterId, Letters};
use super::redriven::{self, Redriven};

const READ_MAX_RECORDS: usize = 500;
/// Letters of one page.
pub const PAGE_MAX_COUNT: usize = 500;
const PAGE_DEFAULT_COUNT: usize = 100;
/// Of what a page's letters hold. One letter always fits.
const PAGE_MAX_BYTES: usize = 4 << 20;
/// A page that finds little ends after so many records, and after so long.
const PAGE_MAX_RECORDS: usize = 10_000;
const PAGE_MAX_TIME: Duration = Duration::from_secs(3);
const IDS_MAX_COUNT: usize = 500;

/// What a stretch may be at most.
pub struct Bounds {
    pub letters: usize,
    pub bytes: usize,
    pub records: usize,
    pub time: Duration,
}

impl Bounds {
    pub const NONE: Self = Self {
        letters: usize::MAX,
        bytes: usize::MAX,
        records: usize::MAX,
        time: Duration::MAX,
    };

    const PAGE: Self = Self {
        letters: PAGE_DEFAULT_COUNT,
        bytes: PAGE_MAX_BYTES,
        records: PAGE_MAX_RECORDS,
        time: PAGE_MAX_TIME,
    };
}

/// A part of the topic.
#[derive(Default)]
pub struct Stretch {
    pub records: Vec<Record>,
    /// By the marks in it, which may be of letters before it.
    pub redriven: Redriven,
    /// Where the next one begins; `None`: this one reaches the end.
    pub next: Option<LetterId>,
}

pub fn open(settings: &Settings, cluster: &Cluster) -> Result<TopicReader, LogError> {
    let group = format!("{}-dead-letters", settings.application_id);
    TopicReader::new(
        cluster,
        "accrual-dead-letters",
        &group,
        &settings.topics.dead_letters,
    )
}

/// Reads on from `from`. With a bound of 0 letters only marks are looked for.
pub async fn stretch(
    reader: &TopicReader,
    from: LetterId,
    letters: &Letters,
    bounds: &Bounds,
) -> Result<Stretch, LogError> {
    let begun = Moment::now();
    let partitions = reader.partitions().await?;
    let (mut at, mut read, mut bytes) = (from, 0, 0);
    let mut found = Stretch::default();
    while at.partition < partitions {
        let chunk = reader.read(at.partition, at.offset, READ_MAX_RECORDS).await?;
        let (next, end) = (chunk.next, chunk.end);
        for record in chunk.records {
            read += 1;
            if let Some(id) = redriven::marked(&record) {
                let at = Instant::from_millis(record.timestamp.unwrap_or_default());
                found.redriven.insert(id, at);
            } else if bounds.letters > 0 && wanted(&record, letters) {
                bytes += size(&record, letters.values);
                if !found.records.is_empty() && bytes > bounds.bytes {
                    found.next = Some(id(&record));
                    return Ok(found);
                }
                let record_offset = record.offset;
                found.records.push(record);
                if found.records.len() == bounds.letters {
                    found.next = Some(LetterId {
                        offset: record_offset + 1,
                        ..at
                    });
                    return Ok(found);
                }
            }
        }
        at = match next >= end || next <= at.offset {
            true => LetterId {
                partition: at.partition + 1,
                offset: 0,
            },
            false => LetterId { offset: next, ..at },
        };
        let is_full = read >= bounds.records || begun.elapsed() >= bounds.time;
        if is_full && at.partition < partitions {
            found.next = Some(at);
            break;
        }
    }
    Ok(found)
}

pub fn id(record: &Record) -> LetterId {
    LetterId {
        partition: record.partition,
        offset: record.offset,
    }
}

pub fn letter(record: &Record) -> Letter {
    let number = |name| text(record, name).parse().unwrap_or(-1);
    Letter {
        id: id(record),
        code: text(record, REASON),
        detail: text(record, DETAIL),
        topic: text(record, TOPIC),
        partition: number(PARTITION) as i32,
        offset: number(OFFSET),
        at: Instant::from_millis(record.timestamp.unwrap_or_default()),
        key: record.key.as_ref().map(|key| key.to_vec()),
        value: record.value.as_ref().map(|value| value.to_vec()),
        redriven: None,
    }
}

/// A header's text; empty where there is none.
pub fn text(record: &Record, name: &str) -> String {
    let found = record.headers.iter().rev().find(|(header, _)| &**header == name);
    let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

fn wanted(record: &Record, letters: &Letters) -> bool {
    let named = letters.ids.is_empty() || letters.ids.contains(&id(record));
    named
        && letters
            .code
            .as_ref()
            .is_none_or(|code| text(record, REASON) == *code)
}

/// Of what is shown of a record.
fn size(record: &Record, with_value: bool) -> usize {
    let shown = [record.key.as_ref(), record.value.as_ref().filter(|_| with_value)];
    let headers = [REASON, DETAIL, TOPIC].map(|name| text(record, name).len());
    shown.into_iter().flatten().map(|part| part.len()).sum::<usize>() + headers.iter().sum::<usize>()
}

/// For the HTTP interface: one page at a time, by one reader that is opened when it is first needed.
pub struct Pages {
    settings: Settings,
    cluster: Cluster,
    reader: Mutex<Option<Arc<TopicReader>>>,
}

impl Pages {
    pub fn new(settings: &Settings, cluster: &Cluster) -> Self {
        Self {
            settings: settings.clone(),
            cluster: cluster.clone(),
            reader: Mutex::default(),
        }
    }

    pub async fn page(&self, asked: &DeadLettersRequest) -> Result<DeadLetters, Problem> {
        let (from, letters) = read_request(asked)?;
        let bounds = Bounds {
            letters: letters.limit.unwrap_or(PAGE_DEFAULT_COUNT),
            ..Bounds::PAGE
        };
        let mut opened = self.reader.lock().await;
        let reader = match &*opened {
            Some(reader) => reader.clone(),
            None => {
                let reader = open(&self.settings, &self.cluster).map_err(unavailable)?;
                opened.insert(Arc::new(reader)).clone()
            }
        };
        let found = stretch(&reader, from, &letters, &bounds).await;
        let found = found.map_err(unavailable)?;
        if let Some(next) = found.next {
            // Nobody may come for the next page: what was fetched ahead is let go.
            reader.close(next.partition).await;
        }
        Ok(view(found, letters.values))
    }
}

fn unavailable(error: LogError) -> Problem {
    Problem::Unavailable(error.to_string())
}

fn read_request(asked: &DeadLettersRequest) -> Result<(LetterId, Letters), Problem> {
    let parsed = |name: &str, text: &str| {
        let id: Result<LetterId, String> = text.parse();
        id.map_err(|wrong| Problem::Invalid(format!("{name}: {wrong}")))
    };
    let from = asked.from.as_deref().map(|from| parsed("from", from));
    let ids = asked.ids.iter().flat_map(|ids| ids.split(','));
    let ids: Vec<LetterId> = ids.map(|id| parsed("ids", id)).collect::<Result<_, _>>()?;
    if ids.len() > IDS_MAX_COUNT {
        return Err(Problem::Invalid(format!("ids: more than {IDS_MAX_COUNT}")));
    }
    if asked.limit.is_some_and(|limit| limit > PAGE_MAX_COUNT) {
        return Err(Problem::Invalid(format!("limit: more than {PAGE_MAX_COUNT}")));
    }
    let letters = Letters {
        ids,
        code: asked.code.clone(),
        limit: asked.limit,
        values: asked.values,
    };
    Ok((from.transpose()?.unwrap_or_default(), letters))
}

fn view(found: Stretch, with_values: bool) -> DeadLetters {
    let shown = found.records.iter().map(letter).map(|letter| DeadLetter {
        id: letter.id.to_string(),
        at: letter.at.rfc3339(),
        code: letter.code,
        topic: letter.topic,
        partition: letter.partition,
        offset: letter.offset,
        key: letter.key.map(|key| String::from_utf8_lossy(&key).into_owned()),
        detail: letter.detail,
        value: letter
            .value
            .filter(|_| with_values)
            .map(|value| BASE64_STANDARD.encode(value)),
    });
    let redriven = found.redriven.into_iter().map(|(id, at)| RedrivenLetter {
        id: id.to_string(),
        at: at.rfc3339(),
    });
    DeadLetters {
        letters: shown.collect(),
        redriven: redriven.collect(),
        next: found.next.map(|next| next.to_string()),
    }
}
