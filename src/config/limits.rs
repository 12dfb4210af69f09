//! How much of everything at once. The defaults suit two cores and one broker.

use super::reader::Reader;

pub const DEFAULT_LANES_COUNT: u32 = 2;
pub const DEFAULT_BATCH_MAX_RECORDS: usize = 8_000;
pub const DEFAULT_BATCH_MAX_BYTES: usize = 8 * 1_024 * 1_024;
pub const DEFAULT_TIMERS_MAX_PER_TURN: usize = 1_000;
pub const DEFAULT_STORE_CHUNK_MAX_KEYS: usize = 1_500;
pub const DEFAULT_STATE_MAX_BYTES: usize = 8 * 1_024 * 1_024;
pub const DEFAULT_INBOX_MAX_RECORDS: usize = 10_000;
pub const DEFAULT_CACHE_MAX_KEYS: usize = 20_000;
pub const DEFAULT_STORE_LOOK_SECONDS: u32 = 60;
pub const DEFAULT_SHUTDOWN_TIMEOUT_SECONDS: u32 = 25;

/// The limits of one stage of this instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transactional producers, each with a share of the partitions; two take turns.
    pub lanes: u32,
    /// Input records in one transaction.
    pub batch_max_records: usize,
    pub batch_max_bytes: usize,
    /// Due timers of a partition in one turn, so that a storm of them does not hold up events.
    pub timers_max_per_turn: usize,
    /// Keys in one script of the store.
    pub store_chunk_max_keys: usize,
    /// One key's stored state. A large one is written in parts that every broker takes.
    pub state_max_bytes: usize,
    /// Records read and not yet decided, for each partition; beyond it reading pauses.
    pub inbox_max_records: usize,
    /// States kept decoded between batches, for each partition.
    pub cache_max_keys: usize,
    /// A partition at rest has its state in the store looked at this often.
    pub store_look_seconds: u32,
    /// How long an orderly end may take after SIGTERM.
    pub shutdown_timeout_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lanes: DEFAULT_LANES_COUNT,
            batch_max_records: DEFAULT_BATCH_MAX_RECORDS,
            batch_max_bytes: DEFAULT_BATCH_MAX_BYTES,
            timers_max_per_turn: DEFAULT_TIMERS_MAX_PER_TURN,
            store_chunk_max_keys: DEFAULT_STORE_CHUNK_MAX_KEYS,
            state_max_bytes: DEFAULT_STATE_MAX_BYTES,
            inbox_max_records: DEFAULT_INBOX_MAX_RECORDS,
            cache_max_keys: DEFAULT_CACHE_MAX_KEYS,
            store_look_seconds: DEFAULT_STORE_LOOK_SECONDS,
            shutdown_timeout_seconds: DEFAULT_SHUTDOWN_TIMEOUT_SECONDS,
        }
    }
}

impl Limits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let mut size = |path, range, default: usize| {
            let number = reader.number(path, range);
            number.and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
        };
        let batch_max_records = size("limits.batch_max_records", 1..=100_000, default.batch_max_records);
        let batch_max_bytes = size(
            "limits.batch_max_bytes",
            65_536..=67_108_864,
            default.batch_max_bytes,
        );
        let timers_max_per_turn = size(
            "limits.timers_max_per_turn",
            1..=100_000,
            default.timers_max_per_turn,
        );
        let store_chunk_max_keys = size(
            "limits.store_chunk_max_keys",
            1..=10_000,
            default.store_chunk_max_keys,
        );
        let state_max_bytes = size(
            "limits.state_max_bytes",
            4_096..=67_108_864,
            default.state_max_bytes,
        );
        let inbox_max_records = size(
            "limits.inbox_max_records",
            1..=1_000_000,
            default.inbox_max_records,
        );
        let cache_max_keys = size("limits.cache_max_keys", 0..=10_000_000, default.cache_max_keys);
        let mut small = |path, range, default: u32| {
            let number = reader.number(path, range);
            number.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
        };
        Self {
            lanes: small("limits.lanes", 1..=64, default.lanes),
            store_look_seconds: small("limits.store_look_seconds", 1..=600, default.store_look_seconds),
            shutdown_timeout_seconds: small(
                "limits.shutdown_timeout_seconds",
                1..=600,
                default.shutdown_timeout_seconds,
            ),
            batch_max_records,
            batch_max_bytes,
            timers_max_per_turn,
            store_chunk_max_keys,
            state_max_bytes,
            inbox_max_records,
            cache_max_keys,
        }
    }
}
