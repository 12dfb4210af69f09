//! What the look-ups and the status answer, as JSON. Instants are RFC 3339 in UTC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub now: String,
    /// Nothing is behind, due or rebuilding in any stage here, and its last transaction is applied.
    pub quiet: bool,
    pub stages: BTreeMap<String, StageStatus>,
    /// The earliest of the stages'.
    pub next_due: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageStatus {
    /// Owned by this instance.
    pub partitions: u64,
    /// Input records not yet read.
    pub behind: u64,
    /// Timers due and not yet fired.
    pub due: u64,
    /// Timers set and not yet fired.
    pub pending: u64,
    pub next_due: Option<String>,
    /// Partitions being restored.
    pub rebuilding: u64,
}

/// A member's ledger, as of an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub shop_id: String,
    pub member_id: String,
    pub balance: i64,
    /// What can be redeemed now: nothing while the balance is negative.
    pub usable: i64,
    /// Points of orders that have a due time.
    pub pending: i64,
    pub lots: Vec<Lot>,
    /// Of the last change of the balance.
    pub sequence: u64,
    /// The level held; left out where the shop's rules have no tiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// When it was answered.
    pub as_of: String,
    /// When the replica that was read was last written: a quiet shop's lies far back.
    pub last_change: String,
    /// IANA name of the shop's zone; null where it has no rules.
    pub timezone: Option<String>,
}

/// A level of membership that is worked out from orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    pub name: String,
    /// null: always, it is everybody's.
    pub since: Option<String>,
    /// null: it has no end.
    pub until: Option<String>,
    /// Stable code of why it began.
    pub reason: Option<String>,
    /// The same in words.
    pub why: String,
    pub benefits: Option<serde_json::Value>,
    /// null: there is none that orders lead to.
    pub next: Option<NextTier>,
    /// null: it has no end.
    pub keep: Option<KeepTier>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextTier {
    pub name: String,
    /// For each condition the parts that do not hold; one that is empty would do.
    pub missing: Vec<Vec<Missing>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeepTier {
    /// As for the next level.
    pub missing: Vec<Vec<Missing>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// `amount`, `orders`, `order_amount` or `points`.
    pub measure: String,
    pub have: String,
    pub need: String,
    pub missing: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lot {
    pub lot_id: String,
    pub points: i64,
    pub issued_at: String,
    pub expires_at: Option<String>,
    pub order_id: Option<String>,
}

/// An order, as of an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub shop_id: String,
    pub order_id: String,
    pub member_id: Option<String>,
    /// The version it is bound to.
    pub rule_version: Option<u32>,
    /// When each fact happened: `created`, `paid`, `shipped`, …, `refunded <id>`.
    pub facts: BTreeMap<String, String>,
    /// Id of the first event that reported each of them.
    pub told_by: BTreeMap<String, String>,
    pub due_at: Option<String>,
    /// `unbound`, `open`, `pending`, `deferred`, `issued`, `withheld`.
    pub outcome: String,
    /// The stable code that an output gave or would give.
    pub reason: Option<String>,
    /// Issued, or expected as things stand.
    pub points: Option<i64>,
    pub base_amount: Option<String>,
    pub currency: Option<String>,
    /// In words: what decided, and what is being waited for.
    pub why: Vec<String>,
    /// When it was answered.
    pub as_of: String,
    /// When the replica that was read was last written: a quiet shop's lies far back.
    pub last_change: String,
    /// IANA name of the shop's zone; null where it has no rules.
    pub timezone: Option<String>,
}

/// How much a member could redeem for an order of `subtotal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Decimal text, before discounts.
    pub subtotal: String,
    /// What is to be paid for goods after discounts and store credit; left out: as `subtotal`.
    pub payable: Option<String>,
    pub tier: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    pub points: i64,
    /// What they are worth; null where the rule gives points no value.
    pub amount: Option<String>,
    pub currency: Option<String>,
    /// What decided: `balance`, `max_points`, `per`, `max_percent`, `payable`, `min_payable`, `step`,
    /// `min_order`, `min_points`, `worth` (they would be worth nothing) or `disabled`.
    pub limit: String,
    /// When it was answered.
    pub as_of: String,
    /// When the replica that was read was last written: a quiet shop's lies far back.
    pub last_change: String,
    /// IANA name of the shop's zone; null where it has no rules.
    pub timezone: Option<String>,
}

/// Which dead letters, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLettersRequest {
    /// `PARTITION:OFFSET`: the `next` of the page before; left out: from the beginning.
    pub from: Option<String>,
    /// Only those with this code.
    pub code: Option<String>,
    /// Only these, `PARTITION:OFFSET`, separated by commas.
    pub ids: Option<String>,
    /// Letters of the page; 0: their marks alone.
    pub limit: Option<usize>,
    /// With their values.
    pub values: bool,
}

/// A part of the refused records, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    pub letters: Vec<DeadLetter>,
    /// What was sent back by the marks met here. A mark lies behind its letter, perhaps pages later.
    pub redriven: Vec<RedrivenLetter>,
    /// `from` of the next page; null: this is the end.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `PARTITION:OFFSET` in the topic of dead letters.
    pub id: String,
    pub at: String,
    pub code: String,
    /// Where it was read.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Bytes that are no UTF-8 are replaced.
    pub key: Option<String>,
    pub detail: String,
    /// In base64, where it was asked for; left out: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedrivenLetter {
    pub id: String,
    /// When it was last sent back.
    pub at: String,
}
