//! Writing: transactions of the lanes and of the moves that carry records from topics to topics, and
//! single records for the command line.

mod carrier;
mod deliveries;
mod lane;
mod publisher;
mod transaction;
mod watchdog;

pub use carrier::{Cargo, Carrier};
pub use lane::KafkaProducer;
pub use publisher::Publisher;
pub use transaction::{GroupOffsets, ReadTo};
pub use watchdog::{Overrun, Watchdog};
