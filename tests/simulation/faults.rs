//! How likely each fault is in one run. Drawn per seed (swarm): in most runs most faults are
//! off, so that each one also meets a world that is otherwise well.
//!
//! Everything here is survivable: machines lose their memory but not the log; the log may
//! refuse, lose replies and abort, but what it committed stays; Redis may lose
//! anything.

use accrual::engine::ports::Millis;

use super::rng::Rng;

/// What runs in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    /// Toys that mirror orders and ledger.
    Toys,
    /// The real orders and ledger.
    Real,
    /// One stage without state, as commands is.
    Relay,
}

#[derive(Clone, Debug)]
pub struct Knobs {
    pub stages: Stages,
    pub machines: usize,
    pub partitions: i32,
    pub lanes: u32,
    pub keys: usize,
    pub events: usize,
    /// Until here the world is faulty.
    pub faulty_ms: Millis,
    pub latency_max: Millis,
    pub slow: f64,
    pub skew_max: Millis,
    pub static_members: bool,
    pub session_ms: Millis,
    pub rebalance_ms: Millis,
    pub transaction_ms: Millis,
    /// A marker of a transaction comes much later than the others.
    pub marker_late: f64,
    /// Events of the world between polls of a task that could run.
    pub stall: f64,
    // Each of these once per `chaos_every` ms at most.
    pub chaos_every: Millis,
    pub crash: f64,
    /// Told to stop: it drains and leaves, as in a rolling restart.
    pub stop: f64,
    pub freeze: f64,
    pub hang: f64,
    pub rebalance: f64,
    pub jump: f64,
    /// Tombstones grow old and are cleaned away.
    pub night: f64,
    pub offset_back: f64,
    /// In the end somebody sets an offset ahead by hand.
    pub offset_ahead: bool,
    pub compact: f64,
    pub forget: f64,
    pub empty: f64,
    pub snapshot: f64,
    // Each call.
    pub log_refused: f64,
    pub log_lost: f64,
    pub log_retry: f64,
    pub hint_lost: f64,
    pub store_down: f64,
    pub store_lost: f64,
    pub store_late: f64,
    /// After a script, the last writes are gone.
    pub amnesia: f64,
    // Sizes, small enough to be met.
    pub batch_max: usize,
    pub timers_max: usize,
    pub sweep_max: usize,
    pub chunk_max: usize,
    pub changelog_chunk: usize,
    pub inbox_max: usize,
    pub cache_max: usize,
    pub retention_ms: Millis,
    /// Single entries or whole keys of Redis are lost.
    pub lose: f64,
    /// Redis was written by a version that kept no sizes.
    pub uncounted: f64,
    /// How often a partition at rest is looked at.
    pub look_every: Millis,
    /// A larger state is written in parts of that many bytes.
    pub whole_max: usize,
    pub part_bytes: usize,
    /// In the end a part of a large state is gone from its changelog, and Redis is empty.
    pub part_lost: bool,
    /// Somebody else writes to a changelog.
    pub foreign: f64,
    /// Records that make a state too large, and timers that can never be decided.
    pub hopeless: bool,
    /// In the end a changelog is left for another, or is still being filled.
    pub moved: bool,
    /// In the end part of the input is read by nobody.
    pub unread: bool,
}

impl Knobs {
    pub fn draw(seed: u64) -> Self {
        let r = &mut Rng::new(seed);
        let stages = match r.below(20) {
            0..14 => Stages::Toys,
            14..18 => Stages::Real,
            _ => Stages::Relay,
        };
        // Many short runs find more than few long ones.
        let faulty_ms = *r.pick(&[600, 1_200, 2_000, 3_000, 6_000]);
        let latency_max = *r.pick(&[0, 1, 3, 10, 30]);
        let changelog_chunk = *r.pick(&[1, 3, 100]);
        // A restore must come to its end within half of it.
        let quick = latency_max <= 3 && changelog_chunk > 1;
        let retention_ms = if quick {
            *r.pick(&[2_000, 6_000, 100_000])
        } else {
            100_000
        };
        Self {
            stages,
            machines: r.between(1, 3) as usize,
            partitions: r.between(1, 3) as i32,
            lanes: r.between(1, 2) as u32,
            keys: r.between(1, 8) as usize,
            events: *r.pick(&[5, 10, 20, 30, 50, 120]),
            faulty_ms,
            latency_max,
            slow: p(r, 0.2),
            skew_max: if r.chance(0.3) { r.between(1, 300) } else { 0 },
            static_members: r.chance(0.5),
            session_ms: r.between(300, 1_200),
            rebalance_ms: r.between(100, 1_000),
            transaction_ms: *r.pick(&[200, 500, 1_500]),
            marker_late: p(r, 0.3),
            stall: p(r, 0.7),
            chaos_every: *r.pick(&[20, 50, 100, 300]),
            crash: p(r, 0.1),
            stop: p(r, 0.1),
            freeze: p(r, 0.2),
            rebalance: p(r, 0.15),
            jump: p(r, 0.05),
            // Without a changelog the group's offset is all there is.
            offset_back: if stages == Stages::Relay { 0.0 } else { p(r, 0.2) },
            compact: p(r, 0.3),
            forget: p(r, 0.2),
            empty: p(r, 0.05),
            snapshot: p(r, 0.15),
            log_refused: p(r, 0.1),
            log_lost: p(r, 0.15),
            log_retry: p(r, 0.2),
            hint_lost: p(r, 0.9),
            store_down: p(r, 0.2),
            store_lost: p(r, 0.3),
            store_late: p(r, 0.3),
            amnesia: p(r, 0.05),
            batch_max: *r.pick(&[1, 2, 4, 30]),
            timers_max: *r.pick(&[1, 2, 10]),
            sweep_max: *r.pick(&[1, 2, 10]),
            chunk_max: *r.pick(&[1, 1, 2, 30]),
            changelog_chunk,
            inbox_max: *r.pick(&[1, 4, 40]),
            cache_max: *r.pick(&[1, 2, 6, 100]),
            retention_ms,
            hang: p(r, 0.2),
            night: p(r, 0.1),
            offset_ahead: stages != Stages::Relay && r.chance(0.1),
            lose: p(r, 0.15),
            uncounted: p(r, 0.1),
            look_every: *r.pick(&[200, 1_000, 60_000]),
            whole_max: *r.pick(&[usize::MAX, 10, 30, 60]),
            part_bytes: *r.pick(&[5, 16, 40]),
            part_lost: r.chance(0.1),
            foreign: p(r, 0.1),
            hopeless: stages == Stages::Toys && r.chance(0.5),
            moved: stages != Stages::Relay && r.chance(0.1),
            unread: stages == Stages::Toys && r.chance(0.1),
        }
    }
}

/// Off in half of the runs, else anything up to `most`.
fn p(r: &mut Rng, most: f64) -> f64 {
    if r.chance(0.5) {
        0.0
    } else {
        most * r.between(1, 100) as f64 / 100.0
    }
}
