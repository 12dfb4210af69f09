//! `accrual dead-letters …`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::source::SourceArguments;
use super::{ConfigArgument, DONE, Usage};
use crate::app::escaped::Escaped;
use crate::app::operations::{Letter, LetterId, Letters, Operations};
use crate::domain::instant::Instant;

const LIST_DEFAULT_COUNT: usize = 100;
const HEADING: &str = "id\tat\tredriven\tcode\tread_at\tkey\tdetail";

/// Look at refused records, and send them back
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual dead-letters list --code malformed
  accrual dead-letters list --url http://127.0.0.1:8080 --token-file token
  accrual dead-letters list 3:118 --value > repaired.json
  accrual dead-letters redrive 3:118 --with repaired.json
  accrual dead-letters redrive --code order_forgotten")]
pub enum DeadLettersCommand {
    /// List refused records: where they lie, why, and where they were read
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        source: SourceArguments,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT_COUNT)]
        limit: usize,
        /// Print the records' values alone, byte for byte
        #[arg(long)]
        value: bool,
        /// Print each as a line of JSON
        #[arg(long, conflicts_with = "value")]
        json: bool,
    },
    /// Send records back to the topic they were read from, each to the partition where its id belongs
    ///
    /// What was sent back before goes again only by its id.
    ///
    /// topics.partitioner decides where an id belongs. With `any`, or where no id can be read, the record goes to the partition that it
    /// was read from; so does a record without key, unless it was refused as wrong_partition.
    Redrive {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        config: ConfigArgument,
        /// Every one; needed when neither an id nor a code is given
        #[arg(long, conflicts_with_all = ["ids", "code"])]
        all: bool,
        /// Send this value in place of the record's own; with exactly one id
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Which {
    /// PARTITION:OFFSET in the dead-letter topic
    #[arg(value_name = "ID")]
    ids: Vec<LetterId>,
    /// Only those with this code
    #[arg(long)]
    code: Option<String>,
}

pub fn execute(
    command: &DeadLettersCommand,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    match command {
        DeadLettersCommand::List {
            which,
            source,
            limit,
            value,
            json,
        } => {
            let letters = Letters {
                limit: Some(*limit),
                values: *value,
                ..which.letters()
            };
            let found = source.answers(operations)?.dead_letters(&letters)?;
            if !value && !json && !found.is_empty() {
                writeln!(out, "{HEADING}")?;
            }
            for letter in &found {
                if *value {
                    out.write_all(letter.value.as_deref().unwrap_or_default())?;
                    writeln!(out)?;
                } else if *json {
                    writeln!(out, "{}", as_json(letter))?;
                } else {
                    writeln!(out, "{}", line(letter))?;
                }
            }
            if found.len() < *limit {
                letters.all_in(found.iter().map(|letter| letter.id))?;
            }
        }
        DeadLettersCommand::Redrive {
            which,
            config,
            all,
            with,
        } => {
            if which.ids.is_empty() && which.code.is_none() && !all {
                anyhow::bail!(Usage("name the records: their ids, a --code, or --all"));
            }
            if with.is_some() && which.ids.len() != 1 {
                anyhow::bail!(Usage("--with takes exactly one id"));
            }
            let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
            let value = with.as_ref().map(read).transpose()?;
            let done = operations.redrive(&config.settings()?, &which.letters(), value)?;
            writeln!(out, "{} sent back", done.sent)?;
            if done.before > 0 {
                let what = "were sent back before; name them to send them again";
                writeln!(out, "{} {what}", done.before)?;
            }
            if done.left > 0 {
                let what = "states of timers stay: they were read from no topic";
                writeln!(out, "{} {what}", done.left)?;
            }
        }
    }
    Ok(DONE)
}

impl Which {
    fn letters(&self) -> Letters {
        Letters {
            ids: self.ids.clone(),
            code: self.code.clone(),
            ..Letters::default()
        }
    }
}

fn line(letter: &Letter) -> String {
    let key = letter
        .key
        .as_deref()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let redriven = letter.redriven.map_or_else(|| "-".to_owned(), Instant::rfc3339);
    format!(
        "{}\t{}\t{redriven}\t{}\t{}:{}:{}\t{}\t{}",
        letter.id,
        letter.at.rfc3339(),
        Escaped(&letter.code),
        Escaped(&letter.topic),
        letter.partition,
        letter.offset,
        Escaped(key),
        Escaped(&letter.detail)
    )
}

/// Key and texts of foreign records may be anything: bytes that are no UTF-8 are replaced.
fn as_json(letter: &Letter) -> Value {
    let key = letter.key.as_deref().map(String::from_utf8_lossy);
    json!({
        "id": letter.id.to_string(),
        "at": letter.at.rfc3339(),
        "redriven_at": letter.redriven.map(Instant::rfc3339),
        "code": letter.code,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": key,
        "detail": letter.detail,
    })
}
