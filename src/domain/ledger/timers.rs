//! What time alone does to an account.

use super::account::Account;
use super::standing::LevelMoment;
use crate::domain::ids;
use crate::domain::instant::Instant;

impl Account<'_> {
    /// Handles everything due before `bound`, in the order of time; at one instant levels, then
    /// issuances, then notices, then expiries.
    pub fn settle_before(&mut self, bound: Instant) {
        while let Some(at) = self.next_due().filter(|at| *at < bound) {
            while let Some((_, moment)) = self.next_of_levels().filter(|(next, _)| *next <= at) {
                self.level_moment(at, moment);
            }
            if let Some(moment) = self.member.next_birthday(self.shop_id, &self.terms)
                && moment.at == at
            {
                self.birthday_gift(&moment);
            }
            if self.member.lots.next_notice() == Some(at) {
                self.notify_at(at);
            }
            while let Some(lot) = self.member.lots.pop_expired(at) {
                let id = ids::expired(lot.id);
                self.expire(id, &lot, lot.issued_at, 0);
            }
            self.member.open_from = self.member.open_from.max(at);
        }
        self.member.open_from = self.member.open_from.max(bound);
    }

    fn next_of_levels(&self) -> Option<(Instant, LevelMoment)> {
        let standing = self.member.standing.as_deref()?;
        standing.next(self.tier_rules(), &self.terms)
    }

    fn next_due(&self) -> Option<Instant> {
        let birthday = self
            .member
            .next_birthday(self.shop_id, &self.terms)
            .map(|moment| moment.at);
        let times = [
            self.next_of_levels().map(|(at, _)| at),
            birthday,
            self.member.lots.next_notice(),
            self.member.lots.next_expiry(),
        ];
        times.into_iter().flatten().min()
    }
}
