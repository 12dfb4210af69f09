//! What an entry does to an account.

use super::account::{Account, Credit, Head};
use crate::domain::entry::{Entry, EntryKind, Issue};
use crate::domain::ids;
use crate::domain::instant::Instant;

impl Account<'_> {
    pub fn take_in(&mut self, entry: &Entry, at: Instant) {
        match &entry.kind {
            EntryKind::Issue(issue) => {
                self.member.expect(entry, 0);
                self.issue(entry, issue, at);
            }
            EntryKind::IssueByPriceList(list) => self.issue_by_price_list(entry, list, at),
            EntryKind::Revise(revision) => self.revise(entry, revision, at),
            EntryKind::Forecast(forecast) => self.forecast(entry, forecast),
            EntryKind::Reverse(reverse) => self.reverse(entry, reverse, at),
            EntryKind::Reopen(reopen) => self.reopen(entry, reopen, at),
            EntryKind::RedeemByOrder(redeem) => self.redeem_by_order(entry, redeem, at),
            EntryKind::Return(back) => self.give_back(entry, back, at),
            EntryKind::OrderCancelled => self.member.details(entry).cancelled = true,
            EntryKind::OrderFact(fact) => self.order_fact(entry, fact, at),
            EntryKind::Command(command) => self.command(entry, command, at),
            EntryKind::GrantedToAll(grant) => self.granted_to_all(entry, grant, at),
            // The one is for the shop's broadcasts, not for a member; the other moves nothing.
            EntryKind::GrantAll(_) | EntryKind::Expect(_) => {}
        }
    }

    /// Points of an order and its bonuses. Of an edit's, those that the member still holds are not
    /// credited.
    fn issue(&mut self, entry: &Entry, issue: &Issue, at: Instant) {
        // Entries of the first version are not numbered: a lot that is there tells.
        let written_again = entry.step == 0 && self.has_lots_of(entry, issue);
        if written_again {
            self.duplicate = true;
            return;
        }
        let order = entry.order_id.clone().unwrap_or_default();
        let points = issue.points();
        let mut open = match &issue.adjust {
            Some(adjust) => self.adjust(entry, points, adjust, at),
            None => points,
        };
        for part in &issue.parts {
            let credited = part.points.min(open);
            open -= credited.max(0);
            let reason = match part.bonus_id {
                None => issue.origin.reason(),
                Some(_) => issue.origin.reason_of_bonus(),
            };
            let credit = Credit {
                number: Some(issue.number),
                points: credited,
                expires_at: part.expires_at,
                order: Some(order.clone()),
                bonus_id: part.bonus_id.clone(),
                base: Some((part.base_amount, issue.currency.clone())),
                ..Credit::of(ids::part_lot(
                    self.shop_id,
                    &order,
                    part.bonus_id.as_deref(),
                    issue.number,
                ))
            };
            self.credit(Head::of(entry, reason), credit, at);
        }
    }

    fn has_lots_of(&self, entry: &Entry, issue: &Issue) -> bool {
        let order = entry.order_id.as_deref().unwrap_or_default();
        issue.parts.iter().any(|part| {
            let bonus = part.bonus_id.as_deref();
            self.member
                .knows_lot(ids::part_lot(self.shop_id, order, bonus, issue.number))
        })
    }
}
