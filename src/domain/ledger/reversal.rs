//! Issued points taken back, and given again when a cancellation is withdrawn.

use super::account::{Account, Credit, Head, trigger};
use super::lots::Lot;
use crate::domain::entry::{Entry, Reopen, Reverse};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;
use crate::domain::rules::model::WhenShort;

/// What is asked back of an order.
pub(super) struct TakeBack {
    pub requested: i64,
    pub when_short: WhenShort,
    /// It is credited again if the cancellation is withdrawn.
    pub by_cancellation: bool,
    /// Tells its outcome from others of the same event.
    pub by: &'static str,
}

impl Account<'_> {
    /// An edit raised what the order may keep by `points`. Answers how many of them are to be
    /// credited: those that are not still held because an earlier reversal could not take them.
    /// The others count as issued, hence also as taken back, so that the difference stays what is
    /// held. If more is held than may be kept even so, it is asked for again.
    pub fn adjust(&mut self, entry: &Entry, points: i64, adjust: &Reverse, at: Instant) -> i64 {
        let taken_back = self.taken_back(entry);
        let held = adjust.issued - points - taken_back;
        let lacking = (adjust.kept - held).clamp(0, points);
        if lacking != points {
            self.member.details(entry).taken_back = taken_back + points - lacking;
        }
        self.reverse(entry, adjust, at);
        lacking
    }

    /// Asks for all that the order issued but what was taken back so far and what it may keep.
    /// What is refused is therefore asked for again at the next reversal.
    pub fn reverse(&mut self, entry: &Entry, reverse: &Reverse, at: Instant) {
        let before = self.taken_back(entry);
        let asked = TakeBack {
            requested: reverse.issued - before - reverse.kept,
            when_short: reverse.when_short,
            by_cancellation: reverse.by_cancellation,
            by: trigger(&entry.kind),
        };
        let points = self.take_back(entry, Head::of(entry, reverse.reason.reason()), &asked, at);
        if points > 0 {
            self.member.details(entry).taken_back = before + points;
        }
    }

    /// Takes points of an order back as far as that is possible, and answers how many.
    pub(super) fn take_back(&mut self, entry: &Entry, head: Head, asked: &TakeBack, at: Instant) -> i64 {
        let requested = asked.requested;
        if requested <= 0 {
            return 0;
        }
        let usable = self.member.usable(at);
        let points = match asked.when_short {
            WhenShort::Negative => requested,
            WhenShort::Refuse if usable < requested => 0,
            WhenShort::Refuse | WhenShort::Clamp => requested.min(usable),
        };
        if points == 0 {
            let reason = Reason::InsufficientBalance;
            let id = ids::of_entry("rejected", asked.by, entry);
            let body = Body::Rejected {
                points: Some(requested),
                detail: None,
            };
            self.tell(id, Head { reason, ..head }, body);
            return 0;
        }
        let own = |lot: &Lot| lot.order.is_some() && lot.order == entry.order_id;
        let mut taken = self.member.lots.take_oldest(points, at, own);
        let open = points - taken.iter().map(|lot| lot.points).sum::<i64>();
        taken.extend(self.member.lots.take(open, at, |_| true));
        // Only `negative` asks for more than there is.
        let short = points - taken.iter().map(|lot| lot.points).sum::<i64>();
        self.member.debt = self.member.debt.saturating_add(short);
        if asked.by_cancellation {
            let cancellation = self.member.details(entry).cancellation.get_or_insert_default();
            taken.iter().for_each(|lot| cancellation.take(lot));
            cancellation.debt = cancellation.debt.saturating_add(short);
        }
        let parts = taken.iter().map(|lot| lot.part(lot.points)).collect();
        let movement = self.movement(points, parts, 0);
        let id = ids::of_entry("revoked", asked.by, entry);
        self.tell(id, head, Body::Revoked { movement, requested });
        points
    }

    /// The order's cancellation was withdrawn: first all that it took is credited, a lot for each
    /// that it took from, then what it gave back of redeemed points is redeemed again.
    pub fn reopen(&mut self, entry: &Entry, reopen: &Reopen, at: Instant) {
        self.restore_parts(entry);
        let details = self.member.details(entry);
        details.cancelled = false;
        let Some(cancellation) = details.cancellation.take() else {
            return;
        };
        if details.receipt.is_none() {
            details.taken_back -= cancellation.points();
        }
        for taken in &cancellation.taken {
            let lot_id = ids::reopened_lot(entry, Some(taken.lot));
            self.credit_reopened(entry, reopen, (lot_id, taken.points, taken.expires_at), at);
        }
        let debt = (
            ids::reopened_lot(entry, None),
            cancellation.debt,
            reopen.expires_at,
        );
        self.credit_reopened(entry, reopen, debt, at);
        self.redeem_again(entry, cancellation.returned, at);
    }

    fn credit_reopened(
        &mut self,
        entry: &Entry,
        reopen: &Reopen,
        (lot_id, points, expires_at): (u128, i64, Option<Instant>),
        at: Instant,
    ) {
        let credit = Credit {
            points,
            expires_at,
            order: entry.order_id.clone(),
            base: Some((reopen.base_amount, reopen.currency.clone())),
            ..Credit::of(lot_id)
        };
        self.credit(Head::of(entry, Reason::Reopened), credit, at);
    }

    fn taken_back(&self, entry: &Entry) -> i64 {
        let order = entry.order_id.as_deref().unwrap_or_default();
        self.member
            .orders
            .get(order)
            .map_or(0, |details| details.taken_back)
    }
}

#[cfg(test)]
#[path = "reversal_tests.rs"]
mod tests;
