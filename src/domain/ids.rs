//! Every id that derives from a cause: the same cause gives the same id for ever.
//!
//! Published and stored. A derivation never changes; a new kind of id gets a new first part.

use super::digest::{digest, hex};
use super::entry::Entry;
use super::instant::Instant;

/// An outcome of an order. `parts` tell outcomes of one kind apart.
pub fn of_order(kind: &str, shop_id: &str, order_id: &str, parts: &[&str]) -> u128 {
    digest(&[&["order", kind, shop_id, order_id], parts].concat())
}

/// What an entry causes: at most one outcome of a kind. `by` tells the entries of one event apart.
pub fn of_entry(kind: &str, by: &str, entry: &Entry) -> u128 {
    let order = entry.order_id.as_deref().unwrap_or_default();
    let (shop, member) = (&entry.shop_id, &entry.member_id);
    digest(&[
        kind,
        by,
        shop,
        member,
        order,
        &entry.cause_source,
        &entry.cause_id,
    ])
}

/// The lot of an order's own points: `number` counts the issues of the order.
pub fn order_lot(shop_id: &str, order_id: &str, number: u32) -> u128 {
    digest(&["order", shop_id, order_id, &number.to_string()])
}

/// The lot of a bonus of an order.
pub fn bonus_lot(shop_id: &str, order_id: &str, bonus_id: &str, number: u32) -> u128 {
    let number = &number.to_string();
    digest(&["bonus", shop_id, order_id, bonus_id, number])
}

/// The lot of one part of an issue.
pub fn part_lot(shop_id: &str, order_id: &str, bonus_id: Option<&str>, number: u32) -> u128 {
    match bonus_id {
        None => order_lot(shop_id, order_id, number),
        Some(bonus_id) => bonus_lot(shop_id, order_id, bonus_id, number),
    }
}

/// The lot that gives back what a withdrawn cancellation took from the lot `of`; `None`: its debt.
pub fn reopened_lot(entry: &Entry, of: Option<u128>) -> u128 {
    let of = of.map_or("debt".to_owned(), hex);
    let order = entry.order_id.as_deref().unwrap_or_default();
    let (source, cause) = (&entry.cause_source, &entry.cause_id);
    digest(&["reopened", &entry.shop_id, order, source, cause, &of])
}

/// The lot of a command, or of a member's share of a broadcast.
pub fn command_lot(kind: &str, entry: &Entry) -> u128 {
    let (source, cause) = (&entry.cause_source, &entry.cause_id);
    digest(&[kind, &entry.shop_id, &entry.member_id, source, cause])
}

pub fn registration_lot(shop_id: &str, member_id: &str) -> u128 {
    digest(&["registration", shop_id, member_id])
}

pub fn birthday_lot(shop_id: &str, member_id: &str, year: i32) -> u128 {
    digest(&["birthday", shop_id, member_id, &year.to_string()])
}

pub fn tier_entry_lot(shop_id: &str, member_id: &str, level: &str) -> u128 {
    digest(&["tier_entry", shop_id, member_id, level])
}

pub fn tier_renewal_lot(shop_id: &str, member_id: &str, level: &str, since: Instant) -> u128 {
    digest(&["tier_renewal", shop_id, member_id, level, &since.0.to_string()])
}

/// What is published about a member's level. `kind` is the type of the output, `at` its time.
pub fn level(kind: &str, shop_id: &str, member_id: &str, cause_id: &str, at: Instant) -> u128 {
    digest(&["level", kind, shop_id, member_id, cause_id, &at.0.to_string()])
}

/// A lot whose own id is taken: by a command that is carried out again after its id was forgotten.
pub fn repeated_lot(lot: u128, sequence: u64) -> u128 {
    digest(&["anew", &hex(lot), &sequence.to_string()])
}

pub fn issued(lot: u128) -> u128 {
    digest(&["issued", &hex(lot)])
}

pub fn expired(lot: u128) -> u128 {
    digest(&["expired", &hex(lot)])
}

/// Points returned by an entry to a lot that had expired before.
pub fn returned_expired(lot: u128, entry: &Entry) -> u128 {
    digest(&["expired", &hex(lot), &entry.cause_source, &entry.cause_id])
}

