//! What each order counts for levels, within a member's state.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::compact::{flag, text};
use super::linked::{Link, Named};
use super::packed::{Malformed, Reader, Writer, unzigzag128, zigzag128};
use crate::domain::entry::{FactStep, OrderFact};
use crate::domain::instant::Instant;
use crate::domain::ledger::tiers::facts::Counted;

// What an order has, in this form and in the one before.
pub(super) const LIVE: u64 = 1;
pub(super) const CAUSE: u64 = 1 << 1;
pub(super) const COUNTS_FROM_CREATION: u64 = 1 << 2;
const HAS_POINTS: u64 = 1 << 3;
/// Its points came as long after it began to count as those of the order before.
const SAME_LAG: u64 = 1 << 4;
const STEPS_SHIFT: u32 = 5;
// What an amount's number says in its last bits.
const GOODS: u128 = 1;
const SCALE_SHIFT: u32 = 1;
const SCALE: u128 = 3;
const MANTISSA_SHIFT: u32 = 3;
/// This scale, or a larger one that follows.
const LARGE_SCALE: u32 = 3;

/// How long after an order began to count its points came.
#[derive(Default)]
struct Lag(Option<i64>);

impl Lag {
    fn between(link: Link, counts_at: Instant) -> Option<i64> {
        Some(link.issued_at?.0.wrapping_sub(counts_at.0))
    }
}

pub fn write(facts: &BTreeMap<u64, Counted>, base: Instant, named: &mut Named, out: &mut Writer) {
    let mut lag = Lag::default();
    for (link, counted) in named.write(facts.iter().map(|(hash, counted)| (*hash, counted)), out) {
        write_counted(counted, base, link, &mut lag, out);
    }
}

fn write_counted(counted: &Counted, base: Instant, link: Link, lag: &mut Lag, out: &mut Writer) {
    let Counted {
        fact: OrderFact {
            created_at,
            live,
            steps,
        },
        points,
        cause_id,
    } = counted;
    let counts_at = steps.first().map_or(*created_at, |step| step.at);
    let own_lag = Lag::between(link, counts_at);
    let is_same_lag = own_lag.is_some() && own_lag == lag.0;
    lag.0 = own_lag.or(lag.0);
    out.uint(
        flag(*live, LIVE)
            | flag(cause_id.is_some(), CAUSE)
            | flag(counts_at == *created_at, COUNTS_FROM_CREATION)
            | flag(!points.is_empty(), HAS_POINTS)
            | flag(is_same_lag, SAME_LAG)
            | (steps.len() as u64) << STEPS_SHIFT,
    );
    if let Some(cause_id) = cause_id {
        out.text(cause_id, "");
    }
    if !is_same_lag {
        out.time(counts_at, link.issued_at.unwrap_or(base));
    }
    if counts_at != *created_at {
        out.time(*created_at, counts_at);
    }
    let mut before = counts_at;
    for (place, FactStep { at, amount, goods }) in steps.iter().enumerate() {
        if place > 0 {
            out.time(*at, before);
            before = *at;
        }
        write_amount(*amount, *goods, out);
    }
    if points.is_empty() {
        return;
    }
    out.uint(points.len() as u64);
    before = link.issued_at.unwrap_or(before);
    for (at, points) in points {
        out.time(*at, before);
        before = *at;
        out.int(*points);
    }
}

fn write_amount(amount: Decimal, goods: bool, out: &mut Writer) {
    let scale = amount.scale();
    out.number(
        zigzag128(amount.mantissa()) << MANTISSA_SHIFT
            | u128::from(scale.min(LARGE_SCALE)) << SCALE_SHIFT
            | u128::from(goods),
    );
    if scale >= LARGE_SCALE {
        out.uint(scale.into());
    }
}

fn read_amount(from: &mut Reader<'_>) -> Result<(Decimal, bool), Malformed> {
    let number = from.number()?;
    let mantissa = unzigzag128(number >> MANTISSA_SHIFT);
    let scale = match (number >> SCALE_SHIFT & SCALE) as u32 {
        LARGE_SCALE => from.uint32()?,
        scale => scale,
    };
    let amount = Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| Malformed)?;
    Ok((amount, number & GOODS != 0))
}

pub fn read(
    base: Instant,
    named: &mut Named,
    from: &mut Reader<'_>,
) -> Result<BTreeMap<u64, Counted>, Malformed> {
    let mut lag = Lag::default();
    let links = named.read(from)?;
    let facts = links
        .into_iter()
        .map(|link| Ok((link.hash, read_counted(base, link, &mut lag, from)?)));
    facts.collect()
}

fn read_counted(
    base: Instant,
    link: Link,
    lag: &mut Lag,
    from: &mut Reader<'_>,
) -> Result<Counted, Malformed> {
    let has = from.uint()?;
    let cause_id = match has & CAUSE {
        0 => None,
        _ => Some(text(from)?.into()),
    };
    let counts_at = match (has & SAME_LAG, link.issued_at, lag.0) {
        (0, _, _) => from.time(link.issued_at.unwrap_or(base))?,
        (_, Some(issued_at), Some(lag)) => Instant(issued_at.0.wrapping_sub(lag)),
        _ => return Err(Malformed),
    };
    lag.0 = Lag::between(link, counts_at).or(lag.0);
    let created_at = match has & COUNTS_FROM_CREATION {
        0 => from.time(counts_at)?,
        _ => counts_at,
    };
    let mut before = counts_at;
    let mut steps = Vec::new();
    for place in 0..has >> STEPS_SHIFT {
        if place > 0 {
            before = from.time(before)?;
        }
        let (amount, goods) = read_amount(from)?;
        steps.push(FactStep {
            at: before,
            amount,
            goods,
        });
    }
    let fact = OrderFact {
        created_at,
        live: has & LIVE != 0,
        steps,
    };
    let points_from = link.issued_at.unwrap_or(before);
    with_points(
        has,
        points_from,
        Counted {
            cause_id,
            ..Counted::of(fact)
        },
        from,
    )
}

/// Reads the points of an order behind the rest of it, the first by its distance from `before`.
pub(super) fn with_points(
    has: u64,
    mut before: Instant,
    mut counted: Counted,
    from: &mut Reader<'_>,
) -> Result<Counted, Malformed> {
    if has & HAS_POINTS != 0 {
        for _ in 0..from.count()? {
            before = from.time(before)?;
            counted.points.push((before, from.int()?));
        }
    }
    Ok(counted)
}
