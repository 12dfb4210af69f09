//! Entries between the stages, on `accrual-ledger-entries`.

mod messages;
mod price_list;
mod sections;
mod tiers;

use std::str::FromStr;

use bytes::Bytes;
use chrono::NaiveDate;
use prost::Message;
use rust_decimal::Decimal;

use self::messages::{
    ByLevelV3, DeductV1, EntryV1, GiveBackV2, GrantAllV1, ImportV1, InvalidV1, KindV1, Nothing,
    RedeemByOrderV1, RedeemV1, RegisteredV1, ReopenV2, ReturnV1,
};
use self::sections::{own_part, reason, reason_tag};
use crate::domain::entry::{
    Birthday, Command, Entry, EntryKind, ImportExpiry, Invalid, RedeemByOrder, Reopen, Return,
};
use crate::domain::instant::Instant;

/// Written first in every entry that the first version can carry out.
const FIRST_VERSION: u32 = 1;
/// Written first in entries of bonuses, of withdrawn cancellations, of redeemed points that may
/// change, and of returns by command: the first version must not read them as something less.
const SECOND_VERSION: u32 = 2;
/// Written first in entries of levels of membership, and of orders that their member prices.
const VERSION: u32 = 3;

/// An entry that this program cannot have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("not an entry: {0}")]
    NotProtobuf(String),
    #[error("format version {0} is not known")]
    Version(u32),
    #[error("field {0} is missing or out of range")]
    Field(&'static str),
}

pub fn encode(entry: &Entry) -> Bytes {
    Bytes::from(EntryV1::from(entry).encode_to_vec())
}

pub fn decode(bytes: &[u8]) -> Result<Entry, EntryError> {
    let read = EntryV1::decode(bytes).map_err(|error| EntryError::NotProtobuf(error.to_string()))?;
    if !(FIRST_VERSION..=VERSION).contains(&read.version) {
        return Err(EntryError::Version(read.version));
    }
    let kind = read.kind.ok_or(EntryError::Field("kind"))?;
    Ok(Entry {
        shop_id: read.shop_id.into(),
        member_id: read.member_id.into(),
        at: Instant(read.at),
        effective_at: Instant(read.effective_at),
        cause_id: read.cause_id.into(),
        cause_source: read.cause_source.into(),
        order_id: read.order_id.map(Into::into),
        step: read.step,
        rule_version: read.rule_version,
        traceparent: read.traceparent.map(Into::into),
        kind: kind.read()?,
    })
}

impl From<&Entry> for EntryV1 {
    fn from(entry: &Entry) -> Self {
        EntryV1 {
            version: version(&entry.kind),
            shop_id: entry.shop_id.to_string(),
            member_id: entry.member_id.to_string(),
            at: entry.at.0,
            effective_at: entry.effective_at.0,
            cause_id: entry.cause_id.to_string(),
            cause_source: entry.cause_source.to_string(),
            order_id: entry.order_id.as_ref().map(ToString::to_string),
            step: entry.step,
            rule_version: entry.rule_version,
            traceparent: entry.traceparent.as_ref().map(ToString::to_string),
            kind: Some(KindV1::written(&entry.kind)),
        }
    }
}

impl KindV1 {
    fn written(kind: &EntryKind) -> Self {
        match kind {
            EntryKind::Issue(issue) => KindV1::Issue(issue.into()),
            EntryKind::IssueByPriceList(list) => KindV1::IssueByPriceList(list.into()),
            EntryKind::Revise(revision) => KindV1::Revise(revision.into()),
            EntryKind::Forecast(forecast) => KindV1::Forecast(forecast.into()),
            EntryKind::Reverse(reverse) => KindV1::Reverse(reverse.into()),
            EntryKind::Reopen(reopen) => KindV1::Reopen(ReopenV2 {
                base_amount: reopen.base_amount.to_string(),
                currency: reopen.currency.to_string(),
                expires_at: reopen.expires_at.map(|at| at.0),
            }),
            EntryKind::RedeemByOrder(redeem) => KindV1::RedeemByOrder(RedeemByOrderV1 {
                points: redeem.points,
                subtotal: redeem.subtotal.to_string(),
                tier: redeem.tier.as_ref().map(ToString::to_string),
                cancelled: redeem.cancelled,
                payable: redeem.payable.map(|amount| amount.to_string()),
                currency_mismatch: redeem.currency_mismatch,
                by_level: redeem.by_level.as_ref().map(ByLevelV3::from),
            }),
            EntryKind::Return(back) => KindV1::Return(ReturnV1 {
                reason: reason_tag(back.reason),
                numerator: back.numerator.to_string(),
                denominator: back.denominator.to_string(),
            }),
            EntryKind::Expect(points) => KindV1::Expect(*points),
            EntryKind::OrderCancelled => KindV1::OrderCancelled(Nothing {}),
            EntryKind::OrderFact(fact) => tiers::written_fact(fact),
            EntryKind::Command(command) => Self::written_command(command),
            EntryKind::GrantAll(grant) => KindV1::GrantAll(GrantAllV1 {
                grant: Some(grant.into()),
                share: false,
            }),
            EntryKind::GrantedToAll(grant) => KindV1::GrantAll(GrantAllV1 {
                grant: Some(grant.into()),
                share: true,
            }),
        }
    }

