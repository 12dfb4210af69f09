//! How everything is put together, and how each command is done.

pub mod operations;
