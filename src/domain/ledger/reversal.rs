//! Issued points taken back.

use super::account::{Account, Head};
use super::lots::Lot;
use crate::domain::entry::{Entry, Reverse};
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;
use crate::domain::rules::model::WhenShort;

impl Account<'_> {
    /// An edit raised what the order may keep by `points`. Answers how many of them are to be
    /// credited: those that are not still held because an earlier reversal could not take them.
    /// The others count as issued, hence also as taken back, so that the difference stays what is
    /// held. If more is held than may be kept even so, it is asked for again.
    pub fn adjust(&mut self, entry: &Entry, points: i64, adjust: &Reverse, at: Instant) -> i64 {
        let order = entry.order_id.clone().unwrap_or_default();
        let taken_back = self.member.taken_back.get(&order).copied().unwrap_or(0);
        let held = adjust.issued - points - taken_back;
        let lacking = (adjust.kept - held).max(0);
        if lacking != points {
            let taken_back = taken_back + points - lacking;
            self.member.taken_back.insert(order, taken_back);
        }
        self.reverse(entry, adjust, at);
        lacking
    }

    /// Asks for all that the order issued but what was taken back so far and what it may keep.
    /// What is refused is therefore asked for again at the next reversal.
    pub fn reverse(&mut self, entry: &Entry, reverse: &Reverse, at: Instant) {
        let order = entry.order_id.clone().unwrap_or_default();
        let before = self.member.taken_back.get(&order).copied().unwrap_or(0);
        let requested = reverse.issued - before - reverse.kept;
        if requested <= 0 {
            return;
        }
        let usable = self.member.usable(at);
        let points = match reverse.when_short {
            WhenShort::Negative => requested,
            WhenShort::Refuse if usable < requested => 0,
            WhenShort::Refuse | WhenShort::Clamp => requested.min(usable),
        };
        if points == 0 {
            let head = Head::of(entry, Reason::InsufficientBalance);
            return self.reject(head, entry, Some(requested), None);
        }
        let own = |lot: &Lot| lot.order.as_ref() == Some(&order);
        let mut taken = self.member.lots.take_oldest(points, at, own);
        let open = points - taken.iter().map(|lot| lot.points).sum::<i64>();
        taken.extend(self.member.lots.take(open, at, |_| true));
        // Only `negative` asks for more than there is.
        let short = points - taken.iter().map(|lot| lot.points).sum::<i64>();
        self.member.debt = self.member.debt.saturating_add(short);
        self.member.taken_back.insert(order, before + points);
        let parts = taken.iter().map(|lot| lot.part(lot.points)).collect();
        let movement = self.movement(points, parts, 0);
        let id = Self::outcome_id("revoked", entry);
        self.tell(
            id,
            Head::of(entry, reverse.reason.reason()),
            Body::Revoked { movement, requested },
        );
    }
}

#[cfg(test)]
#[path = "reversal_tests.rs"]
mod tests;
