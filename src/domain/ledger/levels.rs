//! Facts of levels taken in, and what changes by them published.

use super::account::{Account, Head};
use super::standing::{DueGift, GiftKind, LevelMoment, Standing, Told};
use super::tiers::facts::Counted;
use super::tiers::{Began, Next, Period, Rules};
use crate::domain::calendar;
use crate::domain::entry::{Entry, OrderFact};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;
use crate::domain::rules::model::LevelGift;
use crate::domain::short_text::ShortText;

/// What led to a look at the levels.
pub(super) struct Occasion {
    pub cause_id: ShortText,
    pub traceparent: Option<ShortText>,
    pub note: Option<String>,
    pub actor: Option<String>,
    /// The first instant at which a fact changed something. `None`: time passed.
    pub fact_at: Option<Instant>,
    /// A level was set by hand: what it begins is not late.
    pub by_hand: bool,
}

impl Occasion {
    pub fn of(entry: &Entry, fact_at: Option<Instant>) -> Self {
        Occasion {
            cause_id: entry.cause_id.clone(),
            traceparent: entry.traceparent.clone(),
            note: None,
            actor: None,
            fact_at,
            by_hand: false,
        }
    }

    fn by_time(cause_id: ShortText) -> Self {
        Occasion {
            cause_id,
            traceparent: None,
            note: None,
            actor: None,
            fact_at: None,
            by_hand: false,
        }
    }
}

