//! The business: no I/O, no clock, no async, no randomness.

pub mod calendar;
pub mod digest;
pub mod entry;
pub mod ids;
pub mod instant;
pub mod ledger;
pub mod member_traits;
pub mod money;
pub mod order;
pub mod outcome;
pub mod price_list;
pub mod reason;
pub mod rules;
pub mod short_text;
pub mod wall_time;
