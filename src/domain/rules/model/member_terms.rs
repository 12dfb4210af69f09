//! Which parts of a rule version only a member's ledger can decide.

use super::{Bonus, Caps, RuleVersion, ToldTier, When};
use crate::domain::price_list::PricedFor;
use crate::domain::rules::model::BirthdaySpan;
use crate::domain::short_text::ShortText;

impl RuleVersion {
    /// An order hands its ledger a list of prices; else it decides its points by itself.
    pub fn is_priced_by_member(&self) -> bool {
        self.tiers.is_some() || !self.caps.is_empty() || self.bonuses.iter().any(Bonus::asks_member)
    }

    /// A member may get less than orders are worth.
    pub fn limits_member(&self) -> bool {
        !self.caps.is_empty() || self.bonuses.iter().any(|bonus| bonus.limits.is_some())
    }

    /// The tier that prices an order whose events name this one, as far as that is known without
    /// the member's level.
    pub fn told_tier<'a>(&self, told: Option<&'a str>) -> Option<&'a str> {
        told.filter(|_| {
            self.tiers
                .as_ref()
                .is_none_or(|tiers| tiers.told == ToldTier::Prefer)
        })
    }

    /// All cases that an order's price depends on, given the tier by [`RuleVersion::told_tier`].
    pub fn priced_for(&self, told: Option<&str>) -> Vec<PricedFor> {
        let tiers: Vec<Option<ShortText>> = match (told, &self.tiers) {
            (None, Some(_)) => self.named_tiers().into_iter().map(Some).chain([None]).collect(),
            _ => vec![told.map(Into::into)],
        };
        let asked = |span: BirthdaySpan| self.bonuses.iter().any(|b| b.when.birthday == Some(span));
        let spans = [BirthdaySpan::Month, BirthdaySpan::Day].into_iter();
        let birthdays: Vec<_> = [None]
            .into_iter()
            .chain(spans.filter(|span| asked(*span)).map(Some))
            .collect();
        let firsts: &[bool] = match self.bonuses.iter().any(|bonus| bonus.when.first_order) {
            true => &[false, true],
            false => &[false],
        };
        let mut cases = Vec::with_capacity(tiers.len() * birthdays.len() * firsts.len());
        for tier in &tiers {
            for birthday in &birthdays {
                cases.extend(firsts.iter().map(|first_order| PricedFor {
                    tier: tier.clone(),
                    birthday: *birthday,
                    first_order: *first_order,
                }));
            }
        }
        cases
    }

    /// The tiers that make a difference to what orders earn.
    fn named_tiers(&self) -> Vec<ShortText> {
        let by_accrual = self.accrual.tiers.keys().map(|name| name.as_str().into());
        let by_bonuses = self
            .bonuses
            .iter()
            .flat_map(|bonus| bonus.when.tiers.iter().cloned());
        let mut names: Vec<ShortText> = by_accrual.chain(by_bonuses).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Bonus {
    fn asks_member(&self) -> bool {
        self.when.asks_member() || self.limits.is_some()
    }
}

impl When {
    /// Without levels in the rules the order's own events name its tier.
    fn asks_member(&self) -> bool {
        self.birthday.is_some() || self.first_order
    }
}

impl Caps {
    fn is_empty(&self) -> bool {
        self.per_order.is_none() && self.per_member.is_empty()
    }
}