impl<'a> Account<'a> {
    pub(super) fn tier_rules(&self) -> Rules<'a> {
        Rules {
            book: self.terms.book,
            shop_id: self.shop_id,
        }
    }

    pub(super) fn standing(&mut self) -> &mut Standing {
        self.member.standing.get_or_insert_default()
    }

    pub fn order_fact(&mut self, entry: &Entry, fact: &OrderFact, at: Instant) {
        let Some(order) = entry.order_id.as_deref().map(ids::order_memory) else {
            return;
        };
        let horizon = self.terms.tier_facts_from(at);
        let standing = self.standing();
        let is_known = standing.timeline.record.orders.contains_key(&order);
        let is_old = fact.steps.first().map_or(fact.created_at, |step| step.at) < horizon;
        if is_old && !is_known {
            return self.drop_blank_standing();
        }
        let mut counted = Counted::of(fact.clone());
        if fact.steps.iter().any(|step| step.at > at) {
            counted.cause_id = Some(entry.cause_id.clone());
        }
        let changed = standing.timeline.learn_order(order, Some(counted), horizon);
        standing.last_cause = entry.cause_id.clone();
        self.look_at_levels(Occasion::of(entry, changed), at);
        self.drop_blank_standing();
    }

    /// Notes points that an order brought its member, or that were taken back, from the first
    /// version on that looks at them.
    pub(super) fn note_order_points(&mut self, order: &str, at: Instant, points: i64) {
        let counts = self.terms.book.looks_at_points(self.shop_id);
        if !counts || at < self.terms.tier_facts_from(self.member.open_from) {
            return;
        }
        let standing = self.standing();
        let changed = standing
            .timeline
            .learn_points(ids::order_memory(order), at, points);
        self.drop_blank_standing();
        self.points_changed = match (self.points_changed, changed) {
            (Some(known), Some(changed)) => Some(known.min(changed)),
            (known, changed) => known.or(changed),
        };
    }

    /// Looks at the levels again after points of orders changed.
    pub(super) fn look_at_levels_by_points(&mut self, entry: &Entry, at: Instant) {
        if let Some(changed) = self.points_changed.take() {
            self.standing().last_cause = entry.cause_id.clone();
            self.look_at_levels(Occasion::of(entry, Some(changed)), at);
        }
    }

    fn drop_blank_standing(&mut self) {
        if self.member.standing.as_deref().is_some_and(Standing::is_blank) {
            self.member.standing = None;
        }
    }

    /// Works the levels out up to `at`; ends of that very instant are still to come.
    pub(super) fn look_at_levels(&mut self, occasion: Occasion, at: Instant) {
        let rules = self.tier_rules();
        let ends_before = self.member.open_from;
        let standing = self.standing();
        standing.timeline.advance(rules, at, ends_before);
        standing.timeline.bound(rules);
        self.tell_level(&occasion, at);
    }

    /// What time alone does at an instant.
    pub(super) fn level_moment(&mut self, at: Instant, moment: LevelMoment) {
        let rules = self.tier_rules();
        match moment {
            LevelMoment::Timeline(next) => {
                let standing = self.standing();
                let cause_id = standing.cause_of(next, at);
                standing
                    .timeline
                    .advance(rules, at, Instant(at.0.saturating_add(1)));
                standing.timeline.forget_causes();
                self.tell_level(&Occasion::by_time(cause_id), at);
            }
            LevelMoment::Gift => self.level_gifts(at),
            LevelMoment::Notice => self.level_notice(at),
        }
    }

    /// Publishes the present if it is another than was published last.
    fn tell_level(&mut self, occasion: &Occasion, now: Instant) {
        let rules = self.tier_rules();
        let Some(standing) = self.member.standing.as_deref() else {
            return;
        };
        let present = standing.timeline.present().cloned();
        let told = standing.told.clone();
        let since = present.as_ref().map(|period| period.since);
        let effective_at = since.unwrap_or(now);
        let Some(first) = rules.first(effective_at) else {
            return;
        };
        let (level, until) = match &present {
            Some(period) => (period.level.clone(), period.until),
            None => (first.clone(), None),
        };
        let (from, ended) = match &told {
            Some(told) => (told.level.clone(), told.until),
            None => (first.clone(), None),
        };
        if level == from && until == ended {
            return;
        }
        let reason = self.reason_of(present.as_ref(), told.as_ref(), occasion);
        let is_up = self.is_up(&from, &level, effective_at);
        let benefits = rules
            .at(effective_at)
            .and_then(|(_, tiers)| tiers.level(&level)?.1.benefits.clone());
        self.standing().told = Some(Told {
            level: level.clone(),
            since,
            until,
            effective_at,
            cause_id: occasion.cause_id.clone(),
            noticed_to: now,
        });
        let (kind, body) = match (level == from, since) {
            (true, Some(since)) => {
                let tier = level.clone();
                ("tier-renewed", Body::TierRenewed { tier, since, until })
            }
            _ => {
                let body = Body::TierChanged {
                    from,
                    to: level.clone(),
                    is_up,
                    since,
                    until,
                    benefits,
                };
                ("tier-changed", body)
            }
        };
        let is_renewal = kind == "tier-renewed";
        let id = ids::level(
            kind,
            self.shop_id,
            self.member_id,
            &occasion.cause_id,
            effective_at,
        );
        let head = self.level_head(reason, effective_at, occasion);
        self.tell(id, head, body);
        if is_renewal {
            self.plan_gift(GiftKind::Renewal, &level, effective_at, &occasion.cause_id);
        } else if is_up {
            self.plan_gift(GiftKind::Entry, &level, effective_at, &occasion.cause_id);
        }
        self.level_gifts(now);
    }

    /// A fact, or the beginning of the present, that lies before what was published last is late.
    fn reason_of(&self, present: Option<&Period>, told: Option<&Told>, occasion: &Occasion) -> Reason {
        if occasion.by_hand {
            return Reason::Set;
        }
        let held = told.map(|told| &told.level);
        let began = present.map_or(Reason::LateFact, |period| {
            let is_new = held.is_none_or(|held| *held != period.level);
            self.began(period, is_new).reason()
        });
        let Some(told) = told else { return began };
        let since = present.map_or(Instant::MIN, |period| period.since);
        let is_late = since < told.effective_at || occasion.fact_at.is_some_and(|at| at < told.effective_at);
        let is_kept = present.is_some_and(|period| period.level == told.level);
        match began {
            _ if is_late => Reason::LateFact,
            Reason::Renewed | Reason::Set => began,
            _ if is_kept => Reason::Renewed,
            began => began,
        }
    }

    /// Why a period began; of a level that is new to the outside and has been renewed since, why the
    /// first of its periods did.
    fn began(&self, period: &Period, is_new: bool) -> Began {
        let standing = self.member.standing.as_deref();
        let mut periods = standing
            .into_iter()
            .flat_map(|standing| &standing.timeline.periods);
        let first = periods.find(|known| known.since == period.level_since && known.level == period.level);
        match first.filter(|_| is_new && period.began == Began::Renewed) {
            Some(first) => first.began,
            None => period.began,
        }
    }

    fn is_up(&self, from: &str, to: &str, at: Instant) -> bool {
        let rules = self.tier_rules();
        let rank = |name: &str| {
            let now = rules.at(at).and_then(|(_, tiers)| tiers.level(name));
            let before = || {
                let mut versions: Vec<_> = rules.book.versions(rules.shop_id).collect();
                versions.sort_by_key(|version| std::cmp::Reverse(version.rules.version));
                let mut tiers = versions
                    .into_iter()
                    .filter_map(|version| version.rules.tiers.as_ref());
                tiers.find_map(|tiers| tiers.level(name))
            };
            now.or_else(before).map_or(0, |(rank, _)| rank)
        };
        rank(to) > rank(from)
    }

    fn level_head(&self, reason: Reason, effective_at: Instant, occasion: &Occasion) -> Head {
        Head {
            reason,
            order_id: None,
            rule_version: self.rules(effective_at).map(|published| published.rules.version),
            effective_at,
            cause_id: occasion.cause_id.clone(),
            note: occasion.note.clone(),
            notify: true,
            actor: occasion.actor.clone(),
            traceparent: occasion.traceparent.clone(),
        }
    }

    /// A notice before the end of the present, unless the level would be kept.
    fn level_notice(&mut self, at: Instant) {
        let rules = self.tier_rules();
        let standing = self.standing();
        let notices = standing.notices(rules).unwrap_or_default();
        let Some(told) = standing.told.as_mut() else {
            return;
        };
        told.noticed_to = at;
        let cause_id = told.cause_id.clone();
        let Some(period) = standing.timeline.present().cloned() else {
            return;
        };
        let Some((until, falls)) = period.until.zip(standing.timeline.would_fall(rules)) else {
            return;
        };
        let due: Vec<u32> = notices
            .into_iter()
            .filter(|(moment, _)| *moment == at)
            .map(|(_, days)| days)
            .collect();
        for days_left in due {
            let body = Body::TierExpiring {
                tier: period.level.clone(),
                until,
                days_left,
                falls_to: falls.to.clone(),
                missing: falls.missing.clone(),
            };
            let id = ids::level("tier-expiring", self.shop_id, self.member_id, &cause_id, at);
            let occasion = Occasion::by_time(cause_id.clone());
            let head = self.level_head(Reason::TierExpiring, at, &occasion);
            self.tell(id, head, body);
        }
    }

    /// Remembers when a level's gift comes, by the version in force when its period began.
    fn plan_gift(&mut self, kind: GiftKind, level: &ShortText, since: Instant, cause_id: &ShortText) {
        let Some((zone, gift)) = self.level_gift(kind, level, since) else {
            return;
        };
        let at = calendar::due_at(zone, since, gift.delay_days, gift.at);
        self.standing().gifts.push(DueGift {
            at,
            kind,
            level: level.clone(),
            since,
            cause_id: cause_id.clone(),
        });
    }

    pub(super) fn level_gift(
        &self,
        kind: GiftKind,
        level: &str,
        since: Instant,
    ) -> Option<(chrono_tz::Tz, LevelGift)> {
        let (published, tiers) = self.tier_rules().at(since)?;
        let gifts = &tiers.level(level)?.1.gifts;
        let gift = match kind {
            GiftKind::Entry => gifts.entry,
            GiftKind::Renewal => gifts.renewal,
        };
        Some((published.rules.timezone, gift?))
    }
}

impl Standing {
    fn is_blank(&self) -> bool {
        self.timeline.record.is_empty()
            && self.timeline.periods.is_empty()
            && self.told.is_none()
            && self.gifts.is_empty()
            && self.entered.is_empty()
    }

    /// The event behind what time does at an instant.
    fn cause_of(&self, next: Next, at: Instant) -> ShortText {
        let told = self.told.as_ref().map(|told| &told.cause_id);
        let of_fact = || {
            let record = &self.timeline.record;
            let orders = record.orders.values();
            let mut orders = orders.filter(|counted| counted.fact.steps.iter().any(|step| step.at == at));
            let order = orders.find_map(|counted| counted.cause_id.as_ref());
            let mut qualified = record.qualified.iter().filter(|one| one.at == at);
            order.or_else(|| qualified.next().map(|one| &one.cause_id))
        };
        let cause = match next {
            Next::Fact => of_fact(),
            Next::End => told,
            Next::Version => None,
        };
        cause.unwrap_or(&self.last_cause).clone()
    }
}
