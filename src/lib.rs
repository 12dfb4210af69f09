pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod http;
pub mod metrics;
