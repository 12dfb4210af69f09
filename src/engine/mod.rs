//! The exactly-once protocol. Knows bytes, offsets and epochs, never an order.

pub mod error;
pub mod ports;
pub mod processor;
