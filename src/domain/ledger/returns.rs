//! Redeemed points given back.

use rust_decimal::Decimal;

use super::account::{Account, Head};
use super::lots::Lot;
use crate::domain::entry::{Entry, Return};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::money::Ratio;
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
        let id = Self::outcome_id("returned", entry);
        self.tell(
            id,
            Head::of(entry, back.reason.reason()),
            Body::Returned { movement },
        );
        for lot in expired {
            waiting -= lot.points;
            let id = ids::returned_expired(lot.id, entry);
            self.expire(id, &lot, entry.effective_at, waiting);
        }
    }
}

/// What of `redeemed` points is to have come back in all.
fn due_back(redeemed: i64, back: &Return) -> i64 {
    if back.numerator >= back.denominator {
        return redeemed;
    }
    let part = ratio(back.numerator).over(ratio(back.denominator));
    let points = Ratio::whole(redeemed).times(part).floor();
    i64::try_from(points).map_or(0, |points| points.clamp(0, redeemed))
}

fn ratio(number: Decimal) -> Ratio {
    Ratio::new(number.mantissa(), 10i128.pow(number.scale()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::ReverseReason;

    #[test]
    fn what_is_due_back_is_exact() {
        let check = |redeemed, numerator: i128, denominator: i128, expected| {
            let whole = |number| Decimal::from_i128_with_scale(number, 0);
            let (numerator, denominator) = (whole(numerator), whole(denominator));
            let back = Return {
                reason: ReverseReason::Refunded,
                numerator,
                denominator,
            };
            assert_eq!(
                due_back(redeemed, &back),
                expected,
                "{redeemed} x {numerator} / {denominator}"
            );
        };
        check(25, 1, 3, 8);
        check(30, 1, 3, 10);
        check(3, 333, 1_000, 0);
        check(30, 0, 7, 0);
        check(30, 8, 7, 30);
        // As fine as amounts can be.
        let third = 333_333_333_333_333_333_333_333_333;
        check(3_000_000_000, third, 3 * third, 1_000_000_000);
        check(3_000_000_000, third - 1, 3 * third, 999_999_999);
    }
}
