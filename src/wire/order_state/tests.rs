use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use rust_decimal::Decimal;

use std::sync::Arc;

use super::*;
use crate::domain::instant::Instant;
use crate::domain::order::facts::{
    Cancellation, Choice, Claim, Customer, Delivery, Fact, FactSet, Facts, Known, Line, Refund, Snapshot,
    Told, Withdrawn,
};
use crate::domain::order::{Again, Bound, Given, Issued, Progress, Promised, Stated};
use crate::domain::order::{PossibleIssue, SentForecast};
use crate::domain::price_list::PricedFor;
use crate::domain::reason::Reason;
use crate::wire::priced_for::birthday_span;

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
    let words = || vec(".{0,8}", 0..3);
    let goods = (
        option::of(".{0,8}"),
        option::of(".{0,8}"),
        words(),
        option::of(".{0,8}"),
        words(),
    );
    let line = (
        ".{0,8}",
        quantity(),
        amount(),
        amount(),
        option::of(amount()),
        goods,
    )
        .prop_map(
            |(
                id,
                quantity,
                unit_price,
                discount_total,
                tax_total,
                (sku, product_id, categories, brand, tags),
            )| Line {
                id: id.into(),
                quantity,
                unit_price,
                discount_total,
                tax_total,
                sku: sku.map(Into::into),
                product_id: product_id.map(Into::into),
                categories: categories.into_iter().map(Into::into).collect(),
                brand: brand.map(Into::into),
                tags: tags.into_iter().map(Into::into).collect(),
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
    let redeemed = (any::<i64>(), option::of(".{1,8}"));
    (
        who,
        option::of(customer),
        option::of(vec(line, 0..3)),
        amounts,
        redeemed,
        (kind, option::of(".{1,8}")),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(
                (revision, event_id, created_at, channel, currency),
                customer,
                lines,
                a,
                (points_redeemed, points_redeemed_by),
                (delivery, payment_method),
                (prices_include_tax, test),
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
                    points_redeemed_by: points_redeemed_by.map(Into::into),
                    prices_include_tax,
                    payment_method: payment_method.map(Into::into),
                    delivery,
                    test,
                }
            },
        )
}

fn quantity() -> impl Strategy<Value = Decimal> {
    prop_oneof![any::<u32>().prop_map(Decimal::from), amount()]
}

/// A telling that counts, and others.
fn known() -> impl Strategy<Value = Known> {
    (told(), vec(told(), 0..2)).prop_map(|(first, later)| Known {
        first: Some(first),
        later,
    })
}

fn cancellation() -> impl Strategy<Value = Cancellation> {
    let choice =
        (instant(), any::<bool>(), any::<bool>()).prop_map(|(time, take_back, return_redeemed)| Choice {
            time,
            take_back,
            return_redeemed,
        });
    (vec(choice, 1..3), any::<bool>())
        .prop_map(|(choices, after_issue)| Cancellation { choices, after_issue })
}

fn withdrawn() -> impl Strategy<Value = Withdrawn> {
    (1..64u32, instant(), ".{1,8}", option::of(".{0,8}")).prop_map(|(facts, time, event_id, traceparent)| {
        Withdrawn {
            facts: FactSet::from_bits(facts).unwrap(),
            time,
            event_id: event_id.into(),
            traceparent: traceparent.map(Into::into),
        }
    })
}

fn refund() -> impl Strategy<Value = Refund> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let lines = vec((".{0,8}", quantity()), 0..3);
    (".{1,8}", instant(), ".{1,8}", lines, option::of(amount()), flags).prop_map(
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
    )
}

fn claim() -> impl Strategy<Value = Claim> {
    (
        instant(),
        ".{1,8}",
        option::of(".{0,8}"),
        ".{1,8}",
        option::of(".{1,8}"),
    )
        .prop_map(|(time, event_id, traceparent, member_id, tier)| Claim {
            time,
            event_id: event_id.into(),
            traceparent: traceparent.map(Into::into),
            member_id: member_id.into(),
            tier: tier.map(Into::into),
        })
}

