//! States kept warm by the owner of a partition, so that it need not read back what it wrote.
//! Whether they still count is decided by the marker-checked read of every batch (E3).

use bytes::Bytes;

use super::error::Refusal;
use super::ports::{Key, KeyMap, Millis};
use super::processor::Processor;
use super::stored;

/// One key's state and what the store holds for it.
pub struct Slot<S> {
    pub state: Option<S>,
    /// Wake-up and index flag as the store has them; `None`: the key is not there.
    pub stored: Option<Held>,
    /// Wake-up and index flag of `state`.
    pub held: Option<Held>,
    pub dirty: bool,
    /// Length of the stored value.
    pub stored_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub wake: Option<Millis>,
    pub indexed: bool,
    /// The wake-up is a later look at what could not be decided, not the state's own.
    pub postponed: bool,
}

impl<S> Slot<S> {
    pub fn absent() -> Self {
        Self {
            state: None,
            stored: None,
            held: None,
            dirty: false,
            stored_bytes: 0,
        }
    }

    /// Reads what the store answered.
    pub fn load<P>(processor: &P, key: &Key, bytes: Option<&Bytes>) -> Result<Self, Refusal>
    where
        P: Processor<State = S>,
    {
        let Some(bytes) = bytes else {
            return Ok(Self::absent());
        };
        let saved = stored::decode(bytes)?;
        let held = Some(Held {
            wake: saved.wake,
            indexed: saved.indexed,
            postponed: stored::is_postponed(bytes),
        });
        Ok(Self {
            state: Some(processor.load(key, &saved.bytes)?),
            stored: held,
            held,
            dirty: false,
            stored_bytes: bytes.len(),
        })
    }

    pub fn wake(&self) -> Option<Millis> {
        self.held.and_then(|held| held.wake)
    }
}

/// Two generations: what was not used while one filled up is forgotten with it.
pub struct Cache<S> {
    young: Generation<S>,
    old: Generation<S>,
    /// Of one generation.
    max_keys: usize,
    max_bytes: usize,
}

/// Boxed: a growing map moves its entries, and states are large.
struct Generation<S> {
    slots: KeyMap<Box<Slot<S>>>,
    /// As they are stored.
    bytes: usize,
}

impl<S> Default for Generation<S> {
    fn default() -> Self {
        Self {
            slots: KeyMap::default(),
            bytes: 0,
        }
    }
}

impl<S> Generation<S> {
    fn take(&mut self, key: &Key) -> Option<Box<Slot<S>>> {
        let slot = self.slots.remove(key)?;
        self.bytes -= slot.stored_bytes;
        Some(slot)
    }
}

impl<S> Cache<S> {
    pub fn new(max_keys: usize, max_bytes: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            max_keys: (max_keys / 2).max(1),
            max_bytes: (max_bytes / 2).max(1),
        }
    }

    pub fn take(&mut self, key: &Key) -> Option<Box<Slot<S>>> {
        self.young.take(key).or_else(|| self.old.take(key))
    }

    /// Only clean slots come back: what is here is what the store holds.
    pub fn put(&mut self, key: Key, slot: Box<Slot<S>>) {
        let full =
            self.young.slots.len() >= self.max_keys || self.young.bytes + slot.stored_bytes > self.max_bytes;
        if full && !self.young.slots.is_empty() {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += slot.stored_bytes;
        if let Some(before) = self.young.slots.insert(key, slot) {
            self.young.bytes -= before.stored_bytes;
        }
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.young.slots.contains_key(key) || self.old.slots.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_bytes_are_bounded() {
        let slot = |bytes| {
            Box::new(Slot::<()> {
                stored_bytes: bytes,
                ..Slot::absent()
            })
        };
        let key = |n: u32| Key::from(n.to_string());
        let mut cache = Cache::new(100, 1_000);
        (0..50).for_each(|n| cache.put(key(n), slot(300)));
        assert_eq!(
            (0..50).filter(|n| cache.contains(&key(*n))).count(),
            2,
            "by bytes"
        );
        (0..500).for_each(|n| cache.put(key(n), slot(1)));
        let kept = (0..500).filter(|n| cache.contains(&key(*n))).count();
        assert!((50..=100).contains(&kept), "by number: {kept}");
        assert!(cache.take(&key(499)).is_some() && cache.take(&key(499)).is_none());
        cache.put(key(1_000), slot(9_999));
        assert!(cache.contains(&key(1_000)), "one is always kept");
    }
}
