//! What an account remembers of the orders it had to do with.
//!
//! An account may have 100,000 orders behind it. Of most only the last entry is remembered, and
//! that only as long as the ids of commands are; an order that took, used or owes points keeps
//! what later entries about it need.

use super::lots::Lot;
use super::receipt::Receipt;
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;
use rust_decimal::Decimal;

/// By the hash of the order id, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders(Vec<(u64, Remembered)>);

/// One order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The last entry taken in; 0: none that was numbered.
    pub step: u32,
    /// The day of that entry, counted from 1970 in UTC.
    pub day: i32,
    pub details: Option<Box<Details>>,
}

/// What later entries about an order need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Redeeming for it by command is refused.
    pub cancelled: bool,
    /// What it is expected to bring at a due time ahead.
    pub expected: i64,
    /// Issued points taken back so far.
    pub taken_back: i64,
    pub redeemed: Option<Redeemed>,
    pub cancellation: Option<Cancellation>,
    /// What was told last of the points that a price list lets expect, and when they are due.
    pub pending: Option<(i64, Instant)>,
    /// Of points that were credited by a price list.
    pub receipt: Option<Receipt>,
}

/// What an order or a command redeemed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redeemed {
    /// The number that the order's snapshot told last, refused or not.
    pub told: Option<i64>,
    /// A command redeemed: snapshots do not change it.
    pub by_command: bool,
    /// In all, with what came back since.
    pub points: i64,
    /// What came back of `points`.
    pub returned: i64,
    /// The part that refunds gave back so far.
    pub share: Option<Share>,
    /// The lots that still lack points, and how many, in the order in which they were taken.
    pub taken: Vec<Lot>,
    /// The rule version and tier by which the points have their worth.
    pub rule_version: Option<u32>,
    pub tier: Option<ShortText>,
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub numerator: Decimal,
    pub denominator: Decimal,
}

/// What a cancellation did after the issue, so that its withdrawal can undo it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancellation {
    /// The lots it took points from.
    pub taken: Vec<Taken>,
    /// What it took beyond the balance.
    pub debt: i64,
    /// Redeemed points that it gave back.
    pub returned: i64,
}

/// Points taken from a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub lot: u128,
    pub points: i64,
    pub expires_at: Option<Instant>,
}

impl Redeemed {
    /// What has not come back.
    pub fn held(&self) -> i64 {
        self.points - self.returned
    }

    /// Nothing was redeemed, and nothing was told that would be.
    fn is_blank(&self) -> bool {
        self.points == 0 && self.share.is_none() && matches!(self.told, None | Some(0))
    }

    /// All came back, but not by refunds: the order may redeem again.
    pub fn is_open(&self) -> bool {
        self.held() == 0 && !self.share.is_some_and(|share| share.is_whole())
    }

    /// Takes the next `points` out of `taken`, in the order in which they were taken.
    pub fn next(&mut self, points: i64) -> Vec<Lot> {
        let mut open = points;
        let mut lots = Vec::new();
        let mut emptied = 0;
        for lot in &mut self.taken {
            if open == 0 {
                break;
            }
            let part = lot.points.min(open);
            open -= part;
            lot.points -= part;
            emptied += usize::from(lot.points == 0);
            lots.push(Lot {
                points: part,
                ..lot.clone()
            });
        }
        self.taken.drain(..emptied);
        lots
    }
}

impl Share {
    pub fn is_whole(&self) -> bool {
        self.numerator >= self.denominator
    }
}

impl Cancellation {
    pub fn take(&mut self, lot: &Lot) {
        match self.taken.iter_mut().find(|taken| taken.lot == lot.id) {
            Some(taken) => taken.points = taken.points.saturating_add(lot.points),
            None => self.taken.push(Taken {
                lot: lot.id,
                points: lot.points,
                expires_at: lot.expires_at,
            }),
        }
    }

    /// Issued points that it took.
    pub fn points(&self) -> i64 {
        let taken = self.taken.iter().map(|taken| taken.points);
        taken.fold(self.debt, i64::saturating_add)
    }
}

impl Details {
    fn is_blank(&self) -> bool {
        *self == Details::default()
    }
}

