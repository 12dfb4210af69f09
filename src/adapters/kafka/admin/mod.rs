//! Questions to the cluster, and topics.

mod group;
mod topics;

pub use group::Group;
pub use topics::{Admin, Created, Difference, TopicSpec, TopicState};
