//! Lots in the order in which they are taken.

use crate::domain::digest;
use crate::domain::instant::Instant;
use crate::domain::outcome::LotPart;
use crate::domain::short_text::ShortText;

/// Points of one issuance, as far as they are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    pub id: u128,
    /// More than 0.
    pub points: i64,
    pub issued_at: Instant,
    /// `None`: never.
    pub expires_at: Option<Instant>,
    /// `sequence` of the credit: tells which of two lots of one instant is the older.
    pub credited: u64,
    /// The order that earned it.
    pub order: Option<ShortText>,
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

    fn usable(&self, at: Instant) -> bool {
        self.expires_at.is_none_or(|expires_at| at < expires_at)
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
}

/// The lots of an account with something left, in the order in which they are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lots(Vec<Lot>);

impl Lots {
    /// Empty lots are left out.
    pub fn new(mut lots: Vec<Lot>) -> Self {
        lots.retain(|lot| lot.points > 0);
        lots.sort_by_key(Lot::rank);
        Lots(lots)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Lot> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lot> {
        self.0.iter_mut()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn total(&self) -> i64 {
        self.0
            .iter()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.points))
    }

    /// What may be used at an instant.
    pub fn usable(&self, at: Instant) -> i64 {
        self.usable_of(at, |_| true)
    }

    pub fn usable_of(&self, at: Instant, wanted: impl Fn(&Lot) -> bool) -> i64 {
        let lots = self.0.iter().filter(|lot| lot.usable(at) && wanted(lot));
        lots.fold(0, |sum: i64, lot| sum.saturating_add(lot.points))
    }

    /// Puts points in: into the same lot, if something of it is left.
    pub fn put(&mut self, lot: Lot) {
        if lot.points <= 0 {
            return;
        }
        let at = self.0.partition_point(|other| other.rank() < lot.rank());
        match self.0.get_mut(at) {
            Some(same) if same.rank() == lot.rank() => same.points = same.points.saturating_add(lot.points),
            _ => {
                if self.0.is_empty() {
                    // Most members have one.
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, lot);
            }
        }
    }

    /// Takes up to `points` from the usable lots that are wanted, in order. Answers each lot
    /// touched with the points taken from it.
    pub fn take(&mut self, points: i64, at: Instant, wanted: impl Fn(&Lot) -> bool) -> Vec<Lot> {
        let mut open = points;
        let mut taken = Vec::new();
        for lot in self.0.iter_mut().filter(|lot| lot.usable(at) && wanted(lot)) {
            if open == 0 {
                break;
            }
            let part = lot.points.min(open);
            open -= part;
            lot.points -= part;
            taken.push(Lot {
                points: part,
                ..lot.clone()
            });
        }
        self.0.retain(|lot| lot.points > 0);
        taken
    }

    /// The same from the oldest on, whenever they expire.
    pub fn take_oldest(&mut self, points: i64, at: Instant, wanted: impl Fn(&Lot) -> bool) -> Vec<Lot> {
        self.0.sort_by_key(|lot| (lot.issued_at, lot.credited));
        let taken = self.take(points, at, wanted);
        self.0.sort_by_key(Lot::rank);
        taken
    }

    /// Removes the lot that expires first, if it does so at or before `at`.
    pub fn pop_expired(&mut self, at: Instant) -> Option<Lot> {
        let first = self.0.first()?;
        (first.expires_at? <= at).then(|| self.0.remove(0))
    }

    /// When the first lot expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.0.first()?.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(id: u128, points: i64, issued: i64, expires: Option<i64>) -> Lot {
        Lot {
            id,
            points,
            issued_at: Instant(issued),
            expires_at: expires.map(Instant),
            credited: id as u64,
            order: None,
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
