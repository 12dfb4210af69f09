//! The read side of an account.

use super::member::Member;
use crate::domain::instant::Instant;
use crate::domain::outcome::LotPart;

/// An account as a look-up shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub balance: i64,
    /// What may be used at that instant.
    pub usable: i64,
    /// Points of orders that have a due time.
    pub pending: i64,
    pub lots: Vec<ViewedLot>,
    pub sequence: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ViewedLot {
    /// With what is left of it.
    pub part: LotPart,
    pub issued_at: Instant,
    pub order_id: Option<String>,
}

impl Member {
    pub fn view(&self, at: Instant) -> View {
        let lots = self.lots.iter().map(|lot| ViewedLot {
            part: lot.part(lot.points),
            issued_at: lot.issued_at,
            order_id: lot.order.as_ref().map(ToString::to_string),
        });
        View {
            balance: self.balance(),
            usable: self.usable(at),
            pending: self.pending(),
            lots: lots.collect(),
            sequence: self.sequence,
        }
    }
}
