//! The exactly-once protocol. Knows bytes, offsets and epochs, never an order.

pub mod error;
pub mod partitioner;
pub mod ports;
pub mod processor;
