use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::domain::entry::{Birthday, Entry, EntryKind, FactStep, OrderFact};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::broadcast::{Broadcast, Broadcasts};
use crate::domain::ledger::lots::{Lot, Lots, Notice};
use crate::domain::ledger::member::{ByCommand, Celebration, Seen};
use crate::domain::ledger::orders::{Cancellation, Details, Orders, Redeemed, Remembered, Share, Taken};
use crate::domain::ledger::receipt::{Cuts, GivenPart, Receipt};
use crate::domain::ledger::standing::Standing;
use crate::domain::ledger::tiers::Timeline;
use crate::domain::ledger::tiers::facts::{Counted, Record};
use crate::domain::ledger::usage::{Count, Counter, Usage};
use crate::domain::price_list::PricedFor;
use crate::domain::short_text::ShortText;
use crate::wire::ledger_entry::tests::grant;
use crate::wire::priced_for::birthday_span;

fn instant() -> impl Strategy<Value = Instant> {
    any::<i64>().prop_map(Instant)
}

const SHOP: &str = "acme";

fn lot() -> impl Strategy<Value = Lot> {
    let notice = || {
        (instant(), -300_000i32..3_000_000, any::<u32>()).prop_map(|(at, day, days_before)| Notice {
            at,
            day: NaiveDate::from_num_days_from_ce_opt(day).unwrap(),
            days_before,
        })
    };
    let ids = (
        any::<u128>(),
        of(0u32..3),
        any::<u64>(),
        of(".*"),
        of(".*"),
        of(any::<u32>()),
        ".*",
    );
    let few = |time: i64| Instant(time * 1_000_000);
    let near = || (0i64..5).prop_map(few);
    let times = prop_oneof![
        (instant(), of(instant()), of(notice())),
        (near(), of(near()), of(notice())),
    ];
    (ids, 1i64.., times).prop_map(|(ids_of, points, (issued_at, expires_at, notice))| {
        let (id, number, credited, order, bonus_id, rule_version, cause_id) = ids_of;
        let order: Option<ShortText> = order.map(Into::into);
        let number = number.filter(|_| order.is_some());
        let derived = |number| {
            let order = order.as_deref().unwrap_or_default();
            ids::part_lot(SHOP, order, bonus_id.as_deref(), number)
        };
        Lot {
            id: number.map_or(id, derived),
            number,
            points,
            issued_at,
            expires_at,
            credited,
            order,
            bonus_id: bonus_id.map(Into::into),
            rule_version,
            cause_id: cause_id.into(),
            notice,
        }
    })
}

fn redeemed() -> impl Strategy<Value = Redeemed> {
    let decimal = || (any::<i64>(), 0u32..10).prop_map(|(number, scale)| Decimal::new(number, scale));
    let share = (decimal(), decimal()).prop_map(|(numerator, denominator)| Share {
        numerator,
        denominator,
    });
    let numbers = (of(any::<i64>()), any::<bool>(), any::<i64>(), any::<i64>());
    (numbers, of(share), vec(lot(), 0..3), of(any::<u32>()), of(".*")).prop_map(
        |((told, by_command, points, returned), share, taken, rule_version, tier)| Redeemed {
            told,
            by_command,
            points,
            returned,
            share,
            taken,
            rule_version,
            tier: tier.map(Into::into),
        },
    )
}

fn details() -> impl Strategy<Value = Details> {
    let taken = (any::<u128>(), any::<i64>(), of(instant())).prop_map(|(lot, points, expires_at)| Taken {
        lot,
        points,
        expires_at,
    });
    let cancellation =
        (vec(taken, 0..3), any::<i64>(), any::<i64>()).prop_map(|(taken, debt, returned)| Cancellation {
            taken,
            debt,
            returned,
        });
    (
        any::<bool>(),
        any::<i64>(),
        any::<i64>(),
        of(redeemed()),
        of(cancellation),
        of((any::<i64>(), instant())),
        of(receipt()),
    )
        .prop_map(
            |(cancelled, expected, taken_back, redeemed, cancellation, pending, receipt)| Details {
                cancelled,
                expected,
                taken_back,
                redeemed,
                cancellation,
                pending,
                receipt,
            },
        )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let of_members =
        (of(".{0,4}"), 0u32..3, any::<bool>()).prop_map(|(tier, birthday, first_order)| PricedFor {
            tier: tier.map(Into::into),
            birthday: birthday_span(birthday).unwrap(),
            first_order,
        });
    let whole = any::<i64>().prop_map(|points| [points; 4]);
    let numbers = prop_oneof![whole, any::<[i64; 4]>()];
    let part = (of(".{0,4}"), numbers, any::<i64>(), any::<u8>(), of(any::<i64>())).prop_map(
        |(bonus_id, [offered, given, worth, left], by_cancellation, cut_by, worth_before)| GivenPart {
            bonus_id: bonus_id.map(Into::into),
            offered,
            given,
            worth,
            worth_before,
            left,
            by_cancellation,
            cut_by: Cuts(cut_by),
        },
    );
    (
        of_members,
        any::<i32>(),
        any::<u32>(),
        any::<bool>(),
        vec(part, 0..3),
    )
        .prop_map(|(of, day, issues, may_change, parts)| Receipt {
            of,
            day,
            issues,
            may_change,
            parts,
        })
}

