//! What every client of Kafka has in common: settings, log lines, queues, and what an error means.

pub mod classify;
pub mod context;
pub mod describe;
mod log_limit;
pub mod positions;
pub mod properties;
pub mod queue;
pub mod reach;
pub mod rights;
pub mod settings;
