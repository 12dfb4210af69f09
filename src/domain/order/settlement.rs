//! The decision at the due time, and orders that end without points.

use chrono_tz::Tz;

use super::case::{Case, Told};
use super::due::{self, Due};
use super::earning::{self, Earned};
use super::eligibility;
use super::{CausedBy, Given, Issued, Progress, Reason};
use crate::domain::calendar;
use crate::domain::entry::{EntryKind, Issue, IssueOrigin, IssuePart};
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{Expiry, ExpiryBind, Extent, RuleVersion, WhileResting};
use crate::domain::short_text::ShortText;

/// Whether the shop rests when points are due, and what that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resting {
    No,
    Withholds,
    Defers,
}

/// What set a due time, kept while the order changes.
pub(super) struct Cause {
    id: ShortText,
    traceparent: Option<ShortText>,
}

impl Cause {
    pub(super) fn of(due: &Due<'_>) -> Self {
        Cause {
            id: due.cause_id.into(),
            traceparent: due.traceparent.map(Into::into),
        }
    }

    pub(super) fn borrowed(&self) -> CausedBy<'_> {
        CausedBy {
            id: &self.id,
            source: "",
            traceparent: self.traceparent.as_deref(),
        }
    }
}

impl Case<'_> {
    /// Decides at the due time: issues, withholds, or waits for the shop to open.
    pub(super) fn settle(&mut self) {
        let Some(bound) = self.bound else { return };
        let Some(due) = self.due(bound) else {
            self.order.due_at = None;
            return;
        };
        let at = due.at;
        if at > self.now {
            self.order.due_at = Some(at);
            return;
        }
        let facts = &self.order.facts;
        let Some(snapshot) = &facts.snapshot else {
            self.order.due_at = None;
            return;
        };
        if bound.rules.is_priced_by_member() {
            let (cause, resting) = (Cause::of(&due), self.resting(&due));
            return self.settle_by_member(bound, at, cause, resting);
        }
        let cause = Cause::of(&due);
        let earned = earning::before_issue(facts, snapshot, &bound.rules, facts.as_told());
        let resting = self.resting(&due);
        let defers = resting == Resting::Defers;
        let in_force = self.book.in_force(self.key.shop_id, at).map(|v| &*v.rules);
        let reason = eligibility::excluded(facts, snapshot, &bound.rules, in_force);
        let reason = reason.or_else(|| reason_by_amount(&earned, resting == Resting::Withholds));
        if defers && reason.is_none_or(|reason| reason == Reason::BelowRate) {
            return self.defer(bound, at);
        }
        self.waits_no_more();
        let lost = (earned.lost() > 0).then(|| earned.lost());
        match reason {
            None => {
                self.issue(bound, at, &earned, &cause);
                if lost.is_some() {
                    self.withhold(Reason::Refunded, lost, at, cause.borrowed());
                }
            }
            Some(reason) => self.end_without(reason, lost, at, &cause),
        }
    }

    pub(super) fn waits_no_more(&mut self) {
        self.order.expected = None;
        self.order.due_at = None;
        self.order.pending = None;
    }

    /// `lost`: points that refunds cost; published only where the reason is `refunded`.
    pub(super) fn end_without(&mut self, reason: Reason, lost: Option<i64>, at: Instant, cause: &Cause) {
        let lost = lost.filter(|_| reason == Reason::Refunded);
        self.withhold(reason, lost, at, cause.borrowed());
        self.order.progress = Progress::Withheld {
            reason,
            by_cancellation: false,
        };
    }

    fn resting(&self, due: &Due<'_>) -> Resting {
        match (self.rests(due), due.rules.issuance.while_resting) {
            (false, _) => Resting::No,
            (true, WhileResting::Withhold) => Resting::Withholds,
            (true, WhileResting::Defer) => Resting::Defers,
        }
    }

    pub(super) fn defer(&mut self, bound: &Published, at: Instant) {
        self.order.progress = Progress::Deferred { since: at };
        // The opening may be known already; nothing would call for another look then.
        self.order.due_at = self.due(bound).map(|due| due.at);
        self.order.expected = None;
    }

    fn issue(&mut self, bound: &Published, at: Instant, earned: &Earned, cause: &Cause) {
        let Some(buyer) = self.order.facts.buyer() else {
            return;
        };
        let (member_id, tier) = (buyer.id.clone(), buyer.tier.map(ShortText::from));
        let parts = parts(tier.as_deref(), earned, &mut Expiries::of(self, bound, at));
        let issue = Issue {
            origin: IssueOrigin::Due,
            number: 0,
            parts,
            currency: bound.rules.currency.code.clone(),
            adjust: None,
        };
        let points = issue.points();
        let given = earned.bonuses.iter().map(|bonus| Given {
            bonus_id: bonus.id.clone(),
            points: bonus.points,
            kept: bonus.points,
            kept_before: None,
        });
        let bonuses = given.collect();
        self.send(&member_id, at, cause.borrowed(), EntryKind::Issue(issue));
        self.order.progress = Progress::Issued(Issued {
            at,
            member_id,
            tier,
            points,
            kept: points,
            kept_before: None,
            parts: 1,
            bonuses,
            by_member: Vec::new(),
        });
    }

    /// An order that ends again, having gone on, says so again.
    pub(super) fn withhold(&mut self, reason: Reason, points: Option<i64>, at: Instant, cause: CausedBy<'_>) {
        let times = self
            .order
            .again
            .as_ref()
            .map_or(0, |again| again.times)
            .to_string();
        let parts: &[&str] = match self.order.again {
            Some(_) => &[&times],
            None => &[],
        };
        let told = Told {
            kind: "withheld",
            parts,
            reason,
            at,
            cause,
        };
        self.publish(told, Body::Withheld { points });
    }

    pub(super) fn end_if_cancelled(&mut self, bound: &Published) -> bool {
        let facts = &self.order.facts;
        let (Some(cancelled), Some(snapshot)) = (facts.cancelled(), &facts.snapshot) else {
            return false;
        };
        if !cancelled.take_back || bound.rules.reversal.before_cancel == Extent::None {
            return false;
        }
        let floor = self.order.again.as_ref().map_or(Instant::MIN, |again| again.at);
        let at = cancelled.at.max(floor);
        let cause = cancelled.told.clone();
        // A version that stops orders counts when points are due, not before.
        let was_due = matches!(self.order.progress, Progress::Deferred { .. })
            || self.due(bound).is_some_and(|due| due.at <= at);
        let in_force = self.book.in_force(self.key.shop_id, at).filter(|_| was_due);
        let in_force = in_force.map(|v| &*v.rules);
        let reason =
            eligibility::excluded(facts, snapshot, &bound.rules, in_force).unwrap_or(Reason::Cancelled);
        self.withhold(reason, None, at, CausedBy::from(&cause));
        self.order.progress = Progress::Withheld {
            reason,
            by_cancellation: true,
        };
        self.order.due_at = None;
        self.order.expected = None;
        self.order.pending = None;
        true
    }

    /// A deferred order is due when the shop opens, any other by its facts; one that goes on not
    /// before it does.
    pub(super) fn due<'d>(&'d self, bound: &'d Published) -> Option<Due<'d>> {
        let order = &*self.order;
        let mut by_facts = due::due(&order.facts, self.key.shop_id, bound, self.book);
        if let (Some(due), Some(again)) = (&mut by_facts, &order.again)
            && due.at < again.at
        {
            due.at = again.at;
            due.cause_id = &again.event_id;
            due.traceparent = again.traceparent.as_deref();
        }
        let Progress::Deferred { since } = order.progress else {
            return by_facts;
        };
        let opens = self.book.next_open(self.key.shop_id, since)?;
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
}

