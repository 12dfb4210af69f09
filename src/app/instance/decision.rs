//! When a waiting process may take the leases of its instance, and when a running one has lost them.

use std::time::{Duration, Instant};

use crate::adapters::redis::Holding;

/// How long a lease is held without being renewed.
pub const HELD_FOR: Duration = Duration::from_secs(6);
/// How often its holder renews it.
pub const RENEW_EVERY: Duration = Duration::from_millis(1_500);
/// A lease that is gone before its time was given back, or Redis lost it: for so long its holder
/// may renew it first.
pub const HOLDER_FIRST: Duration = Duration::from_secs(3);
/// What two looks at the same end of a lease may differ by.
const INEXACT: Duration = Duration::from_millis(500);

/// Whether to try again at once, since what was learnt changes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    AtOnce,
    Later,
}

/// A process that waits for leases.
#[derive(Debug, Default)]
pub struct Claim {
    /// Free leases are left to the last holder until then. None: there was no holder.
    free_from: Option<Instant>,
    holder: Option<String>,
    dead: Vec<String>,
}

impl Claim {
    /// Whether free leases may be taken.
    pub fn may_take(&self, now: Instant) -> bool {
        self.free_from.is_none_or(|from| now >= from)
    }

    /// Entries of processes that are known to be dead.
    pub fn dead(&self) -> &[String] {
        &self.dead
    }

    /// Redis, asked with what the two above said, answered at `now`.
    pub fn answered(&mut self, holding: &Holding, now: Instant, is_dead: impl Fn(&str) -> bool) -> Next {
        match holding {
            Holding::Ours => Next::Done,
            Holding::Other { entry, .. } if is_dead(entry) && !self.dead.contains(entry) => {
                self.dead.push(entry.clone());
                Next::AtOnce
            }
            Holding::Other { entry, left } => {
                self.free_from = Some(now + HOLDER_FIRST.min(*left));
                self.holder = Some(entry.clone());
                Next::Later
            }
            Holding::Free => {
                if self.holder.take_if(|holder| is_dead(holder)).is_some() {
                    self.free_from = None;
                }
                match self.may_take(now) {
                    true => Next::AtOnce,
                    false => Next::Later,
                }
            }
        }
    }

    /// Redis did not answer: it may come back without its keys.
    pub fn unanswered(&mut self, now: Instant) {
        if let Some(from) = &mut self.free_from {
            *from = now + HOLDER_FIRST;
        }
    }
}

/// A process that holds leases.
#[derive(Debug, Default)]
pub struct Keep {
    /// Another's entry, and when its lease ends at the latest unless it is renewed.
    rival: Option<(String, Instant)>,
    dead: Vec<String>,
}

/// What has become of leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Ours,
    /// Another process' entry is there. It may be an old one that came back with a snapshot of
    /// Redis: then nobody renews it.
    Unclear(Next),
    /// The process of this entry holds them.
    Lost(String),
}

impl Keep {
    /// Entries of processes that are known to be dead.
    pub fn dead(&self) -> &[String] {
        &self.dead
    }

