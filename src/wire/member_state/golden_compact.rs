//! A member's state as the second and the third form have it: rows, receipts, counters and levels.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::*;
use crate::domain::entry::Birthday;
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::{Lot, Lots, Notice};
use crate::domain::ledger::member::{ByCommand, Celebration, Seen};
use crate::domain::ledger::orders::{Cancellation, Details, Orders, Redeemed, Remembered, Share, Taken};
use crate::domain::ledger::receipt::{Cuts, GivenPart, Receipt};
use crate::domain::ledger::usage::{Count, Counter, Usage};
use crate::domain::price_list::PricedFor;
use crate::domain::rules::model::BirthdaySpan;

const SECOND: &str = include_str!("../golden/member_v2.txt");
const THIRD: &str = include_str!("../golden/member_v3.txt");

fn lot(order: &str, bonus_id: Option<&str>, number: u32, points: i64, credited: u64) -> Lot {
    let issued_at = 1_700_000_100_000_000 + credited as i64 * 1_234_567;
    Lot {
        id: ids::part_lot("acme", order, bonus_id, number),
        number: Some(number),
        points,
        issued_at: Instant(issued_at),
        expires_at: Some(Instant(issued_at + 86_400_000_000)),
        credited,
        order: Some(order.into()),
        bonus_id: bonus_id.map(Into::into),
        rule_version: Some(3),
        cause_id: format!("6c84fb90-12c4-11e1-840d-7b25c5ee77{credited:02}").into(),
        notice: None,
    }
}

fn receipts() -> [Receipt; 3] {
    let whole = |bonus_id: Option<&str>, points| GivenPart {
        offered: points,
        given: points,
        worth: points,
        left: points,
        ..GivenPart::of(bonus_id.map(Into::into))
    };
    let receipt = |tier: Option<&str>, day, parts| Receipt {
        of: PricedFor {
            tier: tier.map(Into::into),
            ..PricedFor::default()
        },
        day,
        issues: 1,
        may_change: true,
        parts,
    };
    let changed = GivenPart {
        offered: 20,
        given: 15,
        worth: 12,
        worth_before: Some(18),
        left: 9,
        by_cancellation: 3,
        cut_by: Cuts(5),
        ..GivenPart::of(Some("tea-weekend".into()))
    };
    [
        receipt(Some("gold"), 19_675, vec![whole(None, 100)]),
        Receipt {
            of: PricedFor {
                tier: Some("gold".into()),
                birthday: Some(BirthdaySpan::Month),
                first_order: true,
            },
            issues: 3,
            may_change: false,
            ..receipt(None, 19_670, vec![whole(None, 40), changed])
        },
        receipt(None, 19_680, Vec::new()),
    ]
}

fn orders() -> Orders {
    let [gold, month, none] = receipts();
    let redeemed = Redeemed {
        told: Some(50),
        by_command: true,
        points: 50,
        returned: 35,
        share: Some(Share {
            numerator: Decimal::ONE,
            denominator: Decimal::new(35, 1),
        }),
        taken: vec![lot("A-1", None, 0, 15, 3)],
        rule_version: Some(2),
        tier: Some("silver".into()),
    };
    let cancellation = Cancellation {
        taken: vec![
            Taken {
                lot: 0xfeed,
                points: 4,
                expires_at: Some(Instant(1_710_000_000_000_000)),
            },
            Taken {
                lot: 0xbeef,
                points: 5,
                expires_at: None,
            },
        ],
        debt: 1,
        returned: 2,
    };
    let details = [
        Some(Details {
            receipt: Some(gold),
            taken_back: 15,
            ..Details::default()
        }),
        Some(Details {
            receipt: Some(month),
            redeemed: Some(redeemed),
            ..Details::default()
        }),
        Some(Details {
            receipt: Some(none),
            cancelled: true,
            cancellation: Some(cancellation),
            ..Details::default()
        }),
        Some(Details {
            expected: 44,
            pending: Some((44, Instant(1_701_000_000_000_000))),
            ..Details::default()
        }),
        None,
    ];
    let mut orders: Vec<_> = (1..)
        .zip(details)
        .map(|(number, details)| {
            let kept = Remembered {
                step: number,
                day: 19_670 + number as i32,
                details: details.map(Box::new),
            };
            (ids::order_memory(&format!("A-{number}")), kept)
        })
        .collect();
    orders.sort_by_key(|(hash, _)| *hash);
    Orders::of_sorted(orders)
}

fn expected() -> Member {
    let notice = Some(Notice {
        at: Instant(1_700_000_100_000_001),
        day: NaiveDate::from_ymd_opt(2023, 11, 14).unwrap(),
        days_before: 7,
    });
    let count = |points, orders| Count { points, orders };
    let counter = |before, days: &[(i32, Count)]| Counter {
        before,
        days: days.to_vec(),
    };
    let alone = Redeemed {
        points: 5,
        taken: vec![lot("A-2", None, 0, 5, 8)],
        ..Redeemed::default()
    };
    let seen = |at, redeemed| Seen {
        at: Instant(at),
        redeemed,
    };
    Member {
        known_since: Some(Instant(1_700_000_000_000_000)),
        registered: true,
        birthday: Some(Celebration {
            on: Birthday { month: 2, day: 29 },
            cause_id: "reg".into(),
            given: Some(2023),
        }),
        sequence: 17,
        debt: 2,
        lots: Lots::new(vec![
            Lot {
                notice,
                ..lot("A-1", None, 0, 100, 3)
            },
            lot("A-2", None, 0, 40, 4),
            lot("A-2", Some("tea-weekend"), 2, 9, 5),
            Lot {
                id: 0xfeed_0001,
                number: None,
                expires_at: None,
                order: None,
                rule_version: None,
                ..lot("", None, 0, 7, 9)
            },
        ]),
        orders: orders(),
        commands: [
            (0xabc, seen(1_700_000_000_000_000, None)),
            (
                0xdee,
                seen(
                    1_700_000_400_000_000,
                    Some(ByCommand::Order(ids::order_memory("A-2"))),
                ),
            ),
            (
                0xdef,
                seen(1_700_000_500_000_000, Some(ByCommand::Alone(Box::new(alone)))),
            ),
        ]
        .into(),
        standing: Some(Box::new(standing::tests::standing())),
        usage: Usage::of(vec![
            (
                None,
                counter(count(500, 7), &[(19_675, count(100, 1)), (19_676, count(-3, 0))]),
            ),
            (
                Some("tea-weekend".into()),
                counter(count(0, 0), &[(19_670, count(9, 1))]),
            ),
        ]),
        open_from: Instant(1_700_000_600_000_000),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.trim().len()).step_by(2).map(byte).collect()
}

#[test]
fn a_member_of_the_second_form_is_read() {
    assert_eq!(decode_member("acme", &bytes(SECOND)), Ok(expected()));
}

#[test]
fn a_member_of_the_third_form_keeps_its_bytes() {
    let written = encode_member(&expected());
    let hex: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        hex == THIRD.trim(),
        "golden/member_v3.txt holds other bytes than are written now:\n{hex}"
    );
    assert_eq!(decode_member("acme", &written), Ok(expected()));
    for end in 0..written.len() {
        let cut = decode_member("acme", &written[..end]);
        assert!(cut.is_err(), "{end} bytes");
    }
}
