//! What is published about levels, by histories of one member.

use super::fixtures::{Step, days};
use super::fixtures::{amount, at, book, check, event, granting, of, on, until};
use super::member::Member;
use super::tiers::fixtures::{level, shop};
use super::tiers::{Rules, Unmet};
use crate::domain::entry::{
    Command, EntryKind, FactStep, Issue, IssueOrigin, IssuePart, OrderFact, Qualify, TierSet,
};
use crate::domain::rules::model::*;

fn counts(steps: &[(&str, &str)]) -> EntryKind {
    EntryKind::OrderFact(OrderFact {
        created_at: steps.first().map_or(at("2020-01-01 00:00"), |(time, _)| at(time)),
        live: true,
        steps: steps
            .iter()
            .map(|(time, left)| FactStep {
                at: at(time),
                amount: amount(left),
                goods: *left != "0",
            })
            .collect(),
    })
}

fn nothing() -> EntryKind {
    EntryKind::OrderFact(OrderFact::NOTHING)
}

fn order(id: &'static str, time: &'static str, left: &str) -> Step {
    of(id, time, counts(&[(time, left)]))
}

fn tier_set(tier: Option<&str>, since: Option<&str>, ends: Option<&str>) -> EntryKind {
    EntryKind::Command(Command::TierSet(TierSet {
        tier: tier.map(Into::into),
        since: since.map(at),
        until: ends.map(at),
        note: Some("why".into()),
        actor: None,
    }))
}

fn qualify(sum: &str, time: Option<&str>) -> EntryKind {
    EntryKind::Command(Command::Qualify(Qualify {
        amount: Some(amount(sum)),
        orders: None,
        at: time.map(at),
        note: Some("why".into()),
        actor: None,
    }))
}

fn gift(points: i64, delay_days: u32) -> Option<LevelGift> {
    Some(LevelGift {
        points,
        delay_days,
        at: if delay_days > 0 {
            DueAt::Local(chrono::NaiveTime::MIN)
        } else {
            DueAt::SameTime
        },
        expiry: days(30),
    })
}

/// Silver at 500 and gold at 1,000 within 30 days, each for 30 days.
fn levels() -> Vec<Level> {
    ["silver", "gold"]
        .into_iter()
        .zip(["500", "1000"])
        .map(|(name, enter)| Level {
            within: Within::Days(30),
            valid: Expiry::of(ExpirySpan::AfterDays(30)),
            gifts: LevelGifts {
                entry: gift(100, 3),
                renewal: gift(30, 0),
                birthday: None,
            },
            ..level(name, enter, 1)
        })
        .collect()
}

const GOLD: &str = "2024-05-01 10:00 tier reached member up gold 2024-05-01 10:00..2024-05-31 10:00";

#[test]
fn gifts_come_when_due_to_who_is_still_there() {
    let book = book(&[shop(levels(), |_| {})]);
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            order("B", "2024-05-20 10:00", "1000"),
            until("2024-06-10 00:00"),
        ],
        &[
            GOLD,
            "2024-05-04 00:00 issued tier_entry 100 =100 #1 [100] until 2024-06-03 00:00",
            "2024-05-31 10:00 kept renewed gold 2024-05-31 10:00..2024-06-30 10:00",
            "2024-05-31 10:00 issued tier_renewal 30 =130 #2 [30] until 2024-06-30 10:00",
            "2024-06-03 00:00 expired expired 100 =30 #3 [100] at 2024-06-03 00:00",
        ],
    );
    // Fallen before it is due; entered again, it comes then, once.
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            of(
                "A",
                "2024-05-02 10:00",
                counts(&[("2024-05-01 10:00", "1000"), ("2024-05-02 10:00", "0")]),
            ),
            order("B", "2024-05-10 10:00", "1000"),
            order("C", "2024-05-11 10:00", "1000"),
            until("2024-05-20 00:00"),
        ],
        &[
            GOLD,
            "2024-05-02 10:00 tier refunded gold down member 2024-05-02 10:00..ever",
            "2024-05-10 10:00 tier reached member up gold 2024-05-10 10:00..2024-06-09 10:00",
            "2024-05-13 00:00 issued tier_entry 100 =100 #1 [100] until 2024-06-12 00:00",
        ],
    );
}

#[test]
fn a_disabled_shop_gives_none_and_its_levels_go_on() {
    let mut off = shop(levels(), |_| {});
    (off.version, off.enabled, off.effective_from) = (2, false, at("2024-05-02 00:00"));
    check(
        &book(&[shop(levels(), |_| {}), off]),
        &[order("A", "2024-05-01 10:00", "1000"), until("2024-06-10 00:00")],
        &[
            GOLD,
            "2024-05-31 10:00 tier not_renewed gold down member 2024-05-31 10:00..ever",
        ],
    );
}

