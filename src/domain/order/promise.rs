//! What a member's ledger is told to expect of an order that is not yet due: for look-ups.

use super::{CausedBy, Decisions, Order, OrderKey, Progress, Promised};
use crate::domain::entry::EntryKind;
use crate::domain::instant::Instant;

/// Nothing comes out of it, so it names no cause.
const NO_CAUSE: CausedBy<'static> = CausedBy {
    id: "",
    source: "",
    traceparent: None,
};

impl Order {
    /// Tells the ledger what has changed since it was last told, and takes back what went to
    /// another member.
    pub(super) fn promise(&mut self, key: OrderKey<'_>, out: &mut Decisions) {
        if self.is_open() && self.due_at.is_some() && self.expected.is_none() {
            // Due and about to be decided: what was promised stands until then.
            return;
        }
        let promise = self.expected_by();
        if promise == self.promised {
            return;
        }
        let before = std::mem::replace(&mut self.promised, promise);
        let same = |other: &Option<Promised>, member: &str| {
            other.as_ref().is_some_and(|other| other.member_id == member)
        };
        if let Some(before) = before
            && !same(&self.promised, &before.member_id)
            && !self.is_issued_to(&before.member_id)
        {
            out.entries.push(self.expectation(key, &before.member_id, 0));
        }
        if let Some(promised) = &self.promised {
            out.entries
                .push(self.expectation(key, &promised.member_id, promised.points));
        }
    }

    fn expected_by(&self) -> Option<Promised> {
        let points = self.expected.filter(|points| *points > 0 && self.is_open())?;
        let customer = self.facts.snapshot.as_ref()?.customer.as_ref()?;
        Some(Promised {
            member_id: customer.id.clone(),
            points,
        })
    }

    /// The issue itself ends the expectation.
    fn is_issued_to(&self, member_id: &str) -> bool {
        matches!(&self.progress, Progress::Issued(issued) if issued.member_id == member_id)
    }

    /// It has no time, so that it moves none of the member's timers.
    fn expectation(&self, key: OrderKey<'_>, member_id: &str, points: i64) -> crate::domain::entry::Entry {
        let kind = EntryKind::Expect(points);
        self.entry(key, member_id, Instant::MIN, Instant::MIN, NO_CAUSE, kind)
    }
}
