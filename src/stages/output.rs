//! What the stages decided to say, as values; [`Topics`] makes records of them.

use crate::domain::entry::Entry;
use crate::domain::outcome::{Body, Movement, Outcome};
use crate::engine::ports::Partition;
use crate::engine::processor::Effects;
use crate::metrics::{
    LOTS_EXPIRED_TOTAL, LOTS_ISSUED_TOTAL, NOTICES_TOTAL, ORDERS_PENDING_TOTAL, ORDERS_WITHHELD_TOTAL,
    POINTS_DEDUCTED_TOTAL, POINTS_EXPIRED_TOTAL, POINTS_ISSUED_TOTAL, POINTS_REDEEMED_TOTAL,
    POINTS_RETURNED_TOTAL, POINTS_REVOKED_TOTAL, REJECTED_TOTAL,
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
        Body::Issued { movement, .. } => {
            effects.count(LOTS_ISSUED_TOTAL, reason, 1);
            effects.count(POINTS_ISSUED_TOTAL, reason, points(movement));
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
        Body::Rejected { .. } => effects.count(REJECTED_TOTAL, reason, 1),
    }
}
