//! The tie of an order to the rule version in force when it was created.

use super::case::Case;
use super::{Bound, CausedBy, Progress, Reason};

impl Case<'_> {
    /// Binds once a snapshot has told when the order was created. Says whether it is bound.
    pub(super) fn bind(&mut self) -> bool {
        let facts = &self.order.facts;
        let (Some(created), Some(_)) = (&facts.created, &facts.snapshot) else {
            return false;
        };
        let in_force = self.book.in_force(self.key.shop_id, created.at);
        self.order.bound = Some(Bound {
            version: in_force.map(|version| version.rules.version),
            created_at: created.at,
            redeemer: None,
            redeemed: 0,
        });
        self.bound = in_force;
        if in_force.is_none() {
            self.end_without_rule();
        }
        true
    }

    /// An earlier creation time became known while the order is open.
    pub(super) fn bind_again(&mut self) {
        let (Some(created), Some(bound)) = (&self.order.facts.created, &mut self.order.bound) else {
            return;
        };
        bound.created_at = created.at;
        // Where no version was in force then, the one that was found stays.
        if let Some(version) = self.book.in_force(self.key.shop_id, created.at) {
            bound.version = Some(version.rules.version);
            self.bound = Some(version);
        }
    }

    fn end_without_rule(&mut self) {
        let Some(created) = self.order.facts.created.clone() else {
            return;
        };
        let is_test = self
            .order
            .facts
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.test);
        let reason = if is_test {
            Reason::TestOrder
        } else {
            Reason::NoRule
        };
        self.withhold(reason, None, created.at, CausedBy::from(&created));
        self.order.progress = Progress::Withheld {
            reason,
            by_cancellation: false,
        };
    }
}
