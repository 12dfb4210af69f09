//! What a member's ledger is told to expect of an order that is not yet due: for look-ups.

use super::case::Case;
use super::{CausedBy, Progress, Promised};
use crate::domain::entry::EntryKind;
use crate::domain::instant::Instant;

/// Nothing comes out of it, so it names no cause.
const NO_CAUSE: CausedBy<'static> = CausedBy {
    id: "",
    source: "",
    traceparent: None,
};

impl Case<'_> {
    /// Tells the ledger what has changed since it was last told, and takes back what went to
    /// another member.
    pub(super) fn promise(&mut self) {
        self.end_forecast();
        let order = &mut *self.order;
        if order.is_open() && order.due_at.is_some() && order.expected.is_none() {
            // Due and about to be decided: what was promised stands until then.
            return;
        }
        let promise = self.expected_by();
        if promise == self.order.promised {
            return;
        }
        let before = std::mem::replace(&mut self.order.promised, promise.clone());
        if let Some(before) = before
            && promise
                .as_ref()
                .is_none_or(|promised| promised.member_id != before.member_id)
            && !self.is_issued_to(&before.member_id)
        {
            self.expect(&before.member_id, 0);
        }
        if let Some(promised) = promise {
            self.expect(&promised.member_id, promised.points);
        }
    }

    fn expected_by(&self) -> Option<Promised> {
        let points = self
            .order
            .expected
            .filter(|points| *points > 0 && self.order.is_open())?;
        Some(Promised {
            member_id: self.order.facts.buyer()?.id.clone(),
            points,
        })
    }

    /// A forecast ends with the order, and where the order is another's by now.
    fn end_forecast(&mut self) {
        let Some(forecast) = &self.order.forecast else {
            return;
        };
        let buyer = self.order.facts.buyer().map(|buyer| buyer.id);
        let waits = self.order.is_open() && self.order.due_at.is_some();
        if waits && buyer == Some(&forecast.member_id) {
            return;
        }
        self.withdraw_forecast();
    }

    /// Sends the ledger that no points of the order are pending any more.
    pub(super) fn withdraw_forecast(&mut self) {
        let Some(forecast) = self.order.forecast.take() else {
            return;
        };
        if !self.is_issued_to(&forecast.member_id) {
            self.expect(&forecast.member_id, 0);
        }
    }

    /// The issue itself ends the expectation.
    fn is_issued_to(&self, member_id: &str) -> bool {
        matches!(&self.order.progress, Progress::Issued(issued) if issued.member_id == member_id)
    }

    /// It has no time, so that it moves none of the member's timers.
    fn expect(&mut self, member_id: &str, points: i64) {
        let now = std::mem::replace(&mut self.now, Instant::MIN);
        self.send(member_id, Instant::MIN, NO_CAUSE, EntryKind::Expect(points));
        self.now = now;
    }
}
