//! A member's levels, and the facts that they are worked out from.

use rust_decimal::Decimal;

use super::compact::{decimal, text};
use super::linked::Named;
use super::packed::{Malformed, Reader, Writer};
use super::{facts, facts_v2};
use crate::domain::instant::Instant;
use crate::domain::ledger::standing::{DueGift, GiftKind, Standing, Told};
use crate::domain::ledger::tiers::days::{DaySum, Days};
use crate::domain::ledger::tiers::facts::{Carried, Qualified, Record, Setting};
use crate::domain::ledger::tiers::{Began, Checked, Period, Timeline};
use crate::domain::short_text::ShortText;

// What a checked period is looked at again for.
const NOT_CHECKED: u64 = 0;
const ENTER: u64 = 1;
const OVER: u64 = 2;
// What stands beside the carried sums.
const LIVE: u64 = 1;
const HAS_DAYS: u64 = 1 << 1;
const ENTRY: u64 = 0;
const RENEWAL: u64 = 1;

pub fn write(standing: &Standing, base: Instant, named: &mut Named, out: &mut Writer) {
    let Standing {
        timeline,
        told,
        last_cause,
        gifts,
        entered,
    } = standing;
    let Timeline {
        record,
        periods,
        folded,
        folded_with,
        ..
    } = timeline;
    write_record(record, base, named, out);
    out.time(*folded, base);
    out.uint((*folded_with).into());
    out.uint(periods.len() as u64);
    for period in periods {
        write_period(period, base, out);
    }
    out.uint(told.is_some().into());
    if let Some(Told {
        level,
        since,
        until,
        effective_at,
        cause_id,
        noticed_to,
    }) = told
    {
        out.text(level, "");
        optional_time(*since, base, out);
        optional_time(*until, base, out);
        out.time(*effective_at, base);
        out.text(cause_id, "");
        out.time(*noticed_to, base);
    }
    out.text(last_cause, "");
    out.uint(gifts.len() as u64);
    for DueGift {
        at,
        kind,
        level,
        since,
        cause_id,
    } in gifts
    {
        out.time(*at, base);
        out.uint(match kind {
            GiftKind::Entry => ENTRY,
            GiftKind::Renewal => RENEWAL,
        });
        out.text(level, "");
        out.time(*since, base);
        out.text(cause_id, "");
    }
    out.uint(entered.len() as u64);
    for level in entered {
        out.text(level, "");
    }
}

fn write_record(record: &Record, base: Instant, named: &mut Named, out: &mut Writer) {
    let Record {
        orders,
        qualified,
        settings,
        days,
        carried,
    } = record;
    facts::write(orders, base, named, out);
    out.uint(qualified.len() as u64);
    for Qualified {
        at,
        amount,
        orders,
        cause_id,
    } in qualified
    {
        out.time(*at, base);
        write_amount(*amount, out);
        out.int(*orders);
        out.text(cause_id, "");
    }
    out.uint(settings.len() as u64);
    for Setting {
        since,
        at,
        level,
        until,
        cause_id,
    } in settings
    {
        out.time(*since, base);
        out.time(*at, *since);
        out.uint(level.is_some().into());
        if let Some(level) = level {
            out.text(level, "");
        }
        optional_time(*until, base, out);
        out.text(cause_id, "");
    }
    let Carried {
        amount,
        orders,
        points,
        largest,
        live,
        first,
    } = carried;
    write_amount(*amount, out);
    out.int(*orders);
    out.int(*points);
    write_amount(*largest, out);
    let has_days = *days != Days::default();
    out.uint(u64::from(*live) | if has_days { HAS_DAYS } else { 0 });
    optional_time(*first, base, out);
    if has_days {
        write_days(days, base, out);
    }
}

fn write_days(days: &Days, base: Instant, out: &mut Writer) {
    let Days { to, live_from, sums } = days;
    out.time(*to, base);
    optional_time(*live_from, base, out);
    out.uint(sums.len() as u64);
    let mut before = *to;
    for DaySum {
        first,
        last,
        amount,
        orders,
        points,
        largest,
    } in sums
    {
        out.time(*first, before);
        out.time(*last, *first);
        before = *last;
        write_amount(*amount, out);
        out.int(*orders);
        out.int(*points);
        write_amount(*largest, out);
    }
}

fn read_days(base: Instant, from: &mut Reader<'_>) -> Result<Days, Malformed> {
    let to = from.time(base)?;
    let live_from = optional(from, |from| from.time(base))?;
    let mut before = to;
    let sums = list(from, |from| {
        let first = from.time(before)?;
        before = from.time(first)?;
        Ok(DaySum {
            first,
            last: before,
            amount: decimal(from)?,
            orders: from.int()?,
            points: from.int()?,
            largest: decimal(from)?,
        })
    })?;
    Ok(Days { to, live_from, sums })
}

