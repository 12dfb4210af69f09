//! One outside system each, behind the ports of the engine. They decide nothing.

pub mod clock;
pub mod kafka;
pub mod redis;
