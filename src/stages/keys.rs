//! Keys of states: shop and order, shop and member, or a shop's broadcasts.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::entry::Entry;

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
    let mut key = SmallVec::<[u8; 24]>::with_capacity(shop_id.len() + 1 + id.len());
    key.extend_from_slice(shop_id.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
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
    let end = key.iter().position(|byte| *byte == 0)?;
    let (shop, id) = (key.get(..end)?, key.get(end + 1..)?);
    Some((std::str::from_utf8(shop).ok()?, std::str::from_utf8(id).ok()?))
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
