//! One owned partition: how far it is, what it keeps warm.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::board::{Phase, Shown};
use super::cache::Cache;
use super::error::Refusal;
use super::gate::Gate;
use super::mutation::{self, Mutation};
use super::ports::{Key, KeyMap, Marker, Millis, Offset, Page, Partition, Timers, TopicId};
use super::processor::Nudge;
use super::spec::Limits;
use super::stored::shown;

/// An owned, restored partition between two batches.
pub struct Owned<S> {
    pub id: Partition,
    /// Where the store is, by our own writing.
    pub marker: Marker,
    /// Next input offset to be decided.
    pub position: Offset,
    /// The topic in which it counts.
    pub topic: Option<TopicId>,
    /// Never goes back (E13).
    pub clock: Millis,
    /// Every key has looked at the global table up to here.
    pub table: Offset,
    pub gate: Gate,
    pub cache: Cache<S>,
    pub timers: Timers,
    /// No timer may fire: part of the stage's input is read by nobody (E13).
    pub timers_held: bool,
    /// Real time at which the store last answered for this partition.
    pub looked: Millis,
    /// Everything later than our last batch lies behind this changelog offset.
    pub changelog: Offset,
    pub sweep: Option<Sweep>,
    /// Records whose decision broke: they go to the dead letters.
    pub poisoned: HashMap<Offset, Refusal>,
    /// Keys whose timer or nudge could not be decided.
    pub set_aside: KeyMap<SetAside>,
    /// Keys whose states have come to their limit: measured after every turn.
    pub measured: HashSet<Key>,
    /// When somebody was last warned of a large state, and of which size.
    pub warned: KeyMap<(Millis, Fill)>,
    /// At most this many turns in the next batch. Halved where a batch could not be decided or
    /// written as a whole, doubled with each one that was.
    pub turns_max: usize,
}

/// How near a state is to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fill {
    Half,
    FourFifths,
}

impl Fill {
    /// `None`: there is much room.
    pub fn of(bytes: usize, limit: usize) -> Option<Fill> {
        if bytes >= limit / 5 * 4 {
            Some(Fill::FourFifths)
        } else {
            (bytes >= limit / 2).then_some(Fill::Half)
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Fill::Half => "half",
            Fill::FourFifths => "four fifths",
        }
    }
}

/// A key whose timer (or nudge) was refused. It is left as it is and looked at again after a
/// while, the key's other work goes on, and nothing else waits for it: its wake-up in the store is
/// a later one until then.
#[derive(Clone, Debug)]
pub struct SetAside {
    pub refusal: Refusal,
    pub tries: u32,
    /// When it is looked at again.
    pub again: Millis,
    /// Not yet written: the next batch that has the key at hand does it.
    pub fresh: bool,
}

/// Before a refused timer is tried again, doubled with each time.
const AGAIN_MIN_MS: Millis = 60_000;
const AGAIN_MAX_MS: Millis = 15 * 60_000;
/// A large state is named that often, and so many of them are.
const WARN_EVERY_MS: Millis = 60_000;
const WARNED_KNOWN_MAX: usize = 1_000;
/// Keys remembered as set aside, and how many of them are shown.
const SET_ASIDE_KNOWN_MAX: usize = 10_000;
const SET_ASIDE_SHOWN_MAX: usize = 3;

impl SetAside {
    /// The wake-up to be stored in place of the state's own.
    pub fn wake(&self, own: Option<Millis>, now: Millis) -> Millis {
        own.filter(|own| *own > now)
            .map_or(self.again, |own| own.min(self.again))
    }
}

/// A sweep through the keys that a table record concerns.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub nudge: Nudge,
    pub place: Place,
}

/// How far a sweep is.
#[derive(Clone, Debug)]
pub enum Place {
    /// Of the index, behind this key.
    Index { after: Option<Key> },
    /// Of all keys: those of a page that have had no turn yet, and where the next page begins.
    Pages { keys: Vec<Key>, next: Option<u64> },
}

/// How far a batch brings a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// The last key of the index, and whether more follow.
    Index { last: Option<Key>, more: bool },
    /// That many keys of the page.
    Page(usize),
}

impl Sweep {
    pub fn begin(nudge: Nudge) -> Self {
        let place = match nudge.every_key {
            false => Place::Index { after: None },
            true => Place::Pages {
                keys: Vec::new(),
                next: Some(0),
            },
        };
        Sweep { nudge, place }
    }

    /// Where the page begins that has to be read before it can go on.
    pub fn wants_page(&self) -> Option<u64> {
        match &self.place {
            Place::Pages { keys, next } if keys.is_empty() => *next,
            _ => None,
        }
    }

    /// Takes a page in.
    pub fn turn_to(&mut self, page: Page) {
        let mut keys = page.keys;
        keys.retain(|key| key.starts_with(&self.nudge.prefix));
        self.place = Place::Pages {
            keys,
            next: page.next,
        };
    }

    /// Goes on by what a batch came to.
    fn passed(&mut self, swept: Swept) {
        match (&mut self.place, swept) {
            (Place::Index { after }, Swept::Index { last, .. }) => *after = last,
            (Place::Pages { keys, .. }, Swept::Page(turns)) => drop(keys.drain(..turns.min(keys.len()))),
            _ => {}
        }
    }

    /// Whether every key has had its turn, where that can be seen by itself.
    fn is_through(&self) -> bool {
        matches!(&self.place, Place::Pages { keys, next: None } if keys.is_empty())
    }
}

