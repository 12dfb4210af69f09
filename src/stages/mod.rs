//! The stair between the engine and the domain: how bytes become decisions.

pub mod ledger;
pub mod topics;
