//! One rule version, every section whole. Field names are those of the rule document.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// One version of one shop's rules.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleVersion {
    pub shop_id: String,
    pub version: u32,
    pub effective_from: Instant,
    pub timezone: Tz,
    /// ISO 4217 code, and its digits after the point.
    pub currency: Currency,
    pub enabled: bool,
    pub on_disable: OnDisable,
    pub channels: Channels,
    pub require_login: bool,
    pub accrual: Accrual,
    pub issuance: Issuance,
    pub expiry: ExpiryRule,
    pub reversal: Reversal,
    pub redemption: Option<Redemption>,
    pub gifts: Gifts,
    pub notices: Notices,
    /// `labels` and `x-…` keys as JSON text: kept and shown, not read.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    pub code: ShortText,
    pub digits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisable {
    KeepBound,
    Stop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels {
    All,
    Only(Vec<ShortText>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Accrual {
    /// False: only tiers with an earning of their own earn.
    pub enabled: bool,
    pub base: Base,
    pub earning: Earning,
    pub tiers: BTreeMap<String, Tier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    pub include_shipping: bool,
    pub include_tax: bool,
    pub include_surcharge: bool,
    pub subtract_discounts: bool,
    pub subtract_store_credit: bool,
    pub subtract_points_redeemed: bool,
}

impl Default for Base {
    /// Goods less what was not paid for them.
    fn default() -> Self {
        Self {
            include_shipping: false,
            include_tax: false,
            include_surcharge: false,
            subtract_discounts: true,
            subtract_store_credit: true,
            subtract_points_redeemed: true,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Earning {
    Rate {
        every: Decimal,
        points: i64,
        rounding: Rounding,
    },
    /// `cumulative`: for every full `at_least`; else once.
    ThresholdPoints {
        at_least: Decimal,
        points: i64,
        cumulative: bool,
    },
    ThresholdPercent {
        at_least: Decimal,
        percent: Decimal,
        rounding: Rounding,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    PerUnit,
    Down,
    HalfUp,
    Up,
}

/// What a tier replaces, each section whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tier {
    pub earning: Option<Earning>,
    pub expiry: Option<Expiry>,
    pub redemption: Option<Redemption>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Issuance {
    pub terms: IssuanceTerms,
    pub or_on_completed: bool,
    pub by_channel: BTreeMap<String, IssuanceTerms>,
    pub apply_to_open_orders: bool,
    pub while_resting: WhileResting,
    pub resting_exempt_channels: Vec<ShortText>,
}

/// When points are issued. In `by_channel` what was left out is the rule's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuanceTerms {
    pub on: Trigger,
    pub delay_days: u32,
    pub at: DueAt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    Created,
    Paid,
    PaidAndShipped,
    Delivered,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueAt {
    SameTime,
    Local(NaiveTime),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileResting {
    Withhold,
    Defer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRule {
    pub expiry: Expiry,
    /// Local wall time for `AfterMonths`, `Yearly` and imports.
    pub bind: ExpiryBind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryBind {
    Issuance,
    Order,
}

/// When a lot expires. `at` counts for months, years and an import's `expires_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub span: ExpirySpan,
    pub at: NaiveTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirySpan {
    Never,
    AfterDays(u32),
    AfterMonths(u32),
    /// Month and day; 29 February is the 28th in other years.
    Yearly {
        month: u32,
        day: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Full,
    Proportional,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub before_cancel: Extent,
    pub before_refund: Extent,
    pub after_cancel: Extent,
    pub after_refund: Extent,
    /// `edit: adjust`.
    pub after_edit_adjusts: bool,
    pub when_short: WhenShort,
    /// Redeemed points go back in proportion; false: not at all.
    pub returns_redeemed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenShort {
    Refuse,
    Clamp,
    Negative,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Redemption {
    /// `points` are worth `amount`.
    pub points: i64,
    pub amount: Decimal,
    pub max_percent: Option<Decimal>,
    pub min_order: Option<Decimal>,
    pub per: Option<RedemptionPer>,
    pub min_payable: Option<Decimal>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RedemptionPer {
    pub amount: Decimal,
    pub points: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gifts {
    pub registration: Option<RegistrationGift>,
    pub birthday: Option<BirthdayGift>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationGift {
    pub points: i64,
    /// `None`: the rule's.
    pub expiry: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BirthdayGift {
    pub points: i64,
    pub on: BirthdayOn,
    pub at: NaiveTime,
    pub expiry: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthdayOn {
    Day,
    MonthStart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    pub expiring_days_before: Vec<u32>,
    pub at: NaiveTime,
}

/// Whether a shop is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopStatus {
    Open,
    Resting,
}