impl Orders {
    /// In the order of their hashes.
    pub fn of_sorted(orders: Vec<(u64, Remembered)>) -> Self {
        Orders(orders)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(u64, Remembered)> {
        self.0.iter()
    }

    fn find(&self, hash: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&hash, |(key, _)| *key)
    }

    /// Notes an entry of an order. `false`: it is not later than the last one.
    pub fn advance(&mut self, order: &str, step: u32, day: i32) -> bool {
        let hash = ids::order_memory(order);
        match self.find(hash) {
            Ok(at) => {
                let known = &mut self.0[at].1;
                if step <= known.step && known.step > 0 {
                    return false;
                }
                known.step = step;
                known.day = known.day.max(day);
            }
            Err(at) if step > 0 => {
                let details = None;
                self.0.insert(at, (hash, Remembered { step, day, details }));
            }
            Err(_) => {}
        }
        true
    }

    /// Whether an entry of an order is not later than the last one.
    pub fn has_seen(&self, order: &str, step: u32) -> bool {
        let known = self.find(ids::order_memory(order)).map(|at| self.0[at].1.step);
        known.is_ok_and(|known| known > 0 && step <= known)
    }

    pub fn get(&self, order: &str) -> Option<&Details> {
        let at = self.find(ids::order_memory(order)).ok()?;
        self.0[at].1.details.as_deref()
    }

    pub fn get_mut(&mut self, order: &str) -> Option<&mut Details> {
        self.details_of(ids::order_memory(order))
    }

    /// By the hash of an order.
    pub fn details_of(&mut self, hash: u64) -> Option<&mut Details> {
        let at = self.find(hash).ok()?;
        self.0[at].1.details.as_deref_mut()
    }

    /// What is kept of an order, to be written to.
    pub fn details(&mut self, order: &str) -> &mut Details {
        let hash = ids::order_memory(order);
        let at = match self.find(hash) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (hash, Remembered::default()));
                at
            }
        };
        self.0[at].1.details.get_or_insert_default()
    }

    /// Drops details of an order that say nothing.
    pub fn tidy(&mut self, order: &str) {
        let Ok(at) = self.find(ids::order_memory(order)) else {
            return;
        };
        let known = &mut self.0[at].1;
        if let Some(details) = known.details.as_deref_mut() {
            details.redeemed.take_if(|redeemed| redeemed.is_blank());
            details
                .cancellation
                .take_if(|cancellation| *cancellation == Cancellation::default());
        }
        if known.details.as_deref().is_some_and(Details::is_blank) {
            known.details = None;
        }
        if known.details.is_none() && known.step == 0 {
            self.0.remove(at);
        }
    }

    /// Receipts go when nothing changes them any more: those before `day` that nothing may change,
    /// and all of orders that were created before `oldest`.
    pub fn forget_receipts(&mut self, day: i32, oldest: i32) {
        for (_, order) in &mut self.0 {
            let Some(details) = order.details.as_deref_mut() else {
                continue;
            };
            let is_old =
                |receipt: &mut Receipt| receipt.day < oldest || (!receipt.may_change && order.day < day);
            if details.receipt.take_if(is_old).is_some() && details.is_blank() {
                order.details = None;
            }
        }
    }

    /// Forgets orders of which only the last entry is known, if that lies before `day`.
    pub fn forget_before(&mut self, day: i32) {
        self.0
            .retain(|(_, order)| order.details.is_some() || order.day >= day);
    }

    /// Something is kept beside the last entries.
    pub fn have_details(&self) -> bool {
        self.0.iter().any(|(_, order)| order.details.is_some())
    }

    /// What orders with a due time are expected to bring.
    pub fn expected(&self) -> i64 {
        let details = self.0.iter().filter_map(|(_, order)| order.details.as_deref());
        details.fold(0, |sum: i64, details| sum.saturating_add(details.expected))
    }

    /// A lot that may get back what was redeemed of it.
    pub fn knows_lot(&self, id: u128) -> bool {
        let details = self.0.iter().filter_map(|(_, order)| order.details.as_deref());
        let redeemed = details.filter_map(|details| details.redeemed.as_ref());
        redeemed
            .flat_map(|redeemed| &redeemed.taken)
            .any(|lot| lot.id == id)
    }
}
