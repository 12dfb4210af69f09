//! What points are worth, and how many may be used at once.

use rust_decimal::Decimal;

use super::Goods;

#[derive(Clone, Debug, PartialEq)]
pub struct Redemption {
    /// `points` are worth `amount`.
    pub points: i64,
    pub amount: Decimal,
    /// Decimals of what points are worth; `None`: the currency's.
    pub digits: Option<u32>,
    /// Of the goods' list price, 0 to 100.
    pub max_percent: Option<Decimal>,
    /// The goods' list price must be at least this.
    pub min_order: Option<Decimal>,
    pub per: Option<RedemptionPer>,
    /// What must stay to be paid.
    pub min_payable: Option<Decimal>,
    /// Fewest and most points of one redemption, and the step they come in.
    pub min_points: Option<i64>,
    pub max_points: Option<i64>,
    pub step: Option<i64>,
    /// Goods that cannot be paid with points.
    pub exclude: Goods,
}

impl Default for Redemption {
    /// 100 points are worth 1; no limits.
    fn default() -> Self {
        Redemption {
            points: 100,
            amount: Decimal::ONE,
            digits: None,
            max_percent: None,
            min_order: None,
            per: None,
            min_payable: None,
            min_points: None,
            max_points: None,
            step: None,
            exclude: Goods::default(),
        }
    }
}

/// At most `points` for each full `amount` of the goods' list price.
#[derive(Clone, Debug, PartialEq)]
pub struct RedemptionPer {
    pub amount: Decimal,
    pub points: i64,
}
