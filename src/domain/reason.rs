//! Every reason that an output or a look-up gives, in one table.

/// Declares the reasons: name, stored number, published code, sentence.
macro_rules! reasons {
    ($($name:ident $number:literal $code:literal $sentence:literal)*) => {
        /// Why something happened or did not. Of the reasons that an order has no points for, the
        /// first in this order is named.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($name,)*
        }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// As published: stable.
            pub fn code(self) -> &'static str {
                match self {
                    $(Reason::$name => $code,)*
                }
            }

            /// As stored: never reused.
            pub fn number(self) -> u32 {
                match self {
                    $(Reason::$name => $number,)*
                }
            }

            /// In words, about the order or the movement.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Reason::$name => $sentence,)*
                }
            }
        }
    };
}

reasons! {
    // Why an order has no points, or fewer.
    TestOrder 1 "test_order" "it is a test order"
    NoRule 2 "no_rule" "the shop had no rule when it was created"
    Disabled 3 "disabled" "the shop's points are disabled"
    CurrencyMismatch 4 "currency_mismatch" "its currency is not that of the rule"
    ChannelExcluded 5 "channel_excluded" "its channel does not earn"
    Guest 6 "guest" "it was placed by a guest"
    NotLoggedIn 7 "not_logged_in" "the rule wants a login, and the customer was not logged in"
    Excluded 13 "excluded" "orders with discounts, points or store credit like this one do not earn"
    TierExcluded 8 "tier_excluded" "only tiers with an own rate earn, and this one has none"
    Cancelled 9 "cancelled" "it was cancelled before its points were issued"
    Refunded 10 "refunded" "refunds before the issue left nothing to earn on"
    ShopResting 11 "shop_resting" "the shop was resting when the points were due"
    ItemsExcluded 14 "items_excluded" "none of its goods earn"
    BelowMinimum 15 "below_minimum" "the amount is below the least that counts"
    BelowRate 12 "below_rate" "the amount is below what earns a point"
    // Points of an order.
    Pending 32 "pending" "its points have a due time"
    Order 33 "order" "an order earned points"
    Bonus 34 "bonus" "an order earned points by a bonus"
    Edited 35 "edited" "an order was edited"
    Reopened 36 "reopened" "an order's cancellation was withdrawn"
    Capped 37 "capped" "limits or caps leave fewer points"
    // Points of commands and gifts.
    Granted 40 "granted" "points were granted"
    GrantedToAll 41 "granted_to_all" "points were granted to every member"
    Imported 42 "imported" "points were imported"
    Registration 43 "registration" "the member registered"
    Birthday 44 "birthday" "it was the member's birthday"
    Redeemed 45 "redeemed" "points were used"
    Returned 46 "returned" "used points were given back"
    Deducted 47 "deducted" "points were deducted"
    Expired 48 "expired" "points expired"
    Expiring 49 "expiring" "points will expire"
    // Levels of membership.
    Reached 70 "reached" "the conditions of a level were met"
    Renewed 71 "renewed" "a period ended, and the level was kept"
    NotRenewed 72 "not_renewed" "a period ended, and the level was not kept"
    Set 73 "set" "a level was set by hand"
    RuleChanged 74 "rule_changed" "a rule version judges members anew"
    TierRemoved 75 "tier_removed" "a rule version has the level no more"
    LateFact 76 "late_fact" "something that had happened before became known"
    TierExpiring 77 "tier_expiring" "a level will end"
    TierEntry 78 "tier_entry" "the member entered a level"
    TierRenewal 79 "tier_renewal" "the member kept a level"
    // Why a command or a reversal was refused.
    InsufficientBalance 60 "insufficient_balance" "the balance is short"
    OverLimit 61 "over_limit" "more points than may be used"
    InvalidStep 62 "invalid_step" "points may be used in whole steps only"
    UnknownMember 63 "unknown_member" "the member is not known"
    UnknownRedemption 64 "unknown_redemption" "nothing was redeemed so, or not that much of it is left"
    AlreadyRedeemed 65 "already_redeemed" "points were already redeemed for the order"
    UnknownTier 67 "unknown_tier" "the rules have no such tier"
    Invalid 66 "invalid" "it cannot be carried out"
}

impl Reason {
    /// The reason with a stored number.
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_codes_are_unique() {
        let numbers: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.number()).collect();
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(numbers.len(), Reason::ALL.len());
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::of_number(reason.number()), Some(*reason));
        }
        assert_eq!(Reason::of_number(0), None);
    }

    /// Numbers that stored orders hold.
    #[test]
    fn stored_numbers_stay() {
        let stored: Vec<_> = (1..=15)
            .map(|number| Reason::of_number(number).map(Reason::code))
            .collect();
        let codes = [
            "test_order",
            "no_rule",
            "disabled",
            "currency_mismatch",
            "channel_excluded",
            "guest",
            "not_logged_in",
            "tier_excluded",
            "cancelled",
            "refunded",
            "shop_resting",
            "below_rate",
            "excluded",
            "items_excluded",
            "below_minimum",
        ];
        assert_eq!(stored, codes.map(Some));
    }
}
