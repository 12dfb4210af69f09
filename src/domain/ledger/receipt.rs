//! What an order was given by the price that its member's ledger found.

use crate::domain::price_list::{Keeps, PricedFor};
use crate::domain::short_text::ShortText;

/// Kept with the order's id while something could be taken back, or added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The buyer as the ledger found it: what is left of the order is priced for the same.
    pub of: PricedFor,
    /// The local day of the order's creation, counted from 1970: limits and caps count by it.
    pub day: i32,
    /// How often points of the order were issued. Ids of lots derive from the number.
    pub issues: u32,
    /// The rule may take points back, or add some.
    pub may_change: bool,
    /// The order's own points first, then the bonuses that it was given.
    pub parts: Vec<GivenPart>,
}

/// One part of what an order was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenPart {
    /// `None`: the order's own points.
    pub bonus_id: Option<ShortText>,
    /// What it was worth at its issues, before limits and caps.
    pub offered: i64,
    /// What was credited of that.
    pub given: i64,
    /// What it is worth by now, before limits and caps.
    pub worth: i64,
    /// What it was worth when a cancellation took it.
    pub worth_before: Option<i64>,
    /// What the member still has of it.
    pub left: i64,
    /// What a cancellation took of it, which comes back if that is withdrawn.
    pub by_cancellation: i64,
    /// What cut it.
    pub cut_by: Cuts,
}

/// The limits and caps that took something off a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts(pub u8);

impl Cuts {
    pub const LIMIT: Cuts = Cuts(1);
    pub const PER_ORDER: Cuts = Cuts(1 << 1);
    pub const PER_MEMBER: Cuts = Cuts(1 << 2);

    pub fn add(&mut self, other: Cuts) {
        self.0 |= other.0;
    }

    pub fn contain(self, other: Cuts) -> bool {
        self.0 & other.0 != 0
    }
}

impl GivenPart {
    pub fn of(bonus_id: Option<ShortText>) -> Self {
        GivenPart {
            bonus_id,
            ..GivenPart::default()
        }
    }

    /// What the member may keep of it.
    pub fn kept(&self) -> i64 {
        self.worth.min(self.given)
    }

    /// What it may keep of what it is worth now, before limits and caps.
    pub fn entitled(&self, worth: i64, keeps: Keeps) -> i64 {
        match keeps {
            Keeps::Worth => worth,
            Keeps::AtMostKept => worth.min(self.worth),
            Keeps::AtMostIssued => worth.clamp(0, self.offered),
        }
    }
}

impl Receipt {
    /// What the member still has of the order.
    pub fn left(&self) -> i64 {
        self.sum(|part| part.left)
    }

    pub fn kept(&self) -> i64 {
        self.sum(GivenPart::kept)
    }

    fn sum(&self, of: impl Fn(&GivenPart) -> i64) -> i64 {
        self.parts.iter().map(of).fold(0, i64::saturating_add)
    }

    /// The place of a part. One that is not there yet brought nothing so far.
    pub fn place(&mut self, bonus_id: Option<&ShortText>) -> usize {
        let found = self
            .parts
            .iter()
            .position(|part| part.bonus_id.as_ref() == bonus_id);
        found.unwrap_or_else(|| {
            self.parts.push(GivenPart::of(bonus_id.cloned()));
            self.parts.len() - 1
        })
    }

    /// How much of each part goes when `points` are taken back: of the base first, what is left of
    /// it beyond what may be kept.
    pub fn share_out(&self, points: i64) -> Vec<i64> {
        let mut open = points;
        let shares = self.parts.iter().map(|part| {
            let share = (part.left - part.kept()).clamp(0, open.max(0));
            open -= share;
            share
        });
        shares.collect()
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
