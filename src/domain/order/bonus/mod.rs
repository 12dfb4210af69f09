//! What the bonuses of a rule version add to an order's points.
//!
//! Which bonuses an order gets is decided on its goods as they were ordered: conditions, the choice
//! within a group, and which lines leave the general rate. What comes back then only makes a
//! bonus smaller, or takes it away. What only the member's ledger knows of the buyer is an argument.

mod choice;
mod gives;
mod goods;
mod not_given;
mod when;

use chrono_tz::Tz;

use crate::domain::instant::Instant;
use crate::domain::member_traits::MemberTraits;
use crate::domain::money::Ratio;
use crate::domain::rules::model::{Bonus, Earning};
use crate::domain::short_text::ShortText;

pub use goods::{Part, SoldGoods, SoldLine};
pub use not_given::NotGiven;

/// An order as its bonuses see it.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    pub created_at: Instant,
    pub zone: Tz,
    pub channel: &'a str,
    pub payment_method: Option<&'a str>,
    pub buyer: MemberTraits<'a>,
    pub goods: SoldGoods<'a>,
    pub general: General<'a>,
}

/// The order's own rule, which multipliers repeat.
#[derive(Clone, Copy, Debug)]
pub struct General<'a> {
    pub earning: &'a Earning,
    /// `accrual.min_order`; below it multipliers give nothing.
    pub min_order: Option<Ratio>,
    /// What of the base is not goods: shipping, tax, surcharge.
    pub extras: Ratio,
}

/// What became of one bonus.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessed<'a> {
    pub bonus: &'a Bonus,
    pub result: Result<Given, NotGiven>,
}

/// What a bonus gives. 0 points only where it takes goods out of the general rate: nothing is
/// issued then, but it is one of those given when a refund is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    pub points: i64,
    /// Without any return.
    pub whole: i64,
    /// The matching amount that is left, and the digits it is written with.
    pub amount: Ratio,
    pub scale: u32,
}

/// All bonuses in the order of the list, and the goods that are left to the general rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment<'a> {
    pub bonuses: Vec<Assessed<'a>>,
    pub general: Part,
}

impl<'a> Assessment<'a> {
    pub fn given(&self) -> impl Iterator<Item = (&'a Bonus, Given)> {
        self.bonuses
            .iter()
            .filter_map(|assessed| Some((assessed.bonus, assessed.result.as_ref().ok().copied()?)))
    }
}

/// The bonuses of an order whose points have not been credited yet.
pub fn assess<'a>(sale: &Sale<'_>, bonuses: &'a [Bonus]) -> Assessment<'a> {
    let choice = choice::choose(&sale.as_ordered(), bonuses);
    let (claims, left) = reckon_given(sale, bonuses, &|index| choice[index].is_ok());
    let assessed = bonuses.iter().zip(choice).zip(left);
    let bonuses = assessed.map(|((bonus, chosen), left)| Assessed {
        bonus,
        result: chosen.and_then(|whole| {
            let left = left.unwrap_or(Err(NotGiven::CameBack))?;
            // Fewer goods never give more.
            let points = left.points.min(whole);
            Ok(Given {
                points,
                whole,
                ..left
            })
        }),
    });
    Assessment {
        bonuses: bonuses.collect(),
        general: claims.general(&sale.goods),
    }
}

/// The bonuses that an order was given, by what is left of it or what it was edited to. No other
/// comes, and date, channel and payment method are not looked at.
pub fn reckon<'a>(sale: &Sale<'_>, bonuses: &'a [Bonus], given: &[ShortText]) -> Assessment<'a> {
    let is_given = |index: usize| given.contains(&bonuses[index].id);
    let whole = reckon_given(&sale.as_ordered(), bonuses, &is_given).1;
    let (claims, left) = reckon_given(sale, bonuses, &is_given);
    let assessed = bonuses.iter().zip(whole).zip(left);
    let bonuses = assessed.map(|((bonus, whole), left)| Assessed {
        bonus,
        result: match (whole, left) {
            (Some(whole), Some(left)) => left.map(|left| Given {
                whole: whole.map_or(0, |whole| whole.points).max(left.points),
                ..left
            }),
            _ => Err(NotGiven::NotAtIssue),
        },
    });
    Assessment {
        bonuses: bonuses.collect(),
        general: claims.general(&sale.goods),
    }
}

/// What each of the given bonuses is worth; `None` for the others.
fn reckon_given(
    sale: &Sale<'_>,
    bonuses: &[Bonus],
    is_given: &dyn Fn(usize) -> bool,
) -> (goods::Claims, Vec<Option<Result<Given, NotGiven>>>) {
    let mut claims = goods::Claims::default();
    // Goods stay out of the general rate even where their bonus goes.
    let parts: Vec<Option<Part>> = bonuses
        .iter()
        .enumerate()
        .map(|(index, bonus)| {
            let claimed = (is_given(index) && bonus.instead).then(|| claims.claim(&sale.goods, bonus));
            claimed.map(|lines| sale.goods.part(|line| lines.contains(&line)))
        })
        .collect();
    let reckoned = bonuses.iter().zip(parts).enumerate();
    let reckoned = reckoned.map(|(index, (bonus, claimed))| {
        is_given(index).then(|| {
            when::min_order(&sale.goods, bonus)?;
            let part = claimed.unwrap_or_else(|| claims.part_of(&sale.goods, bonus));
            gives::give(sale, bonus, part)
        })
    });
    let reckoned = reckoned.collect();
    (claims, reckoned)
}

impl Sale<'_> {
    /// The same before anything came back.
    fn as_ordered(&self) -> Self {
        let mut sale = self.clone();
        sale.goods.nothing_back();
        sale
    }

    /// The general rule, where the order is large enough for it.
    fn general_earning(&self) -> Option<&Earning> {
        let base = self.goods.whole().left.plus(self.general.extras);
        match self.general.min_order {
            Some(min_order) if base < min_order => None,
            _ => Some(self.general.earning),
        }
    }
}

#[cfg(test)]
mod member_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
