//! Entries of levels of membership.

use super::messages::{FactStepV3, KindV1, OrderFactV3, QualifyV3, TierSetV3};
use super::{EntryError, amount, optional_amount};
use crate::domain::entry::{Command, FactStep, OrderFact, Qualify, TierSet};
use crate::domain::instant::Instant;

pub fn written_fact(fact: &OrderFact) -> KindV1 {
    let OrderFact {
        created_at,
        live,
        steps,
    } = fact;
    let steps = steps.iter().map(|FactStep { at, amount, goods }| FactStepV3 {
        at: at.0,
        amount: amount.to_string(),
        goods: *goods,
    });
    KindV1::OrderFact(OrderFactV3 {
        created_at: created_at.0,
        live: *live,
        steps: steps.collect(),
    })
}

pub fn read_fact(fact: OrderFactV3) -> Result<OrderFact, EntryError> {
    let step = |step: &FactStepV3| {
        Ok(FactStep {
            at: Instant(step.at),
            amount: amount("amount", &step.amount)?,
            goods: step.goods,
        })
    };
    Ok(OrderFact {
        created_at: Instant(fact.created_at),
        live: fact.live,
        steps: fact.steps.iter().map(step).collect::<Result<_, _>>()?,
    })
}

pub fn written_set(set: TierSet) -> KindV1 {
    let TierSet {
        tier,
        since,
        until,
        note,
        actor,
    } = set;
    KindV1::TierSet(TierSetV3 {
        tier,
        since: since.map(|at| at.0),
        until: until.map(|at| at.0),
        note,
        actor,
    })
}

pub fn read_set(set: TierSetV3) -> Command {
    Command::TierSet(TierSet {
        tier: set.tier,
        since: set.since.map(Instant),
        until: set.until.map(Instant),
        note: set.note,
        actor: set.actor,
    })
}

pub fn written_qualify(qualify: Qualify) -> KindV1 {
    let Qualify {
        amount,
        orders,
        at,
        note,
        actor,
    } = qualify;
    KindV1::Qualify(QualifyV3 {
        amount: amount.map(|amount| amount.to_string()),
        orders,
        at: at.map(|at| at.0),
        note,
        actor,
    })
}

pub fn read_qualify(qualify: QualifyV3) -> Result<Command, EntryError> {
    Ok(Command::Qualify(Qualify {
        amount: optional_amount("amount", qualify.amount.as_deref())?,
        orders: qualify.orders,
        at: qualify.at.map(Instant),
        note: qualify.note,
        actor: qualify.actor,
    }))
}