fn plain(levels: Vec<Level>) -> Vec<Level> {
    let plain = |level: Level| Level {
        gifts: LevelGifts::default(),
        ..level
    };
    levels.into_iter().map(plain).collect()
}

#[test]
fn notices_say_what_is_missing_unless_it_would_be_kept() {
    let mut rules = shop(plain(levels()), |_| {});
    rules.notices.tier_expiring_days_before = vec![7, 1];
    let book = book(&[rules]);
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            order("B", "2024-05-20 10:00", "400"),
            order("C", "2024-05-28 10:00", "600"),
            until("2024-06-01 00:00"),
        ],
        &[
            GOLD,
            "2024-05-24 09:00 ends tier_expiring gold in 7 days at 2024-05-31 10:00 to member for 600",
            "2024-05-31 10:00 kept renewed gold 2024-05-31 10:00..2024-06-30 10:00",
        ],
    );
    // Moments that are not after what was published are left out.
    check(
        &book,
        &[
            event("2024-05-28 10:00", "2024-05-28 10:00", "e1", counts(&[])),
            of("A", "2024-05-28 10:00", counts(&[("2024-05-01 10:00", "1000")])),
            until("2024-05-30 23:00"),
        ],
        &[
            GOLD,
            "2024-05-30 09:00 ends tier_expiring gold in 1 days at 2024-05-31 10:00 to member for 1000",
        ],
    );
}

#[test]
fn a_present_that_an_older_fact_changes_is_late() {
    let book = book(&[shop(plain(levels()), |_| {})]);
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            until("2024-06-01 00:00"),
            of("B", "2024-06-02 00:00", counts(&[("2024-05-20 10:00", "1000")])),
        ],
        &[
            GOLD,
            "2024-05-31 10:00 tier not_renewed gold down member 2024-05-31 10:00..ever",
            "2024-05-31 10:00 tier late_fact member up gold 2024-05-31 10:00..2024-06-30 10:00",
        ],
    );
    // Reached and renewed before anything was published.
    let silver = plain(levels()).remove(0);
    check(
        &super::fixtures::book(&[shop(vec![silver], |_| {})]),
        &[
            of("A", "2024-06-02 00:00", counts(&[("2024-05-01 10:00", "500")])),
            of("B", "2024-06-03 00:00", counts(&[("2024-05-20 10:00", "500")])),
        ],
        &["2024-05-31 10:00 tier reached member up silver 2024-05-31 10:00..2024-06-30 10:00"],
    );
    // What concerns only the past is not published.
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            until("2024-06-01 00:00"),
            of("B", "2024-06-02 00:00", counts(&[("2024-03-01 10:00", "500")])),
        ],
        &[
            GOLD,
            "2024-05-31 10:00 tier not_renewed gold down member 2024-05-31 10:00..ever",
        ],
    );
    // The order is another member's: as if the level had never been reached.
    check(
        &book,
        &[
            order("A", "2024-05-01 10:00", "1000"),
            of("A", "2024-05-03 10:00", nothing()),
        ],
        &[
            GOLD,
            "2024-05-03 10:00 tier late_fact gold down member always..ever",
        ],
    );
}

#[test]
fn what_counts_later_is_looked_at_then() {
    check(
        &book(&[shop(plain(levels()), |_| {})]),
        &[
            of("A", "2024-05-01 10:00", counts(&[("2024-05-15 00:00", "1000")])),
            of("B", "2024-05-02 10:00", counts(&[("2024-05-16 00:00", "1000")])),
            of("B", "2024-05-10 10:00", nothing()),
            until("2024-05-20 00:00"),
        ],
        &["2024-05-15 00:00 tier reached member up gold 2024-05-15 00:00..2024-06-14 00:00"],
    );
}

