//! The stored state of an order: a format tag, then protobuf. Numbers are never reused.
//!
//! Shop and order are in the key and not repeated. Instants are microseconds.

use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use rust_decimal::Decimal;

use crate::domain::instant::Instant;
use crate::domain::order::facts::{Cancelled, Customer, Delivery, Facts, Line, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Issued, Order, Progress, Reason};

/// First byte of every state in this format.
const FORMAT: u8 = 1;

/// Why stored bytes are no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("empty")]
    Empty,
    #[error("format {0} is not known")]
    Format(u8),
    #[error("not protobuf: {0}")]
    Protobuf(String),
    #[error("{0} is missing or unknown")]
    Field(&'static str),
}

pub fn encode(order: &Order) -> Bytes {
    let message = OrderV1::from(order);
    let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
    bytes.put_u8(FORMAT);
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

pub fn decode(stored: &[u8]) -> Result<Order, StateError> {
    match stored.split_first() {
        None => Err(StateError::Empty),
        Some((&FORMAT, message)) => {
            let read = OrderV1::decode(message).map_err(|error| StateError::Protobuf(error.to_string()))?;
            read.try_into()
        }
        Some((&other, _)) => Err(StateError::Format(other)),
    }
}

#[derive(Clone, PartialEq, Message)]
struct OrderV1 {
    #[prost(message, optional, tag = "1")]
    snapshot: Option<SnapshotV1>,
    #[prost(message, optional, tag = "2")]
    created: Option<ToldV1>,
    #[prost(message, optional, tag = "3")]
    paid: Option<ToldV1>,
    #[prost(message, optional, tag = "4")]
    shipped: Option<ToldV1>,
    #[prost(message, optional, tag = "5")]
    delivered: Option<ToldV1>,
    #[prost(message, optional, tag = "6")]
    picked_up: Option<ToldV1>,
    #[prost(message, optional, tag = "7")]
    completed: Option<ToldV1>,
    #[prost(message, optional, tag = "8")]
    cancelled: Option<CancelledV1>,
    #[prost(message, repeated, tag = "9")]
    refunds: Vec<RefundV1>,
    #[prost(message, optional, tag = "10")]
    bound: Option<BoundV1>,
    #[prost(sint64, optional, tag = "11")]
    deferred_since: Option<i64>,
    #[prost(message, optional, tag = "12")]
    issued: Option<IssuedV1>,
    #[prost(uint32, optional, tag = "13")]
    withheld: Option<u32>,
    #[prost(sint64, optional, tag = "14")]
    due_at: Option<i64>,
    #[prost(sint64, optional, tag = "15")]
    expected: Option<i64>,
    #[prost(sint64, optional, tag = "16")]
    last_event: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct ToldV1 {
    #[prost(sint64, tag = "1")]
    at: i64,
    /// Event's time less `at`.
    #[prost(sint64, tag = "2")]
    told_after: i64,
    #[prost(string, tag = "3")]
    event_id: String,
    #[prost(string, optional, tag = "4")]
    traceparent: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct CancelledV1 {
    #[prost(message, optional, tag = "1")]
    told: Option<ToldV1>,
    #[prost(bool, tag = "2")]
    no_take_back: bool,
    #[prost(bool, tag = "3")]
    no_return: bool,
    #[prost(bool, tag = "4")]
    after_issue: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RefundV1 {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(sint64, tag = "2")]
    time: i64,
    #[prost(string, tag = "3")]
    event_id: String,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<RefundLineV1>,
    #[prost(message, optional, tag = "5")]
    amount: Option<AmountV1>,
    #[prost(bool, tag = "6")]
    no_take_back: bool,
    #[prost(bool, tag = "7")]
    no_return: bool,
    #[prost(bool, tag = "8")]
    after_issue: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RefundLineV1 {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint32, tag = "2")]
    quantity: u32,
}

/// `units / 10^scale`; amounts have at most 18 digits.
#[derive(Clone, Copy, PartialEq, Message)]
struct AmountV1 {
    #[prost(sint64, tag = "1")]
    units: i64,
    #[prost(uint32, tag = "2")]
    scale: u32,
}

#[derive(Clone, PartialEq, Message)]
struct SnapshotV1 {
    #[prost(sint64, tag = "1")]
    revision: i64,
    #[prost(string, tag = "2")]
    event_id: String,
    #[prost(sint64, optional, tag = "3")]
    created_at: Option<i64>,
    #[prost(string, tag = "4")]
    channel: String,
    #[prost(string, optional, tag = "5")]
    currency: Option<String>,
    #[prost(string, optional, tag = "6")]
    customer_id: Option<String>,
    #[prost(bool, tag = "7")]
    logged_in: bool,
    #[prost(string, optional, tag = "8")]
    tier: Option<String>,
    #[prost(message, repeated, tag = "9")]
    lines: Vec<LineV1>,
    #[prost(message, optional, tag = "10")]
    subtotal: Option<AmountV1>,
    #[prost(message, optional, tag = "11")]
    discount_total: Option<AmountV1>,
    #[prost(message, optional, tag = "12")]
    store_credit: Option<AmountV1>,
    #[prost(message, optional, tag = "13")]
    shipping_total: Option<AmountV1>,
    #[prost(message, optional, tag = "14")]
    tax_total: Option<AmountV1>,
    #[prost(message, optional, tag = "15")]
    surcharge_total: Option<AmountV1>,
    #[prost(sint64, tag = "16")]
    points_redeemed: i64,
    #[prost(message, optional, tag = "17")]
    points_redeemed_amount: Option<AmountV1>,
    #[prost(uint32, tag = "18")]
    delivery: u32,
    #[prost(bool, tag = "19")]
    test: bool,
}

#[derive(Clone, PartialEq, Message)]
struct LineV1 {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint32, tag = "2")]
    quantity: u32,
    #[prost(message, optional, tag = "3")]
    unit_price: Option<AmountV1>,
    #[prost(message, optional, tag = "4")]
    discount_total: Option<AmountV1>,
}