fn usage() -> impl Strategy<Value = Usage> {
    let count = || (any::<i64>(), any::<i64>()).prop_map(|(points, orders)| Count { points, orders });
    let counter = (count(), btree_map(any::<i32>(), count(), 0..4)).prop_map(|(before, days)| Counter {
        before,
        days: days.into_iter().collect(),
    });
    let counters = vec((of(".{0,4}".prop_map(ShortText::from)), counter), 0..3);
    counters.prop_map(Usage::of)
}

/// A small one is that of the lot's order at this place.
fn order_number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..6, any::<u64>()]
}

fn of_orders<T>(values: BTreeMap<u64, T>, lots: &[Lot]) -> BTreeMap<u64, T> {
    let hash = |number: u64| {
        let lot = usize::try_from(number).ok().and_then(|place| lots.get(place));
        let order = lot.and_then(|lot| lot.order.as_deref());
        order.map_or(number, ids::order_memory)
    };
    values
        .into_iter()
        .map(|(number, value)| (hash(number), value))
        .collect()
}

fn counted() -> impl Strategy<Value = Counted> {
    let times = || prop_oneof![instant(), (0i64..5).prop_map(|time| Instant(time * 1_000_000))];
    let amount = (any::<i64>(), 0u32..8).prop_map(|(number, scale)| Decimal::new(number, scale));
    let step =
        (times(), amount, any::<bool>()).prop_map(|(at, amount, goods)| FactStep { at, amount, goods });
    let points = vec((times(), any::<i64>()), 0..3);
    (times(), any::<bool>(), vec(step, 0..5), points, of(".*")).prop_map(
        |(created_at, live, steps, points, cause_id)| Counted {
            fact: OrderFact {
                created_at,
                live,
                steps,
            },
            points,
            cause_id: cause_id.map(Into::into),
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
    let order = (any::<u32>(), any::<i32>(), of(details())).prop_map(|(step, day, details)| Remembered {
        step,
        day,
        details: details.map(Box::new),
    });
    let by = prop_oneof![
        any::<u64>().prop_map(ByCommand::Order),
        redeemed().prop_map(|redeemed| ByCommand::Alone(Box::new(redeemed))),
    ];
    let seen = (instant(), of(by)).prop_map(|(at, redeemed)| Seen { at, redeemed });
    let facts = (
        of(instant()),
        any::<bool>(),
        of(birthday),
        any::<u64>(),
        any::<i64>(),
        instant(),
    );
    let memory = (
        btree_map(order_number(), order, 0..6),
        btree_map(any::<u128>(), seen, 0..3),
        usage(),
        of(btree_map(order_number(), counted(), 0..6)),
    );
    (facts, vec(lot(), 0..6), memory).prop_map(|(facts, lots, (orders, commands, usage, counted))| {
        let (known_since, registered, birthday, sequence, debt, open_from) = facts;
        let orders: BTreeMap<u64, Remembered> = of_orders(orders, &lots);
        let standing = counted.map(|counted| {
            let record = Record {
                orders: of_orders(counted, &lots),
                ..Record::default()
            };
            Box::new(Standing {
                timeline: Timeline::of(record, Vec::new(), Instant::MIN, 0),
                ..Standing::default()
            })
        });
        Member {
            standing,
            known_since,
            registered,
            birthday,
            sequence,
            debt,
            lots: Lots::new(lots),
            orders: Orders::of_sorted(orders.into_iter().collect()),
            commands,
            usage,
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
        prop_assert_eq!(bytes[0], FORM, "the form comes first");
        let read = decode_member(SHOP, &bytes).unwrap();
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
        let _ = decode_member(SHOP, &bytes);
        let _ = decode_member(SHOP, &[&[FORM], &bytes[..]].concat());
        let _ = decode_member(SHOP, &[&[FORM_BEFORE], &bytes[..]].concat());
        let _ = decode_broadcasts(&bytes);
    }
}

#[test]
fn another_version_is_not_read() {
    assert_eq!(decode_member(SHOP, &[8, 2]), Err(StateError::Version(2)));
    assert_eq!(decode_member(SHOP, &[4]), Err(StateError::Version(4)));
    assert_eq!(decode_member(SHOP, &[]), Err(StateError::Malformed));
    assert_eq!(decode_broadcasts(&[]), Err(StateError::Version(0)));
}
