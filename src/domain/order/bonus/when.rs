//! Conditions of a bonus.

use chrono::{Datelike, Timelike};

use super::goods::SoldGoods;
use super::{NotGiven, Sale};
use crate::domain::calendar;
use crate::domain::money::Ratio;
use crate::domain::rules::model::{Bonus, DayOfWeek, Hours, Words};

/// The first condition that does not hold.
pub fn holds(sale: &Sale<'_>, bonus: &Bonus) -> Result<(), NotGiven> {
    let when = &bonus.when;
    let local = calendar::local_date_time(sale.zone, sale.created_at);
    let day = DayOfWeek::WORDS[local.weekday().num_days_from_monday() as usize].1;
    let seconds = local.num_seconds_from_midnight();
    let demand = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
    let among = |list: &[_], day| list.is_empty() || list.contains(&day);
    demand(
        when.between
            .is_none_or(|span| (span.start..span.end).contains(&sale.created_at)),
        NotGiven::Between,
    )?;
    demand(
        when.days_of_week.is_empty() || when.days_of_week.contains(&day),
        NotGiven::DayOfWeek,
    )?;
    demand(among(&when.days_of_month, local.day()), NotGiven::DayOfMonth)?;
    demand(
        when.hours.is_none_or(|hours| within(hours, seconds)),
        NotGiven::Hours,
    )?;
    demand(
        when.channels.is_empty() || when.channels.iter().any(|channel| channel == sale.channel),
        NotGiven::Channel,
    )?;
    let paid_by = |method: &str| when.payment_methods.iter().any(|known| known == method);
    demand(
        when.payment_methods.is_empty() || sale.payment_method.is_some_and(paid_by),
        NotGiven::PaymentMethod,
    )?;
    min_order(&sale.goods, bonus)?;
    for_buyer(sale, bonus)
}

/// What only the member's ledger decides.
fn for_buyer(sale: &Sale<'_>, bonus: &Bonus) -> Result<(), NotGiven> {
    let (when, buyer) = (&bonus.when, &sale.buyer);
    let of_tier = |tier: &str| when.tiers.iter().any(|named| named == tier);
    if !when.tiers.is_empty() && !buyer.tier.is_some_and(of_tier) {
        return Err(NotGiven::Tier);
    }
    let lies_in = |span| buyer.birthday.is_some_and(|birthday| birthday.lies_in(span));
    if when.birthday.is_some_and(|span| !lies_in(span)) {
        return Err(NotGiven::Birthday);
    }
    match when.first_order && !buyer.first_order {
        true => Err(NotGiven::NotFirstOrder),
        false => Ok(()),
    }
}

/// `min_order` is looked at again when goods come back.
pub fn min_order(goods: &SoldGoods<'_>, bonus: &Bonus) -> Result<(), NotGiven> {
    match bonus.when.min_order {
        Some(least) if goods.whole().left < Ratio::from(least) => Err(NotGiven::BelowMinOrder),
        _ => Ok(()),
    }
}

fn within(hours: Hours, seconds: u32) -> bool {
    let (start, end) = (hours.start.seconds(), hours.end.seconds());
    match start < end {
        true => (start..end).contains(&seconds),
        false => seconds >= start || seconds < end,
    }
}
