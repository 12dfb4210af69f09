//! Whatever the order in which facts arrive, and however time passes meanwhile, the timeline is
//! the same.

use proptest::prelude::*;

use super::fixtures::{Row, learn, level, of_amount, shop};
use super::{Rules, Timeline};
use crate::domain::instant::Instant;
use crate::domain::ledger::fixtures::book;
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::*;
use crate::domain::wall_time::WallTime;

pub const DAY_MICROS: i64 = 86_400_000_000;
/// 2024-01-01.
const START_MICROS: i64 = 1_704_067_200_000_000;
pub const DAYS: i64 = 900;
const AMOUNTS: [&str; 6] = ["0", "100", "250", "400", "600", "1000"];

pub fn day(day: i64) -> Instant {
    Instant(START_MICROS + day * DAY_MICROS + day % 7 * 3_600_000_000)
}

pub fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let order = (0..DAYS, 0usize..6, proptest::option::of((1..200i64, 0usize..6)));
    let order = order.prop_map(|(counts, amount, refund)| {
        let mut steps = vec![(day(counts), AMOUNTS[amount])];
        if let Some((later, left)) = refund {
            steps.push((day(counts + later), AMOUNTS[left.min(amount)]));
        }
        Row::Order(0, steps)
    });
    let row = prop_oneof![
        8 => order,
        1 => (0..DAYS, -200i64..500).prop_map(|(at, points)| Row::Points(at as u64, day(at), points)),
        1 => (0..DAYS, 0usize..6).prop_map(|(at, amount)| Row::Qualify(day(at), AMOUNTS[amount], 1)),
        1 => (0..DAYS, 0usize..4).prop_map(|(at, level)| {
            Row::Set(day(at), [None, Some("member"), Some("silver"), Some("gold")][level], None)
        }),
    ];
    proptest::collection::vec(row, 1..most).prop_map(|mut rows| {
        for (id, row) in (1..).zip(&mut rows) {
            match row {
                Row::Order(known, _) | Row::Points(known, ..) => *known = id,
                Row::Qualify(..) | Row::Set(..) => {}
            }
        }
        // Of two settings at one instant the order of arrival decides, and rows have none.
        let mut instants = std::collections::BTreeSet::new();
        rows.retain(|row| !matches!(row, Row::Set(at, ..) | Row::Qualify(at, ..) if !instants.insert(*at)));
        rows
    })
}

/// Over what a level looks, how long it holds, and how it is kept: every word there is.
fn terms() -> impl Strategy<Value = fn(&mut Level)> + Clone {
    let within: [fn(&mut Level); 9] = [
        |level| level.within = Within::Months(6),
        |level| level.within = Within::Days(90),
        |level| level.within = Within::Calendar(RoundUpTo::Month),
        |level| level.within = Within::Calendar(RoundUpTo::Quarter),
        |level| level.within = Within::Calendar(RoundUpTo::HalfYear),
        |level| level.within = Within::Calendar(RoundUpTo::Year),
        |level| level.within = Within::InTierMonths(3),
        |level| level.within = Within::InTierDays(40),
        |level| level.within = Within::Lifetime,
    ];
    proptest::sample::select(within.to_vec())
}

fn valid() -> impl Strategy<Value = Option<Expiry>> + Clone {
    let rounded = |to| Expiry {
        round_up_to: Some(to),
        ..Expiry::of(ExpirySpan::AfterMonths(1))
    };
    let at_midnight = Expiry {
        at: WallTime::END_OF_DAY,
        ..Expiry::of(ExpirySpan::AfterMonths(2))
    };
    proptest::sample::select(vec![
        None,
        None,
        Some(Expiry::of(ExpirySpan::AfterDays(45))),
        Some(Expiry::of(ExpirySpan::Yearly { month: 12, day: 31 })),
        Some(Expiry::of(ExpirySpan::Never)),
        Some(rounded(RoundUpTo::Quarter)),
        Some(at_midnight),
    ])
}

pub fn versions() -> impl Strategy<Value = RuleBook> {
    let renew = proptest::sample::select(vec![
        Renew::Same,
        Renew::By(vec![of_amount("250")]),
        Renew::By(Vec::new()),
    ]);
    let words = (
        0usize..3,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let tiers = (terms(), valid(), renew, words).prop_map(|(within, valid, renew, words)| {
        let (on_expiry, keep, when_met, over_window, retroactive) = words;
        let with = |mut level: Level| {
            within(&mut level);
            level.valid = valid.unwrap_or(level.valid);
            if when_met {
                level.renew_when = RenewWhen::WhenMet;
            }
            if over_window {
                level.renew_over = RenewOver::Window;
            }
            level
        };
        let mut silver = with(level("silver", "500", 4));
        silver.renew = renew;
        let mut gold = with(level("gold", "1000", 5));
        gold.enter.push(Condition {
            points: Some(600),
            ..Condition::default()
        });
        gold.enter.push(Condition {
            orders: Some(3),
            order_amount: Some(400.into()),
            ..Condition::default()
        });
        shop(vec![silver, gold], |tiers| {
            tiers.on_expiry = [OnExpiry::Fitting, OnExpiry::OneDown, OnExpiry::Default][on_expiry];
            tiers.on_refund = if keep { OnRefund::Keep } else { OnRefund::Recheck };
            tiers.retroactive = retroactive;
        })
    });
    (tiers.clone(), tiers, 1..DAYS, any::<bool>()).prop_map(|(first, mut second, from, removes)| {
        (second.version, second.effective_from) = (2, day(from));
        if let Some(tiers) = second.tiers.as_mut().filter(|_| removes) {
            tiers.levels.remove(1);
        }
        book(&[first, second])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn shuffled_facts_give_the_same_timeline(
        book in versions(),
        (rows, order, pauses) in rows(20).prop_flat_map(|rows| {
            let places: Vec<usize> = (0..rows.len()).collect();
            let pauses = proptest::collection::vec(0..DAYS + 300, rows.len());
            (Just(rows), Just(places).prop_shuffle(), pauses)
        }),
    ) {
        let rules = Rules { book: &book, shop_id: "acme" };
        let end = day(DAYS + 300);
        let mut at_once = Timeline::default();
        for row in &rows {
            learn(&mut at_once, row);
        }
        at_once.advance(rules, end, end);

        let mut shuffled = Timeline::default();
        let mut now = 0;
        for (place, pause) in order.into_iter().zip(pauses) {
            now = now.max(pause);
            // Ends of the very instant wait, as for an entry; or they do not, as for a timer.
            let ends = Instant(day(now).0 + i64::from(pause % 2 == 0));
            shuffled.advance(rules, day(now), ends);
            // A wrong fact of the order comes first; the right one must replace it.
            if let Row::Order(id, steps) = &rows[place] {
                let more = steps.iter().map(|(at, _)| (*at, "1000")).collect();
                learn(&mut shuffled, &Row::Order(*id, more));
                shuffled.advance(rules, day(now), ends);
            }
            learn(&mut shuffled, &rows[place]);
            shuffled.advance(rules, day(now), ends);
        }
        shuffled.advance(rules, end, end);
        prop_assert_eq!(&shuffled.periods, &at_once.periods);
        let ranks = shuffled.periods.windows(2).all(|two| two[0].since <= two[1].since);
        prop_assert!(ranks);
    }
}
