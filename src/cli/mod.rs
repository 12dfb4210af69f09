//! The command line: one file a command. Usage errors exit 2, malformed lines of a replay 3,
//! every other failure 1.

mod dead_letters;
mod explain;
mod local_time;
pub mod logging;
mod manual;

mod quote;
mod replay;
mod replay_compare;
mod rules;
mod rules_diff;
mod run;
mod source;
mod topics;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::escaped::EscapedLines;
use crate::app::operations::Operations;
use crate::config::Settings;
use crate::domain::instant::Instant;

/// Gathered before it is written to stdout.
const OUT_BYTES: usize = 1 << 16;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const MALFORMED: u8 = 3;

/// Order-event stream processor for loyalty points.
#[derive(Debug, Parser)]
#[command(
    name = "accrual",
    version = env!("BUILD_VERSION"),
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::Arguments),
    Run(run::Arguments),
    #[command(subcommand)]
    Topics(topics::Command),
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    #[command(subcommand)]
    Explain(explain::ExplainCommand),
    Quote(quote::Arguments),
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    Completions(manual::CompletionsArguments),
    Man(manual::ManArguments),
}

/// Where a command finds Kafka and Redis.
#[derive(Debug, Args)]
struct ConfigArgument {
    /// Settings in TOML; ACCRUAL_* environment variables win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    fn is_named(&self) -> bool {
        self.config.is_some()
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings::load(self.config.as_deref())?)
    }
}

/// What the argument parser cannot see is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(&'static str);

/// Runs the command that the process was started with.
pub fn main(operations: &dyn Operations) -> ExitCode {
    let (mut out, mut err) = (
        io::BufWriter::with_capacity(OUT_BYTES, io::stdout().lock()),
        io::stderr(),
    );
    if let Err(reason) = logging::install() {
        let runs = std::env::args_os().nth(1).is_some_and(|word| word == "run");
        complain(&reason.to_string(), runs, &mut err);
        return ExitCode::from(FAILED);
    }
    ExitCode::from(execute(std::env::args_os(), operations, &mut out, &mut err))
}

/// The same with everything given. Returns the exit status.
fn execute(
    arguments: impl IntoIterator<Item = OsString>,
    operations: &dyn Operations,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are no errors and go to stdout.
            let to: &mut dyn Write = if usage.use_stderr() { err } else { out };
            let written = write!(to, "{}", EscapedLines(usage.render())).and_then(|()| to.flush());
            let status = if usage.use_stderr() { USAGE } else { DONE };
            return if written.is_ok() { status } else { FAILED };
        }
    };
    let done = dispatch(&cli.command, operations, out, err);
    match done.and_then(|status| out.flush().map(|()| status).map_err(anyhow::Error::from)) {
        Ok(status) => status,
        // The reader closed the pipe.
        Err(error) if broken_pipe(&error) => DONE,
        Err(error) => {
            let _ = out.flush();
            complain(&format!("{error:#}"), matches!(cli.command, Command::Run(_)), err);
            if error.is::<Usage>() { USAGE } else { FAILED }
        }
    }
}

/// `runs`: its last line is read by what reads the others.
fn complain(text: &str, runs: bool, err: &mut dyn Write) {
    match runs && logging::is_for_machines() {
        true => tracing::error!("{text}"),
        false => drop(writeln!(err, "error: {}", EscapedLines(text))),
    }
}

fn dispatch(
    command: &Command,
    operations: &dyn Operations,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    match command {
        Command::Replay(arguments) => replay::execute(arguments, operations, out, err),
        Command::Run(arguments) => run::execute(arguments, operations),
        Command::Topics(command) => topics::execute(command, operations, out),
        Command::Rules(command) => rules::execute(command, operations, out, err),
        Command::Explain(command) => explain::execute(command, operations, out),
        Command::Quote(arguments) => quote::execute(arguments, operations, out),
        Command::DeadLetters(command) => dead_letters::execute(command, operations, out),
        Command::Completions(arguments) => manual::completions(arguments, out),
        Command::Man(arguments) => manual::man(arguments, out),
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Reads a `TIME` argument.
fn instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).ok_or_else(|| "not an RFC 3339 instant such as 2022-03-01T00:00:00+08:00".to_owned())
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
