use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::entry::{
    ByLevel, FactStep, Grant, Issue, IssueOrigin, IssuePart, LevelAmounts, OrderFact, Qualify, Reverse,
    ReverseReason, TierSet,
};
use crate::domain::price_list::{Forecast, ForecastBy, Keeps, Price, PriceList, PricedFor, Revision};
use crate::domain::reason::Reason;
use crate::domain::rules::model::{Expiry, ExpirySpan, RoundUpTo, WhenShort, Words};
use crate::domain::wall_time::WallTime;
use crate::wire::priced_for::birthday_span;

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
    (
        reverse_reason(),
        any::<i64>(),
        any::<i64>(),
        when_short(),
        any::<bool>(),
    )
        .prop_map(|(reason, issued, kept, when_short, cancelled)| Reverse {
            reason,
            issued,
            kept,
            when_short,
            by_cancellation: cancelled || reason == ReverseReason::Cancelled,
        })
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
        (
            any::<i64>(),
            of(decimal()),
            of(decimal()),
            of(".*"),
            of(".*"),
            of(".*")
        )
            .prop_map(|(points, subtotal, payable, tier, note, actor)| Command::Redeem {
                points,
                subtotal,
                payable,
                tier,
                note,
                actor
            }),
        (of(".*"), of(any::<i64>()), of(".*"), of(".*")).prop_map(|(redeem_id, points, note, actor)| {
            Command::Return {
                redeem_id,
                points,
                note,
                actor,
            }
        }),
        (any::<i64>(), import_expiry(), of(".*"), of(".*")).prop_map(|(points, expires, note, actor)| {
            Command::Import {
                points,
                expires,
                note,
                actor,
            }
        }),
        of(birthday).prop_map(|birthday| Command::Registered { birthday }),
        (of(".*"), of(instant()), of(instant()), of(".*"), of(".*")).prop_map(
            |(tier, since, until, note, actor)| Command::TierSet(TierSet {
                tier,
                since,
                until,
                note,
                actor,
            })
        ),
        (of(decimal()), of(any::<i64>()), of(instant()), of(".*"), of(".*")).prop_map(
            |(amount, orders, at, note, actor)| Command::Qualify(Qualify {
                amount,
                orders,
                at,
                note,
                actor,
            })
        ),
        invalid().prop_map(Command::Invalid),
    ]
}

fn issue() -> impl Strategy<Value = Issue> {
    let part = (of(".*"), any::<i64>(), decimal(), of(instant())).prop_map(
        |(bonus_id, points, base_amount, expires_at)| IssuePart {
            bonus_id: bonus_id.map(Into::into),
            points,
            base_amount,
            expires_at,
        },
    );
    let parts = proptest::collection::vec(part, 0..4);
    (any::<bool>(), any::<u32>(), parts, ".*", of(reverse())).prop_map(
        |(edited, number, parts, currency, adjust)| Issue {
            origin: if edited {
                IssueOrigin::Edited
            } else {
                IssueOrigin::Due
            },
            number,
            parts,
            currency: currency.into(),
            adjust,
        },
    )
}

fn order_fact() -> impl Strategy<Value = OrderFact> {
    let step =
        (instant(), decimal(), any::<bool>()).prop_map(|(at, amount, goods)| FactStep { at, amount, goods });
    let steps = proptest::collection::vec(step, 0..4);
    (instant(), any::<bool>(), steps).prop_map(|(created_at, live, steps)| OrderFact {
        created_at,
        live,
        steps,
    })
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        order_fact().prop_map(EntryKind::OrderFact),
        issue().prop_map(EntryKind::Issue),
        reverse().prop_map(EntryKind::Reverse),
        (decimal(), ".*", of(instant())).prop_map(|(base_amount, currency, expires_at)| {
            EntryKind::Reopen(Reopen {
                base_amount,
                currency: currency.into(),
                expires_at,
            })
        }),
        (
            any::<i64>(),
            decimal(),
            of(decimal()),
            of(".*"),
            (any::<[bool; 2]>(), of(by_level())),
        )
            .prop_map(
                |(points, subtotal, payable, tier, ([cancelled, currency_mismatch], by_level))| {
                    EntryKind::RedeemByOrder(RedeemByOrder {
                        points,
                        subtotal,
                        payable,
                        tier: tier.map(Into::into),
                        by_level,
                        currency_mismatch,
                        cancelled,
                    })
                }
            ),
        (reverse_reason(), decimal(), decimal()).prop_map(|(reason, numerator, denominator)| {
            EntryKind::Return(Return {
                reason,
                numerator,
                denominator,
            })
        }),
        Just(EntryKind::OrderCancelled),
        price_list().prop_map(EntryKind::IssueByPriceList),
        revision().prop_map(EntryKind::Revise),
        forecast().prop_map(EntryKind::Forecast),
        (0i64..1_000_000).prop_map(EntryKind::Expect),
        command().prop_map(EntryKind::Command),
        grant().prop_map(EntryKind::GrantAll),
        grant().prop_map(EntryKind::GrantedToAll),
    ]
}

