//! The read side of an account.

use super::member::Member;
use super::tiers::{Rules, Timeline, Unmet};
use crate::domain::instant::Instant;
use crate::domain::outcome::LotPart;
use crate::domain::reason::Reason;

/// An account as a look-up shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub balance: i64,
    /// What may be used at that instant.
    pub usable: i64,
    /// Points of orders that have a due time.
    pub pending: i64,
    pub lots: Vec<ViewedLot>,
    pub sequence: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ViewedLot {
    /// With what is left of it.
    pub part: LotPart,
    pub issued_at: Instant,
    pub order_id: Option<String>,
}

/// The level held, as a look-up shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewedTier {
    pub name: String,
    /// `None`: always.
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    /// Why the period began; `None`: it never did, the level is everybody's.
    pub reason: Option<Reason>,
    pub benefits: Option<String>,
    /// The next level with conditions, and the parts of each that are missing.
    pub next: Option<(String, Vec<Vec<Unmet>>)>,
    /// What is missing of each condition to keep the level; `None`: it has no end.
    pub keep: Option<Vec<Vec<Unmet>>>,
}

impl Member {
    /// The level held now; `None`: the shop's rules have no tiers.
    pub fn tier(&self, rules: Rules<'_>, now: Instant) -> Option<ViewedTier> {
        let (_, tiers) = rules.at(now)?;
        let mut timeline = self
            .standing
            .as_deref()
            .map_or_else(Timeline::default, |standing| standing.timeline.clone());
        // What is due and has not had its turn yet is seen as well.
        timeline.advance(rules, now, now);
        let present = timeline.present();
        let name = match present {
            Some(period) => period.level.as_str(),
            None => tiers.levels.first()?.name.as_str(),
        };
        let until = present.and_then(|period| period.until);
        let keep = until.and_then(|_| timeline.fold(rules, |fold| fold.missing_to_keep(now)));
        let next = timeline.fold(rules, |fold| {
            fold.missing_for_next(now)
                .map(|(level, missing)| (level.name.to_string(), missing))
        });
        Some(ViewedTier {
            name: name.to_owned(),
            since: present.map(|period| period.since),
            until,
            reason: present.map(|period| period.began.reason()),
            benefits: tiers.level(name).and_then(|(_, level)| level.benefits.clone()),
            next,
            keep,
        })
    }

    pub fn view(&self, at: Instant) -> View {
        let lots = self.lots.iter().map(|lot| ViewedLot {
            part: lot.part(lot.points),
            issued_at: lot.issued_at,
            order_id: lot.order.as_ref().map(ToString::to_string),
        });
        View {
            balance: self.balance(),
            usable: self.usable(at),
            pending: self.pending(),
            lots: lots.collect(),
            sequence: self.sequence,
        }
    }
}
