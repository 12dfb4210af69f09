//! Bytes to domain and back, one file a persisted or published format.

mod expiry;
pub mod ledger_entry;
pub mod member_state;
pub mod output;
