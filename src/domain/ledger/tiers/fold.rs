//! From facts to periods: what each instant does to the level held.

use chrono_tz::Tz;

use super::facts::{Record, Setting};
use super::measure::Unmet;
use super::period::{Began, Checked, Period};
use super::window::{self, Moment, Origin, Window};
use super::{Fall, Next, Rules};
use crate::domain::instant::Instant;
use crate::domain::rules::book::Published;
use crate::domain::rules::model::{
    Condition, Level, OnExpiry, OnRefund, RenewOver, RenewWhen, Tiers, Within,
};

pub struct Fold<'a> {
    pub rules: Rules<'a>,
    pub record: &'a Record,
    pub periods: &'a mut Vec<Period>,
}

/// A version's tiers at an instant.
#[derive(Clone, Copy)]
struct Version<'a> {
    tiers: &'a Tiers,
    zone: Tz,
}

/// A level, and what its period will be looked at again for.
struct Landing<'a> {
    level: &'a Level,
    checked: Checked,
}

impl<'a> Fold<'a> {
    /// Goes on behind `after`, in the order of time; at one instant versions, then facts, then
    /// settings, then ends.
    pub fn run(&mut self, after: Instant, facts_to: Instant, ends_before: Instant) {
        let mut after = after;
        while let Some((at, next)) = self.next(after, facts_to, ends_before) {
            if next == Next::End {
                self.end(at);
                continue;
            }
            self.versions(at);
            self.facts(at);
            self.settings(at);
            after = at;
        }
    }