#[derive(Clone, PartialEq, Message)]
struct BoundV1 {
    #[prost(uint32, optional, tag = "1")]
    version: Option<u32>,
    #[prost(sint64, tag = "2")]
    created_at: i64,
    #[prost(string, optional, tag = "3")]
    redeemer: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct IssuedV1 {
    #[prost(sint64, tag = "1")]
    at: i64,
    #[prost(string, tag = "2")]
    member_id: String,
    #[prost(string, optional, tag = "3")]
    tier: Option<String>,
    #[prost(sint64, tag = "4")]
    points: i64,
    #[prost(sint64, tag = "5")]
    kept: i64,
    #[prost(uint32, tag = "6")]
    parts: u32,
}

/// Stored numbers of the reasons, never reused.
const REASONS: [(Reason, u32); 12] = [
    (Reason::TestOrder, 1),
    (Reason::NoRule, 2),
    (Reason::Disabled, 3),
    (Reason::CurrencyMismatch, 4),
    (Reason::ChannelExcluded, 5),
    (Reason::Guest, 6),
    (Reason::NotLoggedIn, 7),
    (Reason::TierExcluded, 8),
    (Reason::Cancelled, 9),
    (Reason::Refunded, 10),
    (Reason::ShopResting, 11),
    (Reason::BelowRate, 12),
];

impl From<&Order> for OrderV1 {
    fn from(order: &Order) -> Self {
        let facts = &order.facts;
        let told = |fact: &Option<Told>| fact.as_ref().map(ToldV1::from);
        let mut message = OrderV1 {
            snapshot: facts.snapshot.as_ref().map(SnapshotV1::from),
            created: told(&facts.created),
            paid: told(&facts.paid),
            shipped: told(&facts.shipped),
            delivered: told(&facts.delivered),
            picked_up: told(&facts.picked_up),
            completed: told(&facts.completed),
            cancelled: facts.cancelled.as_ref().map(|cancelled| CancelledV1 {
                told: Some(ToldV1::from(&cancelled.told)),
                no_take_back: !cancelled.take_back,
                no_return: !cancelled.return_redeemed,
                after_issue: cancelled.after_issue,
            }),
            refunds: facts.refunds.iter().map(RefundV1::from).collect(),
            bound: order.bound.as_ref().map(|bound| BoundV1 {
                version: bound.version,
                created_at: bound.created_at.0,
                redeemer: bound.redeemer.clone(),
            }),
            due_at: order.due_at.map(|at| at.0),
            expected: order.expected,
            last_event: order.last_event.map(|at| at.0),
            ..OrderV1::default()
        };
        match &order.progress {
            Progress::Open => {}
            Progress::Deferred { since } => message.deferred_since = Some(since.0),
            Progress::Issued(issued) => message.issued = Some(IssuedV1::from(issued)),
            Progress::Withheld(reason) => message.withheld = number_of(*reason),
        }
        message
    }
}

fn number_of(reason: Reason) -> Option<u32> {
    REASONS
        .iter()
        .find(|(known, _)| *known == reason)
        .map(|(_, number)| *number)
}

impl TryFrom<OrderV1> for Order {
    type Error = StateError;

