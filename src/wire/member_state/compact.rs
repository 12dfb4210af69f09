//! The third form of a member's state, and the second. An account may hold 50,000 lots and have 100,000 orders
//! behind it, and is written whole whenever it changes: lots are rows (`rows`), an order of which
//! only the last entry is known takes about ten bytes.

use rust_decimal::Decimal;

use super::linked::Named;
use super::orders;
use super::packed::{Malformed, Reader, Writer};
use super::receipts::{Receipts, read_usage, write_usage};
use super::rows::Rows;
use super::standing;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::Lots;
use crate::domain::ledger::member::{ByCommand, Celebration, Member, Seen};
use crate::domain::ledger::orders::{Cancellation, Details, Orders, Redeemed, Remembered, Share, Taken};
use crate::wire::ledger_entry::{birthday, birthday_tag};

/// A state of no more bytes is usual.
const USUAL_BYTES: usize = 256;
/// Bytes of a row, at a guess.
const ROW_BYTES: usize = 40;

// What a member has.
const KNOWN: u64 = 1;
const REGISTERED: u64 = 1 << 1;
const BIRTHDAY: u64 = 1 << 2;
const GIVEN: u64 = 1 << 3;
const STANDING: u64 = 1 << 4;
const USAGE: u64 = 1 << 5;
// What an order has.
const CANCELLED: u64 = 1;
const EXPECTED: u64 = 1 << 1;
const TAKEN_BACK: u64 = 1 << 2;
const REDEEMED: u64 = 1 << 3;
const CANCELLATION: u64 = 1 << 4;
const PENDING: u64 = 1 << 5;
const RECEIPT: u64 = 1 << 6;
// What was redeemed has.
const TOLD: u64 = 1;
const BY_COMMAND: u64 = 1 << 1;
const SHARE: u64 = 1 << 2;
const RULE_VERSION: u64 = 1 << 3;
const TIER: u64 = 1 << 4;
// How a command redeemed.
const NOT_REDEEMED: u64 = 0;
const FOR_ORDER: u64 = 1;
const ALONE: u64 = 2;

pub fn flag(set: bool, flag: u64) -> u64 {
    if set { flag } else { 0 }
}

pub fn write(member: &Member, form: u8) -> Vec<u8> {
    let Member {
        known_since,
        registered,
        birthday,
        sequence,
        debt,
        lots,
        orders,
        commands,
        standing,
        usage,
        open_from,
    } = member;
    let given = birthday.as_ref().and_then(|celebration| celebration.given);
    let has = flag(known_since.is_some(), KNOWN)
        | flag(*registered, REGISTERED)
        | flag(birthday.is_some(), BIRTHDAY)
        | flag(given.is_some(), GIVEN)
        | flag(standing.is_some(), STANDING)
        | flag(!usage.is_empty(), USAGE);
    let rows = lots.iter().len() + orders.iter().len() / 4;
    let mut writer = Writer(Vec::with_capacity(USUAL_BYTES + rows * ROW_BYTES));
    let out = &mut writer;
    out.0.push(form);
    out.uint(has);
    if let Some(at) = known_since {
        out.int(at.0);
    }
    if let Some(Celebration { on, cause_id, .. }) = birthday {
        out.uint(birthday_tag(Some(*on)).into());
        out.text(cause_id, "");
    }
    if let Some(given) = given {
        out.int(given.into());
    }
    out.uint(*sequence);
    out.int(*debt);
    out.int(open_from.0);
    let mut rows = Rows::default();
    rows.write_all(lots.iter(), out);
    let mut named = Named::of_lots(lots.iter());
    orders::write(orders, &mut named, &mut rows, out);
    out.uint(commands.len() as u64);
    for (id, Seen { at, redeemed }) in commands {
        out.0.extend_from_slice(&id.to_be_bytes());
        out.time(*at, *open_from);
        match redeemed {
            None => out.uint(NOT_REDEEMED),
            Some(ByCommand::Order(hash)) => {
                out.uint(FOR_ORDER);
                out.uint(*hash);
            }
            Some(ByCommand::Alone(redeemed)) => {
                out.uint(ALONE);
                write_redeemed(redeemed, &mut rows, out);
            }
        }
    }
    if let Some(standing) = standing {
        standing::write(standing, *open_from, &mut named, out);
    }
    if !usage.is_empty() {
        write_usage(usage, out);
    }
    writer.0
}

