//! An expiry, as it is stored within entries and states.

use crate::domain::rules::model::{Expiry, ExpirySpan, RoundUpTo};
use crate::domain::wall_time::WallTime;

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct ExpiryV1 {
    /// 1 never, 2 days, 3 months, 4 yearly, 5 the day of issue.
    #[prost(uint32, tag = "1")]
    span: u32,
    /// How many days or months; for yearly month × 100 + day.
    #[prost(uint32, tag = "2")]
    count: u32,
    /// Seconds of the local day, its end included.
    #[prost(uint32, tag = "3")]
    at: u32,
    /// 0 not rounded; else the months of the period to whose end the date moves.
    #[prost(uint32, tag = "4")]
    round_up_to: u32,
}

impl From<&Expiry> for ExpiryV1 {
    fn from(expiry: &Expiry) -> Self {
        let Expiry {
            span,
            at,
            round_up_to,
        } = *expiry;
        let (span, count) = match span {
            ExpirySpan::Never => (1, 0),
            ExpirySpan::AfterDays(days) => (2, days),
            ExpirySpan::AfterMonths(months) => (3, months),
            ExpirySpan::Yearly { month, day } => (4, month * 100 + day),
            ExpirySpan::OfIssue => (5, 0),
        };
        ExpiryV1 {
            span,
            count,
            at: at.seconds(),
            round_up_to: round_up_to.map_or(0, RoundUpTo::months),
        }
    }
}

impl ExpiryV1 {
    /// `None` for what was never written.
    pub(crate) fn read(self) -> Option<Expiry> {
        let span = match self.span {
            1 => ExpirySpan::Never,
            2 => ExpirySpan::AfterDays(self.count),
            3 => ExpirySpan::AfterMonths(self.count),
            4 => ExpirySpan::Yearly {
                month: self.count / 100,
                day: self.count % 100,
            },
            5 => ExpirySpan::OfIssue,
            _ => return None,
        };
        let round_up_to = match self.round_up_to {
            0 => None,
            1 => Some(RoundUpTo::Month),
            3 => Some(RoundUpTo::Quarter),
            6 => Some(RoundUpTo::HalfYear),
            12 => Some(RoundUpTo::Year),
            _ => return None,
        };
        Some(Expiry {
            span,
            at: WallTime::from_seconds(self.at)?,
            round_up_to,
        })
    }
}
