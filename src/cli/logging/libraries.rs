//! Lines of libraries that write by the `log` crate. Each comes with the place in its source, which is a
//! path of the machine that built accrual: it is left out.

use log::{Level, Log, Metadata, Record};
use tracing_subscriber::filter::LevelFilter;

struct Libraries;

/// Into the log of the process, up to the level that anything is logged at.
pub fn forward(up_to: Option<LevelFilter>) -> Result<(), log::SetLoggerError> {
    log::set_logger(&Libraries)?;
    let up_to = up_to.unwrap_or(LevelFilter::TRACE).into_level();
    log::set_max_level(up_to.map_or(log::LevelFilter::Off, |level| match level {
        tracing::Level::ERROR => log::LevelFilter::Error,
        tracing::Level::WARN => log::LevelFilter::Warn,
        tracing::Level::INFO => log::LevelFilter::Info,
        tracing::Level::DEBUG => log::LevelFilter::Debug,
        tracing::Level::TRACE => log::LevelFilter::Trace,
    }));
    Ok(())
}

impl Log for Libraries {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let (library, said) = (record.target(), record.args());
        match record.level() {
            Level::Error => tracing::error!(target: "libraries", library, "{said}"),
            Level::Warn => tracing::warn!(target: "libraries", library, "{said}"),
            Level::Info => tracing::info!(target: "libraries", library, "{said}"),
            Level::Debug => tracing::debug!(target: "libraries", library, "{said}"),
            Level::Trace => tracing::trace!(target: "libraries", library, "{said}"),
        }
    }

    fn flush(&self) {}
}