#[test]
fn commands_that_cannot_be_carried_out() {
    let book = book(&[shop(plain(levels()), |_| {})]);
    check(
        &book,
        &[
            on(
                "2024-05-01 10:00",
                EntryKind::Command(Command::Grant(granting(5, None))),
            ),
            on("2024-05-02 10:00", tier_set(Some("platinum"), None, None)),
            on(
                "2024-05-02 11:00",
                tier_set(Some("gold"), Some("2024-05-02 12:00"), None),
            ),
            on(
                "2024-05-02 12:00",
                tier_set(Some("gold"), Some("2024-04-30 12:00"), None),
            ),
            on(
                "2024-05-02 13:00",
                tier_set(Some("gold"), None, Some("2024-05-02 13:00")),
            ),
            on(
                "2024-05-02 14:00",
                tier_set(Some("silver"), Some("2024-05-01 12:00"), Some("2024-05-10 00:00")),
            ),
            on("2024-05-03 10:00", tier_set(Some("silver"), None, None)),
            on(
                "2024-05-04 10:00",
                tier_set(Some("member"), None, Some("2025-01-01 00:00")),
            ),
            on("2024-05-05 10:00", qualify("1000", Some("2021-01-01 00:00"))),
        ],
        &[
            "2024-05-01 10:00 issued granted 5 =5 #1 [5] until never",
            "2024-05-02 10:00 rejected unknown_tier",
            "2024-05-02 11:00 rejected invalid",
            "2024-05-02 12:00 rejected invalid",
            "2024-05-02 13:00 rejected invalid",
            "2024-05-01 12:00 tier set member up silver 2024-05-01 12:00..2024-05-10 00:00",
            "2024-05-03 10:00 kept set silver 2024-05-03 10:00..2024-06-02 10:00",
            "2024-05-04 10:00 tier set silver down member 2024-05-04 10:00..ever",
            "2024-05-05 10:00 rejected invalid",
        ],
    );
    check(
        &super::fixtures::book(&[super::fixtures::rules()]),
        &[
            on("2024-05-02 10:00", tier_set(Some("gold"), None, None)),
            on("2024-05-02 11:00", qualify("5", None)),
        ],
        &[
            "2024-05-02 10:00 rejected unknown_tier",
            "2024-05-02 11:00 rejected invalid",
        ],
    );
}

#[test]
fn points_of_orders_reach_a_level() {
    let mut gold = level("gold", "1", 12);
    gold.enter = vec![Condition {
        points: Some(100),
        ..Condition::default()
    }];
    let issue = EntryKind::Issue(Issue {
        origin: IssueOrigin::Due,
        number: 0,
        parts: vec![IssuePart {
            bonus_id: None,
            points: 100,
            base_amount: 100.into(),
            expires_at: None,
        }],
        currency: "TWD".into(),
        adjust: None,
    });
    check(
        &book(&[shop(vec![gold], |_| {})]),
        &[
            on(
                "2024-05-01 10:00",
                EntryKind::Command(Command::Grant(granting(500, None))),
            ),
            of("A", "2024-05-02 10:00", issue),
        ],
        &[
            "2024-05-01 10:00 issued granted 500 =500 #1 [500] until never",
            "2024-05-02 10:00 issued order 100 =600 #2 [100] until never",
            "2024-05-02 10:00 tier reached member up gold 2024-05-02 10:00..2025-05-02 23:59",
        ],
    );
}

#[test]
fn a_look_up_says_what_is_missing() {
    let book = book(&[shop(plain(levels()), |_| {})]);
    let mut member = Member::default();
    let rules = Rules {
        book: &book,
        shop_id: "acme",
    };
    let shown = |member: &Member, time: &str| {
        let tier = member.tier(rules, at(time)).expect("tiers");
        let missing = |conditions: Vec<Vec<Unmet>>| -> Vec<String> {
            let parts = conditions.iter().flatten();
            parts.map(|part| part.missing().to_string()).collect()
        };
        let next = tier.next.map(|(name, conditions)| (name, missing(conditions)));
        (tier.name, next, tier.keep.map(missing))
    };
    let names = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let silver = ("member".into(), Some(("silver".into(), names(&["500"]))), None);
    assert_eq!(shown(&member, "2024-05-01 00:00"), silver);
    super::fixtures::play(&mut member, &book, &[order("A", "2024-05-01 10:00", "550")]);
    let gold = Some(("gold".into(), names(&["450"])));
    let held = ("silver".into(), gold, Some(names(&["500"])));
    assert_eq!(shown(&member, "2024-05-02 00:00"), held);
    // An end that has passed is seen before its timer fires.
    assert_eq!(shown(&member, "2024-06-02 00:00").0, "member");
    let none = super::fixtures::book(&[super::fixtures::rules()]);
    let none = Rules {
        book: &none,
        shop_id: "acme",
    };
    assert_eq!(member.tier(none, at("2024-05-02 00:00")), None);
}

/// Facts older than 36 months count nothing when they come; what was counted stays where a window
/// has no beginning.
#[test]
fn old_facts_are_carried_as_sums() {
    let mut gold = level("gold", "1000", 1);
    gold.within = Within::Lifetime;
    gold.valid = Expiry::default();
    let book = book(&[shop(vec![gold], |_| {})]);
    check(
        &book,
        &[
            order("A", "2020-05-01 10:00", "600"),
            on(
                "2024-05-01 10:00",
                EntryKind::Command(Command::Grant(granting(5, None))),
            ),
            of("B", "2024-05-02 10:00", counts(&[("2021-05-01 10:00", "900")])),
            order("C", "2024-05-03 10:00", "399"),
            order("D", "2024-05-04 10:00", "1"),
        ],
        &[
            "2024-05-01 10:00 issued granted 5 =5 #1 [5] until never",
            "2024-05-04 10:00 tier reached member up gold 2024-05-04 10:00..ever",
        ],
    );
}
