//! `accrual replay`

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::replay_compare::{self, Tallies};
use super::{DONE, MALFORMED, Usage, instant};
use crate::app::operations::{Operations, Replay};
use crate::domain::instant::Instant;

/// Run event files through the same code, without Kafka and Redis
///
/// Order events, commands, `rules.published` and `shop.status_changed` may be mixed, one
/// CloudEvent as JSON a line. A line arrives at its `time`. Timers fire in between and, at the
/// end, all that remain, or those up to --until. Every output event is printed as a line of
/// JSON; the same input gives the same bytes.
///
/// A malformed line goes to stderr with its number; the exit status is then 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  accrual replay --rules rules.yaml --events events.jsonl
  accrual replay --rules rules.yaml --events orders.jsonl --events commands.jsonl --until 2023-01-01T00:00:00+08:00
  accrual replay --rules new.yaml --compare old.yaml --events events.jsonl
  zcat events.jsonl.gz | accrual replay --rules rules.yaml --events -")]
pub struct Arguments {
    /// Rule versions in force from the start, YAML or JSON
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    rules: Vec<PathBuf>,
    /// Events, merged by time, ties in the order given; `-` is stdin
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    events: Vec<PathBuf>,
    /// Fire the timers that remain at the end only up to this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Instant>,
    /// Print what --rules would change against these, by member and in all, instead of the events
    ///
    /// Each side holds all the versions that orders were placed under: an order without one earns
    /// nothing. Balances are those when every timer has fired, or as of --until.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    compare: Vec<PathBuf>,
    /// Print the comparison as lines of JSON
    #[arg(long, requires = "compare")]
    json: bool,
}

pub fn execute(
    arguments: &Arguments,
    operations: &dyn Operations,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let rules = arguments.rules.iter().chain(&arguments.compare);
    let stdins =
        |files: &mut dyn Iterator<Item = &PathBuf>| files.filter(|file| file.as_os_str() == "-").count();
    if stdins(&mut rules.chain(&arguments.events)) > 1 {
        bail!(Usage("stdin (`-`) can be read only once"));
    }
    if !arguments.compare.is_empty() && stdins(&mut arguments.events.iter()) > 0 {
        bail!(Usage(
            "a comparison reads the events twice: they cannot come from stdin (`-`)"
        ));
    }
    let malformed = if arguments.compare.is_empty() {
        operations.replay(&arguments.by(&arguments.rules, true), out, err)?
    } else {
        let (mut old, mut new) = (Tallies::default(), Tallies::default());
        let malformed = operations.replay(&arguments.by(&arguments.rules, false), &mut new, err)?;
        // The first replay has named the malformed lines.
        let compared = arguments.by(&arguments.compare, true);
        operations.replay(&compared, &mut old, &mut std::io::sink())?;
        replay_compare::write(&old, &new, arguments.json, out)?;
        malformed
    };
    if malformed == 0 {
        return Ok(DONE);
    }
    let noun = if malformed == 1 { "line was" } else { "lines were" };
    writeln!(err, "{malformed} {noun} malformed")?;
    Ok(MALFORMED)
}

impl Arguments {
    fn by(&self, rules: &[PathBuf], is_last: bool) -> Replay {
        Replay {
            rules: rules.to_vec(),
            events: self.events.clone(),
            until: self.until,
            is_last,
        }
    }
}
