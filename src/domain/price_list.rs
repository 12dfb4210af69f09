//! What an order is worth for everything that only its member's ledger knows. The order prices
//! each case; the ledger finds the one that holds, and looks at limits and caps.

use std::cmp::Reverse;

use super::entry::{IssuePart, ReverseReason};
use super::instant::Instant;
use super::member_traits::MemberTraits;
use super::reason::Reason;
use super::rules::model::{BirthdaySpan, WhenShort, Words};
use crate::domain::short_text::ShortText;

/// The members that a price is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PricedFor {
    /// `None`: every tier that no other price of the list is for, and no tier.
    pub tier: Option<ShortText>,
    pub birthday: Option<BirthdaySpan>,
    pub first_order: bool,
}

impl PricedFor {
    pub fn traits(&self) -> MemberTraits<'_> {
        MemberTraits {
            tier: self.tier.as_deref(),
            birthday: self.birthday,
            first_order: self.first_order,
        }
    }

    pub fn of(traits: MemberTraits<'_>) -> Self {
        PricedFor {
            tier: traits.tier.map(Into::into),
            birthday: traits.birthday,
            first_order: traits.first_order,
        }
    }
}

/// What an order brings such members.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    pub of: PricedFor,
    /// Why it brings nothing.
    pub reason: Option<Reason>,
    /// The order's own points first, then those of bonuses in the order of the rule.
    pub parts: Vec<IssuePart>,
    /// Points that refunds before the issue took.
    pub lost: i64,
}

impl Price {
    pub fn points(&self) -> i64 {
        let points = self.parts.iter().map(|part| part.points.max(0));
        points.fold(0, i64::saturating_add)
    }
}

/// An order's prices.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceList {
    pub created_at: Instant,
    /// The tier that the order's events name, where it wins over the member's level.
    pub told_tier: Option<ShortText>,
    pub currency: ShortText,
    /// How often the order went on after it had ended; tells its outcomes apart.
    pub again: Option<u32>,
    /// At least one.
    pub prices: Vec<Price>,
}

impl PriceList {
    /// The price for such a member: of its tier, or of no tier where that has none; the one for
    /// most of what is known of the member.
    pub fn find(&self, member: MemberTraits<'_>) -> Option<&Price> {
        let of_tier = |price: &&Price| price.of.tier.as_deref() == member.tier;
        let has_tier = self.prices.iter().any(|price| of_tier(&price));
        let holds = |price: &&Price| {
            let tier = match has_tier {
                true => of_tier(price),
                false => price.of.tier.is_none(),
            };
            let birthday = price
                .of
                .birthday
                .is_none_or(|span| member.birthday.is_some_and(|birthday| birthday.lies_in(span)));
            tier && birthday && (member.first_order || !price.of.first_order)
        };
        let fits_best = |price: &&Price| {
            let birthday = match price.of.birthday {
                Some(BirthdaySpan::Day) => 0,
                Some(BirthdaySpan::Month) => 1,
                None => 2,
            };
            (birthday, Reverse(price.of.first_order))
        };
        self.prices.iter().filter(holds).min_by_key(fits_best)
    }

    /// Of all that it says, to notice that it is another. Orders store it: where a later version of
    /// this program computes another, the ledger is sent one more forecast and finds nothing changed.
    pub fn digest(&self) -> u64 {
        let PriceList {
            created_at,
            told_tier,
            currency,
            again,
            prices,
        } = self;
        let mut bytes = Fields(created_at.0.to_be_bytes().to_vec());
        bytes.text(told_tier.as_deref());
        bytes.text(Some(currency));
        bytes.number(again.map(i64::from));
        for Price {
            of:
                PricedFor {
                    tier,
                    birthday,
                    first_order,
                },
            reason,
            parts,
            lost,
        } in prices
        {
            bytes.text(tier.as_deref());
            bytes.text(birthday.map(Words::word));
            bytes.0.push(u8::from(*first_order));
            bytes.text(reason.map(Reason::code));
            bytes.number(Some(*lost));
            bytes.number(i64::try_from(parts.len()).ok());
            for IssuePart {
                bonus_id,
                points,
                base_amount,
                expires_at,
            } in parts
            {
                bytes.text(bonus_id.as_deref());
                bytes.number(Some(*points));
                bytes.0.extend(base_amount.serialize());
                bytes.number(expires_at.map(|at| at.0));
            }
        }
        xxhash_rust::xxh3::xxh3_64(&bytes.0)
    }

