//! What a quote answers is what `points.redeem` accepts, whatever the rule.

use proptest::option::of;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::domain::entry::{Command, EntryKind};
use crate::domain::ledger::fixtures::*;
use crate::domain::outcome::Body;
use crate::domain::rules::model::{Currency, RedemptionPer};

fn money(units: std::ops::Range<i64>) -> impl Strategy<Value = Decimal> {
    (units, 0u32..4).prop_map(|(units, scale)| Decimal::new(units, scale))
}

fn section() -> impl Strategy<Value = Redemption> {
    let per = (money(1..100_000), 1i64..300).prop_map(|(amount, points)| RedemptionPer { amount, points });
    let limits = (
        of(money(0..1_000)),
        of(money(0..100_000)),
        of(per),
        of(money(0..10_000)),
    );
    let counts = (of(1i64..500), of(1i64..1_500), of(1i64..150));
    (1i64..300, money(1..5_000), of(0u32..4), limits, counts).prop_map(
        |(points, amount, digits, (percent, min_order, per, min_payable), (min, max, step))| Redemption {
            points,
            amount,
            digits,
            max_percent: percent.map(|percent| percent.min(Decimal::ONE_HUNDRED)),
            min_order,
            per,
            min_payable,
            min_points: min,
            max_points: max,
            step,
            ..redemption()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_quoted_is_accepted(
        section in section(),
        digits in 0u32..4,
        held in 0i64..2_000,
        subtotal in money(0..1_000_000),
        payable in of(money(0..1_000_000)),
    ) {
        let rules = RuleVersion {
            currency: Currency { code: "TWD".into(), digits },
            redemption: Some(section.clone()),
            ..rules()
        };
        let book = book(&[rules]);
        let terms = Terms { book: &book, gift_horizon: None, command_ids_days: 90, tier_facts_months: 36 };
        let mut member = Member::default();
        play(&mut member, &book, &[on("2024-05-01 10:00", grant(held, None))]);
        let amounts = Amounts { subtotal: Some(subtotal), payable };
        let time = at("2024-05-02 10:00");
        let quoted = terms.quote("acme", &member, amounts, None, time);
        prop_assert!(quoted.points >= 0 && quoted.points <= held);
        let redeem = |points: i64| {
            let kind = EntryKind::Command(Command::Redeem {
                points,
                subtotal: Some(subtotal),
                payable,
                tier: None,
                note: None,
                actor: None,
            });
            let told = member.clone().apply(&entry(time, time, "r", None, kind), &terms).outcomes;
            match &told[0].body {
                Body::Redeemed { worth, .. } => Some(worth.as_ref().map(|worth| worth.amount)),
                _ => None,
            }
        };
        if quoted.points > 0 {
            prop_assert_eq!(redeem(quoted.points), Some(quoted.amount), "{:?}", quoted);
        } else {
            // Where nothing is quoted, the exact worth of no step keeps to every limit.
            let step = section.step.unwrap_or(1);
            let fewest = section.min_points.unwrap_or(1);
            let least = fewest + (step - fewest % step) % step;
            let exact = Decimal::from(least) * section.amount / Decimal::from(section.points);
            let worth_of_least = redeem(least).flatten();
            prop_assert!(worth_of_least.is_none_or(|worth| worth < exact), "{least} {quoted:?}");
        }
    }
}

#[test]
fn each_limit_of_the_till_decides() {
    let check = |change: &dyn Fn(&mut Redemption), payable: &str, points: i64, limit: Limit| {
        let mut section = redemption();
        change(&mut section);
        let rules = RuleVersion {
            redemption: Some(section),
            ..rules()
        };
        let mut member = Member::default();
        play(
            &mut member,
            &book(std::slice::from_ref(&rules)),
            &[on("2024-05-01 10:00", grant(250, None))],
        );
        let amounts = Amounts {
            subtotal: Some(amount("1000")),
            payable: Some(amount(payable)),
        };
        let quoted = quote(amounts, None, Some(&rules), &member, at("2024-05-02 10:00"));
        assert_eq!((quoted.points, quoted.limit), (points, limit));
    };
    check(&|_| {}, "1.5", 150, Limit::Payable);
    check(
        &|v| v.min_payable = Some(amount("1")),
        "1.5",
        50,
        Limit::MinPayable,
    );
    check(&|v| v.max_points = Some(200), "1000", 200, Limit::MaxPoints);
    check(&|v| v.step = Some(100), "1000", 200, Limit::Step);
    check(&|v| v.step = Some(50), "1000", 250, Limit::Balance);
    check(&|v| v.min_points = Some(251), "1000", 0, Limit::MinPoints);
    check(
        &|v| (v.points, v.digits) = (300, Some(0)),
        "1000",
        0,
        Limit::Worth,
    );
}
