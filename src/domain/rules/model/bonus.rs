//! What an order earns beside the general rate, and how much a member may earn.

use rust_decimal::Decimal;

use super::words::words;
use super::{Expiry, Goods, Rounding};
use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;
use crate::domain::wall_time::WallTime;

/// Adds to what an order earns, as a lot of its own, due with the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Bonus {
    /// Unique in its document.
    pub id: ShortText,
    pub when: When,
    /// `None`: the whole order.
    pub items: Option<Items>,
    pub gives: Gives,
    /// The goods of `items` leave the general rate.
    pub instead: bool,
    /// Of the bonuses of one group only the one that gives most counts.
    pub group: Option<ShortText>,
    /// `None`: the order's.
    pub expiry: Option<Expiry>,
    pub limits: Option<MemberLimit>,
}

/// Conditions that must all hold. Local to the order's `created_at`; an empty list is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    pub between: Option<Between>,
    pub days_of_week: Vec<DayOfWeek>,
    /// From 1.
    pub days_of_month: Vec<u32>,
    pub hours: Option<Hours>,
    pub channels: Vec<ShortText>,
    pub payment_methods: Vec<ShortText>,
    /// Of the goods base.
    pub min_order: Option<Decimal>,
    /// This and what follows is for the member's ledger to decide.
    pub tiers: Vec<ShortText>,
    pub birthday: Option<BirthdaySpan>,
    pub first_order: bool,
}

/// `end` excluded, after `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    pub start: Instant,
    pub end: Instant,
}

/// `end` excluded; before `start` it lies on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub start: WallTime,
    pub end: WallTime,
}

words! {
    pub enum DayOfWeek in ["bonuses.when.days_of_week"] {
        Mon = "mon",
        Tue = "tue",
        Wed = "wed",
        Thu = "thu",
        Fri = "fri",
        Sat = "sat",
        Sun = "sun",
    }
}

words! {
    /// What of the member's birthday an order must lie in.
    pub enum BirthdaySpan in ["bonuses.when.birthday"] {
        Day = "day",
        Month = "month",
    }
}

impl BirthdaySpan {
    /// The day lies in its month.
    pub fn lies_in(self, span: BirthdaySpan) -> bool {
        self == span || span == BirthdaySpan::Month
    }
}

/// Which goods a bonus looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// Empty: all.
    pub include: Goods,
    pub exclude: Goods,
    /// In units.
    pub min_quantity: Option<Decimal>,
    pub min_amount: Option<Decimal>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gives {
    /// As often as the order's own rule gives for the goods, in all; at least 1.
    Multiplier(Decimal),
    Rate {
        every: Decimal,
        points: i64,
        rounding: Rounding,
    },
    /// Once an order.
    Points(i64),
    /// For each unit.
    PointsEach(i64),
}

/// What a member may get of a bonus in a period: points, and in how many orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberLimit {
    pub points: Option<i64>,
    pub times: Option<i64>,
    pub per: LimitPeriod,
}

words! {
    pub enum LimitPeriod in ["bonuses.limits.per", "caps.per_member.per"] {
        Day = "day",
        Week = "week",
        Month = "month",
        Year = "year",
        Ever = "ever",
    }
}

/// What an order and a member may get in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    pub per_order: Option<i64>,
    pub per_member: Vec<MemberCap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberCap {
    pub per: LimitPeriod,
    pub most: CapOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapOf {
    Points(i64),
    Orders(i64),
}