    /// The price, if it is the same for every member.
    pub fn for_everybody(&self) -> Option<&Price> {
        let (first, others) = self.prices.split_first()?;
        let same = |other: &Price| {
            (other.reason, other.lost, &other.parts) == (first.reason, first.lost, &first.parts)
        };
        others.iter().all(same).then_some(first)
    }
}

/// Fields one behind the other, each with a sign that it is there.
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, number: Option<i64>) {
        self.0.push(u8::from(number.is_some()));
        self.0.extend(number.unwrap_or_default().to_be_bytes());
    }

    fn text(&mut self, text: Option<&str>) {
        self.number(text.map(|text| text.len() as i64));
        self.0.extend(text.unwrap_or_default().as_bytes());
    }
}

/// What an order is expected to bring at a due time that lies ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// `None`: nothing.
    pub list: Option<PriceList>,
    /// `None`: its trigger was withdrawn.
    pub due_at: Option<Instant>,
    pub by: ForecastBy,
}

/// What made an order look ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForecastBy {
    Event,
    /// The rules or the shop's status changed.
    Change,
    /// This version set its first due time when it was published.
    Takeover(u32),
}

/// What became of an order whose points were credited by a price list.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// What is left of the order is worth this.
    pub list: PriceList,
    pub reason: ReverseReason,
    /// When that happened: what is taken back takes effect then, what is issued with the entry.
    pub reversed_at: Instant,
    pub when_short: WhenShort,
    /// As in [`super::entry::Reverse`].
    pub by_cancellation: bool,
    pub keeps: Keeps,
    /// Parts that are worth more are issued.
    pub raises: bool,
    /// What may not be kept is taken back.
    pub asks: bool,
    /// The merchant leaves more with the member than it may keep so far.
    pub forgiven: bool,
}

/// What an order may keep of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// What it is worth.
    Worth,
    /// That, but no more than it may keep so far.
    AtMostKept,
    /// That, but no more than it was worth at the issue.
    AtMostIssued,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_says_anything_else_has_another_digest() {
        let part = IssuePart {
            bonus_id: None,
            points: 5,
            base_amount: 100.into(),
            expires_at: None,
        };
        let price = Price {
            of: PricedFor::default(),
            reason: None,
            parts: vec![part.clone()],
            lost: 0,
        };
        let list = PriceList {
            created_at: Instant(7),
            told_tier: None,
            currency: "TWD".into(),
            again: None,
            prices: vec![price.clone()],
        };
        let changes: [fn(&mut PriceList); 16] = [
            |_| {},
            |list| list.created_at = Instant(8),
            |list| list.told_tier = Some("".into()),
            |list| list.told_tier = Some("TWD".into()),
            |list| list.currency = "JPY".into(),
            |list| list.again = Some(0),
            |list| list.prices[0].of.tier = Some("gold".into()),
            |list| list.prices[0].of.birthday = Some(BirthdaySpan::Day),
            |list| list.prices[0].of.birthday = Some(BirthdaySpan::Month),
            |list| list.prices[0].of.first_order = true,
            |list| list.prices[0].reason = Some(Reason::BelowRate),
            |list| list.prices[0].lost = 5,
            |list| list.prices[0].parts[0].bonus_id = Some("tea".into()),
            |list| list.prices[0].parts[0].points = 6,
            |list| list.prices[0].parts[0].base_amount = 101.into(),
            |list| list.prices[0].parts[0].expires_at = Some(Instant(0)),
        ];
        let changed = changes.map(|change| {
            let mut list = list.clone();
            change(&mut list);
            list
        });
        let mut all = changed.to_vec();
        let more = |prices| PriceList {
            prices,
            ..list.clone()
        };
        all.push(more(vec![price.clone(), price.clone()]));
        all.push(more(vec![Price {
            parts: vec![part.clone(), part],
            ..price.clone()
        }]));
        all.push(more(vec![Price {
            parts: Vec::new(),
            ..price
        }]));
        assert_eq!(all[0].digest(), list.digest());
        let digests: std::collections::BTreeSet<u64> = all.iter().map(PriceList::digest).collect();
        assert_eq!(digests.len(), all.len());
    }
}