/// Each part that brings points.
pub(super) fn parts(tier: Option<&str>, earned: &Earned, expiries: &mut Expiries<'_>) -> Vec<IssuePart> {
    let mut parts = Vec::with_capacity(1 + earned.bonuses.len());
    if earned.own > 0 {
        parts.push(IssuePart {
            bonus_id: None,
            points: earned.own,
            base_amount: earned.base.to_decimal(),
            expires_at: expiries.of_order(tier),
        });
    }
    let bonuses = earned.bonuses.iter().filter(|bonus| bonus.points > 0);
    parts.extend(bonuses.map(|bonus| IssuePart {
        bonus_id: Some(bonus.id.clone()),
        points: bonus.points,
        base_amount: bonus.amount.to_decimal(),
        expires_at: expiries.of_bonus(tier, bonus.expiry),
    }));
    parts
}

/// The first reason that depends on the amount. `rests`: the shop does, and points do not wait.
pub(super) fn reason_by_amount(earned: &Earned, rests: bool) -> Option<Reason> {
    let nothing = earned.points() == 0;
    if nothing && earned.whole > 0 {
        return Some(Reason::Refunded);
    }
    if rests {
        return Some(Reason::ShopResting);
    }
    nothing.then_some(earned.lacking)
}

/// When lots issued at one instant expire. Most tiers and bonuses have the same expiry, and it is
/// worked out once.
pub(super) struct Expiries<'e> {
    at: Instant,
    bound: &'e RuleVersion,
    /// The version that the bound one points to.
    rules: &'e RuleVersion,
    known: Vec<(Tz, Expiry, Option<Instant>)>,
}