pub fn write_details(details: &Details, (rows, receipts): (&mut Rows, &mut Receipts), out: &mut Writer) {
    let Details {
        cancelled,
        expected,
        taken_back,
        redeemed,
        cancellation,
        pending,
        receipt,
    } = details;
    out.uint(
        flag(*cancelled, CANCELLED)
            | flag(*expected != 0, EXPECTED)
            | flag(*taken_back != 0, TAKEN_BACK)
            | flag(redeemed.is_some(), REDEEMED)
            | flag(cancellation.is_some(), CANCELLATION)
            | flag(pending.is_some(), PENDING)
            | flag(receipt.is_some(), RECEIPT),
    );
    for number in [*expected, *taken_back] {
        if number != 0 {
            out.int(number);
        }
    }
    if let Some(redeemed) = redeemed {
        write_redeemed(redeemed, rows, out);
    }
    if let Some(Cancellation {
        taken,
        debt,
        returned,
    }) = cancellation
    {
        out.int(*debt);
        out.int(*returned);
        out.uint(taken.len() as u64);
        for Taken {
            lot,
            points,
            expires_at,
        } in taken
        {
            out.0.extend_from_slice(&lot.to_be_bytes());
            out.int(*points);
            out.uint(expires_at.is_some().into());
            if let Some(at) = expires_at {
                out.time(*at, Instant(0));
            }
        }
    }
    if let Some((points, due_at)) = pending {
        out.int(*points);
        out.time(*due_at, Instant(0));
    }
    if let Some(receipt) = receipt {
        receipts.write(receipt, out);
    }
}

fn write_redeemed(redeemed: &Redeemed, rows: &mut Rows, out: &mut Writer) {
    let Redeemed {
        told,
        by_command,
        points,
        returned,
        share,
        taken,
        rule_version,
        tier,
    } = redeemed;
    out.uint(
        flag(told.is_some(), TOLD)
            | flag(*by_command, BY_COMMAND)
            | flag(share.is_some(), SHARE)
            | flag(rule_version.is_some(), RULE_VERSION)
            | flag(tier.is_some(), TIER),
    );
    out.int(*points);
    out.int(*returned);
    if let Some(told) = told {
        out.int(*told);
    }
    if let Some(share) = share {
        for part in [share.numerator, share.denominator] {
            out.int128(part.mantissa());
            out.uint(part.scale().into());
        }
    }
    if let Some(version) = rule_version {
        out.uint((*version).into());
    }
    if let Some(tier) = tier {
        out.text(tier, "");
    }
    rows.write_all(taken.iter(), out);
}

/// Reads a state of the second form too, which named each order by its hash wherever it was met.
pub fn read(shop_id: &str, bytes: &[u8], is_linked: bool) -> Result<Member, Malformed> {
    let mut reader = Reader(bytes);
    let from = &mut reader;
    let has = from.uint()?;
    let known_since = (has & KNOWN != 0).then(|| from.int()).transpose()?;
    let mut celebration = None;
    if has & BIRTHDAY != 0 {
        let on = birthday(from.uint32()?).map_err(|_| Malformed)?;
        let cause_id = text(from)?;
        celebration = on.map(|on| Celebration {
            on,
            cause_id: cause_id.into(),
            given: None,
        });
    }
    if has & GIVEN != 0 {
        let given = i32::try_from(from.int()?).map_err(|_| Malformed)?;
        celebration.as_mut().ok_or(Malformed)?.given = Some(given);
    }
    let (sequence, debt, open_from) = (from.uint()?, from.int()?, Instant(from.int()?));
    let mut rows = Rows::default();
    let lots = Lots::new(rows.read_all(shop_id, from)?);
    let mut named = is_linked.then(|| Named::of_lots(lots.iter()));
    let orders = match &mut named {
        Some(named) => orders::read(shop_id, named, &mut rows, from)?,
        None => read_orders_v2(shop_id, &mut rows, from)?,
    };
    let mut member = Member {
        known_since: known_since.map(Instant),
        registered: has & REGISTERED != 0,
        birthday: celebration,
        sequence,
        debt,
        lots,
        orders,
        open_from,
        ..Member::default()
    };
    for _ in 0..from.count()? {
        let id = from.id()?;
        let at = from.time(open_from)?;
        let redeemed = match from.uint()? {
            NOT_REDEEMED => None,
            FOR_ORDER => Some(ByCommand::Order(from.uint()?)),
            ALONE => Some(ByCommand::Alone(Box::new(read_redeemed(
                shop_id, &mut rows, from,
            )?))),
            _ => return Err(Malformed),
        };
        member.commands.insert(id, Seen { at, redeemed });
    }
    if has & STANDING != 0 {
        member.standing = Some(Box::new(standing::read(open_from, named.as_mut(), from)?));
    }
    if has & USAGE != 0 {
        member.usage = read_usage(from)?;
    }
    reader.0.is_empty().then_some(member).ok_or(Malformed)
}

