//! Levels of membership by all that was told: a naive fold that shares no code with the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::real::GOLD;
use super::real_judge::Order;

/// When each member's level changed, and whether it is gold from then on.
pub struct Levels<'a>(BTreeMap<&'a str, Vec<(i64, bool)>>);

impl<'a> Levels<'a> {
    /// An order counts from its payment to its cancellation.
    pub fn fold<'b>(orders: impl Iterator<Item = &'b Order<'a>>) -> Self
    where
        'a: 'b,
    {
        let mut members: BTreeMap<&str, Vec<&Order<'_>>> = BTreeMap::new();
        for order in orders {
            let known = members.entry(order.member.unwrap_or_default()).or_default();
            known.push(order);
        }
        let changes = |(member, orders): (&'a str, Vec<_>)| (member, changes(&orders));
        Levels(members.into_iter().map(changes).collect())
    }

    pub fn members(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    pub fn is_gold_before(&self, member: &str, at: i64) -> bool {
        let changes = self.0.get(member).into_iter().flatten();
        changes
            .rev()
            .find(|(since, _)| *since < at)
            .is_some_and(|(_, gold)| *gold)
    }
}

fn changes(orders: &[&Order<'_>]) -> Vec<(i64, bool)> {
    let counted = orders.iter().filter(|order| order.paid_at.is_some());
    let paid = counted.clone().filter_map(|order| order.paid_at);
    let instants: BTreeSet<i64> = paid
        .chain(counted.filter_map(|order| order.cancelled_at))
        .collect();
    // Hundreds of orders that count by an instant, as they stand at another.
    let sum = |by: i64, as_of: i64| -> i64 {
        let counts = |order: &&&Order<'_>| order.paid_at.is_some_and(|at| at <= by);
        let stands = |order: &&&Order<'_>| order.cancelled_at.is_none_or(|at| at > as_of);
        let orders = orders.iter().filter(counts).filter(stands);
        orders.map(|order| order.hundreds).sum()
    };
    let mut changes: Vec<(i64, bool)> = Vec::new();
    let mut gold_since = None;
    for at in instants {
        let enough = sum(at, at) >= GOLD.0;
        match gold_since {
            None if enough => gold_since = Some(at),
            // What made it gold is looked at again, with what is left of it.
            Some(since) if !enough && sum(since, at) < GOLD.0 => gold_since = None,
            _ => continue,
        }
        changes.push((at, gold_since.is_some()));
    }
    changes
}