impl<'e> Expiries<'e> {
    pub fn of(case: &'e Case<'_>, bound: &'e Published, at: Instant) -> Self {
        let rules: &RuleVersion = match bound.rules.expiry.bind {
            ExpiryBind::Order => &bound.rules,
            ExpiryBind::Issuance => case
                .book
                .in_force(case.key.shop_id, at)
                .map_or(&bound.rules, |v| &v.rules),
        };
        Expiries {
            at,
            bound: &bound.rules,
            rules,
            known: Vec::new(),
        }
    }

    fn of_order(&mut self, tier: Option<&str>) -> Option<Instant> {
        let of_tier = tier
            .and_then(|tier| self.rules.accrual.tiers.get(tier))
            .and_then(|tier| tier.expiry.as_ref());
        self.find(self.rules.timezone, *of_tier.unwrap_or(&self.rules.expiry.expiry))
    }

    /// By the bonus' own expiry, else as the order's.
    fn of_bonus(&mut self, tier: Option<&str>, own: Option<Expiry>) -> Option<Instant> {
        match own {
            Some(own) => self.find(self.bound.timezone, own),
            None => self.of_order(tier),
        }
    }

    fn find(&mut self, zone: Tz, expiry: Expiry) -> Option<Instant> {
        let is_same = |known: &&(Tz, Expiry, Option<Instant>)| (known.0, known.1) == (zone, expiry);
        if let Some((.., at)) = self.known.iter().find(is_same) {
            return *at;
        }
        let at = calendar::expires_at(zone, self.at, &expiry);
        self.known.push((zone, expiry, at));
        at
    }
}

/// When a lot issued at `at` expires, by the version that the bound one points to.
pub(super) fn expires_at(
    case: &Case<'_>,
    bound: &Published,
    at: Instant,
    tier: Option<&str>,
) -> Option<Instant> {
    Expiries::of(case, bound, at).of_order(tier)
}

/// When a bonus' lot expires: by its own expiry, else as the order's.
pub(super) fn bonus_expires_at(
    case: &Case<'_>,
    bound: &Published,
    at: Instant,
    tier: Option<&str>,
    own: Option<Expiry>,
) -> Option<Instant> {
    Expiries::of(case, bound, at).of_bonus(tier, own)
}
