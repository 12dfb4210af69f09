//! One rule version, a file a section. Field names are those of the rule document; what a
//! document leaves out is the section's `Default`.

mod accrual;
mod bonus;
mod expiry;
mod gifts;
mod goods;
mod issuance;
mod member_terms;
mod redemption;
mod reversal;
mod tier_warnings;
mod tiers;
pub mod words;

use std::collections::BTreeMap;

use chrono_tz::Tz;

pub use accrual::*;
pub use bonus::*;
pub use expiry::*;
pub use gifts::*;
pub use goods::*;
pub use issuance::*;
pub use redemption::*;
pub use reversal::*;
pub use tier_warnings::Warning;
pub use tiers::*;
pub use words::Words;
use words::words;

use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// One version of one shop's rules.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleVersion {
    pub shop_id: String,
    pub version: u32,
    pub effective_from: Instant,
    pub timezone: Tz,
    pub currency: Currency,
    pub enabled: bool,
    pub on_disable: OnDisable,
    pub channels: Channels,
    pub require_login: bool,
    pub accrual: Accrual,
    /// Each adds to what an order earns. Their order decides: `instead`, and equals of a group.
    pub bonuses: Vec<Bonus>,
    pub caps: Caps,
    /// `None`: members have no computed tier.
    pub tiers: Option<Tiers>,
    pub issuance: Issuance,
    pub expiry: ExpiryRule,
    pub reversal: Reversal,
    /// `None`: no limits, and points have no worth.
    pub redemption: Option<Redemption>,
    pub gifts: Gifts,
    pub notices: Notices,
    /// `labels` and `x-…` keys as JSON text: kept and shown, not read.
    pub annotations: BTreeMap<String, String>,
}

/// The fields that every document has.
#[derive(Clone, Debug, PartialEq)]
pub struct Required {
    pub shop_id: String,
    pub version: u32,
    pub effective_from: Instant,
    pub timezone: Tz,
    pub currency: Currency,
    pub earning: Earning,
}

impl RuleVersion {
    /// A document with nothing but what is required.
    pub fn new(required: Required) -> Self {
        RuleVersion {
            shop_id: required.shop_id,
            version: required.version,
            effective_from: required.effective_from,
            timezone: required.timezone,
            currency: required.currency,
            enabled: true,
            on_disable: OnDisable::default(),
            channels: Channels::All,
            require_login: true,
            accrual: Accrual::new(required.earning),
            bonuses: Vec::new(),
            caps: Caps::default(),
            tiers: None,
            issuance: Issuance::default(),
            expiry: ExpiryRule::default(),
            reversal: Reversal::default(),
            redemption: None,
            gifts: Gifts::default(),
            notices: Notices::default(),
            annotations: BTreeMap::new(),
        }
    }
}

impl RuleVersion {
    /// The shop's birthday gift. Where only levels have one, it is of 0 points, at the usual
    /// moment.
    pub fn birthday_gift(&self) -> Option<BirthdayGift> {
        let levels = self.tiers.as_ref().map_or(&[][..], |tiers| &tiers.levels);
        let of_levels = || {
            let any = levels.iter().any(|level| level.gifts.birthday.is_some());
            any.then(BirthdayGift::default)
        };
        self.gifts
            .birthday
            .filter(|gift| gift.points > 0)
            .or_else(of_levels)
    }
}

/// An ISO 4217 code, and its digits after the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    pub code: ShortText,
    pub digits: u32,
}

words! {
    /// What happens to bound orders when a later version disables.
    #[derive(Default)]
    pub enum OnDisable in ["on_disable"] {
        #[default]
        KeepBound = "keep_bound",
        Stop = "stop",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channels {
    All,
    Only(Vec<ShortText>),
}

/// Whether a shop is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopStatus {
    Open,
    Resting,
}
