//! What comes out, as values. `wire::output` gives each its published form.

use rust_decimal::Decimal;

use super::instant::Instant;
use super::reason::Reason;
use crate::domain::ledger::tiers::Unmet;
use crate::domain::short_text::ShortText;

/// One output event.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Derived from the cause, never random: the same cause gives the same id for ever (E8).
    pub id: String,
    pub shop_id: ShortText,
    /// `None` for guests.
    pub member_id: Option<ShortText>,
    pub order_id: Option<ShortText>,
    pub rule_version: Option<u32>,
    pub reason: Reason,
    pub effective_at: Instant,
    pub cause_id: ShortText,
    pub note: Option<String>,
    pub notify: bool,
    pub actor: Option<String>,
    pub traceparent: Option<ShortText>,
    pub body: Body,
}

/// The type of an output with the fields of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Issued {
        movement: Movement,
        lot_id: String,
        issued_at: Instant,
        expires_at: Option<Instant>,
        /// For an order: the base and its currency.
        base: Option<(Decimal, ShortText)>,
        /// The bonus of the order that gave them.
        bonus_id: Option<ShortText>,
        /// The level that brought or priced them, where levels are computed.
        tier: Option<ShortText>,
    },
    Expired {
        movement: Movement,
        lot_id: String,
        issued_at: Instant,
        expired_at: Instant,
    },
    /// `due_at` `None`, with 0 points: nothing is expected any more.
    Pending {
        points: i64,
        due_at: Option<Instant>,
    },
    /// `points`: how many were lost, where that is known (lost to a refund before the issue).
    Withheld {
        points: Option<i64>,
    },
    Revoked {
        movement: Movement,
        requested: i64,
    },
    Redeemed {
        movement: Movement,
        worth: Option<Worth>,
    },
    Returned {
        movement: Movement,
    },
    Adjusted {
        movement: Movement,
    },
    Expiring {
        points: i64,
        expires_at: Instant,
        days_left: u32,
        lots: Vec<LotPart>,
    },
    /// The level by now is another. `since` `None`: the first, as if it had never ended.
    TierChanged {
        from: ShortText,
        to: ShortText,
        is_up: bool,
        since: Option<Instant>,
        until: Option<Instant>,
        /// A JSON object.
        benefits: Option<String>,
    },
    /// A new period of the same level.
    TierRenewed {
        tier: ShortText,
        since: Instant,
        until: Option<Instant>,
    },
    /// The level will end, if nothing more comes.
    TierExpiring {
        tier: ShortText,
        until: Instant,
        days_left: u32,
        falls_to: ShortText,
        missing: Vec<Vec<Unmet>>,
    },
    /// `points`: what was asked for, where that is known.
    /// `detail`: which field is wrong, where the reason is `invalid`.
    Rejected {
        points: Option<i64>,
        detail: Option<String>,
    },
}

/// A change of a balance.
#[derive(Clone, Debug, PartialEq)]
pub struct Movement {
    /// Always positive.
    pub points: i64,
    pub balance_after: i64,
    pub sequence: u64,
    pub lots: Vec<LotPart>,
}

/// A lot touched, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct LotPart {
    pub lot_id: String,
    pub points: i64,
    pub expires_at: Option<Instant>,
}

/// What redeemed points are worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// With the currency's digits, written in full.
    pub amount: Decimal,
    pub currency: ShortText,
}
