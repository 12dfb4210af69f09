//! What can be said of an order's points where the member's ledger decides them.

use super::case::Case;
use super::earning;
use super::explain::{Explanation, bonus_words};
use super::facts::Snapshot;
use super::settlement::Resting;
use super::{Issued, Progress};
use crate::domain::price_list::{Price, PriceList, PricedFor};
use crate::domain::rules::book::Published;
use crate::domain::rules::model::BirthdaySpan;

impl Case<'_> {
    /// Points that were credited by a price list.
    pub(super) fn explain_credited(&self, issued: &Issued, told: &mut Explanation) {
        told.decided_by = Some(issued.member_id.to_string());
        told.points = None;
        told.why.push(format!(
            "its points were due at {}; how many of them were credited, member {}'s ledger decided",
            self.local(issued.at),
            issued.member_id
        ));
    }

    /// Points that a ledger would decide, were they due now.
    pub(super) fn explain_prices(&self, bound: &Published, snapshot: &Snapshot, told: &mut Explanation) {
        let buyer = self.order.facts.buyer().map(|buyer| buyer.id.to_string());
        told.decided_by = buyer.filter(|_| matches!(self.order.progress, Progress::Open));
        let at = self.order.due_at.unwrap_or(self.now);
        let list = self.price_list(bound, at, Resting::No);
        match list.for_everybody() {
            Some(price) => {
                told.reason = price.reason.map(|reason| reason.code());
                told.points = Some(price.points());
                told.why.push(words(price, ""));
            }
            None => {
                told.points = None;
                told.why.extend(list.prices.iter().map(|price| {
                    let whom = whom(&price.of, &list);
                    words(price, &whom)
                }));
            }
        }
        told.why.extend(self.bonuses_by_member(bound, snapshot, &list));
        if bound.rules.limits_member() {
            told.why
                .push("limits and caps may leave less when it is credited".to_owned());
        }
    }

    /// What becomes of each bonus, or that the member decides it.
    fn bonuses_by_member(&self, bound: &Published, snapshot: &Snapshot, list: &PriceList) -> Vec<String> {
        let facts = &self.order.facts;
        let assess = |of: &PricedFor| earning::assess(facts, snapshot, &bound.rules, of.traits());
        let mut prices = list.prices.iter();
        let Some(first) = prices.next() else {
            return Vec::new();
        };
        let first = assess(&first.of);
        let others: Vec<_> = prices.map(|price| assess(&price.of)).collect();
        let all = first.iter().enumerate().map(|(place, one)| {
            let same = others
                .iter()
                .all(|other| other.get(place).is_some_and(|other| other.result == one.result));
            match same {
                true => bonus_words(one),
                false => format!("bonus {} depends on the member", one.bonus.id),
            }
        });
        all.collect()
    }
}

fn words(price: &Price, whom: &str) -> String {
    match price.reason {
        Some(reason) => format!("as things stand it earns nothing{whom}: {}", reason.sentence()),
        None => format!("as things stand it earns {} points{whom}", price.points()),
    }
}

/// The members that a price is for, as far as the list tells them apart.
fn whom(of: &PricedFor, list: &PriceList) -> String {
    let mut parts = Vec::new();
    let has = |asks: fn(&PricedFor) -> bool| list.prices.iter().any(|price| asks(&price.of));
    match &of.tier {
        Some(tier) if list.told_tier.is_none() => parts.push(format!("of tier {tier}")),
        None if has(|of| of.tier.is_some()) => parts.push("of any other tier".to_owned()),
        _ => {}
    }
    match of.birthday {
        Some(BirthdaySpan::Day) => parts.push("on the member's birthday".to_owned()),
        Some(BirthdaySpan::Month) => parts.push("in the month of the member's birthday".to_owned()),
        None if has(|of| of.birthday.is_some()) => parts.push("on other days".to_owned()),
        None => {}
    }
    if has(|of| of.first_order) {
        let first = if of.first_order { "as" } else { "not being" };
        parts.push(format!("{first} the member's first order"));
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!(" {}", parts.join(", ")),
    }
}
