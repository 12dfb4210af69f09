//! The operations behind the commands: declared here for the command line, carried out by `app`.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;

use crate::config::Settings;
use crate::domain::instant::Instant;
use crate::engine::ports::TopicId;
use crate::wire::rule_document::RuleError;

use super::answers::{Answers, Source};

/// `-` stands for stdin wherever a file is named.
pub struct Replay {
    pub rules: Vec<PathBuf>,
    pub events: Vec<PathBuf>,
    pub until: Option<Instant>,
    /// The process ends behind it, which frees memory faster than taking it apart.
    pub is_last: bool,
}

/// A fault in a rule document, with the place it has in its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: {what}; {remedy}")]
pub struct RuleFault {
    pub file: String,
    pub line: usize,
    /// Dotted path of the field.
    pub field: String,
    pub what: String,
    pub remedy: String,
}

impl RuleFault {
    pub fn of(file: &str, error: RuleError) -> Self {
        RuleFault {
            file: file.to_owned(),
            line: error.line,
            field: error.field,
            what: error.wrong,
            remedy: error.remedy,
        }
    }
}

/// A version, checked or published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSummary {
    pub shop_id: String,
    pub version: u32,
    pub effective_from: Instant,
    /// `None`: not published yet.
    pub published: Option<Instant>,
    /// It was published before it was to be published.
    pub already: bool,
    pub enabled: bool,
    /// `labels` and `x-…` by their place, as `accrual/x-why`, in JSON.
    pub kept: Vec<(String, String)>,
    /// What is allowed and hardly meant.
    pub warnings: Vec<RuleFault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    pub name: String,
    pub found: TopicFound,
}

/// What became of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    pub sent: usize,
    /// States of timers, which have no topic to go to.
    pub left: usize,
    /// Sent back before: they go again only by their ids.
    pub before: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicFound {
    Good,
    Created,
    Missing,
    /// What is wrong and what would be right.
    Wrong(String),
}

/// From the topics of one configuration to those of another.
#[derive(Clone, Copy, Debug)]
pub struct TopicMove<'a> {
    pub from: &'a Settings,
    pub to: &'a Settings,
    /// Go on forwarding what comes to the old inputs.
    pub follow: bool,
    /// Free what Redis holds of the old side in the end.
    pub forget: bool,
}

/// An input that is read from its beginning from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub topic: String,
    pub id: TopicId,
    pub records: u64,
}

/// Where a dead letter lies in its topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId {
    pub partition: i32,
    pub offset: i64,
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not PARTITION:OFFSET such as 3:118".to_owned();
        let (partition, offset) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            partition: partition.parse().ok().filter(|n| *n >= 0).ok_or_else(wrong)?,
            offset: offset.parse().ok().filter(|n| *n >= 0).ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub id: LetterId,
    pub code: String,
    pub detail: String,
    /// Where it was read.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub at: Instant,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// When it was last sent back.
    pub redriven: Option<Instant>,
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Empty: all.
    pub ids: Vec<LetterId>,
    pub code: Option<String>,
    pub limit: Option<usize>,
    /// Their values are needed, too.
    pub values: bool,
}

impl Letters {
    /// Every letter that was named must be there.
    pub fn all_in(&self, found: impl Iterator<Item = LetterId>) -> anyhow::Result<()> {
        let found: Vec<LetterId> = found.collect();
        let missing = self.ids.iter().filter(|id| !found.contains(id));
        let missing: Vec<String> = missing.map(LetterId::to_string).collect();
        let with = self.code.as_ref();
        let with = with.map_or_else(String::new, |code| format!(" with code {code}"));
        match missing.is_empty() {
            true => Ok(()),
            false => bail!("not among the dead letters{with}: {}", missing.join(", ")),
        }
    }
}

/// Everything a command can have done. Blocking: a command does one thing.
pub trait Operations {
    /// Writes output events to `out` and malformed lines, with their numbers, to `err`.
    /// Returns how many lines were malformed.
    fn replay(&self, replay: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u64>;

    /// Runs the processor until SIGTERM or SIGINT.
    fn run(&self, settings: Settings) -> anyhow::Result<()>;

    /// Creates what is missing and checks the rest.
    fn create_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>>;

    fn check_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>>;

    /// Moves states, timers and unread input, and says to `out` how far it is.
    fn move_topics(&self, request: &TopicMove<'_>, out: &mut dyn Write) -> anyhow::Result<()>;

    /// Has an input that was deleted and created again read from its beginning.
    fn accept_topic(&self, settings: &Settings, topic: &str) -> anyhow::Result<Accepted>;

    /// Reads rule documents without publishing them. The faults of all files, or the versions.
    fn check_rules(&self, files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>>;

    /// Publishes the documents in order, back-dated to `time` where it is given.
    fn publish_rules(
        &self,
        settings: &Settings,
        files: &[PathBuf],
        time: Option<Instant>,
    ) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>>;

    fn show_rules(&self, settings: &Settings, shop_id: &str) -> anyhow::Result<Vec<RuleSummary>>;

    /// Asks nobody yet.
    fn answers(&self, source: Source) -> anyhow::Result<Box<dyn Answers>>;

    /// Sends records back to the topic they were read from, with `value` in place of their own
    /// where it is given.
    fn redrive(
        &self,
        settings: &Settings,
        letters: &Letters,
        value: Option<Vec<u8>>,
    ) -> anyhow::Result<Redriven>;
}