    fn written_command(command: &Command) -> Self {
        match command.clone() {
            Command::Grant(grant) => KindV1::Grant((&grant).into()),
            Command::Deduct {
                points,
                lot_id,
                note,
                actor,
            } => KindV1::Deduct(DeductV1 {
                points,
                lot_id,
                note,
                actor,
            }),
            Command::Redeem {
                points,
                subtotal,
                payable,
                tier,
                note,
                actor,
            } => KindV1::Redeem(RedeemV1 {
                points,
                subtotal: subtotal.map(|amount| amount.to_string()),
                payable: payable.map(|amount| amount.to_string()),
                tier,
                note,
                actor,
            }),
            Command::Return {
                redeem_id,
                points,
                note,
                actor,
            } => KindV1::GiveBack(GiveBackV2 {
                redeem_id,
                points,
                note,
                actor,
            }),
            Command::Import {
                points,
                expires,
                note,
                actor,
            } => KindV1::Import(ImportV1 {
                points,
                expires_at: match expires {
                    ImportExpiry::At(at) => Some(at.0),
                    _ => None,
                },
                expires_on: match expires {
                    ImportExpiry::On(date) => Some(date.format("%Y-%m-%d").to_string()),
                    _ => None,
                },
                note,
                actor,
            }),
            Command::TierSet(set) => tiers::written_set(set),
            Command::Qualify(qualify) => tiers::written_qualify(qualify),
            Command::Registered { birthday } => KindV1::Registered(RegisteredV1 {
                birthday: birthday_tag(birthday),
            }),
            Command::Invalid(invalid) => KindV1::Invalid(InvalidV1 {
                detail: invalid.detail,
                actor: invalid.actor,
                points: invalid.points,
                note: invalid.note,
                silent: !invalid.notify,
            }),
        }
    }

    fn read(self) -> Result<EntryKind, EntryError> {
        Ok(match self {
            KindV1::Issue(issue) => EntryKind::Issue(issue.read()?),
            KindV1::IssueByPriceList(list) => EntryKind::IssueByPriceList(list.read()?),
            KindV1::Revise(revision) => EntryKind::Revise(revision.read()?),
            KindV1::Forecast(forecast) => EntryKind::Forecast(forecast.read()?),
            KindV1::Reverse(reverse) => EntryKind::Reverse(reverse.read()?),
            KindV1::Reopen(reopen) => EntryKind::Reopen(Reopen {
                base_amount: amount("base_amount", &reopen.base_amount)?,
                currency: reopen.currency.into(),
                expires_at: reopen.expires_at.map(Instant),
            }),
            KindV1::RedeemByOrder(redeem) => EntryKind::RedeemByOrder(RedeemByOrder {
                points: redeem.points,
                subtotal: amount("subtotal", &redeem.subtotal)?,
                payable: optional_amount("payable", redeem.payable.as_deref())?,
                tier: redeem.tier.map(Into::into),
                currency_mismatch: redeem.currency_mismatch,
                by_level: redeem.by_level.map(ByLevelV3::read).transpose()?,
                cancelled: redeem.cancelled,
            }),
            KindV1::Return(back) => EntryKind::Return(Return {
                reason: reason(back.reason)?,
                numerator: amount("numerator", &back.numerator)?,
                denominator: amount("denominator", &back.denominator)?,
            }),
            KindV1::Expect(points) => EntryKind::Expect(points),
            KindV1::OrderCancelled(_) => EntryKind::OrderCancelled,
            KindV1::GrantAll(all) => {
                let grant = all.grant.ok_or(EntryError::Field("grant"))?.read()?;
                if all.share {
                    EntryKind::GrantedToAll(grant)
                } else {
                    EntryKind::GrantAll(grant)
                }
            }
            KindV1::OrderFact(fact) => EntryKind::OrderFact(tiers::read_fact(fact)?),
            command => EntryKind::Command(command.read_command()?),
        })
    }

