//! What only the member's ledger knows of the buyer of an order, as far as it decides points.

use super::rules::model::BirthdaySpan;

/// The buyer of an order, at the order's creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberTraits<'a> {
    /// The tier that prices the order.
    pub tier: Option<&'a str>,
    /// The narrowest span around the member's birthday that holds the creation.
    pub birthday: Option<BirthdaySpan>,
    /// The member has no other live order that was created before.
    pub first_order: bool,
}

impl<'a> MemberTraits<'a> {
    /// Nothing is known but the tier.
    pub fn of_tier(tier: Option<&'a str>) -> Self {
        MemberTraits {
            tier,
            ..MemberTraits::default()
        }
    }
}
