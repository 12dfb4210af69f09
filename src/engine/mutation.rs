//! Guards that tests take away to see that somebody notices. Without the feature `mutations`
//! nothing of it is compiled in.

/// One guard, named after its invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    E1TimersWithoutOffset,
    E1ClaimWithoutOffset,
    E2StoreFirst,
    E2OwnEpochOnly,
    E2PartsLeft,
    E2PartsMissing,
    E10NoLimit,
    E5NoWaitForClaim,
    E5GroupOffset,
    E5NoClaim,
    E5MarkIgnored,
    E7IgnoreAge,
    E7SlowCopy,
    E8TimerNow,
    E9NoDeadLetter,
    E10UnboundedBatch,
    E10NeverPause,
    E11NoCatchUp,
    E12OffsetAhead,
    E13NoGate,
    E13HeldFires,
    E14AmbiguousIsAbort,
    E14KeepProducer,
}

pub const COMPILED: bool = cfg!(feature = "mutations");

#[cfg(feature = "mutations")]
thread_local! {
    static ON: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Whether this guard is taken away on this thread.
#[cfg(feature = "mutations")]
pub fn on(mutation: Mutation) -> bool {
    ON.get() == Some(mutation)
}

#[cfg(not(feature = "mutations"))]
pub const fn on(_: Mutation) -> bool {
    false
}

/// Takes a guard away on this thread, or puts all back.
#[cfg(feature = "mutations")]
pub fn set(mutation: Option<Mutation>) {
    ON.set(mutation);
}

#[cfg(not(feature = "mutations"))]
pub const fn set(_: Option<Mutation>) {}
