//! What the orders and commands stages hand to the ledger: one entry, one member.

use rust_decimal::Decimal;

use super::instant::Instant;
use super::price_list::{Forecast, PriceList, Revision};
use super::reason::Reason;
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
    /// Numbers the entries of one order from 1 on. One that is not later than the last that the
    /// member's ledger has taken in was written a second time, and is dropped. 0: not sent by an
    /// order, or written before entries were numbered.
    pub step: u32,
    pub rule_version: Option<u32>,
    /// W3C trace context of the cause, carried through.
    pub traceparent: Option<ShortText>,
    pub kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EntryKind {
    /// An order's points, and those of its bonuses.
    Issue(Issue),
    /// An order's points are due, and its member decides how many.
    IssueByPriceList(PriceList),
    /// What became of an order whose points were issued so.
    Revise(Revision),
    /// What such an order is expected to bring. The ledger publishes what is pending.
    Forecast(Forecast),
    /// Take back of what an order issued: `issued - taken so far - kept` is asked for.
    Reverse(Reverse),
    /// The order's cancellation was withdrawn. What it took of issued points is credited, what it
    /// gave back of redeemed ones is redeemed again, and commands may redeem for the order again.
    /// What refunds and edits changed meanwhile follows as entries of its own.
    Reopen(Reopen),
    /// The points that an order's newest snapshot says were used. Sent when the order binds, and
    /// again when the number changes: the ledger works out the difference.
    RedeemByOrder(RedeemByOrder),
    /// Give back redeemed points of an order, in total `numerator / denominator` of them.
    Return(Return),
    /// Points that the order is expected to bring the member at a due time that lies ahead; 0:
    /// none any more. For look-ups alone.
    Expect(i64),
    /// The order was cancelled: redeeming for it is invalid from here on.
    OrderCancelled,
    /// What an order counts for its member's levels. Absolute: it replaces what was sent before.
    OrderFact(OrderFact),
    Command(Command),
    /// A broadcast, one for each partition of the ledger.
    GrantAll(Grant),
    /// One member's share of a broadcast, sent by the ledger to itself.
    GrantedToAll(Grant),
}

/// What an order counts for the levels of its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFact {
    pub created_at: Instant,
    /// It is no test, not cancelled, and goods are left: a later order is not the member's first.
    pub live: bool,
    /// From when on it counts what, in the order of time. Empty: it does not count.
    pub steps: Vec<FactStep>,
}

impl OrderFact {
    pub const NOTHING: OrderFact = OrderFact {
        created_at: Instant::MIN,
        live: false,
        steps: Vec::new(),
    };

    /// Tells two facts of one order apart.
    pub fn digest(&self) -> u64 {
        let OrderFact {
            created_at,
            live,
            steps,
        } = self;
        let mut bytes = created_at.0.to_be_bytes().to_vec();
        bytes.push(u8::from(*live));
        for FactStep { at, amount, goods } in steps {
            bytes.extend(at.0.to_be_bytes());
            bytes.extend(amount.serialize());
            bytes.push(u8::from(*goods));
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

/// What an order counts from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactStep {
    pub at: Instant,
    /// What is left of the amount that counts.
    pub amount: Decimal,
    /// Goods are left: it counts as an order.
    pub goods: bool,
}

/// What an order issues at one moment, decided as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    pub origin: IssueOrigin,
    /// Counts the issues of the order from 0 on. Ids of lots derive from it: those of the order's
    /// own points from shop, order and number, those of a bonus from its id as well.
    pub number: u32,
    /// Each becomes a lot with a `points-issued` of its own, in this order: the order's own points
    /// first, then bonuses in the order of the rule. Parts of 0 points are left out.
    pub parts: Vec<IssuePart>,
    pub currency: ShortText,
    /// With an edit: how the order then stands, these points counted as issued. What earlier
    /// reversals left with the member comes off the parts, the last first; what is too much even
    /// so is asked for.
    pub adjust: Option<Reverse>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IssuePart {
    /// `None`: the order's own points.
    pub bonus_id: Option<ShortText>,
    pub points: i64,
    /// What the points were worked out from: the order's base, or the bonus' matching amount.
    pub base_amount: Decimal,
    pub expires_at: Option<Instant>,
}

/// Why points of an order are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueOrigin {
    /// Its due time came: reason `order`, or `bonus`.
    Due,
    /// An edit after the issue raised what it earns: reason `edited`, for bonuses too.
    Edited,
}

impl IssueOrigin {
    pub fn reason(self) -> Reason {
        match self {
            IssueOrigin::Due => Reason::Order,
            IssueOrigin::Edited => Reason::Edited,
        }
    }