fn customers() -> impl Strategy<Value = Vec<Named>> {
    let of_customer = option::of((any::<i64>(), ".{1,8}", option::of(".{1,8}")));
    proptest::collection::btree_map(".{0,8}", of_customer, 0..3).prop_map(|customers| {
        let named = customers.into_iter().map(|(id, known)| {
            let (revision, event_id, tier) = known.unwrap_or((i64::MAX, String::new(), None));
            Named {
                id: id.into(),
                revision,
                event_id: event_id.into(),
                tier: tier.map(Into::into),
            }
        });
        named.collect()
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let known = vec(option::of(known()), 6);
    (
        (option::of(snapshot()), customers(), option::of(told()), known),
        (
            option::of(cancellation()),
            vec(withdrawn(), 0..3),
            option::of(claim()),
        ),
        vec(refund(), 0..3),
    )
        .prop_map(
            |((snapshot, customers, created, known), (cancellation, withdrawn, claim), refunds)| {
                let mut known: [Known; 6] = known
                    .into_iter()
                    .map(Option::unwrap_or_default)
                    .collect::<Vec<_>>()
                    .try_into()
                    .unwrap();
                // A cancellation has a telling with a choice, or neither.
                if cancellation.is_none() {
                    known[Fact::Cancelled as usize] = Known::default();
                }
                let told = known[Fact::Cancelled as usize].first.is_some();
                Facts {
                    snapshot: snapshot.map(Arc::new),
                    customers,
                    created,
                    known,
                    withdrawn,
                    cancellation: cancellation.filter(|_| told).unwrap_or_default(),
                    claim,
                    refunds,
                }
            },
        )
}

/// What is kept, and was.
fn kept() -> impl Strategy<Value = (i64, Option<i64>)> {
    (any::<i64>(), option::of(any::<i64>()))
}

fn progress() -> impl Strategy<Value = Progress> {
    let given = (".{1,8}", any::<i64>(), kept()).prop_map(|(bonus_id, points, (kept, kept_before))| Given {
        bonus_id: bonus_id.into(),
        points,
        kept,
        kept_before,
    });
    let possible = (option::of(".{1,8}"), 0u32..3, any::<bool>(), vec(".{1,8}", 0..3)).prop_map(
        |(tier, birthday, first_order, bonuses)| PossibleIssue {
            of: PricedFor {
                tier: tier.map(Into::into),
                birthday: birthday_span(birthday).unwrap(),
                first_order,
            },
            bonuses: bonuses.into_iter().map(Into::into).collect(),
        },
    );
    let withheld =
        (proptest::sample::select(Reason::ALL), any::<bool>()).prop_map(|(reason, by_cancellation)| {
            Progress::Withheld {
                reason,
                by_cancellation,
            }
        });
    let issued = (
        instant(),
        ".{1,8}",
        option::of(".{1,8}"),
        (any::<i64>(), kept()),
        any::<u32>(),
        (vec(given, 0..3), vec(possible, 0..3)),
    )
        .prop_map(
            |(at, member_id, tier, (points, (kept, kept_before)), parts, (bonuses, by_member))| Issued {
                at,
                member_id: member_id.into(),
                tier: tier.map(Into::into),
                points,
                kept,
                kept_before,
                parts,
                bonuses,
                by_member,
            },
        );
    prop_oneof![
        Just(Progress::Open),
        instant().prop_map(|since| Progress::Deferred { since }),
        issued.prop_map(Progress::Issued),
        withheld,
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let bound = (
        option::of(any::<u32>()),
        instant(),
        option::of(".{1,8}"),
        any::<i64>(),
    )
        .prop_map(|(version, created_at, redeemer, redeemed)| Bound {
            version,
            created_at,
            redeemer: redeemer.map(Into::into),
            redeemed,
        });
    let promised = (".{1,8}", any::<i64>()).prop_map(|(member_id, points)| Promised {
        member_id: member_id.into(),
        points,
    });
    let pending = (1..i64::MAX, instant()).prop_map(|(points, due_at)| Pending { points, due_at });
    let forecast = (".{1,8}", instant(), any::<u64>()).prop_map(|(member_id, due_at, digest)| SentForecast {
        member_id: member_id.into(),
        due_at,
        digest,
    });
    let again = (instant(), ".{1,8}", option::of(".{0,8}"), any::<u32>()).prop_map(
        |(at, event_id, traceparent, times)| Again {
            at,
            event_id: event_id.into(),
            traceparent: traceparent.map(Into::into),
            times,
        },
    );
    let times = (
        option::of(instant()),
        option::of(any::<i64>()),
        option::of(instant()),
    );
    let stated = (".{1,8}", any::<u64>()).prop_map(|(member_id, digest)| Stated {
        member_id: member_id.into(),
        digest,
    });
    let newest = (option::of(stated), option::of(snapshot()));
    let told = (
        option::of(promised),
        option::of(pending),
        (option::of(again), option::of(forecast)),
        any::<u32>(),
        newest,
    );
    (facts(), option::of(bound), progress(), times, told).prop_map(
        |(
            facts,
            bound,
            progress,
            (due_at, expected, last_event),
            (promised, pending, (again, forecast), entries, (stated, newest)),
        )| {
            Order {
                facts,
                bound,
                progress,
                due_at,
                expected,
                pending,
                promised,
                forecast,
                again,
                stated,
                newest: newest.map(Arc::new),
                entries,
                last_event,
            }
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
