//! Why an order did not get a bonus.

use std::fmt;

use crate::domain::short_text::ShortText;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotGiven {
    Between,
    DayOfWeek,
    DayOfMonth,
    Hours,
    Channel,
    PaymentMethod,
    BelowMinOrder,
    Tier,
    Birthday,
    NotFirstOrder,
    NoGoods,
    BelowMinQuantity,
    BelowMinAmount,
    /// An `instead` before it in the list took all of its goods.
    LinesTaken,
    /// Another bonus of its group gives more.
    OtherOfGroup(ShortText),
    /// A multiplier, and the order is below `accrual.min_order`.
    BelowGeneralMinimum,
    /// Rounded down there is nothing.
    TooLittle,
    CameBack,
    /// The order did not have it when its points were credited.
    NotAtIssue,
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotGiven::Between => "the order was not placed between its start and end",
            NotGiven::DayOfWeek => "the order was not placed on one of its days of the week",
            NotGiven::DayOfMonth => "the order was not placed on one of its days of the month",
            NotGiven::Hours => "the order was not placed within its hours",
            NotGiven::Channel => "the order came by another channel",
            NotGiven::PaymentMethod => "the order was paid by another method",
            NotGiven::BelowMinOrder => "the goods are below its min_order",
            NotGiven::Tier => "the order is not of one of its tiers",
            NotGiven::Birthday => "the order was not placed on the member's birthday, or in its month",
            NotGiven::NotFirstOrder => "it is not the member's first order",
            NotGiven::NoGoods => "no goods match its items",
            NotGiven::BelowMinQuantity => "the goods that match are fewer than its min_quantity",
            NotGiven::BelowMinAmount => "the goods that match are below its min_amount",
            NotGiven::LinesTaken => "an earlier bonus took all goods that match",
            NotGiven::OtherOfGroup(other) => {
                return write!(f, "{other}, of the same group, gives as much or more");
            }
            NotGiven::BelowGeneralMinimum => "the order is below accrual.min_order, which multipliers need",
            NotGiven::TooLittle => "the goods that match are too little for a point",
            NotGiven::CameBack => "the goods came back",
            NotGiven::NotAtIssue => "the order did not have it when its points were credited",
        })
    }
}