    fn try_from(read: OrderV1) -> Result<Self, StateError> {
        let cancelled = |read: CancelledV1| {
            Ok(Cancelled {
                told: read.told.ok_or(StateError::Field("cancelled"))?.into(),
                take_back: !read.no_take_back,
                return_redeemed: !read.no_return,
                after_issue: read.after_issue,
            })
        };
        let reason = |number| {
            let found = REASONS.iter().find(|(_, known)| *known == number);
            found
                .map(|(reason, _)| *reason)
                .ok_or(StateError::Field("withheld"))
        };
        let progress = match (read.deferred_since, read.issued, read.withheld) {
            (Some(since), None, None) => Progress::Deferred {
                since: Instant(since),
            },
            (None, Some(issued), None) => Progress::Issued(issued.into()),
            (None, None, Some(number)) => Progress::Withheld(reason(number)?),
            (None, None, None) => Progress::Open,
            _ => return Err(StateError::Field("progress")),
        };
        Ok(Order {
            facts: Facts {
                snapshot: read.snapshot.map(Snapshot::try_from).transpose()?,
                created: read.created.map(Told::from),
                paid: read.paid.map(Told::from),
                shipped: read.shipped.map(Told::from),
                delivered: read.delivered.map(Told::from),
                picked_up: read.picked_up.map(Told::from),
                completed: read.completed.map(Told::from),
                cancelled: read.cancelled.map(cancelled).transpose()?,
                refunds: read.refunds.into_iter().map(Refund::from).collect(),
            },
            bound: read.bound.map(|bound| Bound {
                version: bound.version,
                created_at: Instant(bound.created_at),
                redeemer: bound.redeemer,
            }),
            progress,
            due_at: read.due_at.map(Instant),
            expected: read.expected,
            last_event: read.last_event.map(Instant),
        })
    }
}

impl From<&Told> for ToldV1 {
    fn from(told: &Told) -> Self {
        Self {
            at: told.at.0,
            told_after: told.time.0.wrapping_sub(told.at.0),
            event_id: told.event_id.clone(),
            traceparent: told.traceparent.clone(),
        }
    }
}

impl From<ToldV1> for Told {
    fn from(read: ToldV1) -> Self {
        Self {
            at: Instant(read.at),
            time: Instant(read.at.wrapping_add(read.told_after)),
            event_id: read.event_id,
            traceparent: read.traceparent,
        }
    }
}

impl From<Decimal> for AmountV1 {
    fn from(amount: Decimal) -> Self {
        // The reader of events lets no more than 18 digits in.
        let units = i64::try_from(amount.mantissa()).unwrap_or(i64::MAX);
        Self {
            units,
            scale: amount.scale(),
        }
    }
}

impl From<AmountV1> for Decimal {
    fn from(read: AmountV1) -> Self {
        Decimal::new(read.units, read.scale.min(Decimal::MAX_SCALE))
    }
}

/// A plain zero is not written.
fn unless_zero(amount: Decimal) -> Option<AmountV1> {
    (!amount.is_zero() || amount.scale() > 0).then(|| AmountV1::from(amount))
}

fn or_zero(read: Option<AmountV1>) -> Decimal {
    read.map_or(Decimal::ZERO, Decimal::from)
}

impl From<&Refund> for RefundV1 {
    fn from(refund: &Refund) -> Self {
        let line = |(id, quantity): &(String, u32)| RefundLineV1 {
            id: id.clone(),
            quantity: *quantity,
        };
        Self {
            id: refund.id.clone(),
            time: refund.time.0,
            event_id: refund.event_id.clone(),
            lines: refund.lines.iter().map(line).collect(),
            amount: refund.amount.map(AmountV1::from),
            no_take_back: !refund.take_back,
            no_return: !refund.return_redeemed,
            after_issue: refund.after_issue,
        }
    }
}

impl From<RefundV1> for Refund {
    fn from(read: RefundV1) -> Self {
        Self {
            id: read.id,
            time: Instant(read.time),
            event_id: read.event_id,
            lines: read
                .lines
                .into_iter()
                .map(|line| (line.id, line.quantity))
                .collect(),
            amount: read.amount.map(Decimal::from),
            take_back: !read.no_take_back,
            return_redeemed: !read.no_return,
            after_issue: read.after_issue,
        }
    }
}

impl From<&Snapshot> for SnapshotV1 {
    fn from(snapshot: &Snapshot) -> Self {
        let customer = snapshot.customer.as_ref();
        Self {
            revision: snapshot.revision,
            event_id: snapshot.event_id.clone(),
            created_at: snapshot.created_at.map(|at| at.0),
            channel: snapshot.channel.clone(),
            currency: snapshot.currency.clone(),
            customer_id: customer.map(|customer| customer.id.clone()),
            logged_in: customer.is_some_and(|customer| customer.logged_in),
            tier: customer.and_then(|customer| customer.tier.clone()),
            lines: snapshot.lines.iter().map(LineV1::from).collect(),
            subtotal: unless_zero(snapshot.subtotal),
            discount_total: unless_zero(snapshot.discount_total),
            store_credit: unless_zero(snapshot.store_credit),
            shipping_total: unless_zero(snapshot.shipping_total),
            tax_total: unless_zero(snapshot.tax_total),
            surcharge_total: unless_zero(snapshot.surcharge_total),
            points_redeemed: snapshot.points_redeemed,
            points_redeemed_amount: unless_zero(snapshot.points_redeemed_amount),
            delivery: match snapshot.delivery {
                Delivery::Home => 0,
                Delivery::Pickup => 1,
                Delivery::None => 2,
            },
            test: snapshot.test,
        }
    }
}

impl TryFrom<SnapshotV1> for Snapshot {
    type Error = StateError;

