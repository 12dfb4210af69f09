//! What the engine must know of a stage beside its business.

use std::sync::Arc;

use super::board::Board;
use super::changelog::parts::Sizes;
use super::partitioner::Partitioner;
use super::ports::Millis;

/// One stage as it is run by one instance.
#[derive(Clone)]
pub struct StageSpec {
    pub name: &'static str,
    pub input_topic: Arc<str>,
    pub input_partitions: i32,
    /// How producers place keys on the input (E10, `wrong_partition`).
    pub partitioner: Partitioner,
    /// `None`: the stage keeps no state.
    pub changelog: Option<Arc<str>>,
    pub dead_letters: Arc<str>,
    /// Tells this run of this instance from every other, in claims.
    pub nonce: String,
    /// Stages whose outputs this one reads: its timers wait for their progress (E13).
    pub upstream: Vec<Arc<Board>>,
    pub board: Arc<Board>,
    pub limits: Limits,
}

/// Bounds of everything (E10).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub lanes: u32,
    /// Input records in one transaction of a lane.
    pub batch_max_records: usize,
    pub batch_max_bytes: usize,
    /// Due timers of a partition in one turn.
    pub timers_max_per_turn: usize,
    /// Keys of a partition in one turn of a sweep.
    pub sweep_max_keys: usize,
    /// Keys in one part of a replication or a restore.
    pub store_chunk_max_keys: usize,
    /// A part is closed once it has that many bytes of states.
    pub store_chunk_max_bytes: usize,
    pub changelog_chunk_max_records: usize,
    /// Records of a partition waiting for their turn before it is paused.
    pub inbox_max_records: usize,
    pub inbox_max_bytes: usize,
    pub cache_max_keys: usize,
    /// States kept warm, as they are stored.
    pub cache_max_bytes: usize,
    /// A larger input record is a dead letter.
    pub record_max_bytes: usize,
    /// What would make a state larger is refused.
    pub state_max_bytes: usize,
    /// From where on a state is written in parts, so that the broker takes each record.
    pub state_sizes: Sizes,
    /// What one partition adds to a transaction, unless a single turn does.
    pub transaction_max_bytes: usize,
    /// A store that was last written longer ago than this is rebuilt (E7).
    pub store_max_age_ms: Millis,
    /// A partition at rest has its store looked at this often (E15).
    pub store_look_ms: Millis,
    pub backoff_min_ms: u64,
    pub backoff_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lanes: 2,
            batch_max_records: 8_000,
            batch_max_bytes: 8 << 20,
            timers_max_per_turn: 1_000,
            sweep_max_keys: 500,
            store_chunk_max_keys: 1_500,
            store_chunk_max_bytes: 8 << 20,
            changelog_chunk_max_records: 5_000,
            inbox_max_records: 10_000,
            inbox_max_bytes: 16 << 20,
            cache_max_keys: 20_000,
            cache_max_bytes: 32 << 20,
            record_max_bytes: 1 << 20,
            state_max_bytes: 8 << 20,
            state_sizes: Sizes::default(),
            transaction_max_bytes: 32 << 20,
            store_max_age_ms: 12 * 3_600_000,
            store_look_ms: 60_000,
            backoff_min_ms: 10,
            backoff_max_ms: 2_000,
        }
    }
}
