//! Guards that can be taken away, one at a time. Those of the engine are compiled in with the
//! feature `mutations` only; those of the adapters' contracts are taken from the simulation.

use std::cell::Cell;

use accrual::engine::mutation as engine;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    E3ReadUnchecked,
    E3ReplicateUnchecked,
    E3PartialUnchecked,
    E4PeekRemoves,
    E5UnstableOffset,
    E6FreshMembership,
    E6UnfencedGeneration,
    E7ShadowUnchecked,
    E15SizesUnchecked,
    E15UncountedBelieved,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub switch: Switch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    Engine(engine::Mutation),
    World(Mutation),
}

thread_local! {
    static ON: Cell<Option<Mutation>> = const { Cell::new(None) };
}

pub fn on(mutation: Mutation) -> bool {
    ON.get() == Some(mutation)
}

/// For everything that runs on this thread from now on.
pub fn set(switch: Option<Switch>) {
    ON.set(match switch {
        Some(Switch::World(mutation)) => Some(mutation),
        _ => None,
    });
    engine::set(match switch {
        Some(Switch::Engine(mutation)) => Some(mutation),
        _ => None,
    });
}

const fn e(name: &'static str, mutation: engine::Mutation, what: &'static str) -> Row {
    Row {
        name,
        what,
        switch: Switch::Engine(mutation),
    }
}

const fn w(name: &'static str, mutation: Mutation, what: &'static str) -> Row {
    Row {
        name,
        what,
        switch: Switch::World(mutation),
    }
}

pub const ROWS: &[Row] = &[
    e(
        "E1a",
        engine::Mutation::E1TimersWithoutOffset,
        "a batch of timers alone commits no input offset",
    ),
    e(
        "E1b",
        engine::Mutation::E1ClaimWithoutOffset,
        "a claim commits no input offset",
    ),
    e(
        "E2a",
        engine::Mutation::E2StoreFirst,
        "Redis gets the batch before it is committed",
    ),
    e(
        "E2b",
        engine::Mutation::E2OwnEpochOnly,
        "a restore leaves out what older owners wrote",
    ),
    e(
        "E2c",
        engine::Mutation::E2PartsLeft,
        "parts that a smaller state no longer uses get no tombstones",
    ),
    e(
        "E2d",
        engine::Mutation::E2PartsMissing,
        "a state that lacks parts in the changelog is passed over",
    ),
    w(
        "E3a",
        Mutation::E3ReadUnchecked,
        "states are read without looking at the marker",
    ),
    w(
        "E3b",
        Mutation::E3ReplicateUnchecked,
        "a batch is applied whatever batch Redis is at",
    ),
    w(
        "E3c",
        Mutation::E3PartialUnchecked,
        "a part is applied without the part before it",
    ),
    w("E4", Mutation::E4PeekRemoves, "reading due timers removes them"),
    e(
        "E5a",
        engine::Mutation::E5NoWaitForClaim,
        "the changelog is not read up to the own claim",
    ),
    e(
        "E5b",
        engine::Mutation::E5GroupOffset,
        "the input goes on from the group's offset, not the meta's",
    ),
    e(
        "E5c",
        engine::Mutation::E5NoClaim,
        "the takeover writes no claim: the epoch is the end of the changelog",
    ),
    e(
        "E5e",
        engine::Mutation::E5MarkIgnored,
        "a changelog that is being filled or was left is taken over",
    ),
    w(
        "E5d",
        Mutation::E5UnstableOffset,
        "the committed offset is taken while a transaction on it is open",
    ),
    w(
        "E6a",
        Mutation::E6FreshMembership,
        "membership is taken at the commit, not at the assignment",
    ),
    w(
        "E6b",
        Mutation::E6UnfencedGeneration,
        "offsets are sent with generation -1",
    ),
    e(
        "E7a",
        engine::Mutation::E7IgnoreAge,
        "a store older than the tombstones is healed, not rebuilt",
    ),
    e(
        "E7c",
        engine::Mutation::E7SlowCopy,
        "a restore that took longer than tombstones are kept counts",
    ),
    w(
        "E7b",
        Mutation::E7ShadowUnchecked,
        "a shadow is written and swapped without looking at its marker",
    ),
    e(
        "E8",
        engine::Mutation::E8TimerNow,
        "a timer's turn gets the clock's time, not its due time",
    ),
    e(
        "E9",
        engine::Mutation::E9NoDeadLetter,
        "a record that cannot be decided is skipped in silence",
    ),
    e(
        "E10a",
        engine::Mutation::E10UnboundedBatch,
        "a batch takes all that waits",
    ),
    e(
        "E10b",
        engine::Mutation::E10NeverPause,
        "delivery is never paused",
    ),
    e(
        "E10c",
        engine::Mutation::E10NoLimit,
        "a state may be as large as it likes",
    ),
    e(
        "E11",
        engine::Mutation::E11NoCatchUp,
        "the global table is not read to its end before deciding",
    ),
    e(
        "E12",
        engine::Mutation::E12OffsetAhead,
        "a group's offset beyond the changelog's is passed over",
    ),
    e(
        "E13a",
        engine::Mutation::E13NoGate,
        "a timer fires without knowing the input before it",
    ),
    e(
        "E13b",
        engine::Mutation::E13HeldFires,
        "a timer fires while part of the input is read by nobody",
    ),
    e(
        "E14a",
        engine::Mutation::E14AmbiguousIsAbort,
        "an unknown outcome is taken for an abort",
    ),
    e(
        "E14b",
        engine::Mutation::E14KeepProducer,
        "the producer is kept after an unknown outcome",
    ),
    w(
        "E15a",
        Mutation::E15SizesUnchecked,
        "nobody looks whether entries are missing from Redis",
    ),
    w(
        "E15b",
        Mutation::E15UncountedBelieved,
        "a store whose sizes were not kept is believed, not counted",
    ),
];

pub fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}
