//! Redeemed points given back.

use rust_decimal::Decimal;

use super::account::{Account, Head};
use super::lots::Lot;
use super::member::{ByCommand, Member};
use super::orders::{Redeemed, Share};
use crate::domain::entry::{Entry, Return, ReverseReason};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::money::Ratio;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;

impl Account<'_> {
    /// Gives back what of the order's redeemed points has come back with its goods, rounded
    /// down in total, to the lots in the order in which they were taken. What a command gave back
    /// counts within it.
    pub fn give_back(&mut self, entry: &Entry, back: &Return, at: Instant) {
        let Some(details) = entry
            .order_id
            .as_ref()
            .and_then(|order| self.member.orders.get_mut(order))
        else {
            return;
        };
        let Some(redeemed) = &mut details.redeemed else {
            return;
        };
        let share = Share {
            numerator: back.numerator,
            denominator: back.denominator,
        };
        let due = share.of(redeemed.points) - redeemed.returned;
        let lots = redeemed.give_back(due);
        if back.reason == ReverseReason::Cancelled {
            let cancellation = details.cancellation.get_or_insert_default();
            cancellation.returned = cancellation.returned.saturating_add(due.max(0));
        } else {
            redeemed.share = Some(share);
        }
        self.put_back(entry, Head::of(entry, back.reason.reason()), lots, at);
    }

    /// By command: `points`, or all that is left, of what was redeemed for the order, or by the
    /// command of that id.
    pub fn return_by_command(
        &mut self,
        entry: &Entry,
        (redeem_id, points): (Option<&str>, Option<i64>),
        head: Head,
        at: Instant,
    ) {
        let source = &entry.cause_source;
        let lots = match (redeem_id, entry.order_id.as_deref()) {
            (Some(id), _) => return_of_command(self.member, ids::command(source, id), points),
            (None, Some(order)) => {
                let details = self.member.orders.get_mut(order);
                details.and_then(|details| part_of(details.redeemed.as_mut()?, points))
            }
            (None, None) => None,
        };
        match lots {
            Some(lots) => {
                let head = Head {
                    reason: Reason::Returned,
                    ..head
                };
                self.put_back(entry, head, lots, at);
            }
            None => {
                let head = Head {
                    reason: Reason::UnknownRedemption,
                    ..head
                };
                self.reject(head, entry, points, None);
            }
        }
    }

    /// Puts redeemed points back into their lots. What the balance lacks to 0 is paid first. Lots
    /// that have expired meanwhile do so at once.
    pub fn put_back(&mut self, entry: &Entry, head: Head, lots: Vec<Lot>, at: Instant) {
        let points = lots
            .iter()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.points));
        if points == 0 {
            return;
        }
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
        let effective_at = head.effective_at;
        self.tell(id, head, Body::Returned { movement });
        for lot in expired {
            waiting -= lot.points;
            let id = ids::returned_expired(lot.id, entry);
            self.expire(id, &lot, effective_at, waiting);
        }
    }
}

fn return_of_command(member: &mut Member, id: u128, points: Option<i64>) -> Option<Vec<Lot>> {
    let by = &mut member.commands.get_mut(&id)?.redeemed;
    match by.as_mut()? {
        ByCommand::Order(hash) => part_of(member.orders.details_of(*hash)?.redeemed.as_mut()?, points),
        ByCommand::Alone(redeemed) => {
            let lots = part_of(redeemed, points);
            if redeemed.held() == 0 {
                *by = None;
            }
            lots
        }
    }
}

/// `None`: there is not as much left.
fn part_of(redeemed: &mut Redeemed, points: Option<i64>) -> Option<Vec<Lot>> {
    let held = redeemed.held();
    let points = points.unwrap_or(held);
    (held > 0 && points <= held).then(|| redeemed.give_back(points))
}

impl Redeemed {
    /// Takes the next `points` out of what is held.
    pub fn give_back(&mut self, points: i64) -> Vec<Lot> {
        let points = points.clamp(0, self.held());
        self.returned += points;
        self.next(points)
    }
}

impl Share {
    /// What of `redeemed` points is to have come back in all.
    pub fn of(self, redeemed: i64) -> i64 {
        if self.is_whole() {
            return redeemed;
        }
        let part = ratio(self.numerator).over(ratio(self.denominator));
        let points = Ratio::whole(redeemed).times(part).floor();
        i64::try_from(points).map_or(0, |points| points.clamp(0, redeemed))
    }
}

fn ratio(number: Decimal) -> Ratio {
    Ratio::new(number.mantissa(), 10i128.pow(number.scale()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_back_is_exact() {
        let check = |redeemed, numerator: i128, denominator: i128, expected| {
            let whole = |number| Decimal::from_i128_with_scale(number, 0);
            let share = Share {
                numerator: whole(numerator),
                denominator: whole(denominator),
            };
            assert_eq!(
                share.of(redeemed),
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
