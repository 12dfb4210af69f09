//! Lots in the order in which they are taken.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::digest;
use crate::domain::instant::Instant;
use crate::domain::outcome::LotPart;
use crate::domain::short_text::ShortText;

/// Emptied lots up to this many are removed one by one.
const FEW: usize = 16;

/// Points of one issuance, as far as they are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    pub id: u128,
    /// The issue of the order that the id derives from, with `order` and `bonus_id`; `None`: it
    /// derives from something else.
    pub number: Option<u32>,
    /// More than 0.
    pub points: i64,
    pub issued_at: Instant,
    /// `None`: never.
    pub expires_at: Option<Instant>,
    /// `sequence` of the credit: tells which of two lots of one instant is the older.
    pub credited: u64,
    /// The order that earned it.
    pub order: Option<ShortText>,
    /// The bonus that gave it.
    pub bonus_id: Option<ShortText>,
    /// The version in force when it was issued, whose notices are sent.
    pub rule_version: Option<u32>,
    /// Id of the event that its timers name as their cause.
    pub cause_id: ShortText,
    pub notice: Option<Notice>,
}

/// The next notice of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    pub at: Instant,
    /// The local day of `at`.
    pub day: chrono::NaiveDate,
    pub days_before: u32,
}

impl Lot {
    pub fn lot_id(&self) -> String {
        digest::hex(self.id)
    }

    /// This lot in an outcome that moved `points` of it.
    pub fn part(&self, points: i64) -> LotPart {
        LotPart {
            lot_id: self.lot_id(),
            points,
            expires_at: self.expires_at,
        }
    }

    /// Earliest expiry first, of two the older; never-expiring last.
    fn rank(&self) -> (Instant, Instant, u64, u128) {
        (
            self.expires_at.unwrap_or(Instant(i64::MAX)),
            self.issued_at,
            self.credited,
            self.id,
        )
    }

    /// Takes up to `open` points off.
    fn take(&mut self, open: &mut i64) -> Lot {
        let part = self.points.min(*open);
        *open -= part;
        self.points -= part;
        Lot {
            points: part,
            ..self.clone()
        }
    }
}

/// The lots of an account with something left, in the order in which they are taken.
///
/// Sums and the next notice are kept beside them: an account may hold 50,000 lots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lots {
    lots: VecDeque<Lot>,
    total: i64,
    /// Moments of notices, with how many lots have one then.
    notices: BTreeMap<Instant, usize>,
}

