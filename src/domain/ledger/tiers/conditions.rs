//! Whether conditions hold, and which level that leads to.

use super::fold::{Fold, Landing, Version};
use super::measure::Measures;
use super::period::{Checked, Period};
use super::window::{self, Moment, Origin, Window};
use crate::domain::instant::Instant;
use crate::domain::rules::model::{Condition, Level, OnExpiry, RenewOver, Within};

impl<'a> Fold<'a> {
    pub(super) fn ends_at(&self, at: Instant) -> bool {
        self.periods.last().is_some_and(|period| period.until == Some(at))
    }

    pub(super) fn since(&self) -> Instant {
        self.periods.last().map_or(Instant::MIN, |period| period.since)
    }

    pub(super) fn window(&self, version: Version<'_>, level: &Level, moment: Moment) -> Window {
        let origin = self.origin(self.periods, level.within);
        window::of(level.within, version.zone, moment, origin)
    }

    /// Where the level held by the last of `periods` began, if a window looks at that.
    pub(super) fn origin(&self, periods: &[Period], within: Within) -> Origin {
        let (Within::InTierMonths(_) | Within::InTierDays(_)) = within else {
            return Origin::Always(None);
        };
        let Some(held) = periods.last() else {
            return Origin::Always(self.record.first());
        };
        let since = held.level_since;
        let is_first = |period: &Period| period.since == since && period.level == held.level;
        match periods.iter().position(is_first) {
            Some(place) if began_at_end(periods, place) => Origin::BeganAtEnd(since),
            _ => Origin::Began(since),
        }
    }

    /// What lies after the period held began, up to an instant.
    pub(super) fn over_held(&self, to: Instant) -> Window {
        let window = Window::after(self.since(), to);
        match self.periods.len().checked_sub(1) {
            Some(place) if began_at_end(self.periods, place) => window.with_points_of(self.since()),
            _ => window,
        }
    }

    /// What facts within a window amount to at an instant; points of an instant at which the period
    /// held is still to end come after it.
    pub(super) fn measures(&self, window: Window, as_of: Instant) -> Measures {
        let window = match self.ends_at(window.to) {
            true => window.before_points_of_end(),
            false => window,
        };
        let points_as_of = match self.ends_at(as_of) {
            true => window::just_before(as_of),
            false => as_of,
        };
        match &self.index {
            Some(index) => {
                let kept = index.borrow_mut().measures(window, as_of, points_as_of);
                self.record.sums(window).and(kept)
            }
            None => self.record.measures(window, as_of, points_as_of),
        }
    }

    /// Whether the conditions of `enter` hold at a moment.
    pub(super) fn enters(&self, version: Version<'_>, level: &Level, moment: Moment) -> bool {
        let window = self.window(version, level, moment);
        self.hold(&level.enter, window, moment.at)
    }

    /// The same at the end of the period held, over which `in_tier` looks then.
    pub(super) fn enters_over(&self, version: Version<'_>, level: &Level, moment: Moment) -> bool {
        match level.within {
            Within::InTierMonths(_) | Within::InTierDays(_) => {
                self.hold(&level.enter, self.over_held(moment.at), moment.at)
            }
            _ => self.enters(version, level, moment),
        }
    }

    /// Whether the conditions of `renew` hold over the period held, up to an instant.
    pub(super) fn renews(&self, level: &Level, at: Instant) -> bool {
        self.hold(level.renewal(), self.over_held(at), at)
    }

    pub(super) fn renews_at_end(&self, version: Version<'_>, level: &Level, moment: Moment) -> bool {
        match level.renew_over {
            RenewOver::Period => self.renews(level, moment.at),
            RenewOver::Window => self.hold(level.renewal(), self.window(version, level, moment), moment.at),
        }
    }

    pub(super) fn hold(&self, conditions: &[Condition], window: Window, as_of: Instant) -> bool {
        if conditions.is_empty() {
            return false;
        }
        let measures = self.measures(window, as_of);
        conditions.iter().any(|condition| measures.meet(condition))
    }

    /// The highest level from a rank on that is entered at a moment.
    pub(super) fn highest(&self, version: Version<'a>, moment: Moment, from: usize) -> Option<Landing<'a>> {
        let levels = version.tiers.levels.get(from..)?.iter().rev();
        // Most levels look over the same time.
        let mut last: Option<(Within, Measures)> = None;
        let mut entered = levels.filter(|level| {
            if level.enter.is_empty() {
                return false;
            }
            let measures = match last {
                Some((within, measures)) if within == level.within => measures,
                _ => self.measures(self.window(version, level, moment), moment.at),
            };
            last = Some((level.within, measures));
            level.enter.iter().any(|condition| measures.meet(condition))
        });
        entered.next().map(|level| Landing {
            level,
            checked: Checked::Enter,
        })
    }

    /// Where a fall from a rank ends.
    pub(super) fn lower(&self, version: Version<'a>, rank: usize, moment: Moment) -> Landing<'a> {
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
    pub(super) fn would_still(&self, now: Moment) -> bool {
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
        let origin = self.origin(before, level.within);
        let up_to = |window: Window| match ended.is_some() {
            true => window.before_points_of_end(),
            false => window,
        };
        let window = up_to(window::of(level.within, version.zone, moment, origin));
        let over = match held.checked {
            Checked::Over(over) => {
                let place = before.iter().rposition(|period| period.since == over);
                let after = up_to(Window::after(over, held.since));
                match place {
                    Some(place) if began_at_end(before, place) => after.with_points_of(over),
                    _ => after,
                }
            }
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
}

/// Whether a period began where the one before it ended, and not by a fact after that.
fn began_at_end(periods: &[Period], place: usize) -> bool {
    let before = place.checked_sub(1).and_then(|before| periods.get(before));
    before.is_some_and(|before| before.until == Some(periods[place].since))
}
