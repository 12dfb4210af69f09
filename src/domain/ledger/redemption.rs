//! What points are worth, and how many may be used.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::Terms;
use super::member::Member;
use super::tiers::Rules;
use crate::domain::instant::Instant;
use crate::domain::reason::Reason;
use crate::domain::rules::model::{Redemption, RuleVersion};

/// How many points could be used for an order, and why no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub points: i64,
    /// What they are worth; `None` where the rule gives points no value.
    pub amount: Option<Decimal>,
    pub limit: Limit,
}

/// What decided a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Disabled,
    MinOrder,
    MaxPoints,
    Per,
    MaxPercent,
    Payable,
    MinPayable,
    Balance,
    /// Fewer points than the fewest that may be used.
    MinPoints,
    /// Worth nothing.
    Worth,
    /// No whole step more.
    Step,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Disabled => "disabled",
            Limit::MinOrder => "min_order",
            Limit::MaxPoints => "max_points",
            Limit::Per => "per",
            Limit::MaxPercent => "max_percent",
            Limit::Payable => "payable",
            Limit::MinPayable => "min_payable",
            Limit::Balance => "balance",
            Limit::MinPoints => "min_points",
            Limit::Worth => "worth",
            Limit::Step => "step",
        }
    }
}

/// The amounts of an order that limits look at, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Goods before discounts.
    pub subtotal: Option<Decimal>,
    /// What is to be paid for goods after discounts and store credit; `None`: as `subtotal`.
    pub payable: Option<Decimal>,
}

impl Amounts {
    fn payable(self) -> Option<Decimal> {
        self.payable.or(self.subtotal)
    }
}

/// A rule's section of redemption, with the decimals of what its points are worth.
#[derive(Clone, Copy)]
pub struct Value<'r> {
    section: &'r Redemption,
    digits: u32,
}

impl<'r> Value<'r> {
    /// The section that counts for a tier: its own, whole, or the rule's.
    pub fn of(rules: &'r RuleVersion, tier: Option<&str>) -> Option<Self> {
        let own = tier
            .and_then(|tier| rules.accrual.tiers.get(tier))
            .and_then(|tier| tier.redemption.as_ref());
        let section = own.or(rules.redemption.as_ref())?;
        let digits = section.digits.unwrap_or(rules.currency.digits);
        Some(Value { section, digits })
    }

    /// What points are worth: down to the digits, written in full. `None` beyond what an amount
    /// can hold.
    pub fn worth(self, points: i64) -> Option<Decimal> {
        let exact = Decimal::from(points)
            .checked_mul(self.section.amount)?
            .checked_div(Decimal::from(self.section.points))?;
        let mut amount = exact.trunc_with_scale(self.digits);
        amount.rescale(self.digits);
        Some(amount)
    }

    /// Why so many points may not be used at once. Limits that need an amount of the order are
    /// looked at when it is known.
    pub fn refusal(self, points: i64, amounts: Amounts) -> Option<Reason> {
        let section = self.section;
        let too_small = amounts.subtotal.zip(section.min_order);
        let too_few = section.min_points.is_some_and(|least| points < least);
        let is_worthless = self.worth(points).is_some_and(|worth| worth.is_zero());
        if too_small.is_some_and(|(subtotal, least)| subtotal < least) || too_few || is_worthless {
            return Some(Reason::BelowMinimum);
        }
        if section.step.is_some_and(|step| step > 0 && points % step != 0) {
            return Some(Reason::InvalidStep);
        }
        let too_many = section.max_points.is_some_and(|most| points > most);
        // An amount too large to be worked out is over any limit.
        (too_many || !self.is_within(points, amounts).unwrap_or(false)).then_some(Reason::OverLimit)
    }

    fn is_within(self, points: i64, amounts: Amounts) -> Option<bool> {
        let section = self.section;
        if let Some(subtotal) = amounts.subtotal {
            if section.per.is_some() && per_limit(subtotal, section) < points {
                return Some(false);
            }
            if let Some(percent) = section.max_percent
                && self.worth(points)? > share(subtotal, percent)?
            {
                return Some(false);
            }
        }
        let Some(payable) = amounts.payable() else {
            return Some(true);
        };
        let stays = payable - self.worth(points)?;
        Some(stays >= section.min_payable.unwrap_or_default().max(Decimal::ZERO))
    }

