//! How much of what an order brings limits and caps leave.

use super::receipt::{Cuts, Receipt};
use super::usage::{Count, Usage};
use crate::domain::rules::model::{CapOf, MemberCap, MemberLimit, RuleVersion};

/// Points to be credited, one number for each part of a receipt, and what cut them.
pub struct Cut {
    pub points: Vec<i64>,
    pub by: Vec<Cuts>,
}

impl Cut {
    fn to(&mut self, part: usize, most: i64, by: Cuts) {
        let most = most.max(0);
        if self.points[part] > most {
            self.points[part] = most;
            self.by[part].add(by);
        }
    }

    /// Part after part gets of `room` what it needs.
    fn share(&mut self, room: i64, by: Cuts) {
        let mut room = room.max(0);
        for part in 0..self.points.len() {
            self.to(part, room, by);
            room -= self.points[part];
        }
    }
}

/// Cuts what is to be credited: limits of bonuses before the cap of an order, and that before caps
/// of the member. The receipt holds what the order has already.
pub fn cut(rules: &RuleVersion, usage: &Usage, receipt: &Receipt, points: Vec<i64>) -> Cut {
    let mut cut = Cut {
        by: vec![Cuts::default(); points.len()],
        points,
    };
    for (part, given) in receipt.parts.iter().enumerate() {
        let Some(id) = &given.bonus_id else { continue };
        let bonus = rules.bonuses.iter().find(|bonus| bonus.id == *id);
        let Some(MemberLimit { points, times, per }) = bonus.and_then(|bonus| bonus.limits) else {
            continue;
        };
        let used = usage.within(Some(id), per, receipt.day);
        if let Some(most) = points {
            cut.to(part, most.saturating_sub(used.points), Cuts::LIMIT);
        }
        let is_counted = given.left > 0;
        if times.is_some_and(|times| used.orders >= times && !is_counted) {
            cut.to(part, 0, Cuts::LIMIT);
        }
    }
    let left = receipt.left();
    if let Some(most) = rules.caps.per_order {
        cut.share(most.saturating_sub(left), Cuts::PER_ORDER);
    }
    for MemberCap { per, most } in &rules.caps.per_member {
        let used = usage.within(None, *per, receipt.day);
        match most {
            CapOf::Points(most) => cut.share(most.saturating_sub(used.points), Cuts::PER_MEMBER),
            CapOf::Orders(most) if used.orders >= *most && left <= 0 => cut.share(0, Cuts::PER_MEMBER),
            CapOf::Orders(_) => {}
        }
    }
    cut
}

/// Counts what a change left of an order's parts, for the limits and caps of its rule.
pub fn count(rules: &RuleVersion, usage: &mut Usage, before: &Receipt, after: &Receipt) {
    let change = |was: i64, is: i64| Count {
        points: is.saturating_sub(was),
        orders: i64::from(is > 0) - i64::from(was > 0),
    };
    if !rules.caps.per_member.is_empty() {
        usage.add(None, after.day, change(before.left(), after.left()));
    }
    for part in &after.parts {
        let Some(id) = &part.bonus_id else { continue };
        let bonus = rules.bonuses.iter().find(|bonus| bonus.id == *id);
        if bonus.is_some_and(|bonus| bonus.limits.is_some()) {
            let was = before.parts.iter().find(|known| known.bonus_id == part.bonus_id);
            let was = was.map_or(0, |part| part.left);
            usage.add(Some(id), after.day, change(was, part.left));
        }
    }
}
