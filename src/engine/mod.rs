//! The exactly-once protocol. Knows bytes, offsets and epochs, never an order.
//!
//! Kafka is the log of record; the store is an ordered replica of it that answers fast. A batch is
//! read (states at one marker), decided (pure), committed (one transaction) and replicated (one
//! script, or parts of it). The invariants, by the numbers that code and messages use:
//!
//! | | holds always |
//! | --- | --- |
//! | E1 | Nothing leaves but in a transaction that also commits an absolute input offset. |
//! | E2 | The store applies committed batches in order, each once, whoever wrote them. |
//! | E3 | A decision is made only on states read at exactly the expected epoch and batch; a store that forgot is noticed before, and healed from the changelog. |
//! | E4 | A timer is the state's wake-up: looking at it removes nothing, only the commit that applies it moves it. |
//! | E5 | A takeover: stable offset, claim, changelog read to the claim, epoch into the store, missing batches; then input from the last meta record. The epoch is the claim's offset. A changelog that is being filled or was left by a move is taken over by nobody. |
//! | E6 | Group membership is captured at assignment, with the owned set; revoking waits for a transaction in flight. |
//! | E7 | A store that is empty, foreign, ahead or too old is rebuilt beside itself and swapped; a shadow belongs to one claim and one target. |
//! | E8 | Ids and times of outputs derive from their cause. |
//! | E9 | What cannot be read or decided leaves as a dead letter in the same transaction, byte for byte. |
//! | E10 | Everything is bounded: batches, turns, parts, inboxes, states. |
//! | E11 | The global table is read to its end before a partition starts and before a decision that looks at it. |
//! | E12 | Partition counts of input and changelog are equal; an offset that is gone, lies beyond the meta record or belongs to another topic of the input's name stops the partition. |
//! | E13 | A timer fires only when the input is read past it or to its end, and not while part of the input is read by nobody; a partition's clock never goes back. |
//! | E14 | An error's class is its remedy: retry, redo, rejoin, take over afresh, stop. |
//! | E15 | The store's keys have the sizes that their owner left: lost entries are noticed before anything is decided, at rest within a minute, and the partition is rebuilt. |

pub mod again;
pub mod batch;
pub mod board;
pub mod cache;
pub mod changelog;
pub mod dead_letter;
pub mod dead_letter_log;
pub mod desk;
pub mod embedded;
pub mod error;
pub mod gate;
pub mod inbox;
pub mod lane;
pub mod moving;
pub mod mutation;
pub mod observe;
pub mod partition;
pub mod partitioner;
pub mod ports;
pub mod processor;
pub mod spec;
pub mod stage;
pub mod stored;
pub mod takeover;
pub mod topic_id;