    /// The most points whose exact worth keeps to every limit, and the first of the limits that
    /// allow no more.
    fn most(self, amounts: Amounts, usable: i64) -> (i64, Limit) {
        let section = self.section;
        let mut limits = Vec::with_capacity(6);
        if let Some(most) = section.max_points {
            limits.push((most, Limit::MaxPoints));
        }
        if let Some(subtotal) = amounts.subtotal {
            if section.min_order.is_some_and(|least| subtotal < least) {
                return (0, Limit::MinOrder);
            }
            if section.per.is_some() {
                limits.push((per_limit(subtotal, section), Limit::Per));
            }
            if let Some(percent) = section.max_percent {
                let cap = share(subtotal, percent).unwrap_or(Decimal::ZERO);
                limits.push((self.points_worth(cap), Limit::MaxPercent));
            }
        }
        if let Some(payable) = amounts.payable() {
            limits.push((self.points_worth(payable), Limit::Payable));
            if let Some(least) = section.min_payable {
                limits.push((self.points_worth(payable - least), Limit::MinPayable));
            }
        }
        limits.push((usable, Limit::Balance));
        let decides = limits.into_iter().min_by_key(|(points, _)| *points);
        decides.unwrap_or((0, Limit::Balance))
    }

    /// The most points with this exact worth or less.
    fn points_worth(self, amount: Decimal) -> i64 {
        let exact = amount
            .checked_mul(Decimal::from(self.section.points))
            .and_then(|product| product.checked_div(self.section.amount));
        exact.map_or(0, |points| points.floor().to_i64().unwrap_or(i64::MAX).max(0))
    }

    /// A number of points that may be used, the highest that there is below the limits.
    fn quote(self, amounts: Amounts, usable: i64) -> (i64, Limit) {
        let (most, limit) = self.most(amounts, usable);
        let step = self.section.step.filter(|step| *step > 0).unwrap_or(1);
        let points = most - most % step;
        let limit = if points < most { Limit::Step } else { limit };
        if points == 0 {
            return (0, limit);
        }
        match self.refusal(points, amounts) {
            None => (points, limit),
            Some(Reason::BelowMinimum) if self.section.min_points.is_some_and(|least| points < least) => {
                (0, Limit::MinPoints)
            }
            Some(Reason::BelowMinimum) => (0, Limit::Worth),
            // The division was rounded up, beyond 28 digits.
            Some(_) if points > step && self.refusal(points - step, amounts).is_none() => {
                (points - step, limit)
            }
            Some(_) => (0, limit),
        }
    }
}

/// How many points a member could use for an order. `points.redeem` accepts as many.
pub fn quote(
    amounts: Amounts,
    tier: Option<&str>,
    rules: Option<&RuleVersion>,
    member: &Member,
    at: Instant,
) -> Quote {
    let value = rules.and_then(|rules| Value::of(rules, tier));
    let usable = member.usable(at);
    let (points, limit) = match value {
        _ if rules.is_some_and(|rules| !rules.enabled) => (0, Limit::Disabled),
        Some(value) => value.quote(amounts, usable),
        None => (usable, Limit::Balance),
    };
    Quote {
        points,
        amount: value.and_then(|value| value.worth(points)),
        limit,
    }
}

/// Nothing below one full amount.
fn per_limit(subtotal: Decimal, section: &Redemption) -> i64 {
    let Some(per) = &section.per else {
        return i64::MAX;
    };
    let units = subtotal
        .checked_div(per.amount)
        .map_or(Decimal::ZERO, |units| units.floor());
    units
        .to_i64()
        .unwrap_or(i64::MAX)
        .max(0)
        .saturating_mul(per.points)
}

fn share(amount: Decimal, percent: Decimal) -> Option<Decimal> {
    amount.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)
}

impl Terms<'_> {
    /// A quote under the version in force, for the member's level where no tier is given.
    pub fn quote(
        &self,
        shop_id: &str,
        member: &Member,
        amounts: Amounts,
        tier: Option<&str>,
        at: Instant,
    ) -> Quote {
        let rules = self.book.in_force(shop_id, at).map(|published| &*published.rules);
        let levels = Rules {
            book: self.book,
            shop_id,
        };
        let level = member.level_at(levels, at).filter(|_| tier.is_none());
        quote(amounts, tier.or(level.as_deref()), rules, member, at)
    }
}

#[cfg(test)]
#[path = "quote_tests.rs"]
mod quote_tests;
#[cfg(test)]
#[path = "redemption_tests.rs"]
mod tests;
