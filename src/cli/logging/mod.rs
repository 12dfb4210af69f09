//! Logs go to stderr: text for people at a terminal, JSON anywhere else. In both an event is one
//! line, whatever the values in it hold.

mod libraries;

use std::fmt::{self, Write};
use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::escaped::Escaping;
use crate::config::LOG_VARIABLE;

static FOR_MACHINES: AtomicBool = AtomicBool::new(false);

const DEFAULT_LEVEL: &str = "info";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{LOG_VARIABLE}: {0}; write a level such as \"debug\" or filters such as \"info,accrual::engine=debug\""
    )]
    Filter(#[from] ParseError),
    #[error("{LOG_VARIABLE}: {0:?} is no level; write one of off, error, warn, info, debug, trace")]
    Level(String),
    #[error("cannot start logging: {0}")]
    Install(String),
}

/// Installs the subscriber of the process, at the level of `ACCRUAL_LOG`.
///
/// Where that cannot be read, everything is installed all the same, so that the fault is reported in
/// the form of the log.
pub fn install() -> Result<(), Error> {
    let asked = filter(std::env::var(LOG_VARIABLE).ok().as_deref());
    let (filter, read) = match asked {
        Ok(filter) => (filter, Ok(())),
        Err(error) => (filter(None)?, Err(error)),
    };
    let is_terminal = stderr().is_terminal();
    FOR_MACHINES.store(!is_terminal, Ordering::Relaxed);
    libraries::forward(filter.max_level_hint()).map_err(|error| Error::Install(error.to_string()))?;
    let installed = if is_terminal {
        text(filter, stderr).try_init()
    } else {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(stderr)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init()
    };
    installed.map_err(|error| Error::Install(error.to_string()))?;
    read
}

/// Whether this process logs to stderr as JSON.
pub fn is_for_machines() -> bool {
    FOR_MACHINES.load(Ordering::Relaxed)
}

fn text<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .fmt_fields(escaped_fields())
        .finish()
}

/// `message name=value …`, with what came from outside escaped.
fn escaped_fields() -> impl for<'a> FormatFields<'a> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let mut escaping = Escaping::new(writer);
        match field.name() {
            "message" => write!(escaping, "{value:?}"),
            name => write!(escaping, "{name}={value:?}"),
        }
    })
    .delimited(" ")
}

fn filter(text: Option<&str>) -> Result<EnvFilter, Error> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let text = text.unwrap_or(DEFAULT_LEVEL);
    // A word alone would be taken for a target, all of which is logged, and nothing else.
    let alone = text.split(',').map(str::trim).find(|part| {
        let is_word = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word && part.parse::<LevelFilter>().is_err()
    });
    match alone {
        Some(word) => Err(Error::Level(word.to_owned())),
        None => Ok(EnvFilter::builder().parse(text)?),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn text_of_strangers_neither_colours_nor_begins_a_line() {
        const TYPE: &str = "rules.\u{1b}[31mX\nFAKE2";
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = text(filter(None).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other(TYPE);
            tracing::error!(refusal = %TYPE, text = TYPE, debug = ?TYPE, error = &error as &dyn std::error::Error, "rule refused");
            tracing::error!(partition = 3, "{TYPE}");
        });
        let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let shown: Vec<&str> = logged
            .lines()
            .map(|line| line.split_once("rule").unwrap().1)
            .collect();
        assert_eq!(shown.len(), 2, "{logged}");
        let escaped = "s.\\u{1b}[31mX\\nFAKE2";
        let first = format!(
            " refused refusal=rule{escaped} text=\"rule{escaped}\" debug=\"rule{escaped}\" error=rule{escaped}"
        );
        assert_eq!(shown[0], first);
        assert_eq!(shown[1], format!("{escaped} partition=3"));
    }

    #[test]
    fn levels_and_filters_are_read() {
        for (text, wanted) in [
            (None, Some("info")),
            (Some(" "), Some("info")),
            (Some("debug"), Some("debug")),
            (Some("accrual=trace"), Some("accrual=trace")),
            (Some("accrual=loud"), None),
            (Some("loud"), None),
            (Some("info,loud"), None),
            (Some("WARN"), Some("warn")),
            (Some("accrual::engine"), Some("accrual::engine=trace")),
        ] {
            let filter = filter(text).ok().map(|filter| filter.to_string());
            assert_eq!(filter.as_deref(), wanted, "{text:?}");
        }
    }
}
