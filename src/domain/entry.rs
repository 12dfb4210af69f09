//! What the orders and commands stages hand to the ledger: one entry, one member.

use rust_decimal::Decimal;

use super::instant::Instant;
use crate::domain::short_text::ShortText;

/// A hand-over to one member's ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub shop_id: ShortText,
    /// Empty for a broadcast, or one that cannot be carried out: it is for a whole partition.
    pub member_id: ShortText,
    /// Logical time of the decision that sent this: a timer's due time, a record's arrival.
    /// The member's own timers before it come first.
    pub at: Instant,
    /// When it takes effect, as the outputs say.
    pub effective_at: Instant,
    /// Id of the event that caused it; for a timer, of the one that set it.
    pub cause_id: ShortText,
    /// `source` of that event. With `cause_id` it tells events apart. Empty for what comes once
    /// for an order.
    pub cause_source: ShortText,
    pub order_id: Option<ShortText>,
    pub rule_version: Option<u32>,
    /// W3C trace context of the cause, carried through.
    pub traceparent: Option<ShortText>,
    pub kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EntryKind {
    /// An order's points. The lot id derives from shop, order and `part`.
    Issue(Issue),
    /// Take back of what an order issued: `issued - taken so far - kept` is asked for.
    Reverse(Reverse),
    /// Points used by an order's snapshot, when it binds.
    RedeemByOrder(RedeemByOrder),
    /// Give back redeemed points of an order, in total `numerator / denominator` of them.
    Return(Return),
    /// Points that the order is expected to bring the member at a due time that lies ahead; 0:
    /// none any more. For look-ups alone.
    Expect(i64),
    /// The order was cancelled: redeeming for it is invalid from here on.
    OrderCancelled,
    Command(Command),
    /// A broadcast, one for each partition of the ledger.
    GrantAll(Grant),
    /// One member's share of a broadcast, sent by the ledger to itself.
    GrantedToAll(Grant),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// `false`: the order's first lot; `true`: more points by an edit after issue.
    pub edited: bool,
    /// 0 for the first lot of the order, then counted up: tells its lots apart.
    pub part: u32,
    pub points: i64,
    pub base_amount: Decimal,
    pub currency: ShortText,
    pub expires_at: Option<Instant>,
    /// With an edit: how the order then stands, these points counted as issued. What earlier
    /// reversals left with the member comes off them; what is too much even so is asked for.
    pub adjust: Option<Reverse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseReason {
    Cancelled,
    Refunded,
    Edited,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    pub reason: ReverseReason,
    /// All that the order issued so far.
    pub issued: i64,
    /// What it may keep.
    pub kept: i64,
    pub when_short: crate::domain::rules::model::WhenShort,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RedeemByOrder {
    pub points: i64,
    /// Before discounts.
    pub subtotal: Decimal,
    pub tier: Option<ShortText>,
    /// The order was already cancelled when it bound: refused as `invalid`.
    pub cancelled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// `cancelled` or `refunded`.
    pub reason: ReverseReason,
    /// In total so far, of what the order redeemed: `numerator / denominator`, at most 1.
    pub numerator: Decimal,
    pub denominator: Decimal,
}

/// A command as it was given. Limits are the ledger's to check.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Grant(Grant),
    Deduct {
        points: i64,
        lot_id: Option<String>,
        note: Option<String>,
        actor: Option<String>,
    },
    Redeem {
        points: i64,
        subtotal: Option<Decimal>,
        tier: Option<String>,
        note: Option<String>,
        actor: Option<String>,
    },
    Import {
        points: i64,
        expires: ImportExpiry,
        note: Option<String>,
        actor: Option<String>,
    },
    Registered {
        birthday: Option<Birthday>,
    },
    /// It can be read but not carried out: answered `points-rejected`, `invalid`.
    Invalid(Invalid),
}

/// What is wrong with a command, and what of it could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    pub detail: String,
    pub points: Option<i64>,
    pub note: Option<String>,
    pub notify: bool,
    pub actor: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub points: i64,
    pub note: Option<String>,
    /// `None`: the rule's.
    pub expiry: Option<crate::domain::rules::model::Expiry>,
    pub notify: bool,
    pub actor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportExpiry {
    Never,
    At(Instant),
    On(chrono::NaiveDate),
}

/// Month and day; the year is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birthday {
    pub month: u32,
    pub day: u32,
}
