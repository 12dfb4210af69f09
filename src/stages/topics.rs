//! Where the stages send what they decided, and what they count.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::entry::Entry;
use crate::domain::outcome::{Body, Movement, Outcome};
use crate::domain::short_text::ShortText;
use crate::engine::ports::{Header, Partition};
use crate::engine::processor::Effects;
use crate::metrics::{
    LOTS_EXPIRED_TOTAL, LOTS_ISSUED_TOTAL, NOTICES_TOTAL, ORDERS_PENDING_TOTAL, ORDERS_WITHHELD_TOTAL,
    POINTS_DEDUCTED_TOTAL, POINTS_EXPIRED_TOTAL, POINTS_ISSUED_TOTAL, POINTS_REDEEMED_TOTAL,
    POINTS_RETURNED_TOTAL, POINTS_REVOKED_TOTAL, REJECTED_TOTAL,
};
use crate::wire::ledger_entry;
use crate::wire::output::{self, TopicKind};

/// Names of the topics that the stages write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub issued: Arc<str>,
    pub expired: Arc<str>,
    pub events: Arc<str>,
    pub entries: Arc<str>,
}

impl Topics {
    /// Publishes an outcome.
    pub fn publish(&self, outcome: &Outcome, effects: &mut Effects) {
        let published = output::encode(outcome);
        let topic = match published.topic {
            TopicKind::Issued => &self.issued,
            TopicKind::Expired => &self.expired,
            TopicKind::Events => &self.events,
        };
        effects.send(topic, Some(published.key), published.value, published.headers);
        count(outcome, effects);
    }

    /// Hands an entry to the ledger, where its member's key belongs.
    pub fn hand_over(&self, entry: &Entry, effects: &mut Effects) {
        self.hand_over_to(entry, None, effects);
    }

    /// Hands an entry to one partition of the ledger: broadcasts.
    pub fn hand_over_to(&self, entry: &Entry, partition: Option<Partition>, effects: &mut Effects) {
        let headers: Vec<Header> = Vec::new();
        let key = ledger_key(entry);
        effects.send_to(
            &self.entries,
            partition,
            Some(key),
            ledger_entry::encode(entry),
            headers,
        );
    }
}

/// Whose state in the ledger an entry changes: the member's, or without one the shop's broadcasts.
pub fn ledger_key(entry: &Entry) -> Bytes {
    if entry.member_id.is_empty() {
        broadcast_key(&entry.shop_id)
    } else {
        key(&entry.shop_id, &entry.member_id)
    }
}

/// Key of an order's or a member's state. Short ones lie beside their count of users, so that
/// whoever compares or copies one has all of it in one place.
pub fn key(shop_id: &str, id: &str) -> Bytes {
    let mut key = ShortText::with_capacity(shop_id.len() + 1 + id.len());
    key.push_str(shop_id);
    key.push('\0');
    key.push_str(id);
    Bytes::from_owner(key)
}

/// Key of a shop's broadcasts. No member has it, for an id holds no zero byte.
pub fn broadcast_key(shop_id: &str) -> Bytes {
    key(shop_id, "\0")
}

/// Prefix of all keys of a shop.
pub fn shop_prefix(shop_id: &str) -> Bytes {
    key(shop_id, "")
}

/// Shop and member (or order) of a key; `None` for a key that [`key`] did not make.
pub fn parts(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(key).ok()?.split_once('\0')
}

fn count(outcome: &Outcome, effects: &mut Effects) {
    let reason = outcome.reason;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_again() {
        for (shop, id) in [("acme", "m-1"), ("acme", ""), ("a", "é")] {
            assert_eq!(parts(&key(shop, id)), Some((shop, id)));
        }
        assert_eq!(parts(&broadcast_key("acme")), Some(("acme", "\0")));
        assert_eq!(parts(b"acme"), None);
        assert!(key("acme", "m-1").starts_with(&shop_prefix("acme")));
        assert!(!key("acme2", "m-1").starts_with(&shop_prefix("acme")));
    }
}
