//! A member's state as the first version wrote it.

use chrono::NaiveDate;

use super::*;
use crate::domain::entry::Birthday;
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::{Lot, Lots, Notice};
use crate::domain::ledger::member::{Celebration, Seen};
use crate::domain::ledger::orders::{Details, Orders, Redeemed, Remembered};
use crate::domain::ledger::usage::Usage;

const MEMBER: &str = include_str!("../golden/member_v1.txt");

fn lot(id: u128, points: i64, times: (i64, Option<i64>), credited: u64, order: Option<&str>) -> Lot {
    Lot {
        id,
        number: None,
        points,
        issued_at: Instant(times.0),
        expires_at: times.1.map(Instant),
        credited,
        order: order.map(Into::into),
        bonus_id: None,
        rule_version: order.map(|_| 3),
        cause_id: format!("cause-{credited}").into(),
        notice: None,
    }
}

fn expected() -> Member {
    let own = |number, points, issued_at, credited| Lot {
        number: Some(number),
        ..lot(
            ids::order_lot("acme", "A-1", number),
            points,
            (issued_at, Some(1_710_000_000_000_000)),
            credited,
            Some("A-1"),
        )
    };
    let notice = Some(Notice {
        at: Instant(1_700_000_100_000_001),
        day: NaiveDate::from_ymd_opt(2024, 5, 1).unwrap(),
        days_before: 7,
    });
    let redeemed = Redeemed {
        told: Some(50),
        points: 50,
        returned: 35,
        taken: vec![own(0, 15, 1_700_000_100_000_000, 3)],
        ..Redeemed::default()
    };
    let details = [
        (
            "A-1",
            Details {
                taken_back: 15,
                ..Details::default()
            },
        ),
        (
            "A-2",
            Details {
                redeemed: Some(redeemed),
                ..Details::default()
            },
        ),
        (
            "A-3",
            Details {
                taken_back: 4,
                ..Details::default()
            },
        ),
        (
            "A-4",
            Details {
                cancelled: true,
                ..Details::default()
            },
        ),
        (
            "A-5",
            Details {
                expected: 44,
                ..Details::default()
            },
        ),
    ];
    let mut orders: Vec<_> = details
        .into_iter()
        .map(|(order, details)| {
            let details = Some(Box::new(details));
            let kept = Remembered {
                details,
                ..Remembered::default()
            };
            (ids::order_memory(order), kept)
        })
        .collect();
    orders.sort_by_key(|(hash, _)| *hash);
    let seen = |at| Seen {
        at: Instant(at),
        redeemed: None,
    };
    Member {
        standing: None,
        usage: Usage::default(),
        known_since: Some(Instant(1_700_000_000_000_000)),
        registered: true,
        birthday: Some(Celebration {
            on: Birthday { month: 2, day: 29 },
            cause_id: "reg".into(),
            given: Some(2023),
        }),
        sequence: 17,
        debt: 0,
        lots: Lots::new(vec![
            Lot {
                notice,
                ..own(0, 100, 1_700_000_100_000_000, 3)
            },
            own(1, 20, 1_700_000_200_000_000, 5),
            lot(0xfeed_0001, 7, (1_700_000_300_000_000, None), 6, None),
        ]),
        orders: Orders::of_sorted(orders),
        commands: [
            (0xabc, seen(1_700_000_000_000_000)),
            (0xdef, seen(1_700_000_500_000_000)),
        ]
        .into(),
        open_from: Instant(1_700_000_600_000_000),
    }
}

#[test]
fn a_member_of_the_first_version_is_read() {
    let hex = MEMBER.trim();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let read = decode_member("acme", &bytes).unwrap();
    assert_eq!(read, expected());
    let written = encode_member(&read);
    assert_eq!(written[0], FORM);
    assert_eq!(decode_member("acme", &written), Ok(expected()));
    assert!(
        written.len() < bytes.len(),
        "{} of {}",
        written.len(),
        bytes.len()
    );
}
