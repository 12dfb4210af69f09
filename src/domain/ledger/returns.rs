//! Redeemed points given back.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::account::{Account, Head};
use super::lots::Lot;
use super::reversal::reason;
use crate::domain::digest::digest;
use crate::domain::entry::{Entry, Return};
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;

impl Account<'_> {
    /// Gives back what of the order's redeemed points has come back with its goods, rounded
    /// down in total, to the lots in the order in which they were taken. What the balance lacks
    /// to 0 is paid first. Lots that have expired meanwhile do so at once.
    pub fn give_back(&mut self, entry: &Entry, back: &Return, at: Instant) {
        let Some(redeemed) = entry
            .order_id
            .as_ref()
            .and_then(|id| self.member.redemptions.get_mut(id))
        else {
            return;
        };
        let total = due_back(redeemed.points(), back);
        let points = total - redeemed.returned;
        if points <= 0 {
            return;
        }
        let lots = part_of(&redeemed.taken, redeemed.returned, points);
        redeemed.returned = total;

        let mut debt = self.pay_debt(points);
        let mut parts = Vec::new();
        let mut expired = Vec::new();
        for mut lot in lots {
            let paid = debt.min(lot.points);
            debt -= paid;
            lot.points -= paid;
            if lot.points == 0 {
                continue;
            }
            parts.push(lot.part(lot.points));
            if lot.expires_at.is_some_and(|expires_at| expires_at < at) {
                expired.push(lot);
            } else {
                lot.notice = self.next_notice(&lot, at);
                self.member.lots.put(lot);
            }
        }
        let mut waiting = expired.iter().map(|lot| lot.points).sum();
        let movement = self.movement(points, parts, waiting);
        let id = self.outcome_id("returned", entry);
        self.tell(
            id,
            Head::of(entry, reason(back.reason)),
            Body::Returned { movement },
        );
        for lot in expired {
            waiting -= lot.points;
            let id = digest(&["expired", &lot.lot_id(), &entry.cause_source, &entry.cause_id]);
            self.expire(id, &lot, entry.effective_at, waiting);
        }
    }
}

/// What of `redeemed` points is to have come back in all.
fn due_back(redeemed: i64, back: &Return) -> i64 {
    if back.numerator >= back.denominator {
        return redeemed;
    }
    let exact = Decimal::from(redeemed)
        .checked_mul(back.numerator)
        .and_then(|product| product.checked_div(back.denominator));
    exact
        .and_then(|points| points.floor().to_i64())
        .unwrap_or(0)
        .clamp(0, redeemed)
}

/// The lots of the next `points` after the first `skip`.
fn part_of(taken: &[Lot], mut skip: i64, mut points: i64) -> Vec<Lot> {
    let mut lots = Vec::new();
    for lot in taken {
        let passed = skip.min(lot.points);
        skip -= passed;
        let part = (lot.points - passed).min(points);
        points -= part;
        if part > 0 {
            lots.push(Lot {
                points: part,
                ..lot.clone()
            });
        }
    }
    lots
}
