//! Logs go to stderr: lines for people at a terminal, JSON anywhere else.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

use crate::config::LOG_VARIABLE;

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
pub fn install() -> Result<(), Error> {
    let filter = filter(std::env::var(LOG_VARIABLE).ok().as_deref())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let installed = if stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init()
    };
    installed.map_err(|error| Error::Install(error.to_string()))
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
    use super::*;

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
