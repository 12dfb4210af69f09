//! Price lists in entries. Prices that are the same for several kinds of members are written once.

use prost::Message;

use super::EntryError;
use super::messages::IssuePartV2;
use super::sections::{reason, reason_tag, when_short, when_short_tag};
use crate::domain::instant::Instant;
use crate::domain::price_list::{Forecast, ForecastBy, Keeps, Price, PriceList, PricedFor, Revision};
use crate::domain::reason::Reason;
use crate::wire::priced_for::{birthday_span, birthday_tag};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PriceListV3 {
    #[prost(sint64, tag = "1")]
    pub created_at: i64,
    #[prost(string, optional, tag = "2")]
    pub told_tier: Option<String>,
    #[prost(string, tag = "3")]
    pub currency: String,
    #[prost(uint32, optional, tag = "4")]
    pub again: Option<u32>,
    #[prost(message, repeated, tag = "5")]
    pub prices: Vec<PriceV3>,
    /// Each refers to one of `prices`.
    #[prost(message, repeated, tag = "6")]
    pub members: Vec<MembersV3>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PriceV3 {
    /// 0: it brings points.
    #[prost(uint32, tag = "1")]
    pub reason: u32,
    #[prost(message, repeated, tag = "2")]
    pub parts: Vec<IssuePartV2>,
    #[prost(int64, tag = "3")]
    pub lost: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MembersV3 {
    #[prost(string, optional, tag = "1")]
    pub tier: Option<String>,
    /// 0: any, 1: day, 2: month.
    #[prost(uint32, tag = "2")]
    pub birthday: u32,
    #[prost(bool, tag = "3")]
    pub first_order: bool,
    #[prost(uint32, tag = "4")]
    pub price: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReviseV3 {
    #[prost(message, optional, tag = "1")]
    pub list: Option<PriceListV3>,
    #[prost(uint32, tag = "2")]
    pub reason: u32,
    #[prost(sint64, tag = "3")]
    pub reversed_at: i64,
    #[prost(uint32, tag = "4")]
    pub when_short: u32,
    #[prost(bool, tag = "5")]
    pub by_cancellation: bool,
    /// 1 worth, 2 at most kept, 3 at most issued.
    #[prost(uint32, tag = "6")]
    pub keeps: u32,
    #[prost(bool, tag = "7")]
    pub raises: bool,
    #[prost(bool, tag = "8")]
    pub asks: bool,
    #[prost(bool, tag = "9")]
    pub forgiven: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForecastV3 {
    #[prost(message, optional, tag = "1")]
    pub list: Option<PriceListV3>,
    #[prost(sint64, optional, tag = "2")]
    pub due_at: Option<i64>,
    /// The rules or the shop's status changed.
    #[prost(bool, tag = "3")]
    pub changed: bool,
    /// This version took over.
    #[prost(uint32, optional, tag = "4")]
    pub takeover: Option<u32>,
}

impl From<&PriceList> for PriceListV3 {
    fn from(list: &PriceList) -> Self {
        let PriceList {
            created_at,
            told_tier,
            currency,
            again,
            prices,
        } = list;
        let (mut written, mut members) = (Vec::<PriceV3>::new(), Vec::with_capacity(prices.len()));
        for price in prices {
            let message = PriceV3::from(price);
            let known = written.iter().position(|known| *known == message);
            let place = known.unwrap_or_else(|| {
                written.push(message);
                written.len() - 1
            });
            members.push(MembersV3::of(&price.of, place));
        }
        PriceListV3 {
            created_at: created_at.0,
            told_tier: told_tier.as_ref().map(ToString::to_string),
            currency: currency.to_string(),
            again: *again,
            prices: written,
            members,
        }
    }
}

impl From<&Price> for PriceV3 {
    fn from(price: &Price) -> Self {
        PriceV3 {
            reason: price.reason.map_or(0, Reason::number),
            parts: price.parts.iter().map(IssuePartV2::from).collect(),
            lost: price.lost,
        }
    }
}

impl MembersV3 {
    fn of(of: &PricedFor, price: usize) -> Self {
        let PricedFor {
            tier,
            birthday,
            first_order,
        } = of;
        MembersV3 {
            tier: tier.as_ref().map(ToString::to_string),
            birthday: birthday_tag(*birthday),
            first_order: *first_order,
            price: u32::try_from(price).unwrap_or(u32::MAX),
        }
    }

    fn read(self, prices: &[Price]) -> Result<Price, EntryError> {
        let price = usize::try_from(self.price).ok().and_then(|at| prices.get(at));
        let price = price.ok_or(EntryError::Field("price"))?;
        Ok(Price {
            of: PricedFor {
                tier: self.tier.map(Into::into),
                birthday: birthday_span(self.birthday).ok_or(EntryError::Field("birthday"))?,
                first_order: self.first_order,
            },
            ..price.clone()
        })
    }
}

impl PriceV3 {
    fn read(self) -> Result<Price, EntryError> {
        let reason = match self.reason {
            0 => None,
            number => Some(Reason::of_number(number).ok_or(EntryError::Field("reason"))?),
        };
        let parts = self.parts.into_iter().map(IssuePartV2::read);
        Ok(Price {
            of: PricedFor::default(),
            reason,
            parts: parts.collect::<Result<_, _>>()?,
            lost: self.lost,
        })
    }
}

impl PriceListV3 {
    pub(super) fn read(self) -> Result<PriceList, EntryError> {
        let prices = self.prices.into_iter().map(PriceV3::read);
        let prices = prices.collect::<Result<Vec<_>, _>>()?;
        let members = self.members.into_iter().map(|members| members.read(&prices));
        Ok(PriceList {
            created_at: Instant(self.created_at),
            told_tier: self.told_tier.map(Into::into),
            currency: self.currency.into(),
            again: self.again,
            prices: members.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Revision> for ReviseV3 {
    fn from(revision: &Revision) -> Self {
        let Revision {
            list,
            reason,
            reversed_at,
            when_short,
            by_cancellation,
            keeps,
            raises,
            asks,
            forgiven,
        } = revision;
        ReviseV3 {
            list: Some(list.into()),
            reason: reason_tag(*reason),
            reversed_at: reversed_at.0,
            when_short: when_short_tag(*when_short),
            by_cancellation: *by_cancellation,
            keeps: match keeps {
                Keeps::Worth => 1,
                Keeps::AtMostKept => 2,
                Keeps::AtMostIssued => 3,
            },
            raises: *raises,
            asks: *asks,
            forgiven: *forgiven,
        }
    }
}

impl ReviseV3 {
    pub(super) fn read(self) -> Result<Revision, EntryError> {
        Ok(Revision {
            list: self.list.ok_or(EntryError::Field("list"))?.read()?,
            reason: reason(self.reason)?,
            reversed_at: Instant(self.reversed_at),
            when_short: when_short(self.when_short)?,
            by_cancellation: self.by_cancellation,
            keeps: match self.keeps {
                1 => Keeps::Worth,
                2 => Keeps::AtMostKept,
                3 => Keeps::AtMostIssued,
                _ => return Err(EntryError::Field("keeps")),
            },
            raises: self.raises,
            asks: self.asks,
            forgiven: self.forgiven,
        })
    }
}

impl From<&Forecast> for ForecastV3 {
    fn from(forecast: &Forecast) -> Self {
        let Forecast { list, due_at, by } = forecast;
        ForecastV3 {
            list: list.as_ref().map(PriceListV3::from),
            due_at: due_at.map(|at| at.0),
            changed: *by == ForecastBy::Change,
            takeover: match by {
                ForecastBy::Takeover(version) => Some(*version),
                ForecastBy::Event | ForecastBy::Change => None,
            },
        }
    }
}

impl ForecastV3 {
    pub(super) fn read(self) -> Result<Forecast, EntryError> {
        Ok(Forecast {
            list: self.list.map(PriceListV3::read).transpose()?,
            due_at: self.due_at.map(Instant),
            by: match (self.takeover, self.changed) {
                (Some(version), _) => ForecastBy::Takeover(version),
                (None, true) => ForecastBy::Change,
                (None, false) => ForecastBy::Event,
            },
        })
    }
}
