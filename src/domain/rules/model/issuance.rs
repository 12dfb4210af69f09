//! When points are issued.

use std::collections::BTreeMap;

use chrono::NaiveTime;

use super::words::words;
use crate::domain::short_text::ShortText;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuance {
    pub terms: IssuanceTerms,
    pub or_on_completed: bool,
    pub by_channel: BTreeMap<String, IssuanceTerms>,
    pub apply_to_open_orders: bool,
    pub while_resting: WhileResting,
    pub resting_exempt_channels: Vec<ShortText>,
}

/// What a channel may have of its own. In `by_channel` what was left out is the rule's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IssuanceTerms {
    pub on: Trigger,
    pub delay_days: u32,
    pub at: DueAt,
}

words! {
    #[derive(Default)]
    pub enum Trigger in ["issuance.on", "tiers.counts.on"] {
        Created = "created",
        Paid = "paid",
        PaidAndShipped = "paid_and_shipped",
        #[default]
        Delivered = "delivered",
        Completed = "completed",
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DueAt {
    #[default]
    SameTime,
    Local(NaiveTime),
}

impl DueAt {
    /// The word beside a time of day.
    pub const SAME_TIME: &'static str = "same_time";
}

words! {
    #[derive(Default)]
    pub enum WhileResting in ["issuance.while_resting"] {
        #[default]
        Withhold = "withhold",
        Defer = "defer",
    }
}
