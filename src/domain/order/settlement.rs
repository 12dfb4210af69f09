//! Before the points are credited: what is expected, and the decision at the due time.

use super::due::{self, Due};
use super::earning::{self, Earned};
use super::facts::{OrderEvent, Snapshot};
use super::{CausedBy, Decisions, Issued, Order, OrderKey, Progress, Reason};
use crate::domain::calendar;
use crate::domain::digest::hex;
use crate::domain::entry::{EntryKind, Issue, IssueOrigin, IssuePart};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Outcome};
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::{ExpiryBind, Extent, RuleVersion, ShopStatus, WhileResting};
use crate::domain::short_text::ShortText;

/// A version that set an order's first due time when it was published.
struct Takeover {
    version: u32,
    published: Instant,
    /// The event that its trigger was told by.
    cause_id: ShortText,
}

impl Order {
    /// Looks at the due time again. A cancellation ends the order at once; a due time ahead
    /// is told when an event has changed it or the points expected, or when a version that took
    /// over has set the first one.
    pub(super) fn look_ahead(
        &mut self,
        key: OrderKey<'_>,
        bound: &Published,
        book: &RuleBook,
        event: Option<(&OrderEvent, Instant)>,
        out: &mut Decisions,
    ) {
        if self.end_if_cancelled(key, bound, book, out) {
            return;
        }
        let due = self.due(key, bound, book);
        let due_at = due.map(|due| due.at);
        let takeover = due.and_then(|due| self.first_by_takeover(due));
        let before = (self.due_at, self.expected);
        self.due_at = due_at;
        // Arrivals are whole milliseconds: a due time within the one of its event is not ahead.
        let is_ahead = |at: &Instant| event.is_none_or(|(_, now)| at.floor_millis() > now.floor_millis());
        let Some(ahead) = due_at.filter(is_ahead) else {
            self.expected = None;
            return;
        };
        let expected = self.expected_points(key, bound, book, ahead);
        self.expected = Some(expected);
        if expected == 0 {
            return;
        }
        let body = Body::Pending {
            points: expected,
            due_at: ahead,
        };
        match (event, takeover) {
            (Some((event, _)), _) if before != (self.due_at, self.expected) => {
                let cause = CausedBy::from(event);
                let parts = [cause.source, cause.id];
                let pending = self.outcome(key, "pending", &parts, Reason::Pending, event.time, cause, body);
                out.outcomes.push(pending);
            }
            (None, Some(takeover)) if ahead > takeover.published => {
                let cause = CausedBy {
                    id: &takeover.cause_id,
                    source: "",
                    traceparent: None,
                };
                // One part more than for an event.
                let parts = ["takeover", &takeover.version.to_string(), ""];
                let at = takeover.published;
                out.outcomes
                    .push(self.outcome(key, "pending", &parts, Reason::Pending, at, cause, body));
            }
            _ => {}
        }
    }

    /// The version that sets the first due time of an order by taking over from the bound one.
    fn first_by_takeover(&self, due: Due<'_>) -> Option<Takeover> {
        let version = due.takeover?;
        let is_first = self.due_at.is_none() && matches!(self.progress, Progress::Open);
        is_first.then(|| Takeover {
            version: version.rules.version,
            published: version.published,
            cause_id: due.cause_id.into(),
        })
    }

    /// Decides at the due time: issues, withholds, or waits for the shop to open.
    pub(super) fn settle(
        &mut self,
        key: OrderKey<'_>,
        bound: &Published,
        book: &RuleBook,
        now: Instant,
        out: &mut Decisions,
    ) {
        let Some(due) = self.due(key, bound, book) else {
            self.due_at = None;
            return;
        };
        if due.at > now {
            self.due_at = Some(due.at);
            return;
        }
        let Some(snapshot) = &self.facts.snapshot else {
            self.due_at = None;
            return;
        };
        let at = due.at;
        let cause = CausedBy {
            id: due.cause_id,
            source: "",
            traceparent: due.traceparent,
        };
        let earned = earning::before_issue(&self.facts, snapshot, &bound.rules);
        let rests = rests(snapshot, &due, key, book);
        let reason = self.first_reason(snapshot, key, bound, book, at, &earned, rests);
        if reason.is_none_or(|reason| reason >= Reason::ShopResting)
            && rests
            && due.rules.issuance.while_resting == WhileResting::Defer
        {
            self.progress = Progress::Deferred { since: at };
            // The opening may be known already; nothing would call for another look then.
            self.due_at = self.due(key, bound, book).map(|due| due.at);
            self.expected = None;
            return;
        }
        let lost = earned.whole - earned.points;
        let progress = match (reason, &snapshot.customer) {
            (None, Some(customer)) => {
                let own = IssuePart {
                    bonus_id: None,
                    points: earned.points,
                    base_amount: earned.base.to_decimal(),
                    expires_at: expires_at(key, bound, book, at, snapshot.tier()),
                };
                let issue = Issue {
                    origin: IssueOrigin::Due,
                    number: 0,
                    parts: vec![own],
                    currency: bound.rules.currency.code.clone(),
                    adjust: None,
                };
                out.entries
                    .push(self.entry(key, &customer.id, at, at, cause, EntryKind::Issue(issue)));
                if lost > 0 {
                    out.outcomes
                        .push(self.withheld(key, Reason::Refunded, Some(lost), at, cause));
                }
                Progress::Issued(Issued {
                    at,
                    member_id: customer.id.clone(),
                    tier: snapshot.tier().map(Into::into),
                    points: earned.points,
                    kept: earned.points,
                    parts: 1,
                })
            }
            (reason, _) => {
                let reason = reason.unwrap_or(Reason::Guest);
                let lost = (reason == Reason::Refunded).then_some(lost);
                out.outcomes.push(self.withheld(key, reason, lost, at, cause));
                Progress::Withheld(reason)
            }
        };
        self.progress = progress;
        self.due_at = None;
        self.expected = None;
    }