    fn next(&self, after: Instant, facts_to: Instant, ends_before: Instant) -> Option<(Instant, Next)> {
        let fact = self.record.next_after(after).filter(|at| *at <= facts_to);
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

    fn version(&self, at: Instant) -> Option<Version<'a>> {
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

    fn facts(&mut self, at: Instant) {
        let look = self.record.looks_at(at);
        if !look.counts {
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
        if look.refunds && version.tiers.on_refund == OnRefund::Recheck && !self.would_still(moment) {
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
        let over = held.since;
        let Some((rank, level)) = version.tiers.level(&held.level) else {
            let moment = Moment::of(version.zone, at);
            let landing = self.lower(version, version.tiers.levels.len(), moment);
            return self.begin(version, moment, landing, Began::TierRemoved);
        };
        let moment = Moment::end(version.zone, at, &level.valid);
        if let Some(landing) = self.highest(version, moment, rank + 1) {
            return self.begin(version, moment, landing, Began::Reached);
        }
        if self.renews_at_end(version, level, moment) || self.enters_over(version, level, moment, over) {
            let checked = Checked::Over(over);
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
            || self.enters_over(version, level, moment, held.since);
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
        let over = Window::after(held.since, at);
        let moment = Moment::end(version.zone, at, &level.valid);
        let (conditions, window) = match (level.renewal(), level.renew_over) {
            ([], _) => (&level.enter[..], self.window(version, level, moment)),
            (conditions, RenewOver::Window) => (conditions, self.window(version, level, moment)),
            (conditions, RenewOver::Period) => (conditions, over),
        };
        let measures = self.record.measures(window, at);
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
        let measures = self.record.measures(window, at);
        let missing = level.enter.iter().map(|condition| measures.unmet(condition));
        Some((level, missing.collect()))
    }

    fn since(&self) -> Instant {
        self.periods.last().map_or(Instant::MIN, |period| period.since)
    }

    fn window(&self, version: Version<'_>, level: &Level, moment: Moment) -> Window {
        window::of(
            level.within,
            version.zone,
            moment,
            self.origin(self.periods.last()),
        )
    }

    fn origin(&self, held: Option<&Period>) -> Origin {
        match held {
            Some(period) => Origin::Began(period.level_since),
            None => Origin::Always(self.record.first()),
        }
    }

    /// Whether the conditions of `enter` hold at a moment.
    fn enters(&self, version: Version<'_>, level: &Level, moment: Moment) -> bool {
        let window = self.window(version, level, moment);
        self.hold(&level.enter, window, moment.at)
    }

    /// The same at the end of a period that began at `over`, over which `in_tier` looks then.
    fn enters_over(&self, version: Version<'_>, level: &Level, moment: Moment, over: Instant) -> bool {
        match level.within {
            Within::InTierMonths(_) | Within::InTierDays(_) => {
                self.hold(&level.enter, Window::after(over, moment.at), moment.at)
            }
            _ => self.enters(version, level, moment),
        }
    }

    /// Whether the conditions of `renew` hold over the period held, up to an instant.
    fn renews(&self, level: &Level, at: Instant) -> bool {
        self.hold(level.renewal(), Window::after(self.since(), at), at)
    }

    fn renews_at_end(&self, version: Version<'_>, level: &Level, moment: Moment) -> bool {
        match level.renew_over {
            RenewOver::Period => self.renews(level, moment.at),
            RenewOver::Window => self.hold(level.renewal(), self.window(version, level, moment), moment.at),
        }
    }

    fn hold(&self, conditions: &[Condition], window: Window, as_of: Instant) -> bool {
        if conditions.is_empty() {
            return false;
        }
        let measures = self.record.measures(window, as_of);
        conditions.iter().any(|condition| measures.meet(condition))
    }

    /// The highest level from a rank on that is entered at a moment.
    fn highest(&self, version: Version<'a>, moment: Moment, from: usize) -> Option<Landing<'a>> {
        let levels = version.tiers.levels.get(from..)?.iter().rev();
        let mut entered = levels.filter(|level| self.enters(version, level, moment));
        entered.next().map(|level| Landing {
            level,
            checked: Checked::Enter,
        })
    }

    /// Where a fall from a rank ends.
    fn lower(&self, version: Version<'a>, rank: usize, moment: Moment) -> Landing<'a> {
        let levels = &version.tiers.levels;
        let unchecked = |level| Landing {
            level,
            checked: Checked::Not,
        };
        match version.tiers.on_expiry {
            OnExpiry::Default => unchecked(&levels[0]),
            OnExpiry::OneDown => unchecked(&levels[rank.saturating_sub(1).min(levels.len() - 1)]),
            OnExpiry::Fitting => {
                let lower = levels[..rank.min(levels.len())].iter().skip(1).rev();
                let mut fitting = lower
                    .filter(|level| self.enters(version, level, moment) || self.renews(level, moment.at));
                let checked = Checked::Over(self.since());
                fitting
                    .next()
                    .map_or(unchecked(&levels[0]), |level| Landing { level, checked })
            }
        }
    }

    /// Whether what began the period held would have begun it with what is left by now.
    fn would_still(&self, now: Moment) -> bool {
        let Some((held, before)) = self.periods.split_last() else {
            return true;
        };
        if held.checked == Checked::Not {
            return true;
        }
        let Some(version) = self.version(held.since) else {
            return true;
        };
        let Some((_, level)) = version.tiers.level(&held.level) else {
            return true;
        };
        let ended = before.last().filter(|period| period.until == Some(held.since));
        let valid = ended
            .and_then(|period| version.tiers.level(&period.level))
            .map(|(_, level)| &level.valid);
        let moment = match valid {
            Some(valid) => Moment::end(version.zone, held.since, valid),
            None => Moment::of(version.zone, held.since),
        };
        let window = window::of(level.within, version.zone, moment, self.origin(before.last()));
        let over = match held.checked {
            Checked::Over(over) => Window::after(over, held.since),
            Checked::Not | Checked::Enter => return self.hold(&level.enter, window, now.at),
        };
        let window = match level.within {
            Within::InTierMonths(_) | Within::InTierDays(_) => over,
            _ => window,
        };
        let over = match level.renew_over {
            RenewOver::Window => window,
            RenewOver::Period => over,
        };
        self.hold(level.renewal(), over, now.at) || self.hold(&level.enter, window, now.at)
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
