//! Stored states of the ledger: a member's, and a shop's broadcasts. Tags are never reused.

use chrono::{Datelike, NaiveDate};
use prost::Message;

use super::ledger_entry::{self, EntryError, birthday, birthday_tag};
use crate::domain::instant::Instant;
use crate::domain::ledger::broadcast::{Broadcast, Broadcasts};
use crate::domain::ledger::lots::{Lot, Lots, Notice};
use crate::domain::ledger::member::{Celebration, Member, Redeemed};
use crate::domain::short_text::ShortText;

/// Written first in every state.
const VERSION: u32 = 1;

/// A state that this program cannot have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("not a state: {0}")]
    NotProtobuf(#[from] prost::DecodeError),
    #[error("format version {0} is not known")]
    Version(u32),
    #[error("field {0} is out of range")]
    Field(&'static str),
    #[error(transparent)]
    Entry(#[from] EntryError),
}

pub fn encode_member(member: &Member) -> Vec<u8> {
    let state = MemberV1 {
        version: VERSION,
        known_since: member.known_since.map(|at| at.0),
        registered: member.registered,
        birthday: birthday_tag(member.birthday.as_ref().map(|celebration| celebration.on)),
        birthday_cause: member
            .birthday
            .as_ref()
            .map(|c| c.cause_id.to_string())
            .unwrap_or_default(),
        birthday_given: member.birthday.as_ref().and_then(|celebration| celebration.given),
        sequence: member.sequence,
        debt: member.debt,
        lots: member.lots.iter().map(LotV1::from).collect(),
        redemptions: member.redemptions.iter().map(redemption).collect(),
        taken_back: member
            .taken_back
            .iter()
            .map(|(order, points)| TakenBackV1 {
                order: order.to_string(),
                points: *points,
            })
            .collect(),
        cancelled_orders: member.cancelled_orders.iter().map(ToString::to_string).collect(),
        commands: member.commands.iter().map(SeenV1::from).collect(),
        open_from: member.open_from.0,
        expected: member
            .expected
            .iter()
            .map(|(order, points)| ExpectedV1 {
                order: order.to_string(),
                points: *points,
            })
            .collect(),
    };
    state.encode_to_vec()
}

pub fn decode_member(bytes: &[u8]) -> Result<Member, StateError> {
    let state = MemberV1::decode(bytes)?;
    if state.version != VERSION {
        return Err(StateError::Version(state.version));
    }
    let lots = state
        .lots
        .into_iter()
        .map(LotV1::read)
        .collect::<Result<Vec<_>, _>>()?;
    let mut member = Member {
        known_since: state.known_since.map(Instant),
        registered: state.registered,
        birthday: birthday(state.birthday)?.map(|on| Celebration {
            on,
            cause_id: state.birthday_cause.into(),
            given: state.birthday_given,
        }),
        sequence: state.sequence,
        debt: state.debt,
        lots: Lots::new(lots),
        cancelled_orders: state.cancelled_orders.into_iter().map(Into::into).collect(),
        taken_back: state
            .taken_back
            .into_iter()
            .map(|taken| (taken.order.into(), taken.points))
            .collect(),
        expected: state
            .expected
            .into_iter()
            .map(|expected| (expected.order.into(), expected.points))
            .collect(),
        open_from: Instant(state.open_from),
        ..Member::default()
    };
    for redemption in state.redemptions {
        let taken = redemption
            .taken
            .into_iter()
            .map(LotV1::read)
            .collect::<Result<_, _>>()?;
        member.redemptions.insert(
            redemption.order.into(),
            Redeemed {
                taken,
                returned: redemption.returned,
            },
        );
    }
    for command in state.commands {
        let (id, at) = command.read()?;
        member.commands.insert(id, at);
    }
    Ok(member)
}

pub fn encode_broadcasts(broadcasts: &Broadcasts) -> Vec<u8> {
    let running = broadcasts.running.iter().map(|broadcast| BroadcastV1 {
        entry: ledger_entry::encode(&broadcast.entry).to_vec(),
        cursor: broadcast.cursor.clone(),
    });
    let state = BroadcastsV1 {
        version: VERSION,
        seen: broadcasts.seen.iter().map(SeenV1::from).collect(),
        running: running.collect(),
        latest: broadcasts.latest.map(|at| at.0),
    };
    state.encode_to_vec()
}

pub fn decode_broadcasts(bytes: &[u8]) -> Result<Broadcasts, StateError> {
    let state = BroadcastsV1::decode(bytes)?;
    if state.version != VERSION {
        return Err(StateError::Version(state.version));
    }
    let mut broadcasts = Broadcasts {
        latest: state.latest.map(Instant),
        ..Broadcasts::default()
    };
    for seen in state.seen {
        let (id, at) = seen.read()?;
        broadcasts.seen.insert(id, at);
    }
    for running in state.running {
        let entry = ledger_entry::decode(&running.entry)?;
        broadcasts.running.push_back(Broadcast {
            entry,
            cursor: running.cursor,
        });
    }
    Ok(broadcasts)
}

#[derive(Clone, PartialEq, Message)]
struct MemberV1 {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(sint64, optional, tag = "2")]
    known_since: Option<i64>,
    #[prost(bool, tag = "3")]
    registered: bool,
    /// Month × 100 + day; 0: not told.
    #[prost(uint32, tag = "4")]
    birthday: u32,
    #[prost(string, tag = "5")]
    birthday_cause: String,
    #[prost(sint32, optional, tag = "6")]
    birthday_given: Option<i32>,
    #[prost(uint64, tag = "7")]
    sequence: u64,
    #[prost(int64, tag = "8")]
    debt: i64,
    #[prost(message, repeated, tag = "9")]
    lots: Vec<LotV1>,
    #[prost(message, repeated, tag = "10")]
    redemptions: Vec<RedemptionV1>,
    #[prost(message, repeated, tag = "11")]
    taken_back: Vec<TakenBackV1>,
    #[prost(string, repeated, tag = "12")]
    cancelled_orders: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    commands: Vec<SeenV1>,
    #[prost(sint64, tag = "14")]
    open_from: i64,
    #[prost(message, repeated, tag = "15")]
    expected: Vec<ExpectedV1>,
}

#[derive(Clone, PartialEq, Message)]
struct ExpectedV1 {
    #[prost(string, tag = "1")]
    order: String,
    #[prost(int64, tag = "2")]
    points: i64,
}

#[derive(Clone, PartialEq, Message)]
struct LotV1 {
    /// 16 bytes, the highest first.
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(int64, tag = "2")]
    points: i64,
    #[prost(sint64, tag = "3")]
    issued_at: i64,
    #[prost(sint64, optional, tag = "4")]
    expires_at: Option<i64>,
    #[prost(uint64, tag = "5")]
    credited: u64,
    #[prost(string, optional, tag = "6")]
    order: Option<String>,
    #[prost(uint32, optional, tag = "7")]
    rule_version: Option<u32>,
    #[prost(string, tag = "8")]
    cause_id: String,
    #[prost(message, optional, tag = "9")]
    notice: Option<NoticeV1>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct NoticeV1 {
    #[prost(sint64, tag = "1")]
    at: i64,
    /// Days since the first of January of the year 1.
    #[prost(sint32, tag = "2")]
    day: i32,
    #[prost(uint32, tag = "3")]
    days_before: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RedemptionV1 {
    #[prost(string, tag = "1")]
    order: String,
    #[prost(message, repeated, tag = "2")]
    taken: Vec<LotV1>,
    #[prost(int64, tag = "3")]
    returned: i64,
}

#[derive(Clone, PartialEq, Message)]
struct TakenBackV1 {
    #[prost(string, tag = "1")]
    order: String,
    #[prost(int64, tag = "2")]
    points: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SeenV1 {
    /// 16 bytes, the highest first.
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(sint64, tag = "2")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct BroadcastsV1 {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(message, repeated, tag = "2")]
    seen: Vec<SeenV1>,
    #[prost(message, repeated, tag = "3")]
    running: Vec<BroadcastV1>,
    #[prost(sint64, optional, tag = "4")]
    latest: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct BroadcastV1 {
    /// As `wire::ledger_entry` writes it.
    #[prost(bytes = "vec", tag = "1")]
    entry: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    cursor: Option<String>,
}

fn redemption((order, redeemed): (&ShortText, &Redeemed)) -> RedemptionV1 {
    RedemptionV1 {
        order: order.to_string(),
        taken: redeemed.taken.iter().map(LotV1::from).collect(),
        returned: redeemed.returned,
    }
}

impl From<&Lot> for LotV1 {
    fn from(lot: &Lot) -> Self {
        LotV1 {
            id: lot.id.to_be_bytes().to_vec(),
            points: lot.points,
            issued_at: lot.issued_at.0,
            expires_at: lot.expires_at.map(|at| at.0),
            credited: lot.credited,
            order: lot.order.as_ref().map(ToString::to_string),
            rule_version: lot.rule_version,
            cause_id: lot.cause_id.to_string(),
            notice: lot.notice.map(|notice| NoticeV1 {
                at: notice.at.0,
                day: notice.day.num_days_from_ce(),
                days_before: notice.days_before,
            }),
        }
    }
}

impl LotV1 {
    fn read(self) -> Result<Lot, StateError> {
        let notice = match self.notice {
            Some(notice) => Some(Notice {
                at: Instant(notice.at),
                day: NaiveDate::from_num_days_from_ce_opt(notice.day).ok_or(StateError::Field("notice"))?,
                days_before: notice.days_before,
            }),
            None => None,
        };
        Ok(Lot {
            id: id(&self.id)?,
            points: self.points,
            issued_at: Instant(self.issued_at),
            expires_at: self.expires_at.map(Instant),
            credited: self.credited,
            order: self.order.map(Into::into),
            rule_version: self.rule_version,
            cause_id: self.cause_id.into(),
            notice,
        })
    }
}

impl From<(&u128, &Instant)> for SeenV1 {
    fn from((id, at): (&u128, &Instant)) -> Self {
        SeenV1 {
            id: id.to_be_bytes().to_vec(),
            at: at.0,
        }
    }
}

impl SeenV1 {
    fn read(self) -> Result<(u128, Instant), StateError> {
        Ok((id(&self.id)?, Instant(self.at)))
    }
}

fn id(bytes: &[u8]) -> Result<u128, StateError> {
    Ok(u128::from_be_bytes(
        bytes.try_into().map_err(|_| StateError::Field("id"))?,
    ))
}

#[cfg(test)]
#[path = "member_state_tests.rs"]
mod tests;
