//! What librdkafka says about itself, into our log.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use super::log_limit::LogLimit;

/// For clients that need no callbacks of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Context {}

static LIMIT: Mutex<LogLimit> = Mutex::new(LogLimit::new());

fn admit(kind: &str) -> Option<u64> {
    let mut limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    limit.admit(kind, Instant::now())
}

/// `level` is syslog's. `left_out` counts lines of the same facility that repeated too fast.
pub fn log_line(level: i32, facility: &str, line: &str) {
    if level >= 7 {
        return tracing::debug!(target: "kafka", facility, "{line}");
    }
    let Some(left_out) = admit(facility) else {
        return;
    };
    match level {
        0..=3 => tracing::error!(target: "kafka", facility, left_out, "{line}"),
        4 => tracing::warn!(target: "kafka", facility, left_out, "{line}"),
        _ => tracing::info!(target: "kafka", facility, left_out, "{line}"),
    }
}

/// Connections come and go, and librdkafka opens them again. What needs a remedy reaches its caller.
pub fn log_error(error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code().map(|code| format!("{code:?}"));
    if let Some(left_out) = admit(code.as_deref().unwrap_or_default()) {
        tracing::warn!(target: "kafka", code, left_out, "{reason}");
    }
}
