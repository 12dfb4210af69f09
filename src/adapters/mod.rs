//! One outside system each: Kafka, Redis, the clock. Answers the engine's ports.

pub mod clock;
