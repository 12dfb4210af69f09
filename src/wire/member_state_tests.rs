use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::entry::{Birthday, Entry, EntryKind};
use crate::wire::ledger_entry::tests::grant;

fn instant() -> impl Strategy<Value = Instant> {
    any::<i64>().prop_map(Instant)
}

fn lot() -> impl Strategy<Value = Lot> {
    let notice =
        (instant(), -300_000i32..3_000_000, any::<u32>()).prop_map(|(at, day, days_before)| Notice {
            at,
            day: NaiveDate::from_num_days_from_ce_opt(day).unwrap(),
            days_before,
        });
    let ids = (any::<u128>(), any::<u64>(), of(".*"), of(any::<u32>()), ".*");
    (ids, 1i64.., instant(), of(instant()), of(notice)).prop_map(
        |((id, credited, order, rule_version, cause_id), points, issued_at, expires_at, notice)| Lot {
            id,
            points,
            issued_at,
            expires_at,
            credited,
            order: order.map(Into::into),
            rule_version,
            cause_id: cause_id.into(),
            notice,
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let birthday =
        (1u32..=12, 1u32..=29, ".*", of(any::<i32>())).prop_map(|(month, day, cause_id, given)| {
            Celebration {
                on: Birthday { month, day },
                cause_id: cause_id.into(),
                given,
            }
        });
    let redeemed =
        (vec(lot(), 0..3), any::<i64>()).prop_map(|(taken, returned)| Redeemed { taken, returned });
    let facts = (
        of(instant()),
        any::<bool>(),
        of(birthday),
        any::<u64>(),
        any::<i64>(),
        instant(),
    );
    let memory = (
        btree_map(".*", redeemed, 0..3),
        btree_map(".*", any::<i64>(), 0..3),
        btree_set(".*", 0..3),
        btree_map(any::<u128>(), instant(), 0..3),
        btree_map(".*", any::<i64>(), 0..3),
    );
    (facts, vec(lot(), 0..4), memory).prop_map(|(facts, lots, memory)| {
        let (known_since, registered, birthday, sequence, debt, open_from) = facts;
        let (redemptions, taken_back, cancelled_orders, commands, expected) = memory;
        Member {
            known_since,
            registered,
            birthday,
            sequence,
            debt,
            lots: Lots::new(lots),
            redemptions: redemptions.into_iter().map(|(id, it)| (id.into(), it)).collect(),
            taken_back: taken_back.into_iter().map(|(id, it)| (id.into(), it)).collect(),
            cancelled_orders: cancelled_orders.into_iter().map(Into::into).collect(),
            commands,
            expected: expected.into_iter().map(|(id, it)| (id.into(), it)).collect(),
            open_from,
        }
    })
}

fn broadcasts() -> impl Strategy<Value = Broadcasts> {
    let entry = (".*", ".*", ".*", instant(), grant()).prop_map(|(shop, id, source, at, grant)| Entry {
        shop_id: shop.into(),
        member_id: String::new().into(),
        at,
        effective_at: at,
        cause_id: id.into(),
        cause_source: source.into(),
        order_id: None,
        step: 0,
        rule_version: None,
        traceparent: None,
        kind: EntryKind::GrantAll(grant),
    });
    let running = (entry, of(".*")).prop_map(|(entry, cursor)| Broadcast { entry, cursor });
    (
        btree_map(any::<u128>(), instant(), 0..3),
        vec(running, 0..3),
        of(instant()),
    )
        .prop_map(|(seen, running, latest)| Broadcasts {
            seen,
            running: running.into(),
            latest,
        })
}

proptest! {
    #[test]
    fn a_member_is_read_as_written(member in member()) {
        let bytes = encode_member(&member);
        prop_assert_eq!(&bytes[..2], &[8, 1], "the version comes first");
        let read = decode_member(&bytes).unwrap();
        prop_assert_eq!(&read, &member);
        prop_assert_eq!(encode_member(&read), bytes);
    }

    #[test]
    fn broadcasts_are_read_as_written(broadcasts in broadcasts()) {
        let bytes = encode_broadcasts(&broadcasts);
        prop_assert_eq!(&bytes[..2], &[8, 1], "the version comes first");
        let read = decode_broadcasts(&bytes).unwrap();
        prop_assert_eq!(&read, &broadcasts);
        prop_assert_eq!(encode_broadcasts(&read), bytes);
    }

    #[test]
    fn anything_else_is_an_error_at_worst(bytes: Vec<u8>) {
        let _ = decode_member(&bytes);
        let _ = decode_broadcasts(&bytes);
    }
}

#[test]
fn another_version_is_not_read() {
    assert_eq!(decode_member(&[8, 2]), Err(StateError::Version(2)));
    assert_eq!(decode_broadcasts(&[]), Err(StateError::Version(0)));
}