impl Lots {
    /// Empty lots are left out.
    pub fn new(mut lots: Vec<Lot>) -> Self {
        lots.retain(|lot| lot.points > 0);
        if !lots.is_sorted_by_key(Lot::rank) {
            lots.sort_by_key(Lot::rank);
        }
        let total = lots
            .iter()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.points));
        let mut held = Lots {
            lots: lots.into(),
            total,
            notices: BTreeMap::new(),
        };
        for lot in &held.lots {
            if let Some(notice) = lot.notice {
                *held.notices.entry(notice.at).or_default() += 1;
            }
        }
        held
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Lot> {
        self.lots.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.lots.is_empty()
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    /// What may be used at an instant.
    pub fn usable(&self, at: Instant) -> i64 {
        let expired = self.lots.iter().take(self.first_usable(at));
        expired.fold(self.total, |sum, lot| sum.saturating_sub(lot.points))
    }

    pub fn usable_of(&self, at: Instant, wanted: impl Fn(&Lot) -> bool) -> i64 {
        let lots = self.lots.range(self.first_usable(at)..).filter(|lot| wanted(lot));
        lots.fold(0, |sum: i64, lot| sum.saturating_add(lot.points))
    }

    /// A lot is usable while now < `expires_at`; those that expire stand first.
    fn first_usable(&self, at: Instant) -> usize {
        self.lots
            .partition_point(|lot| lot.expires_at.is_some_and(|expires_at| expires_at <= at))
    }

    /// Puts points in: into the same lot, if something of it is left.
    pub fn put(&mut self, lot: Lot) {
        if lot.points <= 0 {
            return;
        }
        self.total = self.total.saturating_add(lot.points);
        let at = self.lots.partition_point(|other| other.rank() < lot.rank());
        match self.lots.get_mut(at) {
            Some(same) if same.rank() == lot.rank() => same.points = same.points.saturating_add(lot.points),
            _ => {
                self.count_notice(lot.notice);
                if self.lots.is_empty() {
                    // Most members have one.
                    self.lots.reserve_exact(1);
                }
                self.lots.insert(at, lot);
            }
        }
    }

    /// Takes up to `points` from the usable lots that are wanted, in order. Answers each lot
    /// touched with the points taken from it.
    pub fn take(&mut self, points: i64, at: Instant, wanted: impl Fn(&Lot) -> bool) -> Vec<Lot> {
        let mut open = points;
        let (mut taken, mut emptied) = (Vec::new(), Vec::new());
        let first = self.first_usable(at);
        for (index, lot) in self.lots.range_mut(first..).enumerate() {
            if open == 0 {
                break;
            }
            if wanted(lot) {
                taken.push(lot.take(&mut open));
                if lot.points == 0 {
                    emptied.push(first + index);
                }
            }
        }
        self.total -= points - open;
        self.remove(&emptied);
        taken
    }

    /// The same from the oldest on, whenever they expire.
    pub fn take_oldest(&mut self, points: i64, at: Instant, wanted: impl Fn(&Lot) -> bool) -> Vec<Lot> {
        let first = self.first_usable(at);
        let found = self.lots.range(first..).enumerate();
        let mut found: Vec<_> = found
            .filter(|(_, lot)| wanted(lot))
            .map(|(index, lot)| (lot.issued_at, lot.credited, first + index))
            .collect();
        found.sort_unstable();
        let mut open = points;
        let (mut taken, mut emptied) = (Vec::new(), Vec::new());
        for (_, _, index) in found {
            if open == 0 {
                break;
            }
            let lot = &mut self.lots[index];
            taken.push(lot.take(&mut open));
            if lot.points == 0 {
                emptied.push(index);
            }
        }
        emptied.sort_unstable();
        self.total -= points - open;
        self.remove(&emptied);
        taken
    }

    /// Removes the lot that expires first, if it does so at or before `at`.
    pub fn pop_expired(&mut self, at: Instant) -> Option<Lot> {
        if self.lots.front()?.expires_at? > at {
            return None;
        }
        let lot = self.lots.pop_front()?;
        self.total -= lot.points;
        self.forget_notice(lot.notice);
        Some(lot)
    }

    /// When the first lot expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.lots.front()?.expires_at
    }

    pub fn next_notice(&self) -> Option<Instant> {
        self.notices.keys().next().copied()
    }

    /// Sets the notice of the lots between two expiries for which `next` has an answer.
    pub fn set_notices(
        &mut self,
        from: Instant,
        to: Instant,
        mut next: impl FnMut(&Lot) -> Option<Option<Notice>>,
    ) {
        let first = self.first_usable(Instant(from.0.saturating_sub(1)));
        for index in first..self.lots.len() {
            let lot = &self.lots[index];
            if lot.expires_at.is_none_or(|expires_at| expires_at > to) {
                break;
            }
            if let Some(notice) = next(lot) {
                let before = std::mem::replace(&mut self.lots[index].notice, notice);
                self.forget_notice(before);
                self.count_notice(notice);
            }
        }
    }

    /// The lots that expire between two instants.
    pub fn expiring(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Lot> {
        let first = self.first_usable(Instant(from.0.saturating_sub(1)));
        let lots = self.lots.range(first..);
        lots.take_while(move |lot| lot.expires_at.is_some_and(|expires_at| expires_at <= to))
    }

    /// Removes the emptied lots, whose places are given from the first on.
    fn remove(&mut self, emptied: &[usize]) {
        let (Some(first), Some(last)) = (emptied.first(), emptied.last()) else {
            return;
        };
        for place in emptied {
            let notice = self.lots[*place].notice;
            self.forget_notice(notice);
        }
        if last - first + 1 == emptied.len() {
            self.lots.drain(*first..=*last);
        } else if emptied.len() <= FEW {
            for place in emptied.iter().rev() {
                self.lots.remove(*place);
            }
        } else {
            self.lots.retain(|lot| lot.points > 0);
        }
    }

    fn count_notice(&mut self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            *self.notices.entry(notice.at).or_default() += 1;
        }
    }

    fn forget_notice(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        if let Some(count) = self.notices.get_mut(&notice.at) {
            *count -= 1;
            if *count == 0 {
                self.notices.remove(&notice.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(id: u128, points: i64, issued: i64, expires: Option<i64>) -> Lot {
        Lot {
            id,
            number: None,
            points,
            issued_at: Instant(issued),
            expires_at: expires.map(Instant),
            credited: id as u64,
            order: None,
            bonus_id: None,
            rule_version: None,
            cause_id: ShortText::default(),
            notice: None,
        }
    }

    fn check(lots: &[Lot], points: i64, at: i64, expected: &[(u128, i64)], left: i64) {
        let mut held = Lots::new(Vec::new());
        for lot in lots {
            held.put(lot.clone());
        }
        let taken = held.take(points, Instant(at), |_| true);
        let taken: Vec<_> = taken.iter().map(|lot| (lot.id, lot.points)).collect();
        assert_eq!(taken, expected);
        assert_eq!(held.total(), left);
    }

    #[test]
    fn the_lot_that_expires_first_is_taken_first() {
        let three = [
            lot(1, 10, 0, None),
            lot(2, 10, 0, Some(90)),
            lot(3, 10, 0, Some(50)),
        ];
        check(&three, 5, 10, &[(3, 5)], 25);
        check(&three, 25, 10, &[(3, 10), (2, 10), (1, 5)], 5);
        check(&three, 40, 10, &[(3, 10), (2, 10), (1, 10)], 0);
        check(&three, 0, 10, &[], 30);
    }

    #[test]
    fn a_lot_is_usable_before_its_expiry_only() {
        let two = [lot(1, 10, 0, Some(50)), lot(2, 10, 0, Some(51))];
        check(&two, 15, 50, &[(2, 10)], 10);
        check(&two, 15, 49, &[(1, 10), (2, 5)], 5);
    }

    #[test]
    fn of_two_the_older_then_the_one_credited_first() {
        check(
            &[lot(1, 10, 5, Some(50)), lot(2, 10, 4, Some(50))],
            10,
            9,
            &[(2, 10)],
            10,
        );
        check(
            &[lot(2, 10, 4, Some(50)), lot(1, 10, 4, Some(50))],
            10,
            9,
            &[(1, 10)],
            10,
        );
        check(
            &[lot(2, 10, 4, None), lot(1, 10, 5, None)],
            15,
            9,
            &[(2, 10), (1, 5)],
            5,
        );
    }

    #[test]
    fn the_oldest_may_be_asked_for() {
        let mut held = Lots::new(vec![lot(1, 10, 5, Some(50)), lot(2, 10, 4, None)]);
        let taken = held.take_oldest(15, Instant(9), |_| true);
        assert_eq!(
            taken.iter().map(|lot| (lot.id, lot.points)).collect::<Vec<_>>(),
            [(2, 10), (1, 5)]
        );
        assert_eq!(held.next_expiry(), Some(Instant(50)));
    }
}
