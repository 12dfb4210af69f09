//! How many broadcasts are under way, for the metrics. Decides nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::ports::{Key, Partition};

/// What the ledger's turns left under way, by partition and shop. A turn that is not committed is
/// decided again, and noted again.
#[derive(Clone, Debug, Default)]
pub struct BroadcastProgress(Arc<Mutex<BTreeMap<(Partition, Key), usize>>>);

impl BroadcastProgress {
    /// A shop's part in a partition after a turn.
    pub fn note(&self, partition: Partition, shop: &Key, running: usize) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running {
            0 => parts.remove(&(partition, shop.clone())),
            _ => parts.insert((partition, shop.clone()), running),
        };
    }

    /// Parts under way in the partitions that are owned. Those of others are forgotten: whoever
    /// owns them goes on with them.
    pub fn running(&self, owned: impl Fn(Partition) -> bool) -> usize {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|(partition, _), _| owned(*partition));
        parts.values().sum()
    }
}
