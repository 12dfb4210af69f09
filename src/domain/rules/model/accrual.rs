//! What earns, and how much.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::words::words;
use super::{Expiry, Goods, Redemption};

#[derive(Clone, Debug, PartialEq)]
pub struct Accrual {
    /// False: only tiers with an earning of their own earn.
    pub enabled: bool,
    pub base: Base,
    /// An order to which any of these applies earns nothing.
    pub not_when: Vec<NotWhen>,
    /// The base must be at least this.
    pub min_order: Option<Decimal>,
    pub earning: Earning,
    pub tiers: BTreeMap<String, Tier>,
}

impl Accrual {
    pub fn new(earning: Earning) -> Self {
        Accrual {
            enabled: true,
            base: Base::default(),
            not_when: Vec::new(),
            min_order: None,
            earning,
            tiers: BTreeMap::new(),
        }
    }
}

/// The amount of an order that earns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub include_shipping: bool,
    pub include_tax: bool,
    pub include_surcharge: bool,
    pub subtract_discounts: bool,
    pub subtract_store_credit: bool,
    pub subtract_points_redeemed: bool,
    /// Goods that never earn.
    pub exclude: Goods,
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
            exclude: Goods::default(),
        }
    }
}

words! {
    /// What keeps an order from earning.
    pub enum NotWhen in ["accrual.not_when"] {
        Discounted = "discounted",
        PointsRedeemed = "points_redeemed",
        StoreCredit = "store_credit",
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

words! {
    /// How a rate rounds. A threshold's percentage has no units: it knows all but the first, and
    /// is rounded down where nothing is written.
    #[derive(Default)]
    pub enum Rounding in ["accrual.rate.rounding", "bonuses.gives.rate.rounding"] {
        #[default]
        PerUnit = "per_unit",
        Down = "down",
        HalfUp = "half_up",
        Up = "up",
    }
}

/// What a tier replaces, each section whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tier {
    pub earning: Option<Earning>,
    pub expiry: Option<Expiry>,
    pub redemption: Option<Redemption>,
}
