use super::*;
use crate::domain::ledger::fixtures::*;
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::{Gifts, RegistrationGift, RuleVersion};

fn birthday(points: i64, on: BirthdayOn, at: &str) -> Option<BirthdayGift> {
    Some(BirthdayGift {
        points,
        on,
        at: time(at),
        expiry: days(10),
    })
}

fn giving(gift: Option<BirthdayGift>) -> RuleVersion {
    RuleVersion {
        gifts: Gifts {
            registration: None,
            birthday: gift,
        },
        ..rules()
    }
}

fn later(version: u32, from: &str, rules: RuleVersion) -> RuleVersion {
    RuleVersion {
        version,
        effective_from: at(from),
        ..rules
    }
}

/// When the birthday gifts of a member registered on 10 March 2023 come, to the end of 2025.
#[track_caller]
fn comes(book: &RuleBook, born: (u32, u32), expected: &[&str]) {
    let steps = [
        on("2023-03-10 10:00", registered(Some(born))),
        until("2025-12-31 23:59"),
    ];
    let told = play(&mut Member::default(), book, &steps);
    let gifts = told.iter().filter_map(|line| {
        let (when, rest) = line.split_once(" issued birthday ")?;
        Some(format!("{when} {}", rest.split_once(' ')?.0))
    });
    assert_eq!(gifts.collect::<Vec<_>>(), expected);
}

#[test]
fn once_each_local_year() {
    let day = book(&[giving(birthday(5, BirthdayOn::Day, "08:00"))]);
    comes(
        &day,
        (4, 15),
        &["2023-04-15 08:00 5", "2024-04-15 08:00 5", "2025-04-15 08:00 5"],
    );
    comes(&day, (2, 29), &["2024-02-29 08:00 5", "2025-02-28 08:00 5"]);
    comes(&day, (3, 10), &["2024-03-10 08:00 5", "2025-03-10 08:00 5"]);

    let month = book(&[giving(birthday(5, BirthdayOn::MonthStart, "00:00"))]);
    comes(
        &month,
        (4, 15),
        &["2023-04-01 00:00 5", "2024-04-01 00:00 5", "2025-04-01 00:00 5"],
    );
    comes(&month, (3, 15), &["2024-03-01 00:00 5", "2025-03-01 00:00 5"]);

    let taipei = RuleVersion {
        timezone: chrono_tz::Asia::Taipei,
        ..giving(birthday(5, BirthdayOn::Day, "00:00"))
    };
    comes(
        &book(&[taipei]),
        (1, 2),
        &["2024-01-01 16:00 5", "2025-01-01 16:00 5"],
    );
}

#[test]
fn by_the_version_then_in_force() {
    let first = giving(birthday(5, BirthdayOn::MonthStart, "00:00"));
    let day = giving(birthday(7, BirthdayOn::Day, "12:00"));
    // The year has had its gift when the day comes.
    let book_of = |from| book(&[first.clone(), later(2, from, day.clone())]);
    comes(
        &book_of("2024-04-10 00:00"),
        (4, 15),
        &["2023-04-01 00:00 5", "2024-04-01 00:00 5", "2025-04-15 12:00 7"],
    );
    comes(
        &book_of("2024-03-30 00:00"),
        (4, 15),
        &["2023-04-01 00:00 5", "2024-04-15 12:00 7", "2025-04-15 12:00 7"],
    );
    // From the day to the start of the month, which has passed: nothing that year.
    let back = book(&[day.clone(), later(2, "2024-04-10 00:00", first)]);
    comes(&back, (4, 15), &["2023-04-15 12:00 7", "2025-04-01 00:00 5"]);
    // Gifts that begin later, or pause.
    let begins = book(&[rules(), later(2, "2024-01-01 00:00", day.clone())]);
    comes(&begins, (4, 15), &["2024-04-15 12:00 7", "2025-04-15 12:00 7"]);
    let off = RuleVersion {
        enabled: false,
        ..day.clone()
    };
    let paused = book(&[
        day.clone(),
        later(2, "2024-01-01 00:00", off),
        later(3, "2025-01-01 00:00", day),
    ]);
    comes(&paused, (4, 15), &["2023-04-15 12:00 7", "2025-04-15 12:00 7"]);
}

#[test]
fn gifts_have_an_expiry_of_their_own() {
    let mut rules = giving(birthday(5, BirthdayOn::Day, "08:00"));
    rules.gifts.registration = Some(RegistrationGift {
        points: 9,
        expiry: days(365),
    });
    check(
        &book(&[rules]),
        &[
            on("2024-04-10 10:00", registered(Some((4, 15)))),
            on("2024-04-11 10:00", registered(Some((4, 20)))),
            until("2024-05-01 00:00"),
        ],
        &[
            "2024-04-10 10:00 issued registration 9 =9 #1 [9] until 2025-04-10 10:00",
            "2024-04-20 08:00 issued birthday 5 =14 #2 [5] until 2024-04-30 08:00",
            "2024-04-30 08:00 expired expired 5 =9 #3 [5] at 2024-04-30 08:00",
        ],
    );
}

#[test]
fn a_disabled_shop_gives_none_and_registers_all_the_same() {
    let mut rules = giving(birthday(5, BirthdayOn::Day, "08:00"));
    rules.gifts.registration = Some(RegistrationGift {
        points: 9,
        expiry: None,
    });
    rules.enabled = false;
    let mut member = Member::default();
    let steps = [
        on("2024-04-10 10:00", registered(Some((4, 15)))),
        until("2025-05-01 00:00"),
    ];
    assert_eq!(play(&mut member, &book(&[rules]), &steps), [""; 0]);
    assert!(member.registered && member.known_since.is_some());
}

#[test]
fn none_comes_after_the_horizon() {
    let book = book(&[giving(birthday(5, BirthdayOn::Day, "08:00"))]);
    let mut member = Member::default();
    play(
        &mut member,
        &book,
        &[on("2024-04-10 10:00", registered(Some((4, 15))))],
    );
    let terms = |horizon| Terms {
        book: &book,
        gift_horizon: Some(at(horizon)),
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    assert_eq!(member.wake("acme", &terms("2024-04-15 07:59")), None);
    assert_eq!(
        member.wake("acme", &terms("2024-04-15 08:00")),
        Some(at("2024-04-15 08:00"))
    );
    assert_eq!(
        member.timer("acme", "m-1", at("2024-04-15 08:00"), &terms("2024-04-15 07:59")),
        []
    );
}

#[test]
fn at_one_instant_the_gift_comes_before_notice_and_expiry() {
    let mut rules = giving(birthday(5, BirthdayOn::Day, "08:00"));
    rules.notices.expiring_days_before = vec![0];
    rules.notices.at = time("08:00");
    check(
        &book(&[rules]),
        &[
            on("2024-04-10 08:00", registered(Some((4, 15)))),
            on("2024-04-10 08:00", grant(3, days(5))),
            until("2024-04-15 08:00"),
        ],
        &[
            "2024-04-10 08:00 issued granted 3 =3 #1 [3] until 2024-04-15 08:00",
            "2024-04-15 08:00 issued birthday 5 =8 #2 [5] until 2024-04-25 08:00",
            "2024-04-15 08:00 expiring expiring 3 in 0 days at 2024-04-15 08:00 of 1 lots",
            "2024-04-15 08:00 expired expired 3 =5 #3 [3] at 2024-04-15 08:00",
        ],
    );
}
