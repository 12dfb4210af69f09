//! Questions to the cluster, and topics.

mod topics;

pub use topics::{Admin, Created, TopicSpec, TopicState};
