//! Before the points are due: what is expected, and when.

use super::case::{Case, Told};
use super::due::Due;
use super::facts::OrderEvent;
use super::{CausedBy, Pending, Progress, Reason};
use super::{earning, eligibility};
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{ShopStatus, WhileResting};
use crate::domain::short_text::ShortText;

/// A version that set an order's first due time when it was published.
pub(super) struct Takeover {
    pub version: u32,
    pub published: Instant,
}

impl Case<'_> {
    /// Looks at the due time again. A cancellation ends the order at once. What is expected is
    /// published when it differs from what was published last. Without an event the rules or the
    /// shop's status have changed.
    pub(super) fn look_ahead(&mut self, event: Option<&OrderEvent>) {
        let Some(bound) = self.bound else { return };
        if self.end_if_cancelled(bound) {
            return;
        }
        self.undo_deferral(bound);
        let due = self.due(bound);
        let due_at = due.as_ref().map(|due| due.at);
        let takeover = due.as_ref().and_then(|due| self.first_by_takeover(due));
        let rests = due.as_ref().is_some_and(|due| self.is_withheld_for_resting(due));
        let cause_id: ShortText = due
            .as_ref()
            .map_or_else(Default::default, |due| due.cause_id.into());
        let deferred = matches!(self.order.progress, Progress::Deferred { .. });
        self.order.due_at = due_at;
        // Arrivals are whole milliseconds: a due time within the one of its event is not ahead.
        let is_ahead = |at: &Instant| event.is_none() || at.floor_millis() > self.now.floor_millis();
        let Some(ahead) = due_at.filter(is_ahead) else {
            self.order.expected = None;
            if let (Some(event), None, false, true) = (event, due_at, deferred, self.order.forecast.is_some())
            {
                return self.forecast_nothing(event);
            }
            // A deferred order says nothing until the shop opens, a due one is about to be decided.
            if let (Some(event), None, false) = (event, due_at, deferred) {
                self.publish_pending(event, None);
            }
            return;
        };
        if bound.rules.is_priced_by_member() {
            let list = if rests {
                None
            } else {
                self.list_ahead(bound, ahead)
            };
            return match event {
                Some(event) => self.forecast(event, ahead, list),
                None => self.forecast_change(takeover, &cause_id, ahead, list),
            };
        }
        let expected = if rests {
            0
        } else {
            self.expected_points(bound, ahead)
        };
        self.order.expected = Some(expected);
        let pending = (expected > 0).then_some(Pending {
            points: expected,
            due_at: ahead,
        });
        match event {
            Some(event) => self.publish_pending(event, pending),
            None => self.publish_changed(takeover, &cause_id, ahead, pending),
        }
    }

    /// A deferred order whose trigger was withdrawn, or happened later, is not due yet.
    fn undo_deferral(&mut self, bound: &Published) {
        let Progress::Deferred { since } = self.order.progress else {
            return;
        };
        self.order.progress = Progress::Open;
        if self.due(bound).is_some_and(|due| due.at <= since) {
            self.order.progress = Progress::Deferred { since };
        }
    }

    /// By an event of the order.
    fn publish_pending(&mut self, event: &OrderEvent, pending: Option<Pending>) {
        if pending == self.order.pending {
            return;
        }
        let cause = CausedBy::from(event);
        let told = Told {
            kind: "pending",
            parts: &[cause.source, cause.id],
            reason: Reason::Pending,
            at: event.time,
            cause,
        };
        self.order.pending = pending.clone();
        self.publish(told, body(pending));
    }

    /// By a rule version or the shop's status, the last that was told.
    fn publish_changed(
        &mut self,
        takeover: Option<Takeover>,
        cause_id: &str,
        ahead: Instant,
        pending: Option<Pending>,
    ) {
        let changed = self.book.last_change(self.key.shop_id);
        let Some(at) = takeover.as_ref().map(|takeover| takeover.published).or(changed) else {
            return;
        };
        if pending == self.order.pending || ahead <= at {
            return;
        }
        let version;
        let (time, points, due);
        // One part more than for an event.
        let parts = match &takeover {
            Some(takeover) => {
                version = takeover.version.to_string();
                ["takeover", version.as_str(), "", "", ""]
            }
            None => {
                time = at.0.to_string();
                points = pending.as_ref().map_or(0, |pending| pending.points).to_string();
                due = ahead.0.to_string();
                ["changed", &time, &points, &due, ""]
            }
        };
        let parts = if takeover.is_some() {
            &parts[..3]
        } else {
            &parts[..]
        };
        let told = Told {
            kind: "pending",
            parts,
            reason: Reason::Pending,
            at,
            cause: CausedBy {
                id: cause_id,
                source: "",
                traceparent: None,
            },
        };
        self.order.pending = pending.clone();
        self.publish(told, body(pending));
    }

    /// The version that sets the first due time of an order by taking over from the bound one.
    fn first_by_takeover(&self, due: &Due<'_>) -> Option<Takeover> {
        let version = due.takeover?;
        let is_first = self.order.due_at.is_none() && matches!(self.order.progress, Progress::Open);
        is_first.then_some(Takeover {
            version: version.rules.version,
            published: version.published,
        })
    }

    /// What would be issued by what is known now.
    fn expected_points(&self, bound: &Published, due_at: Instant) -> i64 {
        let facts = &self.order.facts;
        let Some(snapshot) = &facts.snapshot else { return 0 };
        let in_force = self.book.in_force(self.key.shop_id, due_at).map(|v| &*v.rules);
        match eligibility::excluded(facts, snapshot, &bound.rules, in_force) {
            Some(_) => 0,
            None => earning::before_issue(facts, snapshot, &bound.rules, facts.as_told()).points(),
        }
    }

    /// The shop rests when the points are due, as far as is known, and they are not deferred.
    fn is_withheld_for_resting(&self, due: &Due<'_>) -> bool {
        due.rules.issuance.while_resting == WhileResting::Withhold && self.rests(due)
    }

    pub(super) fn rests(&self, due: &Due<'_>) -> bool {
        let channel = self
            .order
            .facts
            .snapshot
            .as_ref()
            .map(|snapshot| &snapshot.channel);
        self.book.status(self.key.shop_id, due.at) == ShopStatus::Resting
            && !channel.is_some_and(|channel| due.rules.issuance.resting_exempt_channels.contains(channel))
    }
}

fn body(pending: Option<Pending>) -> Body {
    Body::Pending {
        points: pending.as_ref().map_or(0, |pending| pending.points),
        due_at: pending.map(|pending| pending.due_at),
    }
}
