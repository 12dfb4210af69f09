//! `accrual topics …`

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArgument, DONE, FAILED};
use crate::app::escaped::Escaped;
use crate::app::operations::{Accepted, Operations, TopicFound, TopicMove, TopicState};
use crate::config::Settings;

/// Create, verify or move the topics
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual topics create --config accrual.toml
  accrual topics check --config accrual.toml
  accrual topics move --from accrual.toml --config accrual-12.toml --follow
  accrual topics accept order-events --config accrual.toml")]
pub enum Command {
    /// Create what is missing, with the right partitions and clean-up policy; check the rest
    Create(ConfigArgument),
    /// Check every topic; exit 1 if one is missing or wrong
    Check(ConfigArgument),
    /// Move orders and members, with their timers, to topics with other partitions
    Move(MoveArguments),
    /// Read an input from its beginning that was deleted and created again; accrual must be stopped
    Accept {
        /// Name of the topic
        topic: String,
        #[command(flatten)]
        config: ConfigArgument,
    },
}

#[derive(Debug, Args)]
#[command(after_long_help = MOVE_HELP)]
pub struct MoveArguments {
    /// Settings of the old side, in TOML. ACCRUAL_* variables count for it too, but those for the
    /// topics and the application id are the new side's alone
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Go on forwarding what producers still write to the old inputs, until SIGTERM or SIGINT
    #[arg(long)]
    follow: bool,
    /// In the end free what Redis holds of the old side
    #[arg(long)]
    forget_old: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

const MOVE_HELP: &str = "\
A topic cannot shrink, and one that grows puts the keys it has on other partitions: an order would
be on two. So a system gets more (or fewer) partitions by moving to topics of other names:
order_events, point_commands, ledger_entries, orders_changelog and ledger_changelog. point_rules
stays the same; outputs and dead letters may. The same way leads out where an input was grown in
place: --from names the grown topic, and its new partitions are forwarded from their beginning.

Step by step:
  1. Write the new configuration (accrual-12.toml): the five new names, topics.partitions. A
     multiple of the old number is best: then no two old partitions share a new one.
  2. accrual topics create --config accrual-12.toml
  3. Stop every instance. Orders wait from here on.
  4. accrual topics move --from accrual.toml --config accrual-12.toml --follow
     It waits until the old instances have left (up to 30 s), moves states, closes the old side
     for good, forwards what the old side has not read, and opens the new side. Progress is in the
     log.
  5. When it prints `done`, start accrual with the new configuration. Timers that came due
     meanwhile fire at once, with their due time.
  6. Let producers write to the new topics, one after the other: events of one order may come by
     both.
  7. When none writes to the old inputs any more, end the move (SIGTERM). Run it once more with
     --forget-old to free what Redis holds of the old side, then delete the five old topics.

Killed at any point, run it again: it goes on where it ended, and nothing is moved twice. Until it
says that the old side is closed you may also give up: delete the two new changelogs and start the
old instances again. From then on the old side refuses to start, and the new one until the move is
done.

Grants to all members must be carried out before. If some are not, it changes nothing and says what
to do. Every instance must be of a version that knows this command.";

pub fn execute(command: &Command, operations: &dyn Operations, out: &mut dyn Write) -> anyhow::Result<u8> {
    let topics = match command {
        Command::Create(config) => operations.create_topics(&config.settings()?)?,
        Command::Check(config) => operations.check_topics(&config.settings()?)?,
        Command::Move(arguments) => {
            let request = TopicMove {
                from: &Settings::load_other(&arguments.from)?,
                to: &arguments.config.settings()?,
                follow: arguments.follow,
                forget: arguments.forget_old,
            };
            operations.move_topics(&request, out)?;
            return Ok(DONE);
        }
        Command::Accept { topic, config } => {
            let accepted = operations.accept_topic(&config.settings()?, topic)?;
            let Accepted { topic, id, records } = accepted;
            writeln!(
                out,
                "{topic}: accepted with id {id}; {records} records are read from its beginning when accrual starts"
            )?;
            return Ok(DONE);
        }
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
