//! Lots as rows: each is written by what differs from the row before.

use chrono::{Datelike, NaiveDate};

use super::packed::{Malformed, Reader, Writer};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::{Lot, Notice};

/// What a row says in its first number. The first seven fit one byte.
const FIRST_ISSUE: u32 = 1;
const SAME_SPAN: u32 = 1 << 1;
const SAME_EXPIRY: u32 = 1 << 2;
const SAME_RULE: u32 = 1 << 3;
const OF_ORDER: u32 = 1 << 4;
const SAME_LEAD: u32 = 1 << 5;
const NEXT_CREDIT: u32 = 1 << 6;
const NEVER: u32 = 1 << 7;
const LATER_ISSUE: u32 = 1 << 8;
const OF_BONUS: u32 = 1 << 9;
const OWN_LEAD: u32 = 1 << 10;
/// The expiry is written by the one before: whole days lie between them, and a part of one between
/// the issue and the expiry.
const NEAR_EXPIRY: u32 = 1 << 11;

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// Days from the year 1 to 1970.
const DAYS_TO_1970: i64 = 719_163;

/// The row before, as far as rows are written by it.
#[derive(Default)]
pub struct Rows {
    issued_at: i64,
    span: i64,
    expires_at: i64,
    credited: u64,
    rule_version: Option<u32>,
    order: String,
    bonus: String,
    cause: String,
    lead: Lead,
}

/// When a notice comes before its lot expires.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Lead {
    micros: i64,
    /// The local day less the day in UTC.
    day: i64,
    days_before: u32,
}

impl Lead {
    fn of(notice: &Notice, expires_at: i64) -> Self {
        let day = i64::from(notice.day.num_days_from_ce()) - DAYS_TO_1970;
        Lead {
            micros: expires_at.wrapping_sub(notice.at.0),
            day: day.wrapping_sub(notice.at.0.div_euclid(DAY_MICROS)),
            days_before: notice.days_before,
        }
    }

    fn notice(self, expires_at: i64) -> Result<Notice, Malformed> {
        let at = expires_at.wrapping_sub(self.micros);
        let day = at.div_euclid(DAY_MICROS).checked_add(self.day).ok_or(Malformed)?;
        let days = i32::try_from(day.checked_add(DAYS_TO_1970).ok_or(Malformed)?).map_err(|_| Malformed)?;
        Ok(Notice {
            at: Instant(at),
            day: NaiveDate::from_num_days_from_ce_opt(days).ok_or(Malformed)?,
            days_before: self.days_before,
        })
    }
}

impl Rows {
    fn expires_nearer(&self, span: i64, expiry: i64) -> bool {
        let between = expiry.wrapping_sub(self.expires_at);
        between % MINUTE_MICROS == 0 && span % MINUTE_MICROS != 0
    }

    pub fn write(&mut self, lot: &Lot, writer: &mut Writer) {
        let Lot {
            id,
            number,
            points,
            issued_at,
            expires_at,
            credited,
            order,
            bonus_id,
            rule_version,
            cause_id,
            notice,
        } = lot;
        let number = number.filter(|_| order.is_some());
        let expiry = expires_at.map_or(0, |at| at.0);
        let span = expiry.wrapping_sub(issued_at.0);
        let lead = notice.as_ref().map(|notice| Lead::of(notice, expiry));
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let says = bit(number == Some(0), FIRST_ISSUE)
            | bit(number.is_some_and(|number| number > 0), LATER_ISSUE)
            | bit(expires_at.is_none(), NEVER)
            | bit(expires_at.is_some() && span == self.span, SAME_SPAN)
            | bit(expires_at.is_some() && expiry == self.expires_at, SAME_EXPIRY)
            | bit(*rule_version == self.rule_version, SAME_RULE)
            | bit(order.is_some(), OF_ORDER)
            | bit(bonus_id.is_some(), OF_BONUS)
            | bit(*credited == self.credited.wrapping_add(1), NEXT_CREDIT)
            | bit(lead == Some(self.lead), SAME_LEAD)
            | bit(lead.is_some_and(|lead| lead != self.lead), OWN_LEAD);
        let says = match says & (NEVER | SAME_SPAN | SAME_EXPIRY) {
            0 if self.expires_nearer(span, expiry) => says | NEAR_EXPIRY,
            _ => says,
        };
        writer.uint(says.into());
        match number {
            None => writer.0.extend_from_slice(&id.to_be_bytes()),
            Some(0) => {}
            Some(number) => writer.uint(number.into()),
        }
        writer.int(*points);
        writer.time(*issued_at, Instant(self.issued_at));
        if says & (NEVER | SAME_SPAN | SAME_EXPIRY) == 0 {
            let near = match says & NEAR_EXPIRY {
                0 => *issued_at,
                _ => Instant(self.expires_at),
            };
            writer.time(Instant(expiry), near);
        }
        if says & NEXT_CREDIT == 0 {
            writer.int(credited.wrapping_sub(self.credited) as i64);
        }
        if let Some(order) = order {
            writer.text(order, &self.order);
            replace(&mut self.order, order);
        }
        if let Some(bonus) = bonus_id {
            writer.text(bonus, &self.bonus);
            replace(&mut self.bonus, bonus);
        }
        if says & SAME_RULE == 0 {
            writer.uint(rule_version.map_or(0, |version| u64::from(version) + 1));
        }
        writer.text(cause_id, &self.cause);
        replace(&mut self.cause, cause_id);
        if let Some(lead) = lead.filter(|lead| *lead != self.lead) {
            writer.time(Instant(lead.micros), Instant(0));
            writer.int(lead.day);
            writer.uint(lead.days_before.into());
            self.lead = lead;
        }
        (self.issued_at, self.credited, self.rule_version) = (issued_at.0, *credited, *rule_version);
        if expires_at.is_some() {
            (self.span, self.expires_at) = (span, expiry);
        }
    }

