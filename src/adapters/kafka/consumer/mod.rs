//! The member of a stage's consumer group.
//!
//! A record's way: the poll thread (`poller`) reads it and puts it into the `outbox`, whose batches go
//! through a channel to the engine's side (`input`). Everything that passes between the two is in
//! `messages`. `stall` watches for partitions that stop flowing, `instance_id_conflict` decides what
//! follows when the group fences this member. `hold` is a member that reads nothing.

mod hold;
mod input;
mod instance_id_conflict;
mod messages;
mod outbox;
mod poller;
mod stall;

pub use hold::GroupHold;
pub use input::KafkaInput;
pub use instance_id_conflict::InstanceIdConflict;
pub use messages::Membership;
