//! Points used: for an order, by its snapshot or by a command, or by a command alone.

use rust_decimal::Decimal;

use super::account::{Account, Head};
use super::lots::Lot;
use super::member::{ByCommand, command_id};
use super::orders::Redeemed;
use super::redemption::{Amounts, Value};
use crate::domain::entry::{ByLevel, Entry, RedeemByOrder};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Worth};
use crate::domain::reason::Reason;
use crate::domain::rules::model::RuleVersion;
use crate::domain::short_text::ShortText;

/// One use of points, by an order or by a command.
pub(super) struct Use<'e> {
    pub points: i64,
    /// What the order used before: limits look at the sum.
    pub before: i64,
    pub amounts: Amounts,
    pub tier: Option<&'e str>,
    pub currency_mismatch: bool,
}

impl Account<'_> {
    /// By a snapshot of an order, with the limits of the version it is bound to: what the number
    /// that it tells differs by from what the order has redeemed. Left out in silence after a
    /// `points.redeem` for that order, and while it is cancelled.
    pub fn redeem_by_order(&mut self, entry: &Entry, redeem: &RedeemByOrder, at: Instant) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        let details = self.member.orders.details(order);
        if redeem.cancelled || details.cancelled {
            return;
        }
        let redeemed = details.redeemed.get_or_insert_default();
        let is_told_before = redeemed.told.replace(redeem.points) == Some(redeem.points);
        let is_over = redeemed.share.is_some_and(|share| share.is_whole());
        if is_told_before || is_over || (redeemed.by_command && !redeemed.is_open()) {
            return;
        }
        if redeemed.is_open() {
            *redeemed = redeemed.anew();
        }
        if redeem.points < redeemed.points {
            let lots = redeemed.reduce_to(redeem.points);
            return self.put_back(entry, Head::of(entry, Reason::Edited), lots, at);
        }
        let before = redeemed.points;
        let book = self.terms.book;
        let bound = entry
            .rule_version
            .and_then(|version| book.version(self.shop_id, version));
        let rules = bound.map(|bound| &*bound.rules);
        let (tier, amounts) = self.terms_of_order(redeem);
        let asked = Use {
            points: redeem.points - before,
            before,
            amounts,
            tier: tier.as_deref(),
            currency_mismatch: redeem.currency_mismatch,
        };
        if asked.points == 0 {
            return;
        }
        let head = Head::of(entry, Reason::Redeemed);
        if let Some(reason) = self.refusal(&asked, rules, at) {
            return self.reject(Head { reason, ..head }, entry, Some(asked.points), None);
        }
        let taken = self.use_points(entry, head, &asked, rules, at);
        let details = self.member.orders.details(order);
        let redeemed = details.redeemed.get_or_insert_default();
        redeemed.rule_version = entry.rule_version;
        redeemed.tier = tier;
        // What refunds have given back so far is given back of the difference as well.
        let lots = redeemed.raise_to(redeem.points, taken);
        self.put_back(entry, Head::of(entry, Reason::Refunded), lots, at);
    }

    /// The tier whose limits count for an order, and what they look at.
    fn terms_of_order(&self, redeem: &RedeemByOrder) -> (Option<ShortText>, Amounts) {
        let usual = Amounts {
            subtotal: Some(redeem.subtotal),
            payable: redeem.payable,
        };
        let Some(ByLevel { created_at, amounts }) = &redeem.by_level else {
            return (redeem.tier.clone(), usual);
        };
        let level = self.member.level_before(self.tier_rules(), *created_at);
        let own = amounts.iter().find(|own| Some(&own.level) == level.as_ref());
        let amounts = own.map_or(usual, |own| Amounts {
            subtotal: Some(own.subtotal),
            payable: Some(own.payable),
        });
        (level, amounts)
    }

    /// By command, for an order or for none, with the limits of the version in force.
    pub fn redeem_by_command(&mut self, entry: &Entry, head: Head, asked: &Use, at: Instant) {
        let rules = self.rules(entry.effective_at).map(|published| &*published.rules);
        let known = entry
            .order_id
            .as_deref()
            .and_then(|order| self.member.orders.get(order));
        let is_cancelled = known.is_some_and(|details| details.cancelled);
        let redeemed = known.and_then(|details| details.redeemed.as_ref());
        let has_redeemed = redeemed.is_some_and(|redeemed| !redeemed.is_open());
        let refusal = match self.refusal(asked, rules, at) {
            _ if is_cancelled => Some(Reason::Invalid),
            Some(first @ (Reason::Disabled | Reason::CurrencyMismatch)) => Some(first),
            _ if has_redeemed => Some(Reason::AlreadyRedeemed),
            later => later,
        };
        if let Some(reason) = refusal {
            return self.reject(Head { reason, ..head }, entry, Some(asked.points), None);
        }
        let rule_version = head.rule_version;
        let taken = self.use_points(entry, head, asked, rules, at);
        let redeemed = Redeemed {
            by_command: true,
            points: asked.points,
            taken,
            rule_version,
            tier: asked.tier.map(ShortText::from),
            ..Redeemed::default()
        };
        let by = match entry.order_id.as_deref() {
            Some(order) => {
                let known = &mut self.member.orders.details(order).redeemed;
                let told = known.as_ref().and_then(|known| known.told);
                *known = Some(Redeemed { told, ..redeemed });
                ByCommand::Order(ids::order_memory(order))
            }
            None => ByCommand::Alone(Box::new(redeemed)),
        };
        if let Some(seen) = self.member.commands.get_mut(&command_id(entry)) {
            seen.redeemed = Some(by);
        }
    }

    /// What a withdrawn cancellation had given back is used again, without limits.
    pub fn redeem_again(&mut self, entry: &Entry, points: i64, at: Instant) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        let details = self.member.orders.get(order);
        let Some(redeemed) = details.and_then(|details| details.redeemed.clone()) else {
            return;
        };
        // A command may have redeemed again meanwhile.
        let points = points.min(redeemed.returned);
        if points <= 0 {
            return;
        }
        let head = Head::of(entry, Reason::Redeemed);
        if self.member.usable(at) < points {
            let reason = Reason::InsufficientBalance;
            return self.reject(Head { reason, ..head }, entry, Some(points), None);
        }
        let book = self.terms.book;
        let version = redeemed.rule_version.or(entry.rule_version);
        let rules = version.and_then(|version| book.version(self.shop_id, version));
        let asked = Use {
            points,
            before: redeemed.held(),
            amounts: Amounts::default(),
            tier: redeemed.tier.as_deref(),
            currency_mismatch: false,
        };
        let taken = self.use_points(entry, head, &asked, rules.map(|published| &*published.rules), at);
        let details = self.member.orders.details(order);
        let redeemed = details.redeemed.get_or_insert_default();
        redeemed.returned -= points;
        redeemed.taken.extend(taken);
    }

    /// Takes the points, which have been checked, and says so. Answers the lots.
    fn use_points(
        &mut self,
        entry: &Entry,
        head: Head,
        asked: &Use,
        rules: Option<&RuleVersion>,
        at: Instant,
    ) -> Vec<Lot> {
        let taken = self.member.lots.take(asked.points, at, |_| true);
        let parts = taken.iter().map(|lot| lot.part(lot.points)).collect();
        let movement = self.movement(asked.points, parts, 0);
        let worth = rules.and_then(|rules| {
            let value = Value::of(rules, asked.tier)?;
            let sum = value.worth(asked.before.saturating_add(asked.points))?;
            Some(Worth {
                amount: sum
                    .checked_sub(value.worth(asked.before)?)
                    .unwrap_or(Decimal::ZERO),
                currency: rules.currency.code.clone(),
            })
        });
        let id = Self::outcome_id("redeemed", entry);
        self.tell(id, head, Body::Redeemed { movement, worth });
        taken
    }

    /// The first reason against it, in the order of the contract.
    fn refusal(&self, asked: &Use, rules: Option<&RuleVersion>, at: Instant) -> Option<Reason> {
        if rules.is_some_and(|rules| !rules.enabled) {
            return Some(Reason::Disabled);
        }
        if asked.currency_mismatch {
            return Some(Reason::CurrencyMismatch);
        }
        let sum = asked.before.saturating_add(asked.points);
        let value = rules.and_then(|rules| Value::of(rules, asked.tier));
        if let Some(reason) = value.and_then(|value| value.refusal(sum, asked.amounts)) {
            return Some(reason);
        }
        if self.member.known_since.is_none() {
            return Some(Reason::UnknownMember);
        }
        (self.member.usable(at) < asked.points).then_some(Reason::InsufficientBalance)
    }
}

