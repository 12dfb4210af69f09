//! The stair between the engine and the domain: how bytes become decisions.

pub mod broadcast_progress;
pub mod commands;
mod field_watch;
pub mod keys;
pub mod ledger;
pub mod orders;
pub mod output;
pub mod rule_table;
pub mod topics;
