//! Gifts to members, and notices before lots expire.

use chrono::NaiveTime;

use super::Expiry;
use super::words::words;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gifts {
    pub registration: Option<RegistrationGift>,
    pub birthday: Option<BirthdayGift>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationGift {
    pub points: i64,
    /// `None`: the rule's.
    pub expiry: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BirthdayGift {
    pub points: i64,
    pub on: BirthdayOn,
    pub at: NaiveTime,
    /// `None`: the rule's.
    pub expiry: Option<Expiry>,
}

words! {
    #[derive(Default)]
    pub enum BirthdayOn in ["gifts.birthday.on"] {
        Day = "day",
        #[default]
        MonthStart = "month_start",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    pub expiring_days_before: Vec<u32>,
    /// Before the end of a period of a level.
    pub tier_expiring_days_before: Vec<u32>,
    pub at: NaiveTime,
}

impl Default for Notices {
    /// None, at 09:00.
    fn default() -> Self {
        Notices {
            expiring_days_before: Vec::new(),
            tier_expiring_days_before: Vec::new(),
            at: NaiveTime::MIN + chrono::TimeDelta::hours(9),
        }
    }
}