impl Redeemed {
    /// Nothing is redeemed yet; what refunds gave back so far still counts.
    fn anew(&self) -> Self {
        Redeemed {
            told: self.told,
            share: self.share,
            ..Redeemed::default()
        }
    }

    /// Fewer points in all. Answers the lots that get the difference back.
    fn reduce_to(&mut self, points: i64) -> Vec<Lot> {
        let returned = self.returned_of(points);
        let lots = self.next(self.held() - (points - returned));
        self.points = points;
        self.returned = returned;
        lots
    }

    /// More points in all, the difference taken. Answers the lots that get back the part of it
    /// that had come back before.
    fn raise_to(&mut self, points: i64, taken: Vec<Lot>) -> Vec<Lot> {
        let returned = self.returned_of(points);
        self.points = points;
        self.taken.extend(taken);
        self.give_back(returned - self.returned)
    }

    /// How many of `points` had come back, were they the number from the start.
    fn returned_of(&self, points: i64) -> i64 {
        let by_refunds = |all: i64| self.share.map_or(0, |share| share.of(all));
        if self.returned == by_refunds(self.points) {
            return by_refunds(points);
        }
        let share = i128::from(points) * i128::from(self.returned) / i128::from(self.points.max(1));
        i64::try_from(share).unwrap_or(points).clamp(0, points)
    }
}
