//! A receipt in plain sentences: by what an order was priced, and what limits and caps cut.

use chrono_tz::Tz;

use super::member::Member;
use super::receipt::{Cuts, GivenPart, Receipt};
use crate::domain::rules::model::BirthdaySpan;

/// What a member's ledger adds to the explanation of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerWords {
    /// Credited, or expected.
    pub points: Option<i64>,
    pub why: Vec<String>,
}

impl Member {
    /// `None`: the ledger knows nothing of the order's points.
    /// `zone`: the shop's, as far as it is known.
    pub fn explain_order(&self, order: &str, zone: Option<Tz>) -> Option<LedgerWords> {
        let details = self.orders.get(order)?;
        if let Some(receipt) = &details.receipt {
            return Some(receipt.words());
        }
        let (points, due_at) = details.pending?;
        Some(LedgerWords {
            points: Some(points),
            why: vec![format!(
                "{points} points were told to be pending, due at {}",
                due_at.rfc3339_in(zone)
            )],
        })
    }
}

impl Receipt {
    pub(super) fn words(&self) -> LedgerWords {
        let mut why = vec![match &self.of.tier {
            Some(tier) => format!("it was priced for tier {tier}"),
            None => "it was priced for no tier".to_owned(),
        }];
        match self.of.birthday {
            Some(BirthdaySpan::Day) => why.push("it was created on the member's birthday".to_owned()),
            Some(BirthdaySpan::Month) => {
                why.push("it was created in the month of the member's birthday".to_owned());
            }
            None => {}
        }
        if self.of.first_order {
            why.push("the member had no live order that was created before it".to_owned());
        }
        why.extend(self.parts.iter().map(GivenPart::words));
        let (kept, left) = (self.kept(), self.left());
        if left != kept {
            why.push(format!(
                "the member may keep {kept} points of it, and still has {left}"
            ));
        }
        let given = self.parts.iter().map(|part| part.given);
        LedgerWords {
            points: Some(given.fold(0, i64::saturating_add)),
            why,
        }
    }
}

impl GivenPart {
    fn words(&self) -> String {
        let whose = match &self.bonus_id {
            Some(id) => format!("bonus {id}"),
            None => "the order itself".to_owned(),
        };
        let mut words = format!("{whose}: {} points were credited", self.given);
        if self.given < self.offered {
            let by = [
                (Cuts::LIMIT, "the limits of the bonus"),
                (Cuts::PER_ORDER, "the cap of an order"),
                (Cuts::PER_MEMBER, "the caps of a member"),
            ];
            let by: Vec<&str> = by
                .iter()
                .filter(|(cut, _)| self.cut_by.contain(*cut))
                .map(|(_, name)| *name)
                .collect();
            words.push_str(&format!(" of {}, cut by {}", self.offered, by.join(" and ")));
        }
        if self.left < self.given {
            words.push_str(&format!(", {} of them are left", self.left));
        }
        words
    }
}
