//! Points of an order that its member priced: taken back, and added to.

use super::account::{Account, BY_ISSUE, Head, trigger};
use super::caps;
use super::pricing::Crediting;
use super::receipt::{GivenPart, Receipt};
use super::reversal::TakeBack;
use crate::domain::entry::{Entry, IssueOrigin, ReverseReason};
use crate::domain::instant::Instant;
use crate::domain::price_list::{Price, Revision};

impl Account<'_> {
    /// What is left of an order is worth less or more on the terms on which it was credited.
    pub fn revise(&mut self, entry: &Entry, revision: &Revision, at: Instant) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        let known = self.member.orders.get(order);
        let Some(mut receipt) = known.and_then(|details| details.receipt.clone()) else {
            return;
        };
        let Some(price) = revision.list.find(receipt.of.traits()) else {
            return;
        };
        for part in &price.parts {
            receipt.place(part.bonus_id.as_ref());
        }
        let entitled: Vec<i64> = receipt
            .parts
            .iter()
            .map(|part| part.entitled(worth(price, part), revision.keeps))
            .collect();
        let grows = receipt
            .parts
            .iter()
            .zip(&entitled)
            .any(|(part, more)| *more > part.worth);
        if revision.raises && grows {
            self.raise(entry, (revision, price), &mut receipt, &entitled, at);
        } else {
            for (part, entitled) in receipt.parts.iter_mut().zip(entitled) {
                if revision.by_cancellation {
                    part.worth_before.get_or_insert(part.worth);
                }
                part.worth = match revision.forgiven {
                    true => part.worth.max(entitled),
                    false => part.worth.min(entitled),
                };
            }
            if revision.asks {
                let head = Head {
                    effective_at: revision.reversed_at,
                    ..Head::of(entry, revision.reason.reason())
                };
                let by = trigger(&entry.kind);
                self.take_back_parts(entry, (head, by), revision, &mut receipt, at);
            }
        }
        self.member.details(entry).receipt = Some(receipt);
    }

    /// Each part that grew is issued, less what the member still holds because it could not be
    /// taken back before.
    fn raise(
        &mut self,
        entry: &Entry,
        (revision, price): (&Revision, &Price),
        receipt: &mut Receipt,
        entitled: &[i64],
        at: Instant,
    ) {
        let held = receipt.left();
        let mut growth = Vec::with_capacity(entitled.len());
        for (part, entitled) in receipt.parts.iter_mut().zip(entitled) {
            let more = (entitled - part.worth).max(0);
            part.offered = part.offered.saturating_add(more);
            part.given = part.given.saturating_add(more);
            part.worth = *entitled;
            growth.push(more);
        }
        let all = growth.iter().copied().fold(0, i64::saturating_add);
        let mut open = (receipt.kept() - held).clamp(0, all);
        if open == 0 {
            let head = Head::of(entry, ReverseReason::Edited.reason());
            self.take_back_parts(entry, (head, BY_ISSUE), revision, receipt, at);
        }
        // What is held anyway counts as given; the rest counts as it is credited.
        for (part, more) in receipt.parts.iter_mut().zip(&mut growth) {
            let credited = (*more).min(open);
            open -= credited;
            part.given -= credited;
            *more = credited;
        }
        let crediting = Crediting {
            entry,
            origin: IssueOrigin::Edited,
            number: receipt.issues,
            currency: &revision.list.currency,
        };
        receipt.issues += 1;
        self.credit_parts(&crediting, receipt, growth, &price.parts, at);
    }

    /// Asks for all that the member has and may not keep.
    fn take_back_parts(
        &mut self,
        entry: &Entry,
        (head, by): (Head, &'static str),
        revision: &Revision,
        receipt: &mut Receipt,
        at: Instant,
    ) {
        let asked = TakeBack {
            requested: receipt.left() - receipt.kept(),
            when_short: revision.when_short,
            by_cancellation: revision.by_cancellation,
            by,
        };
        let taken = self.take_back(entry, head, &asked, at);
        let before = receipt.clone();
        let shares = receipt.share_out(taken);
        for (part, share) in receipt.parts.iter_mut().zip(shares) {
            part.left -= share;
            if revision.by_cancellation {
                part.by_cancellation += share;
            }
        }
        self.count(entry, &before, receipt);
    }

    /// A cancellation was withdrawn: the order has again what that took, limits and caps or not.
    pub(super) fn restore_parts(&mut self, entry: &Entry) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        let known = self.member.orders.get(order);
        let Some(before) = known.and_then(|details| details.receipt.clone()) else {
            return;
        };
        let mut receipt = before.clone();
        for part in &mut receipt.parts {
            part.worth = part.worth_before.take().unwrap_or(part.worth);
            part.left += std::mem::take(&mut part.by_cancellation);
        }
        self.count(entry, &before, &receipt);
        self.member.details(entry).receipt = Some(receipt);
    }

    fn count(&mut self, entry: &Entry, before: &Receipt, after: &Receipt) {
        if let Some(rules) = self.bound_rules(entry) {
            caps::count(rules, &mut self.member.usage, before, after);
        }
    }
}

fn worth(price: &Price, part: &GivenPart) -> i64 {
    let known = price.parts.iter().find(|priced| priced.bonus_id == part.bonus_id);
    known.map_or(0, |priced| priced.points)
}
