//! Which bonuses an order gets, by its goods as they were ordered.

use super::goods::Claims;
use super::{NotGiven, Sale, gives, when};
use crate::domain::rules::model::Bonus;
use crate::domain::short_text::ShortText;

/// What each bonus gives as ordered, or why it does not come.
pub fn choose(sale: &Sale<'_>, bonuses: &[Bonus]) -> Vec<Result<i64, NotGiven>> {
    let conditions: Vec<Result<(), NotGiven>> =
        bonuses.iter().map(|bonus| when::holds(sale, bonus)).collect();
    let mut candidates: Vec<Result<(), NotGiven>> = conditions;
    choose_in_groups(sale, bonuses, &mut candidates);
    let mut claims = Claims::default();
    // Lines are taken first, so that a multiplier before an `instead` in the list works on what
    // is left as well.
    let mut given: Vec<Option<Result<i64, NotGiven>>> = Vec::with_capacity(bonuses.len());
    for (bonus, candidate) in bonuses.iter().zip(&candidates) {
        given.push(match candidate {
            Ok(()) if bonus.instead => Some(take(sale, bonus, &mut claims)),
            Ok(()) => None,
            Err(reason) => Some(Err(reason.clone())),
        });
    }
    let decided = bonuses.iter().zip(given).map(|(bonus, given)| {
        given.unwrap_or_else(|| {
            let part = claims.part_of(&sale.goods, bonus);
            gives::give(sale, bonus, part).map(|given| given.points)
        })
    });
    decided.collect()
}

/// Of a group only the bonus that gives most stays, of equals the first. Multipliers are weighed
/// on what bonuses outside of groups leave to the general rate, an `instead` by itself.
fn choose_in_groups(sale: &Sale<'_>, bonuses: &[Bonus], candidates: &mut [Result<(), NotGiven>]) {
    let mut claims = Claims::default();
    for (bonus, candidate) in bonuses.iter().zip(&*candidates) {
        if candidate.is_ok() && bonus.instead && bonus.group.is_none() {
            // Whether it comes is decided later, when the lines of groups are known.
            let _ = take(sale, bonus, &mut claims);
        }
    }
    let mut best: Vec<(&ShortText, usize, i64)> = Vec::new();
    for (index, bonus) in bonuses.iter().enumerate() {
        let (Some(group), Ok(())) = (&bonus.group, &candidates[index]) else {
            continue;
        };
        let part = match bonus.instead {
            true => sale.goods.items(&sale.goods.matching(bonus)),
            false => claims.part_of(&sale.goods, bonus),
        };
        let points = match gives::give(sale, bonus, part) {
            Ok(given) => given.points,
            Err(reason) => {
                candidates[index] = Err(reason);
                continue;
            }
        };
        match best.iter_mut().find(|(known, ..)| *known == group) {
            Some((_, first, most)) if points > *most => (*first, *most) = (index, points),
            Some(_) => {}
            None => best.push((group, index, points)),
        }
    }
    for (index, bonus) in bonuses.iter().enumerate() {
        let winner = best
            .iter()
            .find(|(group, ..)| bonus.group.as_ref() == Some(*group));
        if let (Some((_, winner, _)), Ok(())) = (winner, &candidates[index])
            && *winner != index
        {
            candidates[index] = Err(NotGiven::OtherOfGroup(bonuses[*winner].id.clone()));
        }
    }
}

/// An `instead` takes its lines only if it comes.
fn take(sale: &Sale<'_>, bonus: &Bonus, claims: &mut Claims) -> Result<i64, NotGiven> {
    let free = claims.free(&sale.goods, bonus);
    if free.is_empty() && !sale.goods.matching(bonus).is_empty() {
        return Err(NotGiven::LinesTaken);
    }
    let given = gives::give(sale, bonus, sale.goods.items(&free))?;
    claims.claim(&sale.goods, bonus);
    Ok(given.points)
}
