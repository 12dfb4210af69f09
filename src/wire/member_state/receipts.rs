//! Receipts of orders, and what limits and caps count, within a member's state.

use super::packed::{Malformed, Reader, Writer};
use crate::domain::ledger::receipt::{Cuts, GivenPart, Receipt};
use crate::domain::ledger::usage::{Count, Counter, Usage};
use crate::domain::price_list::PricedFor;
use crate::domain::short_text::ShortText;
use crate::wire::priced_for::{birthday_span, birthday_tag};

// What a receipt says in its first number, beside the birthday in its last two bits.
const TIER: u64 = 1 << 2;
const FIRST_ORDER: u64 = 1 << 3;
const MAY_CHANGE: u64 = 1 << 4;
/// Its tier is that of the receipt before.
const SAME_TIER: u64 = 1 << 5;
/// It was issued once, the order's own points alone, and nothing has changed since.
const USUAL: u64 = 1 << 6;
const BIRTHDAY: u64 = 3;
// What a part has. Without the last it is whole: offered, given, worth and left are the same.
const OF_BONUS: u64 = 1;
const CUT: u64 = 1 << 1;
const BY_CANCELLATION: u64 = 1 << 2;
const CHANGED: u64 = 1 << 3;
const WORTH_BEFORE: u64 = 1 << 4;

/// The receipt before: names are written by what differs from its own.
#[derive(Default)]
pub struct Receipts {
    /// Near that of the receipt that comes next.
    pub day: i64,
    tier: String,
    bonus: String,
}

fn flag(set: bool, flag: u64) -> u64 {
    if set { flag } else { 0 }
}

impl Receipts {
    pub fn write(&mut self, receipt: &Receipt, out: &mut Writer) {
        let Receipt {
            of,
            day,
            issues,
            may_change,
            parts,
        } = receipt;
        let PricedFor {
            tier,
            birthday,
            first_order,
        } = of;
        let is_same_tier = tier.as_ref().is_some_and(|tier| *tier == self.tier);
        let usual = usual(*issues, parts);
        out.uint(
            u64::from(birthday_tag(*birthday))
                | flag(tier.is_some() && !is_same_tier, TIER)
                | flag(is_same_tier, SAME_TIER)
                | flag(*first_order, FIRST_ORDER)
                | flag(*may_change, MAY_CHANGE)
                | flag(usual.is_some(), USUAL),
        );
        out.int(i64::from(*day).wrapping_sub(self.day));
        self.day = i64::from(*day);
        if let Some(tier) = tier.as_ref().filter(|_| !is_same_tier) {
            replace(&mut self.tier, tier, out);
        }
        if let Some(points) = usual {
            return out.int(points);
        }
        out.uint((*issues).into());
        out.uint(parts.len() as u64);
        for part in parts {
            self.write_part(part, out);
        }
    }

