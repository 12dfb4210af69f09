//! A member with very many orders: how often all of them are looked through, and what is the same
//! when the oldest are kept as sums.

use proptest::prelude::*;

use super::days::{ORDERS_AHEAD_MAX, ORDERS_LEFT, ORDERS_MAX};
use super::facts::FactRefused;
use super::fixtures::{Row, learn, level, passes, shop, show};
use super::property_tests::{DAY_MICROS, DAYS, day, rows, versions};
use super::{Rules, Timeline};
use crate::domain::entry::OrderFact;
use crate::domain::instant::Instant;
use crate::domain::ledger::fixtures::{at, book};
use crate::domain::rules::book::RuleBook;

/// 5,000 orders in a year.
const GAP_MICROS: i64 = 365 * 86_400_000_000 / 5_000;
/// Each is looked at with all before it: more would take the longer, and show the same.
const ORDERS: u64 = 1_200;
/// Orders that arrive the newest first.
const SHUFFLED: u64 = 300;
/// How often one fact may have all others looked through.
const PASSES_MAX: usize = 40;
/// A sum ends at a midnight, and at the times of day at which levels began.
const SUMS_MAX: usize = 5 * 75;

fn five_levels() -> RuleBook {
    let names = [
        ("bronze", "1000"),
        ("silver", "10000"),
        ("gold", "100000"),
        ("black", "1000000"),
    ];
    book(&[shop(
        names.map(|(name, amount)| level(name, amount, 12)).to_vec(),
        |_| {},
    )])
}

fn time(number: u64) -> Instant {
    let number = i64::try_from(number).unwrap();
    Instant(at("2024-01-01 00:00").0 + 1_234 + number * GAP_MICROS)
}

fn order(number: u64) -> Row {
    Row::Order(number, vec![(time(number), "100")])
}

/// Learns orders in this order, each as late as the newest of them, and says how often one made all
/// of them be looked through at most.
fn learn_all(timeline: &mut Timeline, rules: Rules<'_>, numbers: impl Iterator<Item = u64>) -> usize {
    let (mut most, mut newest) = (0, 0);
    for number in numbers {
        newest = number.max(newest);
        passes();
        learn(timeline, &order(number));
        timeline.advance(rules, time(newest), time(0));
        timeline.bound(rules);
        most = most.max(passes());
    }
    most
}

#[test]
fn a_fact_has_all_facts_looked_through_a_few_times_whatever_lies_behind_it() {
    let book = five_levels();
    let rules = Rules {
        book: &book,
        shop_id: "acme",
    };
    let mut in_order = Timeline::default();
    let most = learn_all(&mut in_order, rules, 0..ORDERS);
    println!("{ORDERS} orders: {most} times at most");
    assert!(most <= PASSES_MAX, "{most}");
    assert_eq!(in_order.present().map(|period| &*period.level), Some("gold"));

    let mut late = Timeline::default();
    let backwards = |block: u64| (block * SHUFFLED..(block + 1) * SHUFFLED).rev();
    let most = learn_all(&mut late, rules, (0..2).flat_map(backwards));
    println!("{SHUFFLED} at a time backwards: {most} times at most");
    assert!(most <= PASSES_MAX, "{most}");
    let mut straight = Timeline::default();
    learn_all(&mut straight, rules, 0..2 * SHUFFLED);
    assert_eq!(late, straight);

    passes();
    in_order.learn_order(0, None, Instant::MIN);
    in_order.advance(rules, time(ORDERS), time(0));
    let all = passes();
    assert!(all <= PASSES_MAX, "{all} for all of them worked out again");
}