    /// Redis, asked for them at `asked`, answered at `now`.
    pub fn answered(
        &mut self,
        holding: &Holding,
        (asked, now): (Instant, Instant),
        is_dead: impl Fn(&str) -> bool,
    ) -> Kept {
        let Holding::Other { entry, left } = holding else {
            self.rival = None;
            return Kept::Ours;
        };
        if is_dead(entry) && !self.dead.contains(entry) {
            self.dead.push(entry.clone());
            return Kept::Unclear(Next::AtOnce);
        }
        let (at_least, at_most) = (asked + *left, now + *left);
        match &mut self.rival {
            Some((rival, end)) if rival == entry => {
                if at_least > *end + INEXACT {
                    return Kept::Lost(entry.clone());
                }
                *end = at_most.min(*end);
            }
            rival => *rival = Some((entry.clone(), at_most)),
        }
        Kept::Unclear(Next::Later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: &str = "dead";

    fn is_dead(entry: &str) -> bool {
        entry == DEAD
    }

    fn other(entry: &str, left_ms: u64) -> Holding {
        Holding::Other {
            entry: entry.to_owned(),
            left: Duration::from_millis(left_ms),
        }
    }

    /// What Redis answers at a time, in milliseconds; none: nothing. What comes of it, and whether
    /// free leases may be taken then.
    fn claim(rows: &[(u64, Option<Holding>, Next, bool)]) {
        let (begun, mut claim) = (Instant::now(), Claim::default());
        for (at, holding, next, may_take) in rows {
            let now = begun + Duration::from_millis(*at);
            let found = match holding {
                Some(holding) => claim.answered(holding, now, is_dead),
                None => {
                    claim.unanswered(now);
                    Next::Later
                }
            };
            assert_eq!(
                (found, claim.may_take(now)),
                (*next, *may_take),
                "at {at}: {claim:?}"
            );
        }
    }

    #[test]
    fn what_was_never_held_is_taken_at_once() {
        assert!(Claim::default().may_take(Instant::now()));
        claim(&[(0, Some(Holding::Ours), Next::Done, true)]);
        // Redis was away before anything was seen.
        claim(&[
            (0, None, Next::Later, true),
            (500, Some(Holding::Ours), Next::Done, true),
        ]);
    }

    #[test]
    fn the_holder_has_time_to_take_back_what_redis_lost() {
        claim(&[
            (0, Some(other("a", 5_000)), Next::Later, false),
            (500, Some(Holding::Free), Next::Later, false),
            (2_999, Some(Holding::Free), Next::Later, false),
            (3_000, Some(Holding::Free), Next::AtOnce, true),
        ]);
        // Its time was over.
        claim(&[
            (0, Some(other("a", 400)), Next::Later, false),
            (400, Some(Holding::Free), Next::AtOnce, true),
        ]);
        // Redis was away: the time begins when it is back.
        claim(&[
            (0, Some(other("a", 5_000)), Next::Later, false),
            (2_900, None, Next::Later, false),
            (5_899, Some(Holding::Free), Next::Later, false),
            (5_900, Some(Holding::Free), Next::AtOnce, true),
        ]);
        // It took them back.
        claim(&[
            (0, Some(other("a", 5_000)), Next::Later, false),
            (2_500, Some(Holding::Free), Next::Later, false),
            (3_000, Some(other("a", 6_000)), Next::Later, false),
        ]);
    }

    #[test]
    fn a_holder_known_to_be_dead_is_not_waited_for() {
        let (now, mut claim) = (Instant::now(), Claim::default());
        let held = other(DEAD, 5_000);
        assert_eq!(claim.answered(&held, now, is_dead), Next::AtOnce);
        assert_eq!(claim.dead(), [DEAD]);
        assert_eq!(claim.answered(&held, now, is_dead), Next::Later, "once is enough");

        // It died after it was last seen.
        let mut claim = Claim::default();
        assert_eq!(claim.answered(&held, now, |_| false), Next::Later);
        assert_eq!(claim.answered(&Holding::Free, now, |_| false), Next::Later);
        assert!(!claim.may_take(now));
        assert_eq!(claim.answered(&Holding::Free, now, is_dead), Next::AtOnce);
        assert!(claim.may_take(now));
    }

    /// When it was asked and when it answered, in milliseconds; what it answered, and what that means.
    fn keep(rows: &[(u64, u64, Holding, Kept)]) {
        let (begun, mut keep) = (Instant::now(), Keep::default());
        let at = |ms: u64| begun + Duration::from_millis(ms);
        for (asked, now, holding, kept) in rows {
            let found = keep.answered(holding, (at(*asked), at(*now)), is_dead);
            assert_eq!(found, *kept, "at {now}: {keep:?}");
        }
    }

    #[test]
    fn leases_are_lost_to_a_process_that_renews_them() {
        let unclear = || Kept::Unclear(Next::Later);
        keep(&[
            (0, 1, Holding::Ours, Kept::Ours),
            (1_500, 1_501, other("b", 5_000), unclear()),
            (3_000, 3_001, other("b", 5_000), Kept::Lost("b".into())),
        ]);
        // An entry that nobody renews is an old one.
        keep(&[
            (0, 1, other("b", 5_000), unclear()),
            (1_500, 1_501, other("b", 3_500), unclear()),
            (3_000, 3_001, other("b", 2_000), unclear()),
            (4_500, 4_501, Holding::Ours, Kept::Ours),
            // Another snapshot.
            (6_000, 6_001, other("b", 5_000), unclear()),
            (7_500, 7_501, other("c", 5_000), unclear()),
            (9_000, 9_001, other("c", 3_500), unclear()),
        ]);
        // An answer that was long on its way says little of when the lease ends.
        keep(&[
            (0, 1, other("b", 5_000), unclear()),
            (100, 4_000, other("b", 4_800), unclear()),
            (4_100, 4_101, other("b", 900), unclear()),
            (5_000, 5_001, other("b", 5_000), Kept::Lost("b".into())),
        ]);
    }

    #[test]
    fn an_entry_of_a_dead_process_is_replaced() {
        let mut seen = Keep::default();
        let now = Instant::now();
        let found = seen.answered(&other(DEAD, 5_000), (now, now), is_dead);
        assert_eq!(found, Kept::Unclear(Next::AtOnce));
        assert_eq!(seen.dead(), [DEAD]);
        let found = seen.answered(&other(DEAD, 5_000), (now, now), is_dead);
        assert_eq!(found, Kept::Unclear(Next::Later), "once is enough");
    }
}
