//! Levels of membership that are worked out from a member's orders.

use rust_decimal::Decimal;

use super::words::words;
use super::{Base, DueAt, Expiry, ExpirySpan, RoundUpTo, Trigger};
use crate::domain::short_text::ShortText;

#[derive(Clone, Debug, PartialEq)]
pub struct Tiers {
    pub told: ToldTier,
    pub counts: Counts,
    pub on_refund: OnRefund,
    pub on_expiry: OnExpiry,
    /// When this version counts, every member is judged by it (up only).
    pub retroactive: bool,
    /// Lowest first, at least one. The first is everybody's: no conditions, no end.
    pub levels: Vec<Level>,
}

words! {
    /// A snapshot's `customer.tier` against the computed one, for that order.
    #[derive(Default)]
    pub enum ToldTier in ["tiers.told"] {
        #[default]
        Prefer = "prefer",
        Ignore = "ignore",
    }
}

words! {
    #[derive(Default)]
    pub enum OnRefund in ["tiers.on_refund"] {
        #[default]
        Recheck = "recheck",
        /// Until the period ends.
        Keep = "keep",
    }
}

words! {
    #[derive(Default)]
    pub enum OnExpiry in ["tiers.on_expiry"] {
        #[default]
        Fitting = "fitting",
        OneDown = "one_down",
        Default = "default",
    }
}

words! {
    #[derive(Default)]
    pub enum RenewWhen in ["tiers.levels.renew_when"] {
        #[default]
        AtExpiry = "at_expiry",
        /// The new period begins when the conditions are met.
        WhenMet = "when_met",
    }
}

words! {
    /// What `renew` looks at when a period ends.
    #[derive(Default)]
    pub enum RenewOver in ["tiers.levels.renew_over"] {
        /// What lies in the period, without what began it.
        #[default]
        Period = "period",
        /// What lies in the window of `enter`.
        Window = "window",
    }
}

words! {
    /// From when on what an order counts has an effect.
    #[derive(Default)]
    pub enum Effective in ["tiers.effective"] {
        #[default]
        AtOnce = "at_once",
        /// As with one more of `counts.delay_days`, at 00:00.
        NextDay = "next_day",
    }
}

/// What an order counts for tiers, and from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    pub on: Trigger,
    pub delay_days: u32,
    pub at: DueAt,
    pub base: Base,
}

impl Counts {
    /// What is left out: once paid, by the base of `accrual` with redeemed points not subtracted.
    pub fn of(accrual: &Base) -> Self {
        Counts {
            on: Trigger::Paid,
            delay_days: 0,
            at: DueAt::SameTime,
            base: Base {
                subtract_points_redeemed: false,
                ..accrual.clone()
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Unique in its document.
    pub name: ShortText,
    /// Any of these suffices. Empty: only by hand, or as the first level.
    pub enter: Vec<Condition>,
    pub within: Within,
    pub valid: Expiry,
    pub renew: Renew,
    pub renew_when: RenewWhen,
    pub renew_over: RenewOver,
    pub gifts: LevelGifts,
    /// A JSON object, carried to outputs and look-ups and not read.
    pub benefits: Option<String>,
}

impl Level {
    /// A level of this name with nothing else written.
    pub fn new(name: impl Into<ShortText>) -> Self {
        let valid = Expiry::default();
        Level {
            name: name.into(),
            enter: Vec::new(),
            within: Within::span_of(&valid),
            valid,
            renew: Renew::Same,
            renew_when: RenewWhen::default(),
            renew_over: RenewOver::default(),
            gifts: LevelGifts::default(),
            benefits: None,
        }
    }

    /// Any of which renews it.
    pub fn renewal(&self) -> &[Condition] {
        match &self.renew {
            Renew::Same => &self.enter,
            Renew::By(conditions) => conditions,
        }
    }
}

/// All parts that are given must hold; at least one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub amount: Option<Decimal>,
    pub orders: Option<i64>,
    /// One order of at least this.
    pub order_amount: Option<Decimal>,
    pub points: Option<i64>,
}

/// Over which time `enter` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// Rolling, in local days.
    Months(u32),
    Days(u32),
    /// The calendar period that holds the instant.
    Calendar(RoundUpTo),
    /// Blocks that follow one another from the instant the held level began.
    InTierMonths(u32),
    InTierDays(u32),
    Lifetime,
}

impl Within {
    /// What counts where it is left out: the span of `valid`, 12 months where that is never.
    pub fn span_of(valid: &Expiry) -> Self {
        match (valid.span, valid.round_up_to) {
            (ExpirySpan::AfterMonths(months @ 1..), _) => Within::Months(months),
            (ExpirySpan::AfterDays(days @ 1..), _) => Within::Days(days),
            (ExpirySpan::OfIssue, Some(period)) => Within::Months(period.months()),
            _ => Within::Months(12),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Renew {
    /// By the conditions of `enter`.
    Same,
    /// Empty: only by entering anew.
    By(Vec<Condition>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelGifts {
    /// Once in a member's life.
    pub entry: Option<LevelGift>,
    /// With each renewal.
    pub renewal: Option<LevelGift>,
    /// In place of the shop's, at its moment.
    pub birthday: Option<LevelBirthdayGift>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelGift {
    pub points: i64,
    pub delay_days: u32,
    pub at: DueAt,
    /// `None`: the rule's.
    pub expiry: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelBirthdayGift {
    pub points: i64,
    /// `None`: the rule's.
    pub expiry: Option<Expiry>,
}

impl Tiers {
    /// The rank of a level, from 0, and the level.
    pub fn level(&self, name: &str) -> Option<(usize, &Level)> {
        self.levels
            .iter()
            .enumerate()
            .find(|(_, level)| level.name == name)
    }
}
