//! A member's state as the first version wrote it: it is read, and never written again.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use prost::Message;

use super::broadcasts::SeenV1;
use super::{StateError, id};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::{Lot, Lots, Notice};
use crate::domain::ledger::member::{Celebration, Member, Seen};
use crate::domain::ledger::orders::{Details, Orders, Redeemed, Remembered};
use crate::wire::ledger_entry::birthday;

pub const VERSION: u32 = 1;
/// Issues of an order that the id of a lot is tried with.
const NUMBERS_TRIED: u32 = 8;

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

pub fn read(shop_id: &str, bytes: &[u8]) -> Result<Member, StateError> {
    let state = MemberV1::decode(bytes)?;
    if state.version != VERSION {
        return Err(StateError::Version(state.version));
    }
    let lots = read_lots(shop_id, state.lots)?;
    let mut orders: BTreeMap<u64, Details> = BTreeMap::new();
    for taken in state.taken_back {
        orders
            .entry(ids::order_memory(&taken.order))
            .or_default()
            .taken_back = taken.points;
    }
    for order in state.cancelled_orders {
        orders.entry(ids::order_memory(&order)).or_default().cancelled = true;
    }
    for expected in state.expected {
        orders
            .entry(ids::order_memory(&expected.order))
            .or_default()
            .expected = expected.points;
    }
    for redemption in state.redemptions {
        let taken = read_lots(shop_id, redemption.taken)?;
        let points = taken
            .iter()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.points));
        // Who redeemed was not written: a snapshot of the same number changes nothing either way.
        let mut redeemed = Redeemed {
            told: Some(points),
            points,
            taken,
            ..Redeemed::default()
        };
        redeemed.give_back(redemption.returned);
        orders
            .entry(ids::order_memory(&redemption.order))
            .or_default()
            .redeemed = Some(redeemed);
    }
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
        orders: Orders::of_sorted(
            orders
                .into_iter()
                .map(|(hash, details)| (hash, kept(details)))
                .collect(),
        ),
        open_from: Instant(state.open_from),
        ..Member::default()
    };
    for command in state.commands {
        let (id, at) = command.read()?;
        member.commands.insert(id, Seen { at, redeemed: None });
    }
    Ok(member)
}

fn kept(details: Details) -> Remembered {
    Remembered {
        details: Some(Box::new(details)),
        ..Remembered::default()
    }
}

fn read_lots(shop_id: &str, lots: Vec<LotV1>) -> Result<Vec<Lot>, StateError> {
    lots.into_iter().map(|lot| lot.read(shop_id)).collect()
}

impl LotV1 {
    fn read(self, shop_id: &str) -> Result<Lot, StateError> {
        let notice = match self.notice {
            Some(notice) => Some(Notice {
                at: Instant(notice.at),
                day: NaiveDate::from_num_days_from_ce_opt(notice.day).ok_or(StateError::Field("notice"))?,
                days_before: notice.days_before,
            }),
            None => None,
        };
        let id = id(&self.id)?;
        let of_order =
            |order: &String| (0..NUMBERS_TRIED).find(|number| ids::order_lot(shop_id, order, *number) == id);
        Ok(Lot {
            id,
            number: self.order.as_ref().and_then(of_order),
            points: self.points,
            issued_at: Instant(self.issued_at),
            expires_at: self.expires_at.map(Instant),
            credited: self.credited,
            order: self.order.map(Into::into),
            bonus_id: None,
            rule_version: self.rule_version,
            cause_id: self.cause_id.into(),
            notice,
        })
    }
}
