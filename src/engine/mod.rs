//! The exactly-once protocol. Knows bytes, offsets and epochs, never an order.

pub mod batch;
pub mod board;
pub mod cache;
pub mod changelog;
pub mod dead_letter;
pub mod desk;
pub mod embedded;
pub mod error;
pub mod gate;
pub mod inbox;
pub mod lane;
pub mod mutation;
pub mod observe;
pub mod partition;
pub mod partitioner;
pub mod ports;
pub mod processor;
pub mod spec;
pub mod stage;
pub mod stored;
pub mod takeover;
