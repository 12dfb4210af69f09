//! `accrual topics …`

use std::io::Write;

use clap::Subcommand;

use super::{ConfigArgument, DONE, FAILED};
use crate::app::escaped::Escaped;
use crate::app::operations::{Operations, TopicFound, TopicState};

/// Create or verify the topics
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual topics create --config accrual.toml
  accrual topics check --config accrual.toml")]
pub enum Command {
    /// Create what is missing, with the right partitions and clean-up policy; check the rest
    Create(ConfigArgument),
    /// Check every topic; exit 1 if one is missing or wrong
    Check(ConfigArgument),
}

pub fn execute(command: &Command, operations: &dyn Operations, out: &mut dyn Write) -> anyhow::Result<u8> {
    let topics = match command {
        Command::Create(config) => operations.create_topics(&config.settings()?)?,
        Command::Check(config) => operations.check_topics(&config.settings()?)?,
    };
    print(&topics, out)
}

fn print(topics: &[TopicState], out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut status = DONE;
    for topic in topics {
        let found = match &topic.found {
            TopicFound::Good => "good",
            TopicFound::Created => "created",
            TopicFound::Missing => "missing; run `accrual topics create`",
            TopicFound::Wrong(what) => what,
        };
        if matches!(topic.found, TopicFound::Missing | TopicFound::Wrong(_)) {
            status = FAILED;
        }
        writeln!(out, "{}: {}", topic.name, Escaped(found))?;
    }
    Ok(status)
}
