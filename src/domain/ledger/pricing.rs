//! Orders priced by their member: the price that holds, credited within limits and caps.

use super::account::{Account, Credit, Head};
use super::caps;
use super::receipt::{GivenPart, Receipt};
use super::usage::day_number;
use crate::domain::calendar;
use crate::domain::entry::{Birthday, Entry, IssueOrigin, IssuePart};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::price_list::{Forecast, ForecastBy, PriceList, PricedFor};
use crate::domain::reason::Reason;
use crate::domain::rules::model::{BirthdaySpan, Extent, RuleVersion};
use crate::domain::short_text::ShortText;
use chrono::{Datelike, NaiveDate};

/// An issue by a price list.
pub(super) struct Crediting<'c> {
    pub entry: &'c Entry,
    pub origin: IssueOrigin,
    pub number: u32,
    pub currency: &'c ShortText,
}

impl<'a> Account<'a> {
    /// The points of an order are due.
    pub fn issue_by_price_list(&mut self, entry: &Entry, list: &PriceList, at: Instant) {
        self.member.expect(entry, 0);
        let rules = self.bound_rules(entry);
        let of = self.buyer(entry, list, rules);
        let Some(price) = list.find(of.traits()) else {
            return;
        };
        if let Some(reason) = price.reason {
            let lost = Some(price.lost).filter(|lost| *lost > 0);
            return self.withhold(entry, list, reason, lost);
        }
        let mut receipt = Receipt {
            of,
            day: created_day(list, rules),
            issues: 1,
            may_change: rules.is_none_or(may_change),
            parts: Vec::with_capacity(price.parts.len()),
        };
        for part in &price.parts {
            receipt.parts.push(GivenPart {
                offered: part.points,
                worth: part.points,
                ..GivenPart::of(part.bonus_id.clone())
            });
        }
        let crediting = Crediting {
            entry,
            origin: IssueOrigin::Due,
            number: 0,
            currency: &list.currency,
        };
        let points = price.parts.iter().map(|part| part.points).collect();
        self.credit_parts(&crediting, &mut receipt, points, &price.parts, at);
        if price.lost > 0 {
            self.withhold(entry, list, Reason::Refunded, Some(price.lost));
        }
        self.member.details(entry).receipt = Some(receipt);
    }

    /// Credits points of each part of a receipt, as far as limits and caps allow. `priced` says
    /// what the points were worked out from.
    pub(super) fn credit_parts(
        &mut self,
        crediting: &Crediting<'_>,
        receipt: &mut Receipt,
        points: Vec<i64>,
        priced: &[IssuePart],
        at: Instant,
    ) {
        let entry = crediting.entry;
        let rules = self.bound_rules(entry);
        let before = receipt.clone();
        let asked: i64 = points.iter().copied().fold(0, i64::saturating_add);
        let (points, by) = match rules {
            Some(rules) => {
                let cut = caps::cut(rules, &self.member.usage, receipt, points);
                (cut.points, cut.by)
            }
            None => (points, Vec::new()),
        };
        for (index, part) in receipt.parts.iter_mut().enumerate() {
            part.given = part.given.saturating_add(points[index]);
            part.left = part.left.saturating_add(points[index]);
            if let Some(by) = by.get(index) {
                part.cut_by.add(*by);
            }
        }
        if let Some(rules) = rules {
            caps::count(rules, &mut self.member.usage, &before, receipt);
        }
        let credited = points.iter().copied().fold(0, i64::saturating_add);
        let tier = rules
            .filter(|rules| rules.tiers.is_some())
            .and(receipt.of.tier.clone());
        for (part, points) in receipt.parts.iter().zip(points) {
            let known = priced.iter().find(|priced| priced.bonus_id == part.bonus_id);
            if let (true, Some(priced)) = (points > 0, known) {
                self.credit_part(crediting, priced, points, tier.clone(), at);
            }
        }
        if credited < asked {
            self.tell_capped(crediting, asked - credited);
        }
    }

    fn credit_part(
        &mut self,
        crediting: &Crediting<'_>,
        part: &IssuePart,
        points: i64,
        tier: Option<ShortText>,
        at: Instant,
    ) {
        let Crediting { entry, number, .. } = *crediting;
        let order = entry.order_id.clone().unwrap_or_default();
        let reason = match part.bonus_id {
            None => crediting.origin.reason(),
            Some(_) => crediting.origin.reason_of_bonus(),
        };
        let bonus = part.bonus_id.as_deref();
        let credit = Credit {
            number: Some(number),
            points,
            expires_at: part.expires_at,
            bonus_id: part.bonus_id.clone(),
            base: Some((part.base_amount, crediting.currency.clone())),
            tier,
            ..Credit::of(ids::part_lot(self.shop_id, &order, bonus, number))
        };
        let credit = Credit {
            order: Some(order),
            ..credit
        };
        self.credit(Head::of(entry, reason), credit, at);
    }

