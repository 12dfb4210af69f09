//! Committed offsets that a transaction keeps unstable, and when to stop waiting for one.

use std::time::{Duration, Instant};

/// An offset that stays unstable for longer belongs to a transaction that no longer is: the
/// coordinator aborts every one within its time-out (10 s) and its own round (10 s by default).
/// A broker that died between the two can leave the offset waiting for ever.
const UNSTABLE_MAX_MS: u64 = 40_000;
/// Looks at an unstable offset that lie further apart are not of one hang.
const LOOKS_APART_MAX_MS: u64 = 60_000;

/// An offset that was not stable over one look or several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unstable {
    since: Instant,
    looked: Instant,
}

impl Unstable {
    /// After a look that found it unstable from `begun` until `looked`. Keeps the start time after a
    /// hanging offset was skipped, so that a retry does not wait the full time again.
    pub fn after(known: Option<Self>, begun: Instant, looked: Instant) -> Self {
        let apart = Duration::from_millis(LOOKS_APART_MAX_MS);
        let same = known.filter(|known| begun.duration_since(known.looked) <= apart);
        let since = same.map_or(begun, |known| known.since);
        Self { since, looked }
    }

    pub fn hangs(self) -> bool {
        self.looked.duration_since(self.since) > Duration::from_millis(UNSTABLE_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_is_known_again_until_it_was_not_looked_at_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = Unstable::after(None, at(0), at(15));
        assert!(!first.hangs());
        let second = Unstable::after(Some(first), at(16), at(31));
        assert!(!second.hangs());
        let third = Unstable::after(Some(second), at(32), at(47));
        assert!(third.hangs());
        // Passed by, and needed again at once.
        let fourth = Unstable::after(Some(third), at(48), at(63));
        assert!(fourth.hangs());
        let another = Unstable::after(Some(fourth), at(124), at(139));
        assert_eq!(
            another,
            Unstable {
                since: at(124),
                looked: at(139)
            }
        );
        assert!(!another.hangs());
    }
}
