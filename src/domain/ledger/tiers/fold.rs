//! From facts to periods: what each instant does to the level held.

use std::cell::RefCell;

use chrono_tz::Tz;

use super::facts::{Look, Record, Setting};
use super::index::Index;
use super::measure::Unmet;
use super::period::{Began, Checked, Period};
use super::window::{self, Moment};
use super::{Fall, Next, Rules};
use crate::domain::instant::Instant;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{Level, OnRefund, RenewOver, RenewWhen, Tiers};

/// From so many facts on that are gone through at once they are put in order for it first.
const INDEXED_FROM: usize = 12;

pub struct Fold<'a> {
    pub rules: Rules<'a>,
    pub record: &'a Record,
    /// Of the record's facts.
    pub last: Option<Instant>,
    /// The first of them that is not in `periods` yet.
    pub ahead: Option<Instant>,
    pub periods: &'a mut Vec<Period>,
    pub index: Option<RefCell<Index>>,
}

/// Which of the facts of an instant are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// A period ends there: points come after its end.
    WithoutPoints,
    PointsAlone,
}

/// A version's tiers at an instant.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    pub tiers: &'a Tiers,
    pub zone: Tz,
}

/// A level, and what its period will be looked at again for.
pub(super) struct Landing<'a> {
    pub level: &'a Level,
    pub checked: Checked,
}

impl<'a> Fold<'a> {
    /// Goes on behind `after`, in the order of time; at one instant versions, then facts, then
    /// settings, then ends, then points where one ends.
    pub fn run(&mut self, after: Instant, facts_to: Instant, ends_before: Instant) {
        if self.ahead.is_some_and(|at| at <= facts_to)
            && self.record.count_between(after, facts_to) >= INDEXED_FROM
        {
            self.index = Some(RefCell::new(Index::of(self.record, after)));
        }
        let mut after = after;
        while let Some((at, next)) = self.next(after, facts_to, ends_before) {
            if next == Next::End {
                self.end(at);
                self.facts(at, Part::PointsAlone);
                continue;
            }
            self.versions(at);
            let ends = self.ends_at(at);
            self.facts(at, if ends { Part::WithoutPoints } else { Part::All });
            self.settings(at);
            if ends && !self.ends_at(at) {
                self.facts(at, Part::PointsAlone);
            }
            after = at;
            if self.ahead.is_some_and(|ahead| ahead <= at) {
                let lies_ahead = self.last.is_some_and(|last| last > at);
                self.ahead = lies_ahead.then(|| self.next_after(at)).flatten();
            }
        }
    }

    fn next_after(&self, at: Instant) -> Option<Instant> {
        match &self.index {
            Some(index) => index.borrow().next_after(at),
            None => self.record.next_after(at),
        }
    }

    fn looks_at(&self, at: Instant) -> Look {
        match &self.index {
            Some(index) => index.borrow().looks_at(at),
            None => self.record.looks_at(at),
        }
    }

    fn next(&self, after: Instant, facts_to: Instant, ends_before: Instant) -> Option<(Instant, Next)> {
        let fact = self.ahead.filter(|at| *at <= facts_to);
        let version = self.rules.change_after(after).filter(|at| *at <= facts_to);
        let end = self.periods.last().and_then(|period| period.until);
        let end = end.filter(|at| *at < ends_before);
        let all = [
            version.map(|at| (at, Next::Version)),
            fact.map(|at| (at, Next::Fact)),
            end.map(|at| (at, Next::End)),
        ];
        all.into_iter().flatten().min()
    }