fn write_period(period: &Period, base: Instant, out: &mut Writer) {
    let Period {
        level,
        since,
        until,
        level_since,
        began,
        checked,
    } = period;
    out.text(level, "");
    out.time(*since, base);
    optional_time(*until, base, out);
    out.time(*level_since, *since);
    let began = Began::ALL.iter().position(|known| known == began);
    out.uint(began.unwrap_or_default() as u64);
    match checked {
        Checked::Not => out.uint(NOT_CHECKED),
        Checked::Enter => out.uint(ENTER),
        Checked::Over(over) => {
            out.uint(OVER);
            out.time(*over, base);
        }
    }
}

fn write_amount(amount: Decimal, out: &mut Writer) {
    out.int128(amount.mantissa());
    out.uint(amount.scale().into());
}

fn optional_time(at: Option<Instant>, base: Instant, out: &mut Writer) {
    out.uint(at.is_some().into());
    if let Some(at) = at {
        out.time(at, base);
    }
}

/// Without `named` what the second form held.
pub fn read(base: Instant, named: Option<&mut Named>, from: &mut Reader<'_>) -> Result<Standing, Malformed> {
    let record = read_record(base, named, from)?;
    let (folded, folded_with) = (from.time(base)?, from.uint32()?);
    let periods = list(from, |from| read_period(base, from))?;
    let told = optional(from, |from| {
        Ok(Told {
            level: short(from)?,
            since: optional(from, |from| from.time(base))?,
            until: optional(from, |from| from.time(base))?,
            effective_at: from.time(base)?,
            cause_id: short(from)?,
            noticed_to: from.time(base)?,
        })
    })?;
    let last_cause = short(from)?;
    let gifts = list(from, |from| {
        Ok(DueGift {
            at: from.time(base)?,
            kind: match from.uint()? {
                ENTRY => GiftKind::Entry,
                RENEWAL => GiftKind::Renewal,
                _ => return Err(Malformed),
            },
            level: short(from)?,
            since: from.time(base)?,
            cause_id: short(from)?,
        })
    })?;
    Ok(Standing {
        timeline: Timeline::of(record, periods, folded, folded_with),
        told,
        last_cause,
        gifts,
        entered: list(from, short)?,
    })
}

fn read_record(base: Instant, named: Option<&mut Named>, from: &mut Reader<'_>) -> Result<Record, Malformed> {
    let mut record = Record {
        orders: match named {
            Some(named) => facts::read(base, named, from)?,
            None => facts_v2::read(base, from)?,
        },
        ..Record::default()
    };
    record.qualified = list(from, |from| {
        Ok(Qualified {
            at: from.time(base)?,
            amount: decimal(from)?,
            orders: from.int()?,
            cause_id: short(from)?,
        })
    })?;
    record.settings = list(from, |from| {
        let since = from.time(base)?;
        Ok(Setting {
            since,
            at: from.time(since)?,
            level: optional(from, short)?,
            until: optional(from, |from| from.time(base))?,
            cause_id: short(from)?,
        })
    })?;
    let (amount, orders, points) = (decimal(from)?, from.int()?, from.int()?);
    let (largest, has) = (decimal(from)?, from.uint()?);
    record.carried = Carried {
        amount,
        orders,
        points,
        largest,
        live: has & LIVE != 0,
        first: optional(from, |from| from.time(base))?,
    };
    if has & HAS_DAYS != 0 {
        record.days = read_days(base, from)?;
    }
    Ok(record)
}

fn read_period(base: Instant, from: &mut Reader<'_>) -> Result<Period, Malformed> {
    let level = short(from)?;
    let since = from.time(base)?;
    let until = optional(from, |from| from.time(base))?;
    let level_since = from.time(since)?;
    let began = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
    Ok(Period {
        level,
        since,
        until,
        level_since,
        began: *Began::ALL.get(began).ok_or(Malformed)?,
        checked: match from.uint()? {
            NOT_CHECKED => Checked::Not,
            ENTER => Checked::Enter,
            OVER => Checked::Over(from.time(base)?),
            _ => return Err(Malformed),
        },
    })
}

fn short(from: &mut Reader<'_>) -> Result<ShortText, Malformed> {
    text(from).map(Into::into)
}

fn optional<'a, T>(
    from: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match from.uint()? {
        0 => Ok(None),
        _ => read(from).map(Some),
    }
}

fn list<'a, T>(
    from: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    (0..from.count()?).map(|_| read(from)).collect()
}

#[cfg(test)]
#[path = "standing_tests.rs"]
pub(super) mod tests;
