//! What holds for any order and any bonuses.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::tests::{RATE, bonus, goods_of, sale_of};
use super::*;
use crate::domain::rules::model::{Gives, Goods, Items, Rounding};

const SKUS: [&str; 4] = ["A", "B", "C", "D"];

/// Sku, amount, quantity, how much came back.
type Row = (usize, i64, i64, i64);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..SKUS.len(), 0i64..300, 1i64..5)
        .prop_flat_map(|(sku, amount, quantity)| (Just(sku), Just(amount), Just(quantity), 0..=quantity));
    proptest::collection::vec(row, 0..6)
}

fn gives() -> impl Strategy<Value = Gives> {
    prop_oneof![
        (10_000i64..40_000).prop_map(|m| Gives::Multiplier(Decimal::new(m, 4))),
        (1i64..20, 1i64..5).prop_map(|(every, points)| Gives::Rate {
            every: every.into(),
            points,
            rounding: Rounding::HalfUp
        }),
        (1i64..50).prop_map(Gives::Points),
        (1i64..50).prop_map(Gives::PointsEach),
    ]
}

fn bonuses() -> impl Strategy<Value = Vec<Bonus>> {
    let items = proptest::option::of((proptest::collection::vec(0..SKUS.len(), 0..3), 0i64..4, 0i64..200));
    let one = (
        gives(),
        items,
        any::<bool>(),
        proptest::option::of(0..2u8),
        0i64..300,
    );
    proptest::collection::vec(one, 0..6).prop_map(|all| {
        let built = all.into_iter().enumerate();
        built
            .map(|(index, (gives, items, instead, group, min_order))| {
                let mut bonus = bonus(&format!("b{index}"), gives);
                bonus.instead = instead && items.is_some();
                bonus.group = group.map(|group| group.to_string().into());
                bonus.when.min_order = (min_order > 200).then(|| min_order.into());
                bonus.items = items.map(|(skus, quantity, amount)| Items {
                    include: Goods {
                        skus: skus.into_iter().map(|sku| SKUS[sku].into()).collect(),
                        ..Goods::default()
                    },
                    exclude: Goods::default(),
                    min_quantity: (quantity > 2).then(|| quantity.into()),
                    min_amount: (amount > 100).then(|| amount.into()),
                });
                bonus
            })
            .collect()
    })
}

fn sale(rows: &[Row], more_back: i64, by_amount: u8) -> Sale<'static> {
    let lines = rows.iter().map(|(sku, amount, quantity, back)| {
        let back = (back + more_back).min(*quantity);
        (SKUS[*sku], Decimal::from(*amount), *quantity, back)
    });
    let mut goods = goods_of(&lines.collect::<Vec<_>>());
    goods.back_by_amount = Ratio::new(i128::from(by_amount), 100);
    sale_of(goods)
}

fn points(assessment: &Assessment<'_>) -> Vec<i64> {
    let points = |assessed: &Assessed<'_>| assessed.result.as_ref().map_or(0, |given| given.points);
    assessment.bonuses.iter().map(points).collect()
}

proptest! {
    #[test]
    fn what_comes_back_never_gives_more(
        rows in rows(),
        bonuses in bonuses(),
        by_amount in 0u8..=100,
        more in 0i64..3,
    ) {
        let (less, back) = (sale(&rows, 0, by_amount), sale(&rows, more, by_amount));
        let (before, after) = (assess(&less, &bonuses), assess(&back, &bonuses));
        for (before, after) in points(&before).into_iter().zip(points(&after)) {
            prop_assert!(0 <= after && after <= before, "{after} of {before}");
        }
        for (_, given) in after.given() {
            prop_assert!(given.points <= given.whole && given.whole >= 0);
            prop_assert!(given.amount >= Ratio::ZERO);
        }
    }

    #[test]
    fn a_bonus_that_was_given_is_reckoned_as_it_was_assessed(
        rows in rows(),
        bonuses in bonuses(),
        by_amount in 0u8..=100,
    ) {
        let sale = sale(&rows, 0, by_amount);
        let assessed = assess(&sale.as_ordered(), &bonuses);
        let given: Vec<ShortText> = assessed.given().map(|(bonus, _)| bonus.id.clone()).collect();
        let again = reckon(&sale.as_ordered(), &bonuses, &given);
        prop_assert_eq!(points(&again), points(&assessed));
        prop_assert_eq!(again.general, assessed.general);
        prop_assert_eq!(points(&reckon(&sale, &bonuses, &given)), points(&assess(&sale, &bonuses)));
        let none = reckon(&sale, &bonuses, &[]);
        prop_assert!(none.given().next().is_none());
        prop_assert_eq!(none.general, sale.goods.whole());
    }

    #[test]
    fn of_a_group_one_comes_and_each_line_earns_once(rows in rows(), bonuses in bonuses()) {
        let sale = sale(&rows, 0, 0).as_ordered();
        let assessed = assess(&sale, &bonuses);
        let mut groups: Vec<_> = assessed.given().filter_map(|(bonus, _)| bonus.group.clone()).collect();
        let count = groups.len();
        groups.sort();
        groups.dedup();
        prop_assert_eq!(groups.len(), count);
        let instead = assessed.given().filter(|(bonus, _)| bonus.instead);
        let taken = instead.fold(Ratio::ZERO, |sum, (_, given)| sum.plus(given.amount));
        prop_assert_eq!(taken.plus(assessed.general.whole), sale.goods.whole().whole);
    }

    #[test]
    fn multipliers_add(rows in rows(), multipliers in proptest::collection::vec(1i64..5, 1..4)) {
        let sale = sale(&rows, 0, 0).as_ordered();
        let once = crate::domain::money::earn(&RATE, sale.goods.whole().left);
        let bonuses: Vec<Bonus> = multipliers
            .iter()
            .enumerate()
            .map(|(index, m)| bonus(&index.to_string(), Gives::Multiplier((*m).into())))
            .collect();
        let more: i64 = multipliers.iter().map(|m| (m - 1) * once).sum();
        prop_assert_eq!(points(&assess(&sale, &bonuses)).iter().sum::<i64>(), more);
    }
}
