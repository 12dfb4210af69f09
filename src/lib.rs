pub mod domain;
pub mod engine;
pub mod stages;
pub mod wire;