    pub fn read(&mut self, shop_id: &str, reader: &mut Reader<'_>) -> Result<Lot, Malformed> {
        let says = reader.uint32()?;
        let has = |bit: u32| says & bit != 0;
        let mut id = 0;
        let number = match (has(FIRST_ISSUE), has(LATER_ISSUE)) {
            (true, _) => Some(0),
            (_, true) => Some(reader.uint32()?),
            _ => {
                id = reader.id()?;
                None
            }
        };
        let points = reader.int()?;
        self.issued_at = reader.time(Instant(self.issued_at))?.0;
        if !has(NEVER) {
            if has(SAME_EXPIRY) {
                self.span = self.expires_at.wrapping_sub(self.issued_at);
            } else if has(SAME_SPAN) {
                self.expires_at = self.issued_at.wrapping_add(self.span);
            } else {
                let near = if has(NEAR_EXPIRY) {
                    self.expires_at
                } else {
                    self.issued_at
                };
                self.expires_at = reader.time(Instant(near))?.0;
                self.span = self.expires_at.wrapping_sub(self.issued_at);
            }
        }
        self.credited = match has(NEXT_CREDIT) {
            true => self.credited.wrapping_add(1),
            false => self.credited.wrapping_add(reader.int()? as u64),
        };
        if has(OF_ORDER) {
            reader.text(&mut self.order)?;
        }
        if has(OF_BONUS) {
            reader.text(&mut self.bonus)?;
        }
        if !has(SAME_RULE) {
            let version = reader.uint()?.checked_sub(1);
            self.rule_version = version.map(u32::try_from).transpose().map_err(|_| Malformed)?;
        }
        reader.text(&mut self.cause)?;
        if has(OWN_LEAD) {
            self.lead = Lead {
                micros: reader.time(Instant(0))?.0,
                day: reader.int()?,
                days_before: reader.uint32()?,
            };
        }
        let expiry = if has(NEVER) { 0 } else { self.expires_at };
        let notice = match has(OWN_LEAD) || has(SAME_LEAD) {
            true => Some(self.lead.notice(expiry)?),
            false => None,
        };
        let order = has(OF_ORDER).then(|| self.order.as_str().into());
        let bonus_id = has(OF_BONUS).then_some(self.bonus.as_str());
        if let Some(number) = number {
            id = ids::part_lot(shop_id, &self.order, bonus_id, number);
        }
        Ok(Lot {
            id,
            number,
            points,
            issued_at: Instant(self.issued_at),
            expires_at: (!has(NEVER)).then_some(Instant(self.expires_at)),
            credited: self.credited,
            order,
            bonus_id: bonus_id.map(Into::into),
            rule_version: self.rule_version,
            cause_id: self.cause.as_str().into(),
            notice,
        })
    }

    pub fn write_all<'l>(&mut self, lots: impl ExactSizeIterator<Item = &'l Lot>, writer: &mut Writer) {
        writer.uint(lots.len() as u64);
        for lot in lots {
            self.write(lot, writer);
        }
    }

    pub fn read_all(&mut self, shop_id: &str, reader: &mut Reader<'_>) -> Result<Vec<Lot>, Malformed> {
        let count = reader.count()?;
        let mut lots = Vec::with_capacity(count);
        for _ in 0..count {
            lots.push(self.read(shop_id, reader)?);
        }
        Ok(lots)
    }
}

fn replace(text: &mut String, by: &str) {
    text.clear();
    text.push_str(by);
}