impl<S> Owned<S> {
    /// Moves the sweep on, and ends it where it is through.
    pub fn sweep_on(&mut self, swept: Option<Swept>) {
        let Some(sweep) = &mut self.sweep else { return };
        let ends = matches!(swept, Some(Swept::Index { more: false, .. }));
        if let Some(swept) = swept {
            sweep.passed(swept);
        }
        if ends || sweep.is_through() {
            self.table = sweep.nudge.offset;
            self.sweep = None;
        }
    }

    /// The time before which input is decided and timers have fired.
    pub fn done(&self) -> Millis {
        if self.sweep.is_some() {
            return Millis::MIN;
        }
        self.gate
            .open_until()
            .min(self.timers.next.unwrap_or(Millis::MAX))
    }

    /// Timers before this may fire at `now`; `None`: none is due.
    pub fn fires_before(&self, now: Millis) -> Option<Millis> {
        if self.holds_timers() {
            return None;
        }
        let before = if mutation::on(Mutation::E13NoGate) {
            now
        } else {
            self.gate.open_until().min(now)
        };
        self.timers.next.filter(|next| *next < before).map(|_| before)
    }

    fn holds_timers(&self) -> bool {
        self.timers_held && !mutation::on(Mutation::E13HeldFires)
    }

    /// How long the store may still be left alone (E15). A clock that went back proves nothing.
    pub fn look_in(&self, wall: Millis, every: Millis) -> Millis {
        match wall.saturating_sub(self.looked) {
            passed @ 0.. => every.saturating_sub(passed),
            _ => 0,
        }
    }

    /// A timer is due but the gate does not know yet whether the input is read that far.
    pub fn waits_for_gate(&self, now: Millis) -> bool {
        self.timers
            .next
            .is_some_and(|next| !self.holds_timers() && next < now && next >= self.gate.open_until())
    }

    /// Notes that the key's timer or nudge was refused at `now`.
    pub fn put_aside(&mut self, key: Key, refusal: Refusal, now: Millis) {
        let tries = self.set_aside.get(&key).map_or(0, |aside| aside.tries) + 1;
        let wait = AGAIN_MIN_MS
            .saturating_mul(1 << (tries - 1).min(10))
            .min(AGAIN_MAX_MS);
        let aside = SetAside {
            refusal,
            tries,
            again: now.saturating_add(wait),
            fresh: true,
        };
        self.set_aside.insert(key, aside);
    }

    /// Whether the batch that is being decided sets the key aside.
    pub fn sets_aside(&self, key: &Key) -> bool {
        self.set_aside.get(key).is_some_and(|aside| aside.fresh)
    }

    pub fn being_set_aside(&self) -> impl Iterator<Item = &Key> {
        self.set_aside
            .iter()
            .filter(|(_, aside)| aside.fresh)
            .map(|(key, _)| key)
    }

    /// These keys were written: set aside, or looked at again with success.
    pub fn written(&mut self, keys: &HashSet<&Key>) {
        self.set_aside.retain(|key, aside| {
            let written = keys.contains(key);
            let keep = !written || aside.fresh;
            aside.fresh &= !written;
            keep
        });
        let too_many = self.set_aside.len().saturating_sub(SET_ASIDE_KNOWN_MAX);
        let waiting = self.set_aside.iter().filter(|(_, aside)| !aside.fresh);
        let forgotten: Vec<Key> = waiting.take(too_many).map(|(key, _)| key.clone()).collect();
        forgotten.iter().for_each(|key| drop(self.set_aside.remove(key)));
    }

    /// Whether to warn of a state now: once a minute, or when it has grown beyond the next mark.
    pub fn warns_of(&mut self, key: &Key, fill: Fill, now: Millis) -> bool {
        let silent = |(at, before): &(Millis, Fill)| *before >= fill && now - at < WARN_EVERY_MS;
        if self.warned.get(key).is_some_and(silent) {
            return false;
        }
        if self.warned.len() >= WARNED_KNOWN_MAX {
            self.warned.retain(|_, (at, _)| now - *at < WARN_EVERY_MS);
        }
        let room = self.warned.len() < WARNED_KNOWN_MAX;
        if room {
            self.warned.insert(key.clone(), (now, fill));
        }
        room
    }

    /// Fewer turns at a time from here on; one kind at a time, so that one alone remains.
    pub fn narrow(&mut self, turns: usize) {
        self.turns_max = (turns / 2).max(1);
    }

    pub fn is_narrow(&self, limits: &Limits) -> bool {
        self.turns_max < limits.batch_max_records
    }

    fn undecided(&self) -> Vec<String> {
        let keys: BTreeSet<&Key> = self.set_aside.keys().collect();
        let one = |key: &&Key| format!("{}: {}", shown(key), self.set_aside[*key].refusal);
        let mut all: Vec<String> = keys.iter().take(SET_ASIDE_SHOWN_MAX).map(one).collect();
        if keys.len() > all.len() {
            all.push(format!("and {} more keys", keys.len() - all.len()));
        }
        all
    }

    pub fn shown(&self) -> Shown {
        Shown {
            phase: Phase::Running,
            position: Some(self.position),
            done: self.done(),
            clock: self.clock,
            pending: self.timers.pending,
            next_wake: self.timers.next,
            sweeping: self.sweep.is_some(),
            table_seen: 0,
            undecided: self.undecided(),
        }
    }
}
