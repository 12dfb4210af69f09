//! Notices before lots expire: one for a member, a local day and a lead time.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::account::{Account, Head};
use super::lots::{Lot, Notice};
use super::member::DAY_MICROS;
use crate::domain::calendar;
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;

impl Account<'_> {
    /// A lot's first notice at or after `from`, by the version in force when it was issued.
    /// Notices that do not lie after the issue, or lie after the expiry, are left out.
    pub fn next_notice(&self, lot: &Lot, from: Instant) -> Option<Notice> {
        let expires_at = lot.expires_at?;
        let rules = &self.terms.book.version(self.shop_id, lot.rule_version?)?.rules;
        let last_day = calendar::local_date_time(rules.timezone, expires_at).date();
        let notices = rules
            .notices
            .expiring_days_before
            .iter()
            .filter_map(|days_before| {
                let day = last_day.checked_sub_days(Days::new(u64::from(*days_before)))?;
                let at = calendar::local(rules.timezone, day, rules.notices.at);
                let told = at > lot.issued_at && at >= from && at <= expires_at;
                told.then_some(Notice {
                    at,
                    day,
                    days_before: *days_before,
                })
            });
        notices.min_by_key(|notice| (notice.at, notice.days_before))
    }

    /// Sends the notices of an instant. A lot whose notice with the same lead time comes later
    /// on that day, because another version issued it, is told of here too.
    pub fn notify_at(&mut self, at: Instant) {
        let mut due: BTreeSet<(NaiveDate, u32)> = BTreeSet::new();
        for lot in self.member.lots.iter() {
            if let Some(notice) = lot.notice.filter(|notice| notice.at == at) {
                due.insert((notice.day, notice.days_before));
            }
        }
        for (day, days_before) in due {
            let told = |lot: &Lot| {
                lot.notice
                    .is_some_and(|notice| notice.day == day && notice.days_before == days_before)
            };
            // The local day of the expiry, as wide as zones go.
            let lead = i64::from(days_before).saturating_mul(DAY_MICROS);
            let from = Instant(at.0.saturating_add(lead - 2 * DAY_MICROS));
            let to = Instant(at.0.saturating_add(lead + 3 * DAY_MICROS));
            let lots = self.member.lots.expiring(from, to);
            let lots: Vec<Lot> = lots.filter(|lot| told(lot)).cloned().collect();
            self.notify(at, &day.to_string(), days_before, &lots);
            let next: Vec<_> = lots
                .iter()
                .map(|lot| lot.notice.and_then(|n| self.next_notice(lot, after(n.at))))
                .collect();
            let mut next = next.into_iter();
            let next = |lot: &Lot| told(lot).then(|| next.next().flatten());
            self.member.lots.set_notices(from, to, next);
        }
    }

    fn notify(&mut self, at: Instant, day: &str, days_before: u32, lots: &[Lot]) {
        let Some((first, expires_at)) = lots.first().and_then(|lot| Some((lot, lot.expires_at?))) else {
            return;
        };
        let body = Body::Expiring {
            points: lots
                .iter()
                .fold(0, |sum: i64, lot| sum.saturating_add(lot.points)),
            expires_at,
            days_left: days_before,
            lots: lots.iter().map(|lot| lot.part(lot.points)).collect(),
        };
        let id = ids::expiring(self.shop_id, self.member_id, day, days_before, at);
        // The notice is not about one order, even if the lot that expires first is.
        let head = Head {
            order_id: None,
            ..Head::of_lot(first, Reason::Expiring, at)
        };
        self.tell(id, head, body);
    }
}

fn after(at: Instant) -> Instant {
    Instant(at.0.saturating_add(1))
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
