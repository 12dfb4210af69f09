//! What librdkafka says about itself, into our log.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

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

/// `level` is syslog's.
pub fn log_line(level: i32, facility: &str, line: &str) {
    match level {
        0..=3 => tracing::error!(target: "kafka", facility, "{line}"),
        4 => tracing::warn!(target: "kafka", facility, "{line}"),
        5 | 6 => tracing::info!(target: "kafka", facility, "{line}"),
        _ => tracing::debug!(target: "kafka", facility, "{line}"),
    }
}

/// Connections come and go: librdkafka sees to it. What needs a remedy reaches its caller.
pub fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(target: "kafka", code = ?error.rdkafka_error_code(), "{reason}");
}
