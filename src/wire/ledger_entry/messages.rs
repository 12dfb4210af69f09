//! The messages of an entry as they are stored. Tags are never reused.

use prost::Message;

use super::price_list::{ForecastV3, PriceListV3, ReviseV3};
use crate::wire::expiry::ExpiryV1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryV1 {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(string, tag = "2")]
    pub shop_id: String,
    #[prost(string, tag = "3")]
    pub member_id: String,
    #[prost(sint64, tag = "4")]
    pub at: i64,
    #[prost(sint64, tag = "5")]
    pub effective_at: i64,
    #[prost(string, tag = "6")]
    pub cause_id: String,
    #[prost(string, tag = "7")]
    pub cause_source: String,
    #[prost(string, optional, tag = "8")]
    pub order_id: Option<String>,
    #[prost(uint32, optional, tag = "9")]
    pub rule_version: Option<u32>,
    #[prost(string, optional, tag = "10")]
    pub traceparent: Option<String>,
    /// 0: not numbered.
    #[prost(uint32, tag = "11")]
    pub step: u32,
    #[prost(
        oneof = "KindV1",
        tags = "20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 40, 41, 42, 45, 46, 47"
    )]
    pub kind: Option<KindV1>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum KindV1 {
    #[prost(message, tag = "20")]
    Issue(IssueV1),
    #[prost(message, tag = "21")]
    Reverse(ReverseV1),
    #[prost(message, tag = "22")]
    RedeemByOrder(RedeemByOrderV1),
    #[prost(message, tag = "23")]
    Return(ReturnV1),
    #[prost(message, tag = "24")]
    OrderCancelled(Nothing),
    #[prost(message, tag = "25")]
    Grant(GrantV1),
    #[prost(message, tag = "26")]
    Deduct(DeductV1),
    #[prost(message, tag = "27")]
    Redeem(RedeemV1),
    #[prost(message, tag = "28")]
    Import(ImportV1),
    #[prost(message, tag = "29")]
    Registered(RegisteredV1),
    #[prost(message, tag = "30")]
    Invalid(InvalidV1),
    #[prost(message, tag = "31")]
    GrantAll(GrantAllV1),
    /// Points; 0: none any more.
    #[prost(int64, tag = "32")]
    Expect(i64),
    #[prost(message, tag = "33")]
    Reopen(ReopenV2),
    #[prost(message, tag = "34")]
    GiveBack(GiveBackV2),
    #[prost(message, tag = "40")]
    IssueByPriceList(PriceListV3),
    #[prost(message, tag = "41")]
    Revise(ReviseV3),
    #[prost(message, tag = "42")]
    Forecast(ForecastV3),
    #[prost(message, tag = "45")]
    OrderFact(OrderFactV3),
    #[prost(message, tag = "46")]
    TierSet(TierSetV3),
    #[prost(message, tag = "47")]
    Qualify(QualifyV3),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OrderFactV3 {
    #[prost(sint64, tag = "1")]
    pub created_at: i64,
    #[prost(bool, tag = "2")]
    pub live: bool,
    #[prost(message, repeated, tag = "3")]
    pub steps: Vec<FactStepV3>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FactStepV3 {
    #[prost(sint64, tag = "1")]
    pub at: i64,
    #[prost(string, tag = "2")]
    pub amount: String,
    #[prost(bool, tag = "3")]
    pub goods: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TierSetV3 {
    #[prost(string, optional, tag = "1")]
    pub tier: Option<String>,
    #[prost(sint64, optional, tag = "2")]
    pub since: Option<i64>,
    #[prost(sint64, optional, tag = "3")]
    pub until: Option<i64>,
    #[prost(string, optional, tag = "4")]
    pub note: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub actor: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct QualifyV3 {
    #[prost(string, optional, tag = "1")]
    pub amount: Option<String>,
    #[prost(sint64, optional, tag = "2")]
    pub orders: Option<i64>,
    #[prost(sint64, optional, tag = "3")]
    pub at: Option<i64>,
    #[prost(string, optional, tag = "4")]
    pub note: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub actor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Nothing {}

/// One part, the order's own points, is in the fields of its own; anything else in `parts`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct IssueV1 {
    #[prost(bool, tag = "1")]
    pub edited: bool,
    #[prost(uint32, tag = "2")]
    pub number: u32,
    #[prost(int64, tag = "3")]
    pub points: i64,
    #[prost(string, tag = "4")]
    pub base_amount: String,
    #[prost(string, tag = "5")]
    pub currency: String,
    #[prost(sint64, optional, tag = "6")]
    pub expires_at: Option<i64>,
    /// Only with an edit; those written before it was known are credited whole.
    #[prost(message, optional, tag = "7")]
    pub adjust: Option<ReverseV1>,
    #[prost(message, repeated, tag = "8")]
    pub parts: Vec<IssuePartV2>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IssuePartV2 {
    #[prost(string, optional, tag = "1")]
    pub bonus_id: Option<String>,
    #[prost(int64, tag = "2")]
    pub points: i64,
    #[prost(string, tag = "3")]
    pub base_amount: String,
    #[prost(sint64, optional, tag = "4")]
    pub expires_at: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReopenV2 {
    #[prost(string, tag = "1")]
    pub base_amount: String,
    #[prost(string, tag = "2")]
    pub currency: String,
    #[prost(sint64, optional, tag = "3")]
    pub expires_at: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ReverseV1 {
    /// 1 cancelled, 2 refunded, 3 edited.
    #[prost(uint32, tag = "1")]
    pub reason: u32,
    #[prost(int64, tag = "2")]
    pub issued: i64,
    #[prost(int64, tag = "3")]
    pub kept: i64,
    /// 1 refuse, 2 clamp, 3 negative.
    #[prost(uint32, tag = "4")]
    pub when_short: u32,
    #[prost(bool, tag = "5")]
    pub by_cancellation: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RedeemByOrderV1 {
    #[prost(int64, tag = "1")]
    pub points: i64,
    #[prost(string, tag = "2")]
    pub subtotal: String,
    #[prost(string, optional, tag = "3")]
    pub tier: Option<String>,
    #[prost(bool, tag = "4")]
    pub cancelled: bool,
    #[prost(string, optional, tag = "5")]
    pub payable: Option<String>,
    #[prost(bool, tag = "6")]
    pub currency_mismatch: bool,
    #[prost(message, optional, tag = "7")]
    pub by_level: Option<ByLevelV3>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ByLevelV3 {
    #[prost(sint64, tag = "1")]
    pub created_at: i64,
    #[prost(message, repeated, tag = "2")]
    pub amounts: Vec<LevelAmountsV3>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LevelAmountsV3 {
    #[prost(string, tag = "1")]
    pub level: String,
    #[prost(string, tag = "2")]
    pub subtotal: String,
    #[prost(string, tag = "3")]
    pub payable: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReturnV1 {
    #[prost(uint32, tag = "1")]
    pub reason: u32,
    #[prost(string, tag = "2")]
    pub numerator: String,
    #[prost(string, tag = "3")]
    pub denominator: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrantV1 {
    #[prost(int64, tag = "1")]
    pub points: i64,
    #[prost(string, optional, tag = "2")]
    pub note: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub expiry: Option<ExpiryV1>,
    /// Turned round, so that the usual case takes no bytes.
    #[prost(bool, tag = "4")]
    pub silent: bool,
    #[prost(string, optional, tag = "5")]
    pub actor: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeductV1 {
    #[prost(int64, tag = "1")]
    pub points: i64,
    #[prost(string, optional, tag = "2")]
    pub lot_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub note: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub actor: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RedeemV1 {
    #[prost(int64, tag = "1")]
    pub points: i64,
    #[prost(string, optional, tag = "2")]
    pub subtotal: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub tier: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub note: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub actor: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub payable: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GiveBackV2 {
    #[prost(string, optional, tag = "1")]
    pub redeem_id: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub points: Option<i64>,
    #[prost(string, optional, tag = "3")]
    pub note: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub actor: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ImportV1 {
    #[prost(int64, tag = "1")]
    pub points: i64,
    #[prost(sint64, optional, tag = "2")]
    pub expires_at: Option<i64>,
    /// `YYYY-MM-DD`.
    #[prost(string, optional, tag = "3")]
    pub expires_on: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub actor: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub note: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct RegisteredV1 {
    /// Month × 100 + day; 0: not told.
    #[prost(uint32, tag = "1")]
    pub birthday: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InvalidV1 {
    #[prost(string, tag = "1")]
    pub detail: String,
    #[prost(string, optional, tag = "2")]
    pub actor: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub points: Option<i64>,
    #[prost(string, optional, tag = "4")]
    pub note: Option<String>,
    #[prost(bool, tag = "5")]
    pub silent: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrantAllV1 {
    #[prost(message, optional, tag = "1")]
    pub grant: Option<GrantV1>,
    /// One member's share.
    #[prost(bool, tag = "2")]
    pub share: bool,
}
