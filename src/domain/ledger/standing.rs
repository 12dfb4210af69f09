//! What a member's ledger keeps for the levels of a shop with tiers.

use chrono::Days;

use super::Terms;
use super::member::Member;
use super::tiers::{Next, Period, Rules, Timeline};
use crate::domain::calendar;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::tiers::day_of_end;
use crate::domain::ledger::tiers::facts::FactRefused;
use crate::domain::short_text::ShortText;

/// A member's levels, and what was published about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub timeline: Timeline,
    /// `None`: nothing was published, the member is in the first level.
    pub told: Option<Told>,
    /// The event of the last fact.
    pub last_cause: ShortText,
    pub gifts: Vec<DueGift>,
    /// Levels whose entry gift was given.
    pub entered: Vec<ShortText>,
}

/// The present, as it was published last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub level: ShortText,
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    pub effective_at: Instant,
    pub cause_id: ShortText,
    /// Notices up to this instant are behind.
    pub noticed_to: Instant,
}

/// A gift that comes with a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueGift {
    pub at: Instant,
    pub kind: GiftKind,
    pub level: ShortText,
    /// Where the period began that brings it.
    pub since: Instant,
    pub cause_id: ShortText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiftKind {
    Entry,
    Renewal,
}

/// What comes next by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LevelMoment {
    Timeline(Next),
    Gift,
    Notice,
}

impl Standing {
    pub fn next(&self, rules: Rules<'_>, terms: &Terms) -> Option<(Instant, LevelMoment)> {
        let within = |at: &Instant| terms.gift_horizon.is_none_or(|horizon| *at <= horizon);
        let next = self.timeline.next(rules, terms.gift_horizon);
        let next = next.map(|(at, next)| (at, LevelMoment::Timeline(next)));
        let gift = self.gifts.iter().map(|gift| gift.at).min();
        let gift = gift.map(|at| (at, LevelMoment::Gift));
        let notice = self.next_notice(rules).filter(within);
        let notice = notice.map(|at| (at, LevelMoment::Notice));
        [next, gift, notice].into_iter().flatten().min()
    }

    /// The next notice before the end of the present, by the version in force when it began.
    pub fn next_notice(&self, rules: Rules<'_>) -> Option<Instant> {
        let told = self.told.as_ref()?;
        let moments = self.notices(rules).into_iter().flatten();
        moments.map(|(at, _)| at).filter(|at| *at > told.noticed_to).min()
    }

    /// All notices before the end of the present, with how many days before it they lie.
    pub fn notices(&self, rules: Rules<'_>) -> Option<Vec<(Instant, u32)>> {
        let period = self.timeline.present()?;
        let until = period.until?;
        let (published, tiers) = rules.at(period.since)?;
        let (_, level) = tiers.level(&period.level)?;
        let zone = published.rules.timezone;
        let notices = &published.rules.notices;
        if notices.tier_expiring_days_before.is_empty() {
            return None;
        }
        let day = day_of_end(zone, until, &level.valid);
        let moment = |days_before: &u32| {
            let day = day.checked_sub_days(Days::new(u64::from(*days_before)))?;
            let at = calendar::local(zone, day, notices.at);
            (at <= until).then_some((at, *days_before))
        };
        Some(
            notices
                .tier_expiring_days_before
                .iter()
                .filter_map(moment)
                .collect(),
        )
    }
}

impl Member {
    /// Why a fact of an order cannot count for the member's levels.
    pub fn refuses(&self, entry: &Entry, terms: &Terms) -> Option<FactRefused> {
        let (EntryKind::OrderFact(fact), Some(order)) = (&entry.kind, entry.order_id.as_deref()) else {
            return None;
        };
        let record = &self.standing.as_deref()?.timeline.record;
        let horizon = terms.tier_facts_from(entry.at.max(self.open_from));
        let refused = record.refuses(ids::order_memory(order), fact, horizon)?;
        (!self.orders.has_seen(order, entry.step)).then_some(refused)
    }

    /// The level held strictly before an instant; `None`: the rules had no tiers then.
    pub fn level_before(&self, rules: Rules<'_>, at: Instant) -> Option<ShortText> {
        self.level_of(rules, at, |timeline| timeline.before(at))
    }

    /// The level held at an instant.
    pub fn level_at(&self, rules: Rules<'_>, at: Instant) -> Option<ShortText> {
        self.level_of(rules, at, |timeline| timeline.at(at))
    }

    fn level_of<'a>(
        &'a self,
        rules: Rules<'_>,
        at: Instant,
        held: impl FnOnce(&'a Timeline) -> Option<&'a Period>,
    ) -> Option<ShortText> {
        let first = rules.first(at)?;
        let period = self
            .standing
            .as_deref()
            .and_then(|standing| held(&standing.timeline));
        Some(period.map_or(first, |period| &period.level).clone())
    }

    /// Whether another live order of the member was created before this one.
    pub fn has_live_order_before(&self, order: &str, created_at: Instant) -> bool {
        let order = ids::order_memory(order);
        let standing = self.standing.as_deref();
        standing.is_some_and(|standing| standing.timeline.record.has_live_before(order, created_at))
    }
}