    fn write_part(&mut self, part: &GivenPart, out: &mut Writer) {
        let GivenPart {
            bonus_id,
            offered,
            given,
            worth,
            worth_before,
            left,
            by_cancellation,
            cut_by,
        } = part;
        let is_whole = given == offered && worth == offered && left == offered;
        out.uint(
            flag(bonus_id.is_some(), OF_BONUS)
                | flag(*cut_by != Cuts::default(), CUT)
                | flag(*by_cancellation != 0, BY_CANCELLATION)
                | flag(!is_whole, CHANGED)
                | flag(worth_before.is_some(), WORTH_BEFORE),
        );
        if let Some(bonus) = bonus_id {
            replace(&mut self.bonus, bonus, out);
        }
        out.int(*offered);
        if !is_whole {
            for number in [given, worth, left] {
                out.int(*number);
            }
        }
        if let Some(worth) = worth_before {
            out.int(*worth);
        }
        if *by_cancellation != 0 {
            out.int(*by_cancellation);
        }
        if *cut_by != Cuts::default() {
            out.uint(cut_by.0.into());
        }
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<Receipt, Malformed> {
        let has = from.uint()?;
        let birthday = birthday_span((has & BIRTHDAY) as u32).ok_or(Malformed)?;
        self.day = self.day.checked_add(from.int()?).ok_or(Malformed)?;
        let tier = match (has & TIER, has & SAME_TIER) {
            (0, 0) => None,
            (0, _) => Some(self.tier.as_str().into()),
            _ => Some(read_text(&mut self.tier, from)?),
        };
        let usual = (has & USUAL != 0).then(|| from.int()).transpose()?;
        let mut receipt = Receipt {
            of: PricedFor {
                tier,
                birthday,
                first_order: has & FIRST_ORDER != 0,
            },
            day: i32::try_from(self.day).map_err(|_| Malformed)?,
            issues: 1,
            may_change: has & MAY_CHANGE != 0,
            parts: usual.map(whole).into_iter().collect(),
        };
        if usual.is_some() {
            return Ok(receipt);
        }
        receipt.issues = from.uint32()?;
        for _ in 0..from.count()? {
            receipt.parts.push(self.read_part(from)?);
        }
        Ok(receipt)
    }

    fn read_part(&mut self, from: &mut Reader<'_>) -> Result<GivenPart, Malformed> {
        let has = from.uint()?;
        let bonus_id = match has & OF_BONUS {
            0 => None,
            _ => Some(read_text(&mut self.bonus, from)?),
        };
        let offered = from.int()?;
        let mut next = |flag| match has & flag {
            0 => Ok(offered),
            _ => from.int(),
        };
        let (given, worth, left) = (next(CHANGED)?, next(CHANGED)?, next(CHANGED)?);
        let worth_before = (has & WORTH_BEFORE != 0).then(|| from.int()).transpose()?;
        let by_cancellation = match has & BY_CANCELLATION {
            0 => 0,
            _ => from.int()?,
        };
        let cut_by = match has & CUT {
            0 => Cuts::default(),
            _ => Cuts(u8::try_from(from.uint()?).map_err(|_| Malformed)?),
        };
        Ok(GivenPart {
            bonus_id,
            offered,
            given,
            worth,
            worth_before,
            left,
            by_cancellation,
            cut_by,
        })
    }
}

/// An order's own points, of which nothing was cut or taken back.
fn whole(points: i64) -> GivenPart {
    GivenPart {
        offered: points,
        given: points,
        worth: points,
        left: points,
        ..GivenPart::default()
    }
}

/// The points of a receipt that is as most of them are.
fn usual(issues: u32, parts: &[GivenPart]) -> Option<i64> {
    let [part] = parts else { return None };
    (issues == 1 && *part == whole(part.offered)).then_some(part.offered)
}

fn replace(before: &mut String, text: &str, out: &mut Writer) {
    out.text(text, before);
    before.clear();
    before.push_str(text);
}

fn read_text(before: &mut String, from: &mut Reader<'_>) -> Result<ShortText, Malformed> {
    from.text(before)?;
    Ok(before.as_str().into())
}

pub fn write_usage(usage: &Usage, out: &mut Writer) {
    out.uint(usage.iter().len() as u64);
    let mut bonus = String::new();
    for (id, Counter { before, days }) in usage.iter() {
        out.uint(id.is_some().into());
        if let Some(id) = id {
            replace(&mut bonus, id, out);
        }
        write_count(*before, out);
        out.uint(days.len() as u64);
        let mut day_before = 0;
        for (day, count) in days {
            out.int(i64::from(*day) - day_before);
            day_before = i64::from(*day);
            write_count(*count, out);
        }
    }
}

fn write_count(count: Count, out: &mut Writer) {
    let Count { points, orders } = count;
    out.int(points);
    out.int(orders);
}

pub fn read_usage(from: &mut Reader<'_>) -> Result<Usage, Malformed> {
    let mut counters = Vec::new();
    let mut bonus = String::new();
    for _ in 0..from.count()? {
        let id = match from.uint()? {
            0 => None,
            _ => Some(read_text(&mut bonus, from)?),
        };
        let before = read_count(from)?;
        let (mut days, mut day) = (Vec::new(), 0i64);
        for place in 0..from.count()? {
            let distance = from.int()?;
            // They are in order, and each is there once.
            if place > 0 && distance <= 0 {
                return Err(Malformed);
            }
            day = day.checked_add(distance).ok_or(Malformed)?;
            let number = i32::try_from(day).map_err(|_| Malformed)?;
            days.push((number, read_count(from)?));
        }
        counters.push((id, Counter { before, days }));
    }
    Ok(Usage::of(counters))
}

fn read_count(from: &mut Reader<'_>) -> Result<Count, Malformed> {
    Ok(Count {
        points: from.int()?,
        orders: from.int()?,
    })
}
