//! The messages of the format. Tags are never reused.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct OrderV1 {
    #[prost(message, optional, tag = "1")]
    pub snapshot: Option<SnapshotV1>,
    #[prost(message, optional, tag = "2")]
    pub created: Option<ToldV1>,
    #[prost(message, optional, tag = "3")]
    pub paid: Option<ToldV1>,
    #[prost(message, optional, tag = "4")]
    pub shipped: Option<ToldV1>,
    #[prost(message, optional, tag = "5")]
    pub delivered: Option<ToldV1>,
    #[prost(message, optional, tag = "6")]
    pub picked_up: Option<ToldV1>,
    #[prost(message, optional, tag = "7")]
    pub completed: Option<ToldV1>,
    #[prost(message, optional, tag = "8")]
    pub cancelled: Option<CancelledV1>,
    #[prost(message, repeated, tag = "9")]
    pub refunds: Vec<RefundV1>,
    #[prost(message, optional, tag = "10")]
    pub bound: Option<BoundV1>,
    #[prost(sint64, optional, tag = "11")]
    pub deferred_since: Option<i64>,
    #[prost(message, optional, tag = "12")]
    pub issued: Option<IssuedV1>,
    #[prost(uint32, optional, tag = "13")]
    pub withheld: Option<u32>,
    #[prost(sint64, optional, tag = "14")]
    pub due_at: Option<i64>,
    #[prost(sint64, optional, tag = "15")]
    pub expected: Option<i64>,
    #[prost(sint64, optional, tag = "16")]
    pub last_event: Option<i64>,
    #[prost(string, optional, tag = "17")]
    pub promised_to: Option<String>,
    #[prost(int64, tag = "18")]
    pub promised: i64,
    #[prost(string, repeated, tag = "19")]
    pub other_customers: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ToldV1 {
    #[prost(sint64, tag = "1")]
    pub at: i64,
    /// Event's time less `at`.
    #[prost(sint64, tag = "2")]
    pub told_after: i64,
    #[prost(string, tag = "3")]
    pub event_id: String,
    #[prost(string, optional, tag = "4")]
    pub traceparent: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CancelledV1 {
    #[prost(message, optional, tag = "1")]
    pub told: Option<ToldV1>,
    #[prost(bool, tag = "2")]
    pub no_take_back: bool,
    #[prost(bool, tag = "3")]
    pub no_return: bool,
    #[prost(bool, tag = "4")]
    pub after_issue: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct RefundV1 {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(sint64, tag = "2")]
    pub time: i64,
    #[prost(string, tag = "3")]
    pub event_id: String,
    #[prost(message, repeated, tag = "4")]
    pub lines: Vec<RefundLineV1>,
    #[prost(message, optional, tag = "5")]
    pub amount: Option<AmountV1>,
    #[prost(bool, tag = "6")]
    pub no_take_back: bool,
    #[prost(bool, tag = "7")]
    pub no_return: bool,
    #[prost(bool, tag = "8")]
    pub after_issue: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct RefundLineV1 {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(uint32, tag = "2")]
    pub quantity: u32,
}

/// `units / 10^scale`; amounts have at most 18 digits.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AmountV1 {
    #[prost(sint64, tag = "1")]
    pub units: i64,
    #[prost(uint32, tag = "2")]
    pub scale: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct SnapshotV1 {
    #[prost(sint64, tag = "1")]
    pub revision: i64,
    #[prost(string, tag = "2")]
    pub event_id: String,
    #[prost(sint64, optional, tag = "3")]
    pub created_at: Option<i64>,
    #[prost(string, tag = "4")]
    pub channel: String,
    #[prost(string, optional, tag = "5")]
    pub currency: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub customer_id: Option<String>,
    #[prost(bool, tag = "7")]
    pub logged_in: bool,
    #[prost(string, optional, tag = "8")]
    pub tier: Option<String>,
    #[prost(message, repeated, tag = "9")]
    pub lines: Vec<LineV1>,
    #[prost(message, optional, tag = "10")]
    pub subtotal: Option<AmountV1>,
    #[prost(message, optional, tag = "11")]
    pub discount_total: Option<AmountV1>,
    #[prost(message, optional, tag = "12")]
    pub store_credit: Option<AmountV1>,
    #[prost(message, optional, tag = "13")]
    pub shipping_total: Option<AmountV1>,
    #[prost(message, optional, tag = "14")]
    pub tax_total: Option<AmountV1>,
    #[prost(message, optional, tag = "15")]
    pub surcharge_total: Option<AmountV1>,
    #[prost(sint64, tag = "16")]
    pub points_redeemed: i64,
    #[prost(message, optional, tag = "17")]
    pub points_redeemed_amount: Option<AmountV1>,
    #[prost(uint32, tag = "18")]
    pub delivery: u32,
    #[prost(bool, tag = "19")]
    pub test: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct LineV1 {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(uint32, tag = "2")]
    pub quantity: u32,
    #[prost(message, optional, tag = "3")]
    pub unit_price: Option<AmountV1>,
    #[prost(message, optional, tag = "4")]
    pub discount_total: Option<AmountV1>,
}

#[derive(Clone, PartialEq, Message)]
pub struct BoundV1 {
    #[prost(uint32, optional, tag = "1")]
    pub version: Option<u32>,
    #[prost(sint64, tag = "2")]
    pub created_at: i64,
    #[prost(string, optional, tag = "3")]
    pub redeemer: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct IssuedV1 {
    #[prost(sint64, tag = "1")]
    pub at: i64,
    #[prost(string, tag = "2")]
    pub member_id: String,
    #[prost(string, optional, tag = "3")]
    pub tier: Option<String>,
    #[prost(sint64, tag = "4")]
    pub points: i64,
    #[prost(sint64, tag = "5")]
    pub kept: i64,
    #[prost(uint32, tag = "6")]
    pub parts: u32,
}
