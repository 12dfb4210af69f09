//! An expiry, as it is stored within entries and states.

use chrono::{NaiveTime, Timelike};

use crate::domain::rules::model::{Expiry, ExpirySpan};

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct ExpiryV1 {
    /// 1 never, 2 days, 3 months, 4 yearly.
    #[prost(uint32, tag = "1")]
    span: u32,
    /// How many days or months; for yearly month × 100 + day.
    #[prost(uint32, tag = "2")]
    count: u32,
    /// Seconds of the local day.
    #[prost(uint32, tag = "3")]
    at: u32,
}

impl From<&Expiry> for ExpiryV1 {
    fn from(expiry: &Expiry) -> Self {
        let (span, count) = match expiry.span {
            ExpirySpan::Never => (1, 0),
            ExpirySpan::AfterDays(days) => (2, days),
            ExpirySpan::AfterMonths(months) => (3, months),
            ExpirySpan::Yearly { month, day } => (4, month * 100 + day),
        };
        ExpiryV1 {
            span,
            count,
            at: expiry.at.num_seconds_from_midnight(),
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
            _ => return None,
        };
        Some(Expiry {
            span,
            at: NaiveTime::from_num_seconds_from_midnight_opt(self.at, 0)?,
        })
    }
}