    /// What limits and caps took off one issue of an order.
    fn tell_capped(&mut self, crediting: &Crediting<'_>, points: i64) {
        let entry = crediting.entry;
        let order = entry.order_id.as_deref().unwrap_or_default();
        let number = crediting.number.to_string();
        let id = ids::of_order("capped", self.shop_id, order, &[&number]);
        let body = Body::Withheld { points: Some(points) };
        self.tell(id, Head::of(entry, Reason::Capped), body);
    }

    /// As the order itself would tell it.
    fn withhold(&mut self, entry: &Entry, list: &PriceList, reason: Reason, points: Option<i64>) {
        let order = entry.order_id.as_deref().unwrap_or_default();
        let again = list.again.map(|times| times.to_string());
        let parts: Vec<&str> = again.iter().map(String::as_str).collect();
        let id = ids::of_order("withheld", self.shop_id, order, &parts);
        self.tell(id, Head::of(entry, reason), Body::Withheld { points });
    }

    /// What an order is expected to bring, without limits and caps. Told when it is another than
    /// was told last.
    pub fn forecast(&mut self, entry: &Entry, forecast: &Forecast) {
        let rules = self.bound_rules(entry);
        let points = forecast.list.as_ref().map_or(0, |list| {
            let buyer = self.buyer(entry, list, rules);
            list.find(buyer.traits()).map_or(0, |price| price.points())
        });
        let pending = forecast
            .due_at
            .filter(|_| points > 0)
            .map(|due_at| (points, due_at));
        let known = entry
            .order_id
            .as_deref()
            .and_then(|order| self.member.orders.get(order));
        if known.and_then(|details| details.pending) == pending {
            return;
        }
        let details = self.member.details(entry);
        details.expected = points;
        details.pending = pending;
        let order = entry.order_id.as_deref().unwrap_or_default();
        let (version, time) = (version_of(forecast.by), entry.effective_at.0.to_string());
        let points = points.to_string();
        let due = forecast.due_at.map(|at| at.0.to_string()).unwrap_or_default();
        let parts: &[&str] = match forecast.by {
            ForecastBy::Event => &[&entry.cause_source, &entry.cause_id],
            ForecastBy::Change => &["changed", &time, &points, &due, ""],
            ForecastBy::Takeover(_) => &["takeover", &version, ""],
        };
        let id = ids::of_order("pending", self.shop_id, order, parts);
        let body = Body::Pending {
            points: pending.map_or(0, |(points, _)| points),
            due_at: pending.map(|(_, due_at)| due_at),
        };
        self.tell(id, Head::of(entry, Reason::Pending), body);
    }

    pub(super) fn bound_rules(&self, entry: &Entry) -> Option<&'a RuleVersion> {
        let version = self.terms.book.version(self.shop_id, entry.rule_version?)?;
        Some(&version.rules)
    }

    /// The buyer of an order, as the account knows it by now.
    fn buyer(&self, entry: &Entry, list: &PriceList, rules: Option<&RuleVersion>) -> PricedFor {
        let zone = rules.map_or(chrono_tz::UTC, |rules| rules.timezone);
        let day = calendar::local_date_time(zone, list.created_at).date();
        let birthday = self.member.birthday.as_ref();
        let created_at = list.created_at;
        let order = entry.order_id.as_deref().unwrap_or_default();
        let computed = |rules: &RuleVersion| {
            rules.tiers.as_ref()?;
            self.member.level_before(self.tier_rules(), created_at)
        };
        PricedFor {
            tier: list.told_tier.clone().or_else(|| rules.and_then(computed)),
            birthday: birthday.and_then(|celebration| around(celebration.on, day)),
            first_order: !self.member.has_live_order_before(order, created_at),
        }
    }
}

/// The narrowest span around a birthday that holds the day.
fn around(birthday: Birthday, day: NaiveDate) -> Option<BirthdaySpan> {
    if birthday.month != day.month() {
        return None;
    }
    let celebrated = calendar::day_of_year(day.year(), birthday.month, birthday.day);
    Some(match celebrated == day {
        true => BirthdaySpan::Day,
        false => BirthdaySpan::Month,
    })
}

fn created_day(list: &PriceList, rules: Option<&RuleVersion>) -> i32 {
    let zone = rules.map_or(chrono_tz::UTC, |rules| rules.timezone);
    day_number(calendar::local_date_time(zone, list.created_at).date())
}

/// Whether anything that happens after the issue changes what an order has.
fn may_change(rules: &RuleVersion) -> bool {
    let reversal = &rules.reversal;
    reversal.after_edit_adjusts
        || reversal.after_cancel != Extent::None
        || reversal.after_refund != Extent::None
}

fn version_of(by: ForecastBy) -> String {
    match by {
        ForecastBy::Takeover(version) => version.to_string(),
        ForecastBy::Event | ForecastBy::Change => String::new(),
    }
}
