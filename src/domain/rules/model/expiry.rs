//! When lots expire.

use super::words::words;
use crate::domain::wall_time::WallTime;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiryRule {
    pub expiry: Expiry,
    pub bind: ExpiryBind,
}

words! {
    /// Which rule version's expiry applies to a new lot.
    #[derive(Default)]
    pub enum ExpiryBind in ["expiry.bind"] {
        #[default]
        Issuance = "issuance",
        Order = "order",
    }
}

/// When a lot expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub span: ExpirySpan,
    /// Local time of day for `AfterMonths`, `Yearly`, `round_up_to` and an import's `expires_on`.
    pub at: WallTime,
    /// The date moves to the end of its month (quarter, …). Not with `Yearly`.
    pub round_up_to: Option<RoundUpTo>,
}

impl Default for Expiry {
    fn default() -> Self {
        Expiry::of(ExpirySpan::Never)
    }
}

impl Expiry {
    /// What is left out beside a span: at 23:59, not rounded.
    pub fn of(span: ExpirySpan) -> Self {
        Expiry {
            span,
            at: WallTime::of(23, 59),
            round_up_to: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirySpan {
    Never,
    /// The day of issue itself, which `round_up_to` moves: only that is written.
    OfIssue,
    AfterDays(u32),
    AfterMonths(u32),
    /// Month and day; 29 February is the 28th in other years.
    Yearly {
        month: u32,
        day: u32,
    },
}

words! {
    /// A calendar period to whose end a date moves.
    pub enum RoundUpTo in ["expiry.round_up_to", "tiers.levels.within.calendar"] {
        Month = "month",
        Quarter = "quarter",
        HalfYear = "half_year",
        Year = "year",
    }
}

impl RoundUpTo {
    /// How many months it lasts; the first begins with January.
    pub fn months(self) -> u32 {
        match self {
            RoundUpTo::Month => 1,
            RoundUpTo::Quarter => 3,
            RoundUpTo::HalfYear => 6,
            RoundUpTo::Year => 12,
        }
    }
}