    pub fn reason_of_bonus(self) -> Reason {
        match self {
            IssueOrigin::Due => Reason::Bonus,
            IssueOrigin::Edited => Reason::Edited,
        }
    }
}

impl Issue {
    pub fn points(&self) -> i64 {
        let points = self.parts.iter().map(|part| part.points.max(0));
        points.fold(0, i64::saturating_add)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseReason {
    Cancelled,
    Refunded,
    Edited,
}

impl ReverseReason {
    pub fn reason(self) -> Reason {
        match self {
            ReverseReason::Cancelled => Reason::Cancelled,
            ReverseReason::Refunded => Reason::Refunded,
            ReverseReason::Edited => Reason::Edited,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    pub reason: ReverseReason,
    /// All that the order issued so far.
    pub issued: i64,
    /// What it may keep.
    pub kept: i64,
    pub when_short: crate::domain::rules::model::WhenShort,
    /// The order stands cancelled, and its cancellation takes points back: what is taken now
    /// belongs to the cancellation whatever the reason says, and is credited if that is withdrawn.
    pub by_cancellation: bool,
}

/// A cancellation withdrawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Reopen {
    pub base_amount: Decimal,
    pub currency: ShortText,
    /// Of the order's own lot. What the cancellation made of debt comes back with this expiry.
    pub expires_at: Option<Instant>,
}

/// All amounts are those of the newest snapshot, without goods that points cannot pay for.
#[derive(Clone, Debug, PartialEq)]
pub struct RedeemByOrder {
    /// In all; 0: none any more.
    pub points: i64,
    /// Before discounts.
    pub subtotal: Decimal,
    /// What is to be paid for goods after discounts and store credit. `None`: as `subtotal`.
    pub payable: Option<Decimal>,
    /// Whose limits count. None where another member than the customer pays.
    pub tier: Option<ShortText>,
    /// `None`: the tier is the one above.
    pub by_level: Option<ByLevel>,
    /// The snapshot's currency is not that of the rule.
    pub currency_mismatch: bool,
    /// The order was already cancelled when it bound: left out in silence.
    pub cancelled: bool,
}

/// The limits of the level count that the member held before the order was created.
#[derive(Clone, Debug, PartialEq)]
pub struct ByLevel {
    pub created_at: Instant,
    /// For levels that cannot pay for the same goods as others.
    pub amounts: Vec<LevelAmounts>,
}

/// As in [`RedeemByOrder`].
#[derive(Clone, Debug, PartialEq)]
pub struct LevelAmounts {
    pub level: ShortText,
    pub subtotal: Decimal,
    pub payable: Decimal,
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
        /// `None`: as `subtotal`.
        payable: Option<Decimal>,
        tier: Option<String>,
        note: Option<String>,
        actor: Option<String>,
    },
    /// Gives back what was redeemed for the entry's order, or by the `points.redeem` with this id
    /// and the same source.
    Return {
        redeem_id: Option<String>,
        /// `None`: all that is left.
        points: Option<i64>,
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
    TierSet(TierSet),
    Qualify(Qualify),
    /// It can be read but not carried out: answered `points-rejected`, `invalid`.
    Invalid(Invalid),
}

/// A level by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct TierSet {
    /// `None`: the facts decide again.
    pub tier: Option<String>,
    /// `None`: from the command's time on.
    pub since: Option<Instant>,
    /// `None`: the level's own end.
    pub until: Option<Instant>,
    pub note: Option<String>,
    pub actor: Option<String>,
}

/// What counts for levels alone; negative numbers take off.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualify {
    pub amount: Option<Decimal>,
    pub orders: Option<i64>,
    /// `None`: at the command's time.
    pub at: Option<Instant>,
    pub note: Option<String>,
    pub actor: Option<String>,
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
