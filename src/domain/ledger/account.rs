//! One decision about one account: moves points and writes down the outcomes.

use super::Terms;
use super::lots::Lot;
use super::member::Member;
use crate::domain::digest::hex;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, LotPart, Movement, Outcome};
use crate::domain::reason::Reason;
use crate::domain::rules::book::Published;
use crate::domain::short_text::ShortText;

/// An account during one decision.
pub(super) struct Account<'a> {
    pub member: &'a mut Member,
    pub shop_id: &'a str,
    pub member_id: &'a str,
    pub terms: Terms<'a>,
    pub outcomes: Vec<Outcome>,
    /// The entry turned out to have been taken in before.
    pub duplicate: bool,
    /// The first instant at which points of orders changed, where levels look at them.
    pub points_changed: Option<Instant>,
}

/// What an outcome says of its cause.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub reason: Reason,
    pub order_id: Option<ShortText>,
    pub rule_version: Option<u32>,
    pub effective_at: Instant,
    pub cause_id: ShortText,
    pub note: Option<String>,
    pub notify: bool,
    pub actor: Option<String>,
    pub traceparent: Option<ShortText>,
}

impl Head {
    /// Of an outcome that an entry causes.
    pub fn of(entry: &Entry, reason: Reason) -> Self {
        Head {
            reason,
            order_id: entry.order_id.clone(),
            rule_version: entry.rule_version,
            effective_at: entry.effective_at,
            cause_id: entry.cause_id.clone(),
            note: None,
            notify: true,
            actor: None,
            traceparent: entry.traceparent.clone(),
        }
    }

    /// Of an outcome that a timer of a lot causes.
    pub fn of_lot(lot: &Lot, reason: Reason, effective_at: Instant) -> Self {
        Head {
            reason,
            order_id: lot.order.clone(),
            rule_version: lot.rule_version,
            effective_at,
            cause_id: lot.cause_id.clone(),
            note: None,
            notify: true,
            actor: None,
            traceparent: None,
        }
    }
}

/// Points to be credited as a lot.
pub(super) struct Credit {
    pub lot_id: u128,
    /// The issue of the order that the id derives from.
    pub number: Option<u32>,
    pub points: i64,
    pub expires_at: Option<Instant>,
    pub order: Option<ShortText>,
    pub bonus_id: Option<ShortText>,
    pub base: Option<(rust_decimal::Decimal, ShortText)>,
    /// The level that brought or priced them.
    pub tier: Option<ShortText>,
}

impl Credit {
    /// No points yet, into a lot of this id.
    pub fn of(lot_id: u128) -> Self {
        Credit {
            lot_id,
            number: None,
            points: 0,
            expires_at: None,
            order: None,
            bonus_id: None,
            base: None,
            tier: None,
        }
    }
}

impl<'a> Account<'a> {
    pub fn new(member: &'a mut Member, shop_id: &'a str, member_id: &'a str, terms: Terms<'a>) -> Self {
        Account {
            member,
            shop_id,
            member_id,
            terms,
            outcomes: Vec::new(),
            duplicate: false,
            points_changed: None,
        }
    }

    /// Credits a lot. What the balance lacks to 0 is paid first, only the rest is in the lot.
    /// A lot that has already expired does so at once.
    pub fn credit(&mut self, head: Head, credit: Credit, at: Instant) {
        if credit.points <= 0 {
            return;
        }
        self.member.known_since.get_or_insert(at);
        let paid = self.pay_debt(credit.points);
        let id = match credit.order {
            Some(_) => credit.lot_id,
            None => self.lot_id_of_its_own(credit.lot_id),
        };
        let mut lot = Lot {
            id,
            number: credit.number,
            points: credit.points - paid,
            issued_at: head.effective_at,
            expires_at: credit.expires_at,
            credited: self.member.sequence + 1,
            order: credit.order,
            bonus_id: credit.bonus_id.clone(),
            rule_version: self.rules(head.effective_at).map(|rules| rules.rules.version),
            cause_id: head.cause_id.clone(),
            notice: None,
        };
        let parts = if lot.points > 0 {
            vec![lot.part(lot.points)]
        } else {
            Vec::new()
        };
        let effective_at = head.effective_at;
        let expired = credit.expires_at.is_some_and(|expires_at| expires_at < at);
        if !expired {
            lot.notice = self.next_notice(&lot, at);
            self.member.lots.put(lot.clone());
        }
        let waiting = if expired { lot.points } else { 0 };
        let movement = self.movement(credit.points, parts, waiting);
        let id = ids::issued(lot.id);
        let lot_id = lot.lot_id();
        let body = Body::Issued {
            movement,
            lot_id,
            issued_at: effective_at,
            expires_at: credit.expires_at,
            base: credit.base,
            bonus_id: credit.bonus_id,
            tier: credit.tier,
        };
        self.tell(id, head, body);
        if waiting > 0 {
            let id = ids::expired(lot.id);
            self.expire(id, &lot, effective_at, 0);
        }
    }

