//! The tie of an order to the rule version in force when it was created.

use super::facts::{OrderEvent, Told};
use super::{Bound, CausedBy, Decisions, Order, OrderKey, Progress, Reason};
use crate::domain::entry::{EntryKind, RedeemByOrder};
use crate::domain::instant::Instant;
use crate::domain::rules::book::RuleBook;

impl Order {
    /// Binds once a snapshot has told when the order was created. Points redeemed by the
    /// snapshot leave the balance now, whatever becomes of the order.
    pub(super) fn bind(
        &mut self,
        key: OrderKey<'_>,
        event: &OrderEvent,
        now: Instant,
        book: &RuleBook,
        out: &mut Decisions,
    ) -> bool {
        let (Some(created), Some(snapshot)) = (&self.facts.created, &self.facts.snapshot) else {
            return false;
        };
        let created = created.clone();
        let version = book.in_force(key.shop_id, created.at).map(|v| v.rules.version);
        let redeemer = match &snapshot.customer {
            Some(customer) if snapshot.points_redeemed > 0 => Some(customer.id.clone()),
            _ => None,
        };
        let redeem = RedeemByOrder {
            points: snapshot.points_redeemed,
            subtotal: snapshot.subtotal,
            payable: None,
            tier: snapshot.tier().map(Into::into),
            currency_mismatch: false,
            cancelled: self.facts.cancelled.is_some(),
        };
        self.bound = Some(Bound {
            version,
            created_at: created.at,
            redeemer: redeemer.clone(),
        });
        if let Some(member_id) = redeemer {
            let kind = EntryKind::RedeemByOrder(redeem);
            let entry = self.entry(key, &member_id, now, created.at, CausedBy::from(event), kind);
            out.entries.push(entry);
        }
        if version.is_none() {
            self.end_without_rule(key, &created, out);
        }
        true
    }

    /// An earlier creation time became known while the order is open.
    pub(super) fn bind_again(&mut self, key: OrderKey<'_>, book: &RuleBook) {
        let (Some(created), Some(bound)) = (&self.facts.created, &mut self.bound) else {
            return;
        };
        bound.created_at = created.at;
        // Where no version was in force then, the one that was found stays.
        if let Some(version) = book.in_force(key.shop_id, created.at) {
            bound.version = Some(version.rules.version);
        }
    }

    fn end_without_rule(&mut self, key: OrderKey<'_>, created: &Told, out: &mut Decisions) {
        let is_test = self.facts.snapshot.as_ref().is_some_and(|snapshot| snapshot.test);
        let reason = if is_test {
            Reason::TestOrder
        } else {
            Reason::NoRule
        };
        let withheld = self.withheld(key, reason, None, created.at, CausedBy::from(created));
        out.outcomes.push(withheld);
        self.progress = Progress::Withheld(reason);
    }
}
