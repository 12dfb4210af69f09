//! A member's account at a shop: lots, balance, and everything that moves them.
//!
//! All of it is pure: an entry or a point in time goes in, outcomes come out. Rules are
//! arguments; the time is that of the entry or of the timer, never a clock's.

mod account;
pub mod broadcast;
mod caps;
mod commands;
mod gifts;
mod level_commands;
mod level_gifts;
mod levels;
pub mod lots;
pub mod member;
mod notices;
pub mod orders;
mod pricing;
pub mod receipt;
pub mod receipt_words;
mod redeeming;
pub mod redemption;
mod returns;
mod reversal;
mod revision;
pub mod standing;
pub mod tiers;
mod timers;
mod turn;
pub mod usage;
pub mod view;

#[cfg(test)]
mod conservation_tests;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod levels_tests;
#[cfg(test)]
mod once_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod till_tests;

use crate::domain::instant::Instant;
use crate::domain::outcome::Outcome;
use crate::domain::rules::book::RuleBook;

/// What decisions of the ledger are made by.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    pub book: &'a RuleBook,
    /// Birthday gifts later than this are not given. `None`: they come for ever.
    pub gift_horizon: Option<Instant>,
    /// How long the ids of commands are remembered; 0: for ever.
    pub command_ids_days: u32,
    /// How long facts that levels are worked out from are kept; 0: for ever.
    pub tier_facts_months: u32,
}

impl Terms<'_> {
    /// When the id of a command carried out at `at` is forgotten.
    pub(crate) fn forgotten_at(&self, at: Instant) -> Option<Instant> {
        let days = i64::from(self.command_ids_days);
        (days > 0).then(|| Instant(at.0.saturating_add(days.saturating_mul(member::DAY_MICROS))))
    }
}

impl Terms<'_> {
    /// Facts of levels before this are too old to count.
    pub(crate) fn tier_facts_from(&self, at: Instant) -> Instant {
        if self.tier_facts_months == 0 {
            return Instant::MIN;
        }
        let months = chrono::Months::new(self.tier_facts_months);
        let from = at.to_utc().and_then(|at| at.checked_sub_months(months));
        from.map_or(Instant::MIN, Instant::from_utc)
    }
}

/// What an entry led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub outcomes: Vec<Outcome>,
    /// The entry was taken in before: dropped.
    pub duplicate: bool,
}