    pub(super) fn withheld(
        &self,
        key: OrderKey<'_>,
        reason: Reason,
        points: Option<i64>,
        at: Instant,
        cause: CausedBy<'_>,
    ) -> Outcome {
        self.outcome(key, "withheld", &[], reason, at, cause, Body::Withheld { points })
    }

    fn end_if_cancelled(
        &mut self,
        key: OrderKey<'_>,
        bound: &Published,
        book: &RuleBook,
        out: &mut Decisions,
    ) -> bool {
        let (Some(cancelled), Some(snapshot)) = (&self.facts.cancelled, &self.facts.snapshot) else {
            return false;
        };
        if !cancelled.take_back || bound.rules.reversal.before_cancel == Extent::None {
            return false;
        }
        let at = cancelled.told.at;
        let in_force = book.in_force(key.shop_id, at).map(|v| &*v.rules);
        let reason = earning::excluded(snapshot, &bound.rules, in_force).unwrap_or(Reason::Cancelled);
        let withheld = self.withheld(key, reason, None, at, CausedBy::from(&cancelled.told));
        out.outcomes.push(withheld);
        self.progress = Progress::Withheld(reason);
        self.due_at = None;
        self.expected = None;
        true
    }

    /// A deferred order is due when the shop opens, any other by its facts.
    pub(super) fn due<'a>(
        &'a self,
        key: OrderKey<'_>,
        bound: &'a Published,
        book: &'a RuleBook,
    ) -> Option<Due<'a>> {
        let by_facts = due::due(&self.facts, key.shop_id, bound, book);
        let Progress::Deferred { since } = self.progress else {
            return by_facts;
        };
        let opens = book.next_open(key.shop_id, since)?;
        let rules = by_facts.map_or(&*bound.rules, |due| due.rules);
        // An opening that was told late may lie before the due time.
        Some(Due {
            at: opens.at.max(since),
            cause_id: &opens.event_id,
            traceparent: None,
            rules,
            takeover: None,
        })
    }

    fn expected_points(&self, key: OrderKey<'_>, bound: &Published, book: &RuleBook, due_at: Instant) -> i64 {
        let Some(snapshot) = &self.facts.snapshot else {
            return 0;
        };
        let in_force = book.in_force(key.shop_id, due_at).map(|v| &*v.rules);
        match earning::excluded(snapshot, &bound.rules, in_force) {
            Some(_) => 0,
            None => earning::before_issue(&self.facts, snapshot, &bound.rules).points,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn first_reason(
        &self,
        snapshot: &Snapshot,
        key: OrderKey<'_>,
        bound: &Published,
        book: &RuleBook,
        at: Instant,
        earned: &Earned,
        rests: bool,
    ) -> Option<Reason> {
        let in_force = book.in_force(key.shop_id, at).map(|v| &*v.rules);
        if let Some(reason) = earning::excluded(snapshot, &bound.rules, in_force) {
            return Some(reason);
        }
        if earned.points == 0 && earned.whole > 0 {
            return Some(Reason::Refunded);
        }
        if rests {
            return Some(Reason::ShopResting);
        }
        (earned.points == 0).then_some(Reason::BelowRate)
    }

    /// `parts` tell outputs of one kind apart.
    #[allow(clippy::too_many_arguments)]
    fn outcome(
        &self,
        key: OrderKey<'_>,
        kind: &str,
        parts: &[&str],
        reason: Reason,
        effective_at: Instant,
        cause: CausedBy<'_>,
        body: Body,
    ) -> Outcome {
        let customer = self
            .facts
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.customer.as_ref());
        Outcome {
            id: hex(ids::of_order(kind, key.shop_id, key.order_id, parts)),
            shop_id: key.shop_id.into(),
            member_id: customer.map(|customer| customer.id.clone()),
            order_id: Some(key.order_id.into()),
            rule_version: self.version(),
            reason,
            effective_at,
            cause_id: cause.id.into(),
            note: None,
            notify: true,
            actor: None,
            traceparent: cause.traceparent.map(Into::into),
            body,
        }
    }
}

/// When a lot issued at `at` expires, by the version that the bound one points to.
pub(super) fn expires_at(
    key: OrderKey<'_>,
    bound: &Published,
    book: &RuleBook,
    at: Instant,
    tier: Option<&str>,
) -> Option<Instant> {
    let rules: &RuleVersion = match bound.rules.expiry.bind {
        ExpiryBind::Order => &bound.rules,
        ExpiryBind::Issuance => book.in_force(key.shop_id, at).map_or(&bound.rules, |v| &v.rules),
    };
    let of_tier = tier
        .and_then(|tier| rules.accrual.tiers.get(tier))
        .and_then(|tier| tier.expiry.as_ref());
    calendar::expires_at(rules.timezone, at, of_tier.unwrap_or(&rules.expiry.expiry))
}

fn rests(snapshot: &Snapshot, due: &Due<'_>, key: OrderKey<'_>, book: &RuleBook) -> bool {
    book.status(key.shop_id, due.at) == ShopStatus::Resting
        && !due
            .rules
            .issuance
            .resting_exempt_channels
            .contains(&snapshot.channel)
}