fn read_orders_v2(shop_id: &str, rows: &mut Rows, from: &mut Reader<'_>) -> Result<Orders, Malformed> {
    let count = from.count()?;
    let mut orders = Vec::with_capacity(count);
    let mut receipts = Receipts::default();
    let (mut hash, mut day) = (0u64, 0i64);
    for place in 0..count {
        let distance = from.uint()?;
        // They are in order, and each is there once.
        if place > 0 && distance == 0 {
            return Err(Malformed);
        }
        hash = hash.checked_add(distance).ok_or(Malformed)?;
        let step = from.number()?;
        day = day.checked_add(from.int()?).ok_or(Malformed)?;
        let details = match step & 1 {
            0 => None,
            _ => Some(Box::new(read_details(shop_id, (rows, &mut receipts), from)?)),
        };
        let remembered = Remembered {
            step: u32::try_from(step >> 1).map_err(|_| Malformed)?,
            day: i32::try_from(day).map_err(|_| Malformed)?,
            details,
        };
        orders.push((hash, remembered));
    }
    Ok(Orders::of_sorted(orders))
}

pub fn read_details(
    shop_id: &str,
    (rows, receipts): (&mut Rows, &mut Receipts),
    from: &mut Reader<'_>,
) -> Result<Details, Malformed> {
    let has = from.uint()?;
    let mut number = |flag| match has & flag {
        0 => Ok(0),
        _ => from.int(),
    };
    let mut details = Details {
        cancelled: has & CANCELLED != 0,
        expected: number(EXPECTED)?,
        taken_back: number(TAKEN_BACK)?,
        ..Details::default()
    };
    if has & REDEEMED != 0 {
        details.redeemed = Some(read_redeemed(shop_id, rows, from)?);
    }
    if has & CANCELLATION != 0 {
        let mut cancellation = Cancellation {
            debt: from.int()?,
            returned: from.int()?,
            taken: Vec::new(),
        };
        for _ in 0..from.count()? {
            let (lot, points) = (from.id()?, from.int()?);
            let expires_at = match from.uint()? {
                0 => None,
                _ => Some(from.time(Instant(0))?),
            };
            cancellation.taken.push(Taken {
                lot,
                points,
                expires_at,
            });
        }
        details.cancellation = Some(cancellation);
    }
    if has & PENDING != 0 {
        details.pending = Some((from.int()?, from.time(Instant(0))?));
    }
    if has & RECEIPT != 0 {
        details.receipt = Some(receipts.read(from)?);
    }
    Ok(details)
}

fn read_redeemed(shop_id: &str, rows: &mut Rows, from: &mut Reader<'_>) -> Result<Redeemed, Malformed> {
    let has = from.uint()?;
    let (points, returned) = (from.int()?, from.int()?);
    let told = (has & TOLD != 0).then(|| from.int()).transpose()?;
    let share = match has & SHARE {
        0 => None,
        _ => Some(Share {
            numerator: decimal(from)?,
            denominator: decimal(from)?,
        }),
    };
    let rule_version = (has & RULE_VERSION != 0).then(|| from.uint32()).transpose()?;
    let tier = (has & TIER != 0).then(|| text(from)).transpose()?;
    Ok(Redeemed {
        told,
        by_command: has & BY_COMMAND != 0,
        points,
        returned,
        share,
        taken: rows.read_all(shop_id, from)?,
        rule_version,
        tier: tier.map(Into::into),
    })
}

pub fn decimal(from: &mut Reader<'_>) -> Result<Decimal, Malformed> {
    let (mantissa, scale) = (from.int128()?, from.uint32()?);
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| Malformed)
}

pub fn text(from: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut text = String::new();
    from.text(&mut text)?;
    Ok(text)
}