fn by_level() -> impl Strategy<Value = ByLevel> {
    let amounts = (".*", decimal(), decimal()).prop_map(|(level, subtotal, payable)| LevelAmounts {
        level: level.into(),
        subtotal,
        payable,
    });
    (instant(), proptest::collection::vec(amounts, 0..3))
        .prop_map(|(created_at, amounts)| ByLevel { created_at, amounts })
}

fn price_list() -> impl Strategy<Value = PriceList> {
    let part = (of(".*"), any::<i64>(), decimal(), of(instant())).prop_map(
        |(bonus_id, points, base_amount, expires_at)| IssuePart {
            bonus_id: bonus_id.map(Into::into),
            points,
            base_amount,
            expires_at,
        },
    );
    let members = (of(".*"), 0u32..3, any::<bool>()).prop_map(|(tier, birthday, first_order)| PricedFor {
        tier: tier.map(Into::into),
        birthday: birthday_span(birthday).unwrap(),
        first_order,
    });
    let reason = of(proptest::sample::select(Reason::ALL));
    let price = (
        members,
        reason,
        proptest::collection::vec(part, 0..3),
        any::<i64>(),
    );
    let price = price.prop_map(|(of, reason, parts, lost)| Price {
        of,
        reason,
        parts,
        lost,
    });
    let prices = proptest::collection::vec(price, 0..4);
    (instant(), of(".*"), ".*", of(any::<u32>()), prices, any::<bool>()).prop_map(
        |(created_at, told_tier, currency, again, mut prices, same)| {
            // What several members get is written once.
            if let (true, [first, .., last]) = (same, &mut prices[..]) {
                *last = Price {
                    of: last.of.clone(),
                    ..first.clone()
                };
            }
            PriceList {
                created_at,
                told_tier: told_tier.map(Into::into),
                currency: currency.into(),
                again,
                prices,
            }
        },
    )
}

fn revision() -> impl Strategy<Value = Revision> {
    let keeps = prop_oneof![
        Just(Keeps::Worth),
        Just(Keeps::AtMostKept),
        Just(Keeps::AtMostIssued)
    ];
    let flags = any::<[bool; 4]>();
    (
        price_list(),
        reverse_reason(),
        when_short(),
        keeps,
        flags,
        instant(),
    )
        .prop_map(|(list, reason, when_short, keeps, flags, reversed_at)| {
            let [by_cancellation, raises, asks, forgiven] = flags;
            Revision {
                list,
                reason,
                reversed_at,
                when_short,
                by_cancellation,
                keeps,
                raises,
                asks,
                forgiven,
            }
        })
}

fn forecast() -> impl Strategy<Value = Forecast> {
    let by = prop_oneof![
        Just(ForecastBy::Event),
        Just(ForecastBy::Change),
        any::<u32>().prop_map(ForecastBy::Takeover)
    ];
    (of(price_list()), of(instant()), by).prop_map(|(list, due_at, by)| Forecast { list, due_at, by })
}

fn entry() -> impl Strategy<Value = Entry> {
    let ids = (".*", ".*", ".*", ".*", of(".*"), of(".*"));
    let numbers = (any::<u32>(), of(any::<u32>()));
    (ids, instant(), instant(), numbers, kind()).prop_map(
        |(
            (shop_id, member_id, cause_id, cause_source, order_id, traceparent),
            at,
            effective_at,
            (step, v),
            kind,
        )| {
            Entry {
                step,
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
        prop_assert_eq!(bytes[0], 8, "the version comes first");
        prop_assert!((1..=3).contains(&bytes[1]));
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
    assert_eq!(decode(&[8, 4]), Err(EntryError::Version(4)));
    assert_eq!(decode(&[]), Err(EntryError::Version(0)));
    assert_eq!(decode(&[8, 1]), Err(EntryError::Field("kind")));
}

/// As written before an edit told how the order stands.
#[test]
fn an_edit_of_old_is_credited_whole() {
    let issue = b"\x08\x01\x10\x01\x18\x05\x22\x011\x2a\x03TWD";
    let bytes = [b"\x08\x01\xa2\x01\x0e".as_slice(), issue].concat();
    let wanted = Issue {
        origin: IssueOrigin::Edited,
        number: 1,
        parts: vec![IssuePart {
            bonus_id: None,
            points: 5,
            base_amount: Decimal::ONE,
            expires_at: None,
        }],
        currency: "TWD".into(),
        adjust: None,
    };
    assert_eq!(decode(&bytes).unwrap().kind, EntryKind::Issue(wanted));
}
