//! A member's level as look-ups answer it.

use rust_decimal::Decimal;

use crate::domain::instant::Instant;
use crate::domain::ledger::member::Member;
use crate::domain::ledger::tiers::{Rules, Unmet};
use crate::http::views;

/// `None`: the shop's rules have no tiers.
pub fn view(member: &Member, rules: Rules<'_>, now: Instant) -> Option<views::Tier> {
    let tier = member.tier(rules, now)?;
    let why = match tier.reason {
        Some(reason) => reason.sentence(),
        None => "it is everybody's",
    };
    let benefits = tier.benefits.as_deref();
    Some(views::Tier {
        name: tier.name,
        since: tier.since.map(Instant::rfc3339),
        until: tier.until.map(Instant::rfc3339),
        reason: tier.reason.map(|reason| reason.code().to_owned()),
        why: why.to_owned(),
        benefits: benefits.and_then(|text| serde_json::from_str(text).ok()),
        next: tier.next.map(|(name, conditions)| views::NextTier {
            name,
            missing: missing(&conditions),
        }),
        keep: tier.keep.map(|conditions| views::KeepTier {
            missing: missing(&conditions),
        }),
    })
}

fn missing(conditions: &[Vec<Unmet>]) -> Vec<Vec<views::Missing>> {
    let text = |amount: Decimal| amount.normalize().to_string();
    let part = |part: &Unmet| views::Missing {
        measure: part.measure.word().to_owned(),
        have: text(part.have),
        need: text(part.need),
        missing: text(part.missing()),
    };
    let parts = |parts: &Vec<Unmet>| parts.iter().map(part).collect();
    conditions.iter().map(parts).collect()
}