    fn try_from(read: SnapshotV1) -> Result<Self, StateError> {
        let (logged_in, tier) = (read.logged_in, read.tier);
        Ok(Self {
            revision: read.revision,
            event_id: read.event_id,
            created_at: read.created_at.map(Instant),
            channel: read.channel,
            currency: read.currency,
            customer: read.customer_id.map(|id| Customer { id, logged_in, tier }),
            lines: read.lines.into_iter().map(Line::from).collect(),
            subtotal: or_zero(read.subtotal),
            discount_total: or_zero(read.discount_total),
            store_credit: or_zero(read.store_credit),
            shipping_total: or_zero(read.shipping_total),
            tax_total: or_zero(read.tax_total),
            surcharge_total: or_zero(read.surcharge_total),
            points_redeemed: read.points_redeemed,
            points_redeemed_amount: or_zero(read.points_redeemed_amount),
            delivery: match read.delivery {
                0 => Delivery::Home,
                1 => Delivery::Pickup,
                2 => Delivery::None,
                _ => return Err(StateError::Field("delivery")),
            },
            test: read.test,
        })
    }
}

impl From<&Line> for LineV1 {
    fn from(line: &Line) -> Self {
        Self {
            id: line.id.clone(),
            quantity: line.quantity,
            unit_price: unless_zero(line.unit_price),
            discount_total: unless_zero(line.discount_total),
        }
    }
}

impl From<LineV1> for Line {
    fn from(read: LineV1) -> Self {
        Self {
            id: read.id,
            quantity: read.quantity,
            unit_price: or_zero(read.unit_price),
            discount_total: or_zero(read.discount_total),
        }
    }
}

impl From<&Issued> for IssuedV1 {
    fn from(issued: &Issued) -> Self {
        Self {
            at: issued.at.0,
            member_id: issued.member_id.clone(),
            tier: issued.tier.clone(),
            points: issued.points,
            kept: issued.kept,
            parts: issued.parts,
        }
    }
}

impl From<IssuedV1> for Issued {
    fn from(read: IssuedV1) -> Self {
        Self {
            at: Instant(read.at),
            member_id: read.member_id,
            tier: read.tier,
            points: read.points,
            kept: read.kept,
            parts: read.parts,
        }
    }
}

#[cfg(test)]
#[path = "order_state_tests.rs"]
mod tests;