/// The notice of a local day and a lead time.
pub fn expiring(shop_id: &str, member_id: &str, day: &str, days_before: u32, at: Instant) -> u128 {
    digest(&[
        "expiring",
        shop_id,
        member_id,
        day,
        &days_before.to_string(),
        &at.0.to_string(),
    ])
}

/// A broadcast that cannot be carried out.
pub fn refused_broadcast(entry: &Entry) -> u128 {
    digest(&[
        "rejected",
        "broadcast",
        &entry.shop_id,
        &entry.cause_source,
        &entry.cause_id,
    ])
}

/// Tells commands apart: two are one if `source` and `id` are the same.
pub fn command(source: &str, id: &str) -> u128 {
    digest(&["command", source, id])
}

/// Tells a member's shares of broadcasts apart, also from commands.
pub fn share(entry: &Entry) -> u128 {
    digest(&["share", &entry.cause_source, &entry.cause_id])
}

/// By what a member's account remembers an order. 64 bits: two of 100,000 orders of one member
/// are the same with a chance below 1 in 10^9.
pub fn order_memory(order_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(order_id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::EntryKind;

    /// One changed here is a published id that changed.
    #[test]
    fn ids_stay_what_they_were() {
        let entry = Entry {
            shop_id: "acme".into(),
            member_id: "m-1".into(),
            at: Instant(0),
            effective_at: Instant(0),
            cause_id: "e1".into(),
            cause_source: "/test".into(),
            order_id: Some("A-1".into()),
            step: 0,
            rule_version: None,
            traceparent: None,
            kind: EntryKind::OrderCancelled,
        };
        let lot = order_lot("acme", "A-1", 0);
        let ids = [
            of_order("withheld", "acme", "A-1", &[]),
            of_entry("revoked", "refunded", &entry),
            lot,
            bonus_lot("acme", "A-1", "tea", 0),
            reopened_lot(&entry, Some(lot)),
            reopened_lot(&entry, None),
            command_lot("granted", &entry),
            registration_lot("acme", "m-1"),
            birthday_lot("acme", "m-1", 2024),
            repeated_lot(lot, 7),
            issued(lot),
            expired(lot),
            returned_expired(lot, &entry),
            expiring("acme", "m-1", "2024-05-01", 7, Instant(5)),
            refused_broadcast(&entry),
            command("/test", "e1"),
            share(&entry),
            u128::from(order_memory("A-1")),
            tier_entry_lot("acme", "m-1", "gold"),
            tier_renewal_lot("acme", "m-1", "gold", Instant(5)),
            level("tier-changed", "acme", "m-1", "e1", Instant(5)),
        ];
        let shown: Vec<_> = ids.iter().map(|id| hex(*id)).collect();
        assert_eq!(shown, PINNED, "{shown:#?}");
    }

    const PINNED: [&str; 21] = [
        "1910f29d2487e91708186ef6d68fe9fc",
        "31096b0e9a7bb35ae77a3b5d00689398",
        "b29c634d4211ae9f05826dd35fe50299",
        "4f52bca7eb5823dcf7e01e71a5cd3544",
        "ad0d9ddf3494ae4568f091d826577c67",
        "084e4b879d2ac3df7c0b484bfe2b235d",
        "b4393781ff586761c22399314dea616c",
        "cd0e0abc3f06c12088e556c71f8ae2f9",
        "b6fb4f44ccd287eb1a89671f5bbc0191",
        "db37fe2abeafe9e5162420012f35a7ab",
        "4f1d77fbb7ef3d1611fab7cf901a7a4f",
        "ed400466c434e1022bb22baee6c8a1e9",
        "b63a5ec27aad6f0f6382d2081d421b15",
        "2702e704487fa2392d1c9731525c7a17",
        "27564203fe1d037b5034baf69c2ce54f",
        "7dabeca1c52908725cc2ce833f1ece4f",
        "27acdff3a6bf8a8ed28a8dfb2e37432a",
        "0000000000000000505a43e34b77a1a0",
        "2ae35cb7f35a3ac9bddfc03704887106",
        "668ad4d61aa2c40106d0721969b45d44",
        "b01171e6aee4e90f5d46875209aa1e5c",
    ];
}
