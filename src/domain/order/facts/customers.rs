//! Whose an order is: customers of snapshots, and claims.

use super::Facts;
use super::event::OrderEvent;
use super::snapshot::{Customer, Snapshot};
use crate::domain::instant::Instant;
use crate::domain::member_traits::MemberTraits;
use crate::domain::short_text::ShortText;

/// An order changes hands once or twice; further customers are not remembered.
const CUSTOMERS_MAX: usize = 16;

/// The first event that claimed the order for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub time: Instant,
    pub event_id: ShortText,
    pub traceparent: Option<ShortText>,
    pub member_id: ShortText,
    pub tier: Option<ShortText>,
}

impl Claim {
    fn rank(&self) -> impl Ord + '_ {
        (self.time, &self.event_id, &self.member_id, &self.tier)
    }
}

/// A customer whom snapshots named, with the lowest revision that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: ShortText,
    pub revision: i64,
    pub event_id: ShortText,
    /// As that revision says.
    pub tier: Option<ShortText>,
}

impl Named {
    fn rank(&self) -> impl Ord + '_ {
        (self.revision, &self.event_id, &self.tier)
    }
}

/// Who gets the points.
#[derive(Clone, Copy, Debug)]
pub struct Buyer<'a> {
    pub id: &'a ShortText,
    pub logged_in: bool,
    /// At placement; of a claim the claim's.
    pub tier: Option<&'a str>,
}

impl Facts {
    /// The customer of the newest snapshot; where that is a guest or not logged in, the member
    /// who claimed the order.
    pub fn buyer(&self) -> Option<Buyer<'_>> {
        let customer = self
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.customer.as_ref());
        match (customer, &self.claim) {
            (Some(customer), None) => Some(self.named(customer)),
            (Some(customer), Some(_)) if customer.logged_in => Some(self.named(customer)),
            (_, Some(claim)) => Some(Buyer {
                id: &claim.member_id,
                logged_in: true,
                tier: claim.tier.as_deref(),
            }),
            (None, None) => None,
        }
    }

    pub fn tier(&self) -> Option<&str> {
        self.buyer()?.tier
    }

    /// The buyer as far as the order's own events tell.
    pub fn as_told(&self) -> MemberTraits<'_> {
        MemberTraits::of_tier(self.tier())
    }

    /// The customer of the newest snapshot with the tier at placement.
    fn named<'a>(&'a self, customer: &'a Customer) -> Buyer<'a> {
        let lowest = self.customers.iter().find(|known| known.id == customer.id);
        let tier = match lowest.filter(|lowest| lowest.revision != i64::MAX) {
            Some(lowest) => &lowest.tier,
            None => &customer.tier,
        };
        Buyer {
            id: &customer.id,
            logged_in: customer.logged_in,
            tier: tier.as_deref(),
        }
    }

    pub(super) fn learn_customer(&mut self, snapshot: &Snapshot) {
        let Some(customer) = &snapshot.customer else {
            return;
        };
        let named = Named {
            id: customer.id.clone(),
            revision: snapshot.revision,
            event_id: snapshot.event_id.clone(),
            tier: customer.tier.clone(),
        };
        match self.customers.binary_search_by(|known| known.id.cmp(&named.id)) {
            Ok(at) if named.rank() < self.customers[at].rank() => self.customers[at] = named,
            Err(at) if self.customers.len() < CUSTOMERS_MAX => self.customers.insert(at, named),
            Ok(_) | Err(_) => {}
        }
    }

    pub(super) fn learn_claim(&mut self, event: &OrderEvent, customer: &Customer) -> bool {
        let claim = Claim {
            time: event.time,
            event_id: event.id.clone(),
            traceparent: event.traceparent.clone(),
            member_id: customer.id.clone(),
            tier: customer.tier.clone(),
        };
        let is_first = self
            .claim
            .as_ref()
            .is_none_or(|known| claim.rank() < known.rank());
        if is_first {
            self.claim = Some(claim);
        }
        is_first
    }
}
