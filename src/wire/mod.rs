//! Bytes to domain and back, one file a persisted or published format.

pub mod command;
pub mod envelope;
mod expiry;
pub mod ledger_entry;
mod local_time;
pub mod member_state;
mod object;
pub mod order_event;
pub mod order_state;
pub mod output;
mod plain;
mod priced_for;
mod protobuf;
pub mod rule_document;
mod scalar;
mod text;
