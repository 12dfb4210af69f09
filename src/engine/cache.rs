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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub wake: Option<Millis>,
    pub indexed: bool,
}

impl<S> Slot<S> {
    pub fn absent() -> Self {
        Self {
            state: None,
            stored: None,
            held: None,
            dirty: false,
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
        });
        Ok(Self {
            state: Some(processor.load(key, &saved.bytes)?),
            stored: held,
            held,
            dirty: false,
        })
    }

    pub fn wake(&self) -> Option<Millis> {
        self.held.and_then(|held| held.wake)
    }
}

/// Two generations: what was not used while one filled up is forgotten with it.
pub struct Cache<S> {
    /// Boxed: a growing map moves its entries, and states are large.
    young: KeyMap<Box<Slot<S>>>,
    old: KeyMap<Box<Slot<S>>>,
    generation_max_keys: usize,
}

impl<S> Cache<S> {
    pub fn new(max_keys: usize) -> Self {
        Self {
            young: KeyMap::default(),
            old: KeyMap::default(),
            generation_max_keys: (max_keys / 2).max(1),
        }
    }

    pub fn take(&mut self, key: &Key) -> Option<Box<Slot<S>>> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Only clean slots come back: what is here is what the store holds.
    pub fn put(&mut self, key: Key, slot: Box<Slot<S>>) {
        if self.young.len() >= self.generation_max_keys {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, slot);
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
