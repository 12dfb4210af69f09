use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::rules::model::{Expiry, ExpirySpan, RoundUpTo, Words};
use crate::domain::wall_time::WallTime;

fn decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0u32..10).prop_map(|(number, scale)| Decimal::new(number, scale))
}

fn instant() -> impl Strategy<Value = Instant> {
    any::<i64>().prop_map(Instant)
}

fn expiry() -> impl Strategy<Value = Expiry> {
    let span = prop_oneof![
        Just(ExpirySpan::Never),
        Just(ExpirySpan::OfIssue),
        any::<u32>().prop_map(ExpirySpan::AfterDays),
        any::<u32>().prop_map(ExpirySpan::AfterMonths),
        (1u32..=12, 1u32..=29).prop_map(|(month, day)| ExpirySpan::Yearly { month, day }),
    ];
    let periods = RoundUpTo::WORDS
        .iter()
        .map(|(_, period)| *period)
        .collect::<Vec<_>>();
    (span, 0u32..=86_400, of(proptest::sample::select(periods))).prop_map(|(span, at, round_up_to)| Expiry {
        span,
        at: WallTime::from_seconds(at).unwrap(),
        round_up_to,
    })
}

pub(crate) fn grant() -> impl Strategy<Value = Grant> {
    (any::<i64>(), of(".*"), of(expiry()), any::<bool>(), of(".*")).prop_map(
        |(points, note, expiry, notify, actor)| Grant {
            points,
            note,
            expiry,
            notify,
            actor,
        },
    )
}

fn invalid() -> impl Strategy<Value = Invalid> {
    (".*", of(any::<i64>()), of(".*"), any::<bool>(), of(".*")).prop_map(
        |(detail, points, note, notify, actor)| Invalid {
            detail,
            points,
            note,
            notify,
            actor,
        },
    )
}

fn reverse_reason() -> impl Strategy<Value = ReverseReason> {
    prop_oneof![
        Just(ReverseReason::Cancelled),
        Just(ReverseReason::Refunded),
        Just(ReverseReason::Edited)
    ]
}

fn when_short() -> impl Strategy<Value = WhenShort> {
    prop_oneof![
        Just(WhenShort::Refuse),
        Just(WhenShort::Clamp),
        Just(WhenShort::Negative)
    ]
}

fn reverse() -> impl Strategy<Value = Reverse> {
    (reverse_reason(), any::<i64>(), any::<i64>(), when_short()).prop_map(
        |(reason, issued, kept, when_short)| Reverse {
            reason,
            issued,
            kept,
            when_short,
        },
    )
}

fn import_expiry() -> impl Strategy<Value = ImportExpiry> {
    prop_oneof![
        Just(ImportExpiry::Never),
        instant().prop_map(ImportExpiry::At),
        (1i32..9999, 1u32..=12, 1u32..=28)
            .prop_map(|(y, m, d)| ImportExpiry::On(NaiveDate::from_ymd_opt(y, m, d).unwrap())),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let birthday = (1u32..=12, 1u32..=29).prop_map(|(month, day)| Birthday { month, day });
    prop_oneof![
        grant().prop_map(Command::Grant),
        (any::<i64>(), of(".*"), of(".*"), of(".*")).prop_map(|(points, lot_id, note, actor)| {
            Command::Deduct {
                points,
                lot_id,
                note,
                actor,
            }
        }),
        (any::<i64>(), of(decimal()), of(".*"), of(".*"), of(".*")).prop_map(
            |(points, subtotal, tier, note, actor)| Command::Redeem {
                points,
                subtotal,
                tier,
                note,
                actor
            }
        ),
        (any::<i64>(), import_expiry(), of(".*"), of(".*")).prop_map(|(points, expires, note, actor)| {
            Command::Import {
                points,
                expires,
                note,
                actor,
            }
        }),
        of(birthday).prop_map(|birthday| Command::Registered { birthday }),
        invalid().prop_map(Command::Invalid),
    ]
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        (
            any::<bool>(),
            any::<u32>(),
            any::<i64>(),
            decimal(),
            ".*",
            of(instant()),
            of(reverse())
        )
            .prop_map(
                |(edited, part, points, base_amount, currency, expires_at, adjust)| EntryKind::Issue(Issue {
                    edited,
                    part,
                    points,
                    base_amount,
                    currency: currency.into(),
                    expires_at,
                    adjust
                })
            ),
        reverse().prop_map(EntryKind::Reverse),
        (any::<i64>(), decimal(), of(".*"), any::<bool>()).prop_map(|(points, subtotal, tier, cancelled)| {
            EntryKind::RedeemByOrder(RedeemByOrder {
                points,
                subtotal,
                tier: tier.map(Into::into),
                cancelled,
            })
        }),
        (reverse_reason(), decimal(), decimal()).prop_map(|(reason, numerator, denominator)| {
            EntryKind::Return(Return {
                reason,
                numerator,
                denominator,
            })
        }),
        Just(EntryKind::OrderCancelled),
        (0i64..1_000_000).prop_map(EntryKind::Expect),
        command().prop_map(EntryKind::Command),
        grant().prop_map(EntryKind::GrantAll),
        grant().prop_map(EntryKind::GrantedToAll),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let ids = (".*", ".*", ".*", ".*", of(".*"), of(".*"));
    (ids, instant(), instant(), of(any::<u32>()), kind()).prop_map(
        |((shop_id, member_id, cause_id, cause_source, order_id, traceparent), at, effective_at, v, kind)| {
            Entry {
                shop_id: shop_id.into(),
                member_id: member_id.into(),
                at,
                effective_at,
                cause_id: cause_id.into(),
                cause_source: cause_source.into(),
                order_id: order_id.map(Into::into),
                rule_version: v,
                traceparent: traceparent.map(Into::into),
                kind,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_read(entry in entry()) {
        let bytes = encode(&entry);
        prop_assert_eq!(&bytes[..2], &[8, 1], "the version comes first");
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(&read, &entry);
        prop_assert_eq!(encode(&read), bytes);
    }

    #[test]
    fn anything_else_is_an_error_at_worst(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }
}

#[test]
fn another_version_is_not_read() {
    assert_eq!(decode(&[8, 2]), Err(EntryError::Version(2)));
    assert_eq!(decode(&[]), Err(EntryError::Version(0)));
    assert_eq!(decode(&[8, 1]), Err(EntryError::Field("kind")));
}

/// As written before an edit told how the order stands.
#[test]
fn an_edit_of_old_is_credited_whole() {
    let issue = b"\x08\x01\x10\x01\x18\x05\x22\x011\x2a\x03TWD";
    let bytes = [b"\x08\x01\xa2\x01\x0e".as_slice(), issue].concat();
    let wanted = Issue {
        edited: true,
        part: 1,
        points: 5,
        base_amount: Decimal::ONE,
        currency: "TWD".into(),
        expires_at: None,
        adjust: None,
    };
    assert_eq!(decode(&bytes).unwrap().kind, EntryKind::Issue(wanted));
}
