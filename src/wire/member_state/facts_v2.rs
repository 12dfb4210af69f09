//! What each order counts for levels, as the form before wrote it. It is read, and never written again.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::compact::text;
use super::facts::{CAUSE, COUNTS_FROM_CREATION, LIVE, with_points};
use super::packed::{Malformed, Reader};
use crate::domain::entry::{FactStep, OrderFact};
use crate::domain::instant::Instant;
use crate::domain::ledger::tiers::facts::Counted;

const STEPS_SHIFT: u32 = 4;

pub fn read(base: Instant, from: &mut Reader<'_>) -> Result<BTreeMap<u64, Counted>, Malformed> {
    let mut facts = BTreeMap::new();
    let mut hash = 0u64;
    for place in 0..from.count()? {
        let distance = from.uint()?;
        if place > 0 && distance == 0 {
            return Err(Malformed);
        }
        hash = hash.checked_add(distance).ok_or(Malformed)?;
        facts.insert(hash, read_counted(base, from)?);
    }
    Ok(facts)
}

fn read_counted(base: Instant, from: &mut Reader<'_>) -> Result<Counted, Malformed> {
    let has = from.uint()?;
    let cause_id = match has & CAUSE {
        0 => None,
        _ => Some(text(from)?.into()),
    };
    let created_at = from.time(base)?;
    let mut before = created_at;
    let mut steps = Vec::new();
    for place in 0..has >> STEPS_SHIFT {
        if place > 0 || has & COUNTS_FROM_CREATION == 0 {
            before = from.time(before)?;
        }
        let scale = from.uint32()?;
        let amount = Decimal::try_from_i128_with_scale(from.int128()?, scale >> 1);
        steps.push(FactStep {
            at: before,
            amount: amount.map_err(|_| Malformed)?,
            goods: scale & 1 != 0,
        });
    }
    let fact = OrderFact {
        created_at,
        live: has & LIVE != 0,
        steps,
    };
    with_points(
        has,
        before,
        Counted {
            cause_id,
            ..Counted::of(fact)
        },
        from,
    )
}
