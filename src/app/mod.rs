//! How everything is put together, and how each command is done.

mod lines;
pub mod node;
pub mod operations;
mod replay;
mod rule_files;
mod run;
mod topics;
