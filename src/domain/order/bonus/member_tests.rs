//! Conditions that only the member's ledger knows.

use super::tests::{bonus, check, sale_of, subtotal};
use super::*;
use crate::domain::rules::model::{BirthdaySpan, Gives, When};

#[test]
fn what_only_the_ledger_knows_of_the_buyer() {
    let check = |when: When, buyer: MemberTraits<'_>, wanted| {
        let mut one = bonus("one", Gives::Points(7));
        one.when = when;
        let sale = Sale {
            buyer,
            ..sale_of(subtotal(500))
        };
        check(&sale, &[one], &[wanted], 500);
    };
    let tiers = || When {
        tiers: vec!["silver".into(), "gold".into()],
        ..When::default()
    };
    check(tiers(), MemberTraits::of_tier(Some("gold")), Ok(7));
    check(
        tiers(),
        MemberTraits::of_tier(Some("bronze")),
        Err(NotGiven::Tier),
    );
    check(tiers(), MemberTraits::default(), Err(NotGiven::Tier));
    let birthday = |asked: BirthdaySpan, birthday: Option<BirthdaySpan>, wanted| {
        let when = When {
            birthday: Some(asked),
            ..When::default()
        };
        let buyer = MemberTraits {
            birthday,
            ..MemberTraits::default()
        };
        check(when, buyer, wanted);
    };
    birthday(BirthdaySpan::Month, Some(BirthdaySpan::Day), Ok(7));
    birthday(BirthdaySpan::Month, Some(BirthdaySpan::Month), Ok(7));
    birthday(BirthdaySpan::Month, None, Err(NotGiven::Birthday));
    birthday(BirthdaySpan::Day, Some(BirthdaySpan::Day), Ok(7));
    birthday(
        BirthdaySpan::Day,
        Some(BirthdaySpan::Month),
        Err(NotGiven::Birthday),
    );
    let first = || When {
        first_order: true,
        ..When::default()
    };
    let buyer = MemberTraits {
        first_order: true,
        ..MemberTraits::default()
    };
    check(first(), buyer, Ok(7));
    check(first(), MemberTraits::default(), Err(NotGiven::NotFirstOrder));
}

#[test]
fn the_member_is_looked_at_before_a_group_chooses() {
    let mut more = bonus("more", Gives::Points(9));
    more.when.tiers = vec!["gold".into()];
    let mut less = bonus("less", Gives::Points(5));
    for bonus in [&mut more, &mut less] {
        bonus.group = Some("one".into());
    }
    let bonuses = [more, less];
    let sale = |tier| Sale {
        buyer: MemberTraits::of_tier(tier),
        ..sale_of(subtotal(500))
    };
    let other = NotGiven::OtherOfGroup("more".into());
    check(&sale(Some("gold")), &bonuses, &[Ok(9), Err(other)], 500);
    check(&sale(None), &bonuses, &[Err(NotGiven::Tier), Ok(5)], 500);
}
