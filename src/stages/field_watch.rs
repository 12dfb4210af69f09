//! Unknown fields of events: each is counted, and each name is logged once a minute. Events with them
//! are taken as if the fields were not there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::order::facts::{OrderEvent, UnknownField};
use crate::engine::ports::Millis;

/// Names may be anybody's: more are counted and not kept.
const NAMES_MAX_COUNT: usize = 200;
const LOG_EVERY_MS: Millis = 60_000;

pub struct FieldWatch {
    names: Mutex<Names>,
    logs: bool,
}

#[derive(Default)]
struct Names {
    kept: BTreeMap<UnknownField, Seen>,
    /// Of all names beyond the limit.
    others: Seen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    times: u64,
    /// Since the last line of the log.
    unsaid: u64,
    said_at: Option<Millis>,
}

impl Seen {
    /// How often since the last line, if it is time for one.
    fn see(&mut self, now: Millis) -> Option<u64> {
        self.times += 1;
        self.unsaid += 1;
        let is_due = self
            .said_at
            .is_none_or(|at| now.saturating_sub(at) >= LOG_EVERY_MS);
        is_due.then(|| {
            self.said_at = Some(now);
            std::mem::take(&mut self.unsaid)
        })
    }
}

impl FieldWatch {
    pub fn new(logs: bool) -> Self {
        Self {
            names: Mutex::default(),
            logs,
        }
    }

    /// To be called for events that have unknown fields.
    pub fn see(&self, event: &OrderEvent, now: Millis) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for field in &event.unknown {
            match names.see(field, now).filter(|_| self.logs) {
                Some((Some(field), times)) => log(field, times, event),
                Some((None, times)) => tracing::warn!(
                    times,
                    "order events have unknown fields of more than {NAMES_MAX_COUNT} names; these were not kept"
                ),
                None => {}
            }
        }
    }

    /// Every name that was kept with how often it was seen, and how often others were.
    pub fn seen(&self) -> (Vec<(UnknownField, u64)>, u64) {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = names.kept.iter();
        (
            kept.map(|(field, seen)| (field.clone(), seen.times)).collect(),
            names.others.times,
        )
    }
}

impl Names {
    /// What is to be logged: the field, or `None` for one of the others.
    fn see<'f>(&mut self, field: &'f UnknownField, now: Millis) -> Option<(Option<&'f UnknownField>, u64)> {
        if let Some(seen) = self.kept.get_mut(field) {
            return Some((Some(field), seen.see(now)?));
        }
        if self.kept.len() >= NAMES_MAX_COUNT {
            return Some((None, self.others.see(now)?));
        }
        let seen = self.kept.entry(field.clone()).or_default();
        Some((Some(field), seen.see(now)?))
    }
}

/// What may be an amount that now counts as 0 is a warning.
fn log(field: &UnknownField, times: u64, event: &OrderEvent) {
    let (section, field) = (field.section, field.name.as_str());
    let (shop, order, event) = (event.shop_id.as_str(), event.order_id.as_str(), event.id.as_str());
    macro_rules! say {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                section = section.path(),
                field,
                times,
                shop,
                order,
                event,
                $text
            )
        };
    }
    match section.holds_amounts() {
        true => say!(warn, "unknown field: it counts nothing; is it misspelt?"),
        false => say!(info, "unknown field: it counts nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::facts::Section;

    #[test]
    fn each_name_is_said_once_a_minute_and_few_are_kept() {
        let mut names = Names::default();
        let field = |number: usize| UnknownField::new(Section::Order, &format!("f{number}"));
        let (first, last) = (field(0), field(NAMES_MAX_COUNT));
        assert_eq!(names.see(&first, 0), Some((Some(&first), 1)));
        assert_eq!(names.see(&first, 1), None);
        assert_eq!(names.see(&first, LOG_EVERY_MS - 1), None);
        assert_eq!(names.see(&first, LOG_EVERY_MS), Some((Some(&first), 3)));
        for number in 1..NAMES_MAX_COUNT {
            assert!(names.see(&field(number), 0).is_some());
        }
        assert_eq!(names.see(&last, 0), Some((None, 1)));
        assert_eq!(names.see(&field(NAMES_MAX_COUNT + 1), 1), None);
        assert_eq!(names.see(&last, LOG_EVERY_MS), Some((None, 2)));
        assert_eq!(names.kept.len(), NAMES_MAX_COUNT);
        assert_eq!((names.others.times, names.kept[&first].times), (3, 4));
    }
}
