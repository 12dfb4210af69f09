//! Birthday gifts: once each local year, by the version in force at the moment of the gift.

use chrono::{Datelike, NaiveDate};

use super::Terms;
use super::account::{Account, Credit, Head};
use super::member::Member;
use crate::domain::calendar;
use crate::domain::entry::Birthday;
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::reason::Reason;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{BirthdayGift, BirthdayOn, Expiry};

/// A gift to come.
pub(super) struct BirthdayMoment<'a> {
    pub at: Instant,
    pub year: i32,
    pub published: &'a Published,
    pub gift: BirthdayGift,
}

impl Member {
    /// The next birthday gift by the versions known now, each for as long as it is in force.
    pub(super) fn next_birthday<'a>(&self, shop_id: &str, terms: &Terms<'a>) -> Option<BirthdayMoment<'a>> {
        let celebration = self.birthday.as_ref()?;
        let mut changes: Vec<Instant> = terms
            .book
            .versions(shop_id)
            .map(|published| published.counts_from())
            .collect();
        changes.sort_unstable();
        changes.dedup();
        for (index, change) in changes.iter().enumerate() {
            let end = changes.get(index + 1).copied().unwrap_or(Instant(i64::MAX));
            let Some(published) = terms
                .book
                .in_force(shop_id, *change)
                .filter(|version| version.rules.enabled)
            else {
                continue;
            };
            let Some(gift) = published.rules.birthday_gift() else {
                continue;
            };
            let start = self.open_from.max(*change);
            if start >= end {
                continue;
            }
            let zone = published.rules.timezone;
            let this_year = calendar::local_date_time(zone, start).year();
            let first = celebration
                .given
                .map_or(this_year, |given| this_year.max(given + 1));
            let moments = [first, first + 1].into_iter().filter_map(|year| {
                let day = day_of(celebration.on, gift.on, year)?;
                Some((calendar::local(zone, day, gift.at), year))
            });
            let next = moments.into_iter().find(|(at, _)| *at >= start);
            if let Some((at, year)) = next.filter(|(at, _)| *at < end) {
                let within = terms.gift_horizon.is_none_or(|horizon| at <= horizon);
                return within.then_some(BirthdayMoment {
                    at,
                    year,
                    published,
                    gift,
                });
            }
        }
        None
    }
}

impl Account<'_> {
    pub fn birthday_gift(&mut self, moment: &BirthdayMoment) {
        let (gift, expiry) = self.birthday_gift_of_level(moment);
        let Some(celebration) = &mut self.member.birthday else {
            return;
        };
        celebration.given = Some(moment.year);
        let head = Head {
            reason: Reason::Birthday,
            order_id: None,
            rule_version: Some(moment.published.rules.version),
            effective_at: moment.at,
            cause_id: celebration.cause_id.clone(),
            note: None,
            notify: true,
            actor: None,
            traceparent: None,
        };
        let credit = Credit {
            points: gift,
            expires_at: self.expiry(expiry, moment.at),
            ..Credit::of(ids::birthday_lot(self.shop_id, self.member_id, moment.year))
        };
        self.credit(head, credit, moment.at);
    }
}

impl Account<'_> {
    /// Points and expiry: the level's own in place of the shop's.
    fn birthday_gift_of_level(&self, moment: &BirthdayMoment) -> (i64, Option<Expiry>) {
        let tiers = moment.published.rules.tiers.as_ref();
        let level = tiers.and_then(|tiers| {
            let held = self.member.level_at(self.tier_rules(), moment.at)?;
            tiers.level(&held)?.1.gifts.birthday
        });
        match level {
            Some(gift) => (gift.points, gift.expiry),
            None => (moment.gift.points, moment.gift.expiry),
        }
    }
}

/// 29 February is the 28th in other years.
fn day_of(birthday: Birthday, on: BirthdayOn, year: i32) -> Option<NaiveDate> {
    match on {
        BirthdayOn::MonthStart => NaiveDate::from_ymd_opt(year, birthday.month, 1),
        BirthdayOn::Day => NaiveDate::from_ymd_opt(year, birthday.month, birthday.day)
            .or_else(|| NaiveDate::from_ymd_opt(year, birthday.month, 28)),
    }
}

#[cfg(test)]
#[path = "gifts_tests.rs"]
mod tests;