    pub(super) fn version(&self, at: Instant) -> Option<Version<'a>> {
        let (published, tiers) = self.rules.at(at)?;
        let zone = published.rules.timezone;
        Some(Version { tiers, zone })
    }

    /// The level held, by its rank in a version. `None`: the version has no such level.
    fn held(&self, version: Version<'a>) -> Option<(usize, &'a Level)> {
        match self.periods.last() {
            Some(period) => version.tiers.level(&period.level),
            None => version.tiers.levels.first().map(|level| (0, level)),
        }
    }

    fn versions(&mut self, at: Instant) {
        let begins = |published: &Published| published.counts_from() == at;
        if !self.rules.book.versions(self.rules.shop_id).any(begins) {
            return;
        }
        let Some(version) = self.version(at) else { return };
        let moment = Moment::of(version.zone, at);
        match self.held(version) {
            None => {
                let fits = self.highest(version, moment, 0).unwrap_or(Landing {
                    level: &version.tiers.levels[0],
                    checked: Checked::Not,
                });
                self.begin(version, moment, fits, Began::TierRemoved);
            }
            Some((rank, _)) if version.tiers.retroactive => {
                if let Some(landing) = self.highest(version, moment, rank + 1) {
                    self.begin(version, moment, landing, Began::RuleChanged);
                }
            }
            Some(_) => {}
        }
    }

    fn facts(&mut self, at: Instant, part: Part) {
        let look = self.looks_at(at);
        let (counts, refunds) = match part {
            Part::All => (look.counts || look.points, look.refunds || look.takes_points),
            Part::WithoutPoints => (look.counts, look.refunds),
            Part::PointsAlone => (look.points, look.takes_points),
        };
        if !counts {
            return;
        }
        let Some(version) = self.version(at) else { return };
        let Some((rank, level)) = self.held(version) else {
            return;
        };
        let moment = Moment::of(version.zone, at);
        if let Some(landing) = self.highest(version, moment, rank + 1) {
            return self.begin(version, moment, landing, Began::Reached);
        }
        if refunds && version.tiers.on_refund == OnRefund::Recheck && !self.would_still(moment) {
            if !self.enters(version, level, moment) && rank > 0 {
                let landing = self.lower(version, rank, moment);
                self.begin(version, moment, landing, Began::Refunded);
            }
            return;
        }
        if rank > 0 && level.renew_when == RenewWhen::WhenMet && self.renews(level, moment.at) {
            let checked = Checked::Over(self.since());
            self.begin(version, moment, Landing { level, checked }, Began::Renewed);
        }
    }

    fn settings(&mut self, at: Instant) {
        let Some(version) = self.version(at) else { return };
        let settings: Vec<&Setting> = self.record.settings_at(at).collect();
        for setting in settings {
            let moment = Moment::of(version.zone, at);
            match &setting.level {
                Some(name) => {
                    if let Some((rank, level)) = version.tiers.level(name) {
                        let checked = Checked::Not;
                        self.begin(version, moment, Landing { level, checked }, Began::Set);
                        if let Some(period) = self.periods.last_mut().filter(|_| rank > 0) {
                            period.until = setting.until.or(period.until);
                        }
                    }
                }
                None => {
                    let landing = self.highest(version, moment, 1).unwrap_or(Landing {
                        level: &version.tiers.levels[0],
                        checked: Checked::Not,
                    });
                    let landing = Landing {
                        checked: Checked::Not,
                        ..landing
                    };
                    self.begin(version, moment, landing, Began::Set);
                }
            }
        }
    }

    /// The period held ends: higher, renewed, or lower.
    fn end(&mut self, at: Instant) {
        let Some((version, held)) = self.version(at).zip(self.periods.last()) else {
            // Rules without tiers after some with them: the level stays.
            if let Some(period) = self.periods.last_mut() {
                period.until = None;
            }
            return;
        };
        let Some((rank, level)) = version.tiers.level(&held.level) else {
            let moment = Moment::of(version.zone, at);
            let landing = self.lower(version, version.tiers.levels.len(), moment);
            return self.begin(version, moment, landing, Began::TierRemoved);
        };
        let moment = Moment::end(version.zone, at, &level.valid);
        if let Some(landing) = self.highest(version, moment, rank + 1) {
            return self.begin(version, moment, landing, Began::Reached);
        }
        if self.renews_at_end(version, level, moment) || self.enters_over(version, level, moment) {
            let checked = Checked::Over(self.since());
            return self.begin(version, moment, Landing { level, checked }, Began::Renewed);
        }
        let landing = self.lower(version, rank, moment);
        self.begin(version, moment, landing, Began::NotRenewed);
    }

    /// The level that the period held would fall to if it ended now and nothing held it.
    pub fn falls_to(&self, at: Instant) -> Option<Fall> {
        let version = self.version(at)?;
        let held = self.periods.last()?;
        let (rank, level) = version.tiers.level(&held.level)?;
        let moment = Moment::end(version.zone, at, &level.valid);
        let stays = self.highest(version, moment, rank + 1).is_some()
            || self.renews_at_end(version, level, moment)
            || self.enters_over(version, level, moment);
        if stays || rank == 0 {
            return None;
        }
        Some(Fall {
            to: self.lower(version, rank, moment).level.name.clone(),
            missing: self.missing_to_keep(at)?,
        })
    }

    /// What the level held lacks to be renewed at an instant, for each condition.
    pub fn missing_to_keep(&self, at: Instant) -> Option<Vec<Vec<Unmet>>> {
        let version = self.version(at)?;
        let held = self.periods.last()?;
        let (_, level) = version.tiers.level(&held.level)?;
        let over = self.over_held(at);
        let moment = Moment::end(version.zone, at, &level.valid);
        let (conditions, window) = match (level.renewal(), level.renew_over) {
            ([], _) => (&level.enter[..], self.window(version, level, moment)),
            (conditions, RenewOver::Window) => (conditions, self.window(version, level, moment)),
            (conditions, RenewOver::Period) => (conditions, over),
        };
        let measures = self.measures(window, at);
        Some(
            conditions
                .iter()
                .map(|condition| measures.unmet(condition))
                .collect(),
        )
    }

    /// The next higher level that can be entered, and what is missing for each of its conditions.
    pub fn missing_for_next(&self, at: Instant) -> Option<(&'a Level, Vec<Vec<Unmet>>)> {
        let version = self.version(at)?;
        let (rank, _) = self.held(version)?;
        let mut higher = version.tiers.levels.get(rank + 1..)?.iter();
        let level = higher.find(|level| !level.enter.is_empty())?;
        let window = self.window(version, level, Moment::of(version.zone, at));
        let measures = self.measures(window, at);
        let missing = level.enter.iter().map(|condition| measures.unmet(condition));
        Some((level, missing.collect()))
    }

    fn begin(&mut self, version: Version<'a>, moment: Moment, landing: Landing<'a>, began: Began) {
        let level = landing.level;
        let is_first = version.tiers.levels[0].name == level.name;
        let until = match is_first {
            true => None,
            false => window::end_of(version.zone, moment, &level.valid),
        };
        let same = self.periods.last().filter(|held| held.level == level.name);
        let level_since = same.map_or(moment.at, |held| held.level_since);
        self.periods.push(Period {
            level: level.name.clone(),
            since: moment.at,
            until,
            level_since,
            began,
            checked: landing.checked,
        });
    }
}
