//! Writing: transactions of the lanes, and single records for the command line.

mod deliveries;
mod lane;
mod publisher;
mod watchdog;

pub use lane::KafkaProducer;
pub use publisher::Publisher;
pub use watchdog::{Overrun, Watchdog, end_process};