    fn read_command(self) -> Result<Command, EntryError> {
        Ok(match self {
            KindV1::Grant(grant) => Command::Grant(grant.read()?),
            KindV1::Deduct(DeductV1 {
                points,
                lot_id,
                note,
                actor,
            }) => Command::Deduct {
                points,
                lot_id,
                note,
                actor,
            },
            KindV1::Redeem(RedeemV1 {
                points,
                subtotal,
                payable,
                tier,
                note,
                actor,
            }) => Command::Redeem {
                points,
                subtotal: optional_amount("subtotal", subtotal.as_deref())?,
                payable: optional_amount("payable", payable.as_deref())?,
                tier,
                note,
                actor,
            },
            KindV1::GiveBack(GiveBackV2 {
                redeem_id,
                points,
                note,
                actor,
            }) => Command::Return {
                redeem_id,
                points,
                note,
                actor,
            },
            KindV1::Import(ImportV1 {
                points,
                expires_at,
                expires_on,
                actor,
                note,
            }) => Command::Import {
                points,
                expires: match (expires_at, expires_on) {
                    (None, None) => ImportExpiry::Never,
                    (Some(at), None) => ImportExpiry::At(Instant(at)),
                    (None, Some(date)) => ImportExpiry::On(
                        NaiveDate::from_str(&date).map_err(|_| EntryError::Field("expires_on"))?,
                    ),
                    (Some(_), Some(_)) => return Err(EntryError::Field("expires_on")),
                },
                note,
                actor,
            },
            KindV1::TierSet(set) => tiers::read_set(set),
            KindV1::Qualify(qualify) => tiers::read_qualify(qualify)?,
            KindV1::Registered(registered) => Command::Registered {
                birthday: birthday(registered.birthday)?,
            },
            KindV1::Invalid(invalid) => Command::Invalid(Invalid {
                detail: invalid.detail,
                points: invalid.points,
                note: invalid.note,
                notify: !invalid.silent,
                actor: invalid.actor,
            }),
            _ => return Err(EntryError::Field("kind")),
        })
    }
}

/// The lowest version that carries it out whole.
fn version(kind: &EntryKind) -> u32 {
    match kind {
        EntryKind::Issue(issue) if own_part(issue).is_none() => SECOND_VERSION,
        EntryKind::RedeemByOrder(redeem) if redeem.by_level.is_some() => VERSION,
        EntryKind::RedeemByOrder(redeem) if redeem.payable.is_some() || redeem.currency_mismatch => {
            SECOND_VERSION
        }
        EntryKind::Reopen(_) | EntryKind::Command(Command::Return { .. }) => SECOND_VERSION,
        EntryKind::OrderFact(_) | EntryKind::Command(Command::TierSet(_) | Command::Qualify(_)) => VERSION,
        EntryKind::IssueByPriceList(_) | EntryKind::Revise(_) | EntryKind::Forecast(_) => VERSION,
        _ => FIRST_VERSION,
    }
}

pub(in crate::wire) fn birthday_tag(birthday: Option<Birthday>) -> u32 {
    birthday.map_or(0, |birthday| birthday.month * 100 + birthday.day)
}

pub(in crate::wire) fn birthday(tag: u32) -> Result<Option<Birthday>, EntryError> {
    if tag == 0 {
        return Ok(None);
    }
    let (month, day) = (tag / 100, tag % 100);
    // A leap year knows every birthday.
    NaiveDate::from_ymd_opt(2024, month, day).ok_or(EntryError::Field("birthday"))?;
    Ok(Some(Birthday { month, day }))
}

fn amount(field: &'static str, text: &str) -> Result<Decimal, EntryError> {
    Decimal::from_str(text).map_err(|_| EntryError::Field(field))
}

fn optional_amount(field: &'static str, text: Option<&str>) -> Result<Option<Decimal>, EntryError> {
    text.map(|text| amount(field, text)).transpose()
}

#[cfg(test)]
#[path = "ledger_entry_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "ledger_entry_golden.rs"]
mod golden;

#[cfg(test)]
#[path = "ledger_entry_golden_v3.rs"]
mod golden_v3;
