//! accrual: loyalty points from order events, exactly once.
//!
//! The rooms, in the order in which one order event passes them. Arrows point down only; a test
//! holds the table (`tests/architecture.rs`).
//!
//! | floor | room | knows | must never know |
//! | --- | --- | --- | --- |
//! | roof | `main`, `cli`, [`app`], [`config`] | how everything is put together | – |
//! | 2 | [`adapters`], [`http`] | one outside system each | orders, rules |
//! | 1 | [`engine`] | bytes, offsets, epochs: the exactly-once protocol | an order |
//! | 1 | [`stages`] | how bytes become decisions | Kafka, Redis |
//! | 0 | [`wire`] | one published or stored format a file | the engine |
//! | 0 | [`domain`] | the business, as pure functions of values | I/O, clocks, partitions |
//! | wall | [`metrics`] | the name of every metric | everything else |
//!
//! One order event, top to bottom: `adapters::kafka` delivers it, `engine::stage` gives its
//! partition a turn, `engine::batch` lays out the states, `stages::orders` reads it by
//! `wire::order_event` and decides with `domain::order`, `engine::lane` commits what came out,
//! `adapters::redis` keeps the new state.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod http;
pub mod metrics;
pub mod stages;
pub mod wire;