    /// A command that is carried out anew, its id being forgotten, would name a lot that is there.
    fn lot_id_of_its_own(&self, id: u128) -> u128 {
        if !self.member.knows_lot(id) {
            return id;
        }
        ids::repeated_lot(id, self.member.sequence + 1)
    }

    /// Tells that a lot, already taken out, has expired. Never before `known`, when its points
    /// came into it. `waiting` as in [`Account::movement`].
    pub fn expire(&mut self, id: u128, lot: &Lot, known: Instant, waiting: i64) {
        let expired_at = lot.expires_at.unwrap_or(known);
        let head = Head::of_lot(lot, Reason::Expired, expired_at.max(known));
        let movement = self.movement(lot.points, vec![lot.part(lot.points)], waiting);
        let body = Body::Expired {
            movement,
            lot_id: lot.lot_id(),
            issued_at: lot.issued_at,
            expired_at,
        };
        self.tell(id, head, body);
    }

    /// Pays what the balance lacks to 0 out of `points`, as far as they go.
    pub fn pay_debt(&mut self, points: i64) -> i64 {
        let paid = self.member.debt.min(points);
        self.member.debt -= paid;
        paid
    }

    /// The next movement, after the lots have changed. `waiting` points are in no lot because
    /// they expire in this same decision.
    pub fn movement(&mut self, points: i64, lots: Vec<LotPart>, waiting: i64) -> Movement {
        self.member.sequence += 1;
        Movement {
            points,
            balance_after: self.member.balance().saturating_add(waiting),
            sequence: self.member.sequence,
            lots,
        }
    }

    /// Answers that an entry was refused.
    pub fn reject(&mut self, head: Head, entry: &Entry, points: Option<i64>, detail: Option<String>) {
        let id = Self::outcome_id("rejected", entry);
        self.tell(id, head, Body::Rejected { points, detail });
    }

    /// Id of what an entry causes; one entry has at most one outcome of a kind.
    pub fn outcome_id(kind: &str, entry: &Entry) -> u128 {
        ids::of_entry(kind, trigger(&entry.kind), entry)
    }

    pub fn tell(&mut self, id: u128, head: Head, body: Body) {
        if let Some(order) = &head.order_id {
            let points = match &body {
                Body::Issued { movement, .. } => movement.points,
                Body::Revoked { movement, .. } => -movement.points,
                _ => 0,
            };
            if points != 0 {
                self.note_order_points(&order.clone(), head.effective_at, points);
            }
        }
        self.outcomes.push(Outcome {
            id: hex(id),
            shop_id: self.shop_id.into(),
            member_id: Some(self.member_id.into()),
            order_id: head.order_id,
            rule_version: head.rule_version,
            reason: head.reason,
            effective_at: head.effective_at,
            cause_id: head.cause_id,
            note: head.note,
            notify: head.notify,
            actor: head.actor,
            traceparent: head.traceparent,
            body,
        });
    }

    /// The version in force at an instant.
    pub fn rules(&self, at: Instant) -> Option<&'a Published> {
        self.terms.book.in_force(self.shop_id, at)
    }
}

/// By an issue, or an edit that becomes one.
pub(super) const BY_ISSUE: &str = "issue";

/// Tells apart the entries of one event about one order.
pub(super) fn trigger(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::Issue(_) | EntryKind::IssueByPriceList(_) => BY_ISSUE,
        EntryKind::Revise(revision) => revision.reason.reason().code(),
        EntryKind::Reopen(_) => "reopened",
        EntryKind::Reverse(reverse) => reverse.reason.reason().code(),
        EntryKind::RedeemByOrder(_) => "snapshot",
        EntryKind::Return(back) => back.reason.reason().code(),
        EntryKind::OrderCancelled
        | EntryKind::Expect(_)
        | EntryKind::OrderFact(_)
        | EntryKind::Forecast(_) => "order",
        EntryKind::Command(_) => "command",
        EntryKind::GrantAll(_) | EntryKind::GrantedToAll(_) => "broadcast",
    }
}
