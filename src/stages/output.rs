//! What the stages decided to say, as values; [`Topics`] makes records of them.

use crate::domain::entry::Entry;
use crate::domain::outcome::{Body, Movement, Outcome};
use crate::engine::ports::Partition;
use crate::engine::processor::Effects;
use crate::metrics::{
    BONUS_POINTS_TOTAL, LOTS_EXPIRED_TOTAL, LOTS_ISSUED_TOTAL, NOTICES_TOTAL, ORDERS_PENDING_TOTAL,
    ORDERS_WITHHELD_TOTAL, POINTS_DEDUCTED_TOTAL, POINTS_EXPIRED_TOTAL, POINTS_ISSUED_TOTAL,
    POINTS_REDEEMED_TOTAL, POINTS_RETURNED_TOTAL, POINTS_REVOKED_TOTAL, REJECTED_TOTAL, TIER_NOTICES_TOTAL,
    TIERS_CHANGED_TOTAL, TIERS_RENEWED_TOTAL,
};

/// What one decision says to somebody.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// To the outside.
    Outcome(Outcome),
    /// To the ledger: to that partition of it, or to the one where the member's key belongs.
    Entry(Entry, Option<Partition>),
}

/// Publishes an outcome.
pub fn publish(outcome: Outcome, effects: &mut Effects<Output>) {
    count(&outcome, effects);
    effects.send(Output::Outcome(outcome));
}

/// Hands an entry to the ledger, where its member's key belongs.
pub fn hand_over(entry: Entry, effects: &mut Effects<Output>) {
    effects.send(Output::Entry(entry, None));
}

/// Hands an entry to one partition of the ledger: broadcasts.
pub fn hand_over_to(partition: Partition, entry: Entry, effects: &mut Effects<Output>) {
    effects.send(Output::Entry(entry, Some(partition)));
}

fn count(outcome: &Outcome, effects: &mut Effects<Output>) {
    let reason = outcome.reason.code();
    let points = |movement: &Movement| u64::try_from(movement.points).unwrap_or(0);
    match &outcome.body {
        Body::Issued {
            movement, bonus_id, ..
        } => {
            effects.count(LOTS_ISSUED_TOTAL, reason, 1);
            effects.count(POINTS_ISSUED_TOTAL, reason, points(movement));
            if let Some(bonus_id) = bonus_id {
                effects.count(BONUS_POINTS_TOTAL, bonus_id.to_string(), points(movement));
            }
        }
        Body::Expired { movement, .. } => {
            effects.count(LOTS_EXPIRED_TOTAL, "", 1);
            effects.count(POINTS_EXPIRED_TOTAL, "", points(movement));
        }
        Body::Pending { .. } => effects.count(ORDERS_PENDING_TOTAL, "", 1),
        Body::Withheld { .. } => effects.count(ORDERS_WITHHELD_TOTAL, reason, 1),
        Body::Revoked { movement, .. } => effects.count(POINTS_REVOKED_TOTAL, reason, points(movement)),
        Body::Redeemed { movement, .. } => effects.count(POINTS_REDEEMED_TOTAL, "", points(movement)),
        Body::Returned { movement } => effects.count(POINTS_RETURNED_TOTAL, "", points(movement)),
        Body::Adjusted { movement } => effects.count(POINTS_DEDUCTED_TOTAL, "", points(movement)),
        Body::Expiring { .. } => effects.count(NOTICES_TOTAL, "", 1),
        Body::TierChanged { .. } => effects.count(TIERS_CHANGED_TOTAL, reason, 1),
        Body::TierRenewed { .. } => effects.count(TIERS_RENEWED_TOTAL, "", 1),
        Body::TierExpiring { .. } => effects.count(TIER_NOTICES_TOTAL, "", 1),
        Body::Rejected { .. } => effects.count(REJECTED_TOTAL, reason, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instant::Instant;
    use crate::domain::reason::Reason;

    #[test]
    fn points_of_a_bonus_are_counted_by_its_id() {
        let issued = |reason, points, bonus_id: Option<&str>| Outcome {
            id: "1".into(),
            shop_id: "acme".into(),
            member_id: Some("m-1".into()),
            order_id: Some("A-1".into()),
            rule_version: Some(1),
            reason,
            effective_at: Instant(0),
            cause_id: "e1".into(),
            note: None,
            notify: true,
            actor: None,
            traceparent: None,
            body: Body::Issued {
                tier: None,
                movement: Movement {
                    points,
                    balance_after: points,
                    sequence: 1,
                    lots: Vec::new(),
                },
                lot_id: "1".into(),
                issued_at: Instant(0),
                expires_at: None,
                base: None,
                bonus_id: bonus_id.map(Into::into),
            },
        };
        let mut effects = Effects::default();
        publish(issued(Reason::Order, 10, None), &mut effects);
        publish(issued(Reason::Bonus, 7, Some("tea")), &mut effects);
        publish(issued(Reason::Edited, 3, Some("tea")), &mut effects);
        let by_id = effects
            .counts
            .iter()
            .filter(|count| count.0 == BONUS_POINTS_TOTAL);
        let by_id: Vec<_> = by_id.map(|(_, id, points)| (&**id, *points)).collect();
        assert_eq!(by_id, [("tea", 7), ("tea", 3)]);
    }
}