#[test]
fn so_many_orders_are_kept_one_by_one() {
    let book = five_levels();
    let rules = Rules {
        book: &book,
        shop_id: "acme",
    };
    let mut timeline = Timeline::default();
    // All at one go: what is gone through one by one is the business of the test above.
    for number in 0..=ORDERS_MAX as u64 {
        learn(&mut timeline, &order(number));
    }
    let last = time(ORDERS_MAX as u64);
    timeline.advance(rules, last, time(0));
    let mut whole = timeline.clone();
    timeline.bound(rules);
    let record = &timeline.record;
    assert_eq!(record.orders.len(), ORDERS_LEFT);
    let summed = (ORDERS_MAX + 1 - ORDERS_LEFT) as i64;
    assert_eq!(record.days.sums.iter().map(|sum| sum.orders).sum::<i64>(), summed);
    let sums = record.days.sums.len();
    println!("{summed} orders of 73 days in {sums} sums");
    assert!(sums <= SUMS_MAX, "{sums}");
    assert_eq!(record.days.to, time(ORDERS_MAX as u64 - ORDERS_LEFT as u64));

    let nothing = OrderFact::NOTHING;
    let fact = |number: u64| {
        let mut timeline = Timeline::default();
        learn(&mut timeline, &order(number));
        timeline.record.orders[&number].fact.clone()
    };
    let known = ORDERS_MAX as u64;
    let refused = |id: u64, fact: &OrderFact| record.refuses(id, fact, Instant::MIN);
    assert_eq!(refused(5, &nothing), Some(FactRefused::KeptAsSums));
    assert_eq!(refused(90_000, &fact(5)), Some(FactRefused::KeptAsSums));
    assert_eq!(
        record.refuses(90_000, &fact(5), time(6)),
        None,
        "older than facts are kept"
    );
    assert_eq!(refused(known, &nothing), None);
    assert_eq!(refused(known, &fact(5)), Some(FactRefused::KeptAsSums));
    assert_eq!(refused(90_000, &fact(known)), None);

    // Those that count from later on are no sums.
    let mut ahead = Timeline::default();
    for number in 1..=ORDERS_AHEAD_MAX as u64 {
        learn(&mut ahead, &order(number));
    }
    ahead.bound(rules);
    assert_eq!(ahead.record.orders.len(), ORDERS_AHEAD_MAX);
    let refused = |id| ahead.record.refuses(id, &fact(id), Instant::MIN);
    assert_eq!(
        refused(ORDERS_AHEAD_MAX as u64 + 1),
        Some(FactRefused::TooManyAhead)
    );
    assert_eq!(refused(1), None);

    // The sums go where facts go that are older than they are kept.
    for timeline in [&mut timeline, &mut whole] {
        timeline.carry_before(Instant(last.0 + 1));
    }
    assert_eq!(timeline.record.carried, whole.record.carried);
    assert!(timeline.record.days.sums.is_empty());
}

/// What lies within 15 days comes on the first of them, at another hour for each.
fn squeezed(at: Instant) -> Instant {
    let days = (at.0 - day(0).0).div_euclid(DAY_MICROS);
    let hour = DAY_MICROS / 24 * (days % 15);
    Instant(day(0).0 + (days - days % 15) * DAY_MICROS + hour)
}

fn squeeze(row: &mut Row) {
    match row {
        Row::Order(_, steps) => steps.iter_mut().for_each(|(at, _)| *at = squeezed(*at)),
        Row::Points(_, at, _) | Row::Qualify(at, ..) | Row::Set(at, ..) => *at = squeezed(*at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn sums_of_days_give_the_same_timeline(
        book in versions(),
        mut rows in rows(60),
        left in proptest::collection::vec(0usize..20, 60),
    ) {
        let rules = Rules { book: &book, shop_id: "acme" };
        let first = |row: &Row| match row {
            Row::Order(_, steps) => steps[0].0,
            Row::Points(_, at, _) | Row::Qualify(at, ..) | Row::Set(at, ..) => *at,
        };
        rows.iter_mut().for_each(squeeze);
        rows.sort_by_key(first);
        let (mut whole, mut summed) = (Timeline::default(), Timeline::default());
        let end = day(DAYS + 300);
        for (place, (row, left)) in rows.iter().zip(left).enumerate() {
            for timeline in [&mut whole, &mut summed] {
                learn(timeline, row);
                timeline.advance(rules, first(row), first(row));
            }
            // What comes at the instant of the last sum would be refused.
            if rows.get(place + 1).is_none_or(|next| first(next) > first(row)) {
                summed.sum_up(rules, left);
            }
        }
        let to = summed.record.days.to;
        for timeline in [&mut whole, &mut summed] {
            timeline.advance(rules, end, end);
        }
        let level = |timeline: &Timeline, at| timeline.at(at).map(|period| period.level.clone());
        let other = (0..DAYS + 300).map(day).find(|at| level(&whole, *at) != level(&summed, *at));
        prop_assert_eq!(other.map(Instant::rfc3339), None);
        let shown = |timeline: &Timeline| -> Vec<String> {
            timeline.periods.iter().filter(|period| period.since > to).map(show).collect()
        };
        prop_assert_eq!(shown(&whole), shown(&summed));
    }
}
