//! The stored form of levels.

use super::*;
use crate::domain::digest::hex;
use crate::domain::entry::{FactStep, OrderFact};
use crate::domain::ledger::tiers::facts::Counted;

pub(in crate::wire::member_state) fn standing() -> Standing {
    let at = Instant;
    let fact = OrderFact {
        created_at: at(1_000_000),
        live: true,
        steps: vec![
            FactStep {
                at: at(1_000_000),
                amount: Decimal::new(12_345, 2),
                goods: true,
            },
            FactStep {
                at: at(61_000_000),
                amount: Decimal::ZERO,
                goods: false,
            },
        ],
    };
    let mut record = Record::default();
    record.orders.insert(
        7,
        Counted {
            fact: fact.clone(),
            points: vec![(at(2_000_000), 5), (at(3_000_000), -2)],
            cause_id: Some("e1".into()),
        },
    );
    record
        .orders
        .insert(9, Counted::of(OrderFact { live: false, ..fact }));
    record.qualified.push(Qualified {
        at: at(4_000_000),
        amount: Decimal::new(-1, 0),
        orders: -3,
        cause_id: "q".into(),
    });
    record.settings.push(Setting {
        since: at(5_000_000),
        at: at(6_000_000),
        level: Some("gold".into()),
        until: Some(at(70_000_000)),
        cause_id: "s".into(),
    });
    record.carried = Carried {
        amount: Decimal::new(5, 1),
        orders: 2,
        points: 3,
        largest: Decimal::ONE,
        live: true,
        first: Some(at(1)),
    };
    let period = |began, checked| Period {
        level: "gold".into(),
        since: at(5_000_000),
        until: Some(at(70_000_000)),
        level_since: at(4_000_000),
        began,
        checked,
    };
    Standing {
        timeline: Timeline::of(
            record,
            vec![
                period(Began::Set, Checked::Not),
                period(Began::Reached, Checked::Enter),
                period(Began::TierRemoved, Checked::Over(at(1_000_000))),
            ],
            at(6_000_000),
            2,
        ),
        told: Some(Told {
            level: "gold".into(),
            since: Some(at(5_000_000)),
            until: None,
            effective_at: at(5_000_000),
            cause_id: "s".into(),
            noticed_to: at(6_000_000),
        }),
        last_cause: "s".into(),
        gifts: vec![DueGift {
            at: at(80_000_000),
            kind: GiftKind::Renewal,
            level: "gold".into(),
            since: at(5_000_000),
            cause_id: "s".into(),
        }],
        entered: vec!["silver".into(), "gold".into()],
    }
}

/// Bytes that stored states hold: they never change.
#[test]
fn levels_are_read_as_they_were_written() {
    let mut writer = Writer::default();
    write(
        &standing(),
        Instant(9_000_000),
        &mut Named::default(),
        &mut writer,
    );
    let mut reader = Reader(&writer.0);
    assert_eq!(
        read(Instant(9_000_000), Some(&mut Named::default()), &mut reader),
        Ok(standing())
    );
    assert!(reader.0.is_empty());
    for end in 0..writer.0.len() {
        let cut = read(
            Instant(9_000_000),
            Some(&mut Named::default()),
            &mut Reader(&writer.0[..end]),
        );
        assert!(cut.is_err(), "{end} bytes");
    }
    let digest = crate::domain::digest::digest(&[&format!("{:?}", writer.0)]);
    assert_eq!(hex(digest), GOLDEN, "{} bytes", writer.0.len());
}

/// The same of the oldest orders of a member with very many.
#[test]
fn sums_of_days_are_read_as_they_were_written() {
    let mut standing = standing();
    let sum = |first, orders| DaySum {
        first: Instant(first),
        last: Instant(first + 1_000_000),
        amount: Decimal::new(12_345, 2),
        orders,
        points: -5,
        largest: Decimal::new(10_000, 2),
    };
    let record = &mut standing.timeline.record;
    record.days = Days {
        to: Instant(3_000_000),
        live_from: Some(Instant(500_000)),
        sums: vec![sum(1_000_000, 3), sum(2_000_000, 4)],
    };
    let Timeline {
        record,
        periods,
        folded,
        folded_with,
        ..
    } = standing.timeline;
    standing.timeline = Timeline::of(record, periods, folded, folded_with);
    let mut writer = Writer::default();
    write(&standing, Instant(9_000_000), &mut Named::default(), &mut writer);
    let mut reader = Reader(&writer.0);
    let named = &mut Named::default();
    assert_eq!(read(Instant(9_000_000), Some(named), &mut reader), Ok(standing));
    assert!(reader.0.is_empty());
    let digest = crate::domain::digest::digest(&[&format!("{:?}", writer.0)]);
    assert_eq!(hex(digest), GOLDEN_WITH_DAYS, "{} bytes", writer.0.len());
}

const GOLDEN_WITH_DAYS: &str = "52f4ffe64a6b26669c87e4f33ca90038";
const GOLDEN: &str = "2abcb56dd9538dad1dfb3c5299e54611";
