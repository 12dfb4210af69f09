use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use rust_decimal::Decimal;

use std::sync::Arc;

use super::*;
use crate::domain::instant::Instant;
use crate::domain::order::facts::{Cancelled, Customer, Delivery, Facts, Line, Refund, Snapshot, Told};
use crate::domain::order::{Bound, Issued, Progress, Promised};
use crate::domain::reason::Reason;

fn amount() -> impl Strategy<Value = Decimal> {
    (0i64..1_000_000_000_000_000_000, 0u32..=9).prop_map(|(units, scale)| Decimal::new(units, scale))
}

fn instant() -> impl Strategy<Value = Instant> {
    (-62_167_219_200_000_000i64..253_402_300_799_999_999).prop_map(Instant)
}

fn told() -> impl Strategy<Value = Told> {
    (instant(), instant(), ".{1,8}", option::of(".{0,8}")).prop_map(|(at, time, event_id, traceparent)| {
        Told {
            at,
            time,
            event_id: event_id.into(),
            traceparent: traceparent.map(Into::into),
        }
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let customer =
        (".{1,8}", any::<bool>(), option::of(".{1,8}")).prop_map(|(id, logged_in, tier)| Customer {
            id: id.into(),
            logged_in,
            tier: tier.map(Into::into),
        });
    let line = (".{0,8}", any::<u32>(), amount(), amount()).prop_map(
        |(id, quantity, unit_price, discount_total)| Line {
            id: id.into(),
            quantity,
            unit_price,
            discount_total,
        },
    );
    let who = (
        any::<i64>(),
        ".{1,8}",
        option::of(instant()),
        ".{0,8}",
        option::of("[A-Z]{3}"),
    );
    let kind = prop_oneof![Just(Delivery::Home), Just(Delivery::Pickup), Just(Delivery::None)];
    let amounts = vec(amount(), 7);
    (
        who,
        option::of(customer),
        vec(line, 0..3),
        amounts,
        any::<i64>(),
        kind,
        any::<bool>(),
    )
        .prop_map(
            |(
                (revision, event_id, created_at, channel, currency),
                customer,
                lines,
                a,
                points_redeemed,
                delivery,
                test,
            )| {
                Snapshot {
                    revision,
                    event_id: event_id.into(),
                    created_at,
                    channel: channel.into(),
                    currency: currency.map(Into::into),
                    customer,
                    lines,
                    subtotal: a[0],
                    discount_total: a[1],
                    store_credit: a[2],
                    shipping_total: a[3],
                    tax_total: a[4],
                    surcharge_total: a[5],
                    points_redeemed,
                    points_redeemed_amount: a[6],
                    delivery,
                    test,
                }
            },
        )
}

fn facts() -> impl Strategy<Value = Facts> {
    let cancelled = (told(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(told, take_back, return_redeemed, after_issue)| Cancelled {
            told,
            take_back,
            return_redeemed,
            after_issue,
        },
    );
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let lines = vec((".{0,8}", any::<u32>()), 0..3);
    let refund = (".{1,8}", instant(), ".{1,8}", lines, option::of(amount()), flags).prop_map(
        |(id, time, event_id, lines, amount, (take_back, return_redeemed, after_issue))| Refund {
            id: id.into(),
            time,
            event_id: event_id.into(),
            lines: lines.into_iter().map(|(id, it)| (id.into(), it)).collect(),
            amount,
            take_back,
            return_redeemed,
            after_issue,
        },
    );
    let times = vec(option::of(told()), 6);
    (
        option::of(snapshot()),
        vec(".{0,8}", 0..3),
        times,
        option::of(cancelled),
        vec(refund, 0..3),
    )
        .prop_map(|(snapshot, others, t, cancelled, refunds)| Facts {
            snapshot: snapshot.map(Arc::new),
            other_customers: others.into_iter().map(Into::into).collect(),
            created: t[0].clone(),
            paid: t[1].clone(),
            shipped: t[2].clone(),
            delivered: t[3].clone(),
            picked_up: t[4].clone(),
            completed: t[5].clone(),
            cancelled,
            refunds,
        })
}

fn progress() -> impl Strategy<Value = Progress> {
    let issued = (
        instant(),
        ".{1,8}",
        option::of(".{1,8}"),
        any::<i64>(),
        any::<i64>(),
        any::<u32>(),
    )
        .prop_map(|(at, member_id, tier, points, kept, parts)| Issued {
            at,
            member_id: member_id.into(),
            tier: tier.map(Into::into),
            points,
            kept,
            parts,
        });
    prop_oneof![
        Just(Progress::Open),
        instant().prop_map(|since| Progress::Deferred { since }),
        issued.prop_map(Progress::Issued),
        proptest::sample::select(Reason::ALL).prop_map(Progress::Withheld),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let bound = (option::of(any::<u32>()), instant(), option::of(".{1,8}")).prop_map(
        |(version, created_at, redeemer)| Bound {
            version,
            created_at,
            redeemer: redeemer.map(Into::into),
        },
    );
    let promised = (".{1,8}", any::<i64>()).prop_map(|(member_id, points)| Promised {
        member_id: member_id.into(),
        points,
    });
    let times = (
        option::of(instant()),
        option::of(any::<i64>()),
        option::of(instant()),
        (option::of(promised), any::<u32>()),
    );
    (facts(), option::of(bound), progress(), times).prop_map(
        |(facts, bound, progress, (due_at, expected, last_event, (promised, entries)))| Order {
            facts,
            bound,
            progress,
            due_at,
            expected,
            promised,
            last_event,
            entries,
        },
    )
}

proptest! {
    #[test]
    fn what_is_stored_is_read_back(order in order()) {
        prop_assert_eq!(decode(&encode(&order)), Ok(order));
    }

    /// The messages that read know every field that is written, each as it is written.
    #[test]
    fn the_bytes_are_those_of_the_messages(order in order()) {
        let written = encode(&order);
        let read = OrderV1::decode(&written[1..]).unwrap();
        prop_assert_eq!(&written[1..], read.encode_to_vec());
    }

    #[test]
    fn any_bytes_are_no_panic(mut bytes in vec(any::<u8>(), 0..200), tagged in any::<bool>()) {
        if tagged && !bytes.is_empty() {
            bytes[0] = FORMAT;
        }
        let _ = decode(&bytes);
    }
}

#[test]
fn an_unknown_format_is_refused() {
    assert_eq!(decode(&[]), Err(StateError::Empty));
    assert_eq!(decode(&[2, 0]), Err(StateError::Format(2)));
    assert_eq!(encode(&Order::default()).as_ref(), [FORMAT]);
}
