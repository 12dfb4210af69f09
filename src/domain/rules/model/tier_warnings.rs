//! Levels that can be written and make no sense.

use super::{Condition, Level, RuleVersion};
use crate::domain::short_text::ShortText;

/// Something about a version that is allowed and hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the field, as `tiers.levels[1].enter`.
    pub field: String,
    pub what: String,
    pub remedy: &'static str,
}

impl RuleVersion {
    pub fn warnings(&self) -> Vec<Warning> {
        let Some(tiers) = &self.tiers else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (rank, level) in tiers.levels.iter().enumerate() {
            let mut warn = |field: &str, what: String, remedy| {
                let field = format!("tiers.levels[{rank}].{field}");
                found.push(Warning { field, what, remedy });
            };
            if let Some(higher) = tiers.levels[rank + 1..]
                .iter()
                .find(|higher| passes_by(level, higher))
            {
                let what = format!(
                    "{} is never reached: who meets this meets {}",
                    level.name, higher.name
                );
                warn("enter", what, "make the higher level harder to enter");
            }
            if rank == 0 && level.gifts.renewal.is_some() {
                let what = "the first level has no end and is never renewed".to_owned();
                warn("gifts.renewal", what, "leave it out");
            }
            if rank > 0 && level.gifts.renewal.is_some() && level.valid == Default::default() {
                let what = format!("{} has no end and is never renewed", level.name);
                warn("gifts.renewal", what, "add valid, or leave it out");
            }
        }
        let levels: Vec<&ShortText> = tiers.levels.iter().map(|level| &level.name).collect();
        for bonus in &self.bonuses {
            for name in &bonus.when.tiers {
                if !levels.contains(&name) && !self.accrual.tiers.contains_key(name.as_str()) {
                    found.push(Warning {
                        field: format!("bonuses.{}.when.tiers", bonus.id),
                        what: format!("{name} is neither a level nor in accrual.tiers"),
                        remedy: "correct the name, unless snapshots tell that tier",
                    });
                }
            }
        }
        found
    }
}

/// Whether whatever enters a level enters the higher one as well.
fn passes_by(level: &Level, higher: &Level) -> bool {
    let is_passed = |low: &Condition| higher.enter.iter().any(|high| implies(low, high));
    level.within == higher.within && !level.enter.is_empty() && level.enter.iter().all(is_passed)
}

/// Whether who meets `low` meets `high`.
fn implies(low: &Condition, high: &Condition) -> bool {
    fn at_least<T: PartialOrd>(low: Option<T>, high: Option<T>) -> bool {
        match (low, high) {
            (_, None) => true,
            (Some(low), Some(high)) => low >= high,
            (None, Some(_)) => false,
        }
    }
    at_least(low.amount, high.amount)
        && at_least(low.orders, high.orders)
        && at_least(low.order_amount, high.order_amount)
        && at_least(low.points, high.points)
}

#[cfg(test)]
mod tests {
    use crate::domain::ledger::tiers::fixtures::{level, shop};
    use crate::domain::rules::model::*;

    #[test]
    fn levels_that_make_no_sense_are_warned_of() {
        let warned = |levels: Vec<Level>| -> Vec<String> {
            let warnings = shop(levels, |_| {}).warnings().into_iter();
            warnings.map(|warning| warning.field).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(
            warned(vec![level("silver", "500", 12), level("gold", "1000", 12)]),
            none
        );
        assert_eq!(
            warned(vec![level("silver", "1000", 12), level("gold", "1000", 12)]),
            ["tiers.levels[1].enter"]
        );
        // Another window may reach it.
        assert_eq!(
            warned(vec![level("silver", "1000", 24), level("gold", "1000", 12)]),
            none
        );
        // A part more than the higher level wants.
        let mut silver = level("silver", "2000", 12);
        silver.enter[0].orders = Some(3);
        assert_eq!(
            warned(vec![silver.clone(), level("gold", "1000", 12)]),
            ["tiers.levels[1].enter"]
        );
        silver.enter.push(Condition {
            orders: Some(5),
            ..Condition::default()
        });
        assert_eq!(warned(vec![silver, level("gold", "1000", 12)]), none);
        let mut ever = level("ever", "1", 12);
        ever.valid = Expiry::default();
        ever.gifts.renewal = Some(LevelGift {
            points: 1,
            delay_days: 0,
            at: DueAt::SameTime,
            expiry: None,
        });
        assert_eq!(warned(vec![ever]), ["tiers.levels[1].gifts.renewal"]);
    }
}
