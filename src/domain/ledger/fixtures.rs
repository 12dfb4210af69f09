//! Histories of one member as rows, and what they must lead to.

use std::str::FromStr;

use chrono::{NaiveDateTime, NaiveTime};
use rust_decimal::Decimal;

use super::member::Member;
use super::{Decision, Terms};
use crate::domain::entry::{
    Birthday, Command, Entry, EntryKind, Grant, ImportExpiry, Issue, IssueOrigin, IssuePart, RedeemByOrder,
    Return, Reverse, ReverseReason,
};
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Movement, Outcome};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::*;

/// `2024-05-01 10:00`, UTC.
pub fn at(text: &str) -> Instant {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time");
    Instant::from_utc(time.and_utc())
}

pub fn amount(text: &str) -> Decimal {
    Decimal::from_str(text).expect("an amount")
}

pub fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").expect("a time of day")
}

/// A shop in UTC whose points never expire and are worth nothing, from 2020 on.
pub fn rules() -> RuleVersion {
    let mut rules = RuleVersion::new(Required {
        shop_id: "acme".into(),
        version: 1,
        effective_from: at("2020-01-01 00:00"),
        timezone: chrono_tz::UTC,
        currency: Currency {
            code: "TWD".into(),
            digits: 2,
        },
        earning: Earning::Rate {
            every: Decimal::ONE,
            points: 1,
            rounding: Rounding::Down,
        },
    });
    rules.issuance.terms.on = Trigger::Completed;
    rules
}

/// 5 points on each birthday at this time.
pub fn birthday_rules(at: NaiveTime) -> RuleVersion {
    let gift = BirthdayGift {
        points: 5,
        on: BirthdayOn::Day,
        at,
        expiry: None,
    };
    RuleVersion {
        gifts: Gifts {
            registration: None,
            birthday: Some(gift),
        },
        ..rules()
    }
}

pub fn span(span: ExpirySpan) -> Expiry {
    Expiry::of(span)
}

pub fn days(days: u32) -> Option<Expiry> {
    Some(span(ExpirySpan::AfterDays(days)))
}

/// 100 points are worth 1; no limits.
pub fn redemption() -> Redemption {
    Redemption::default()
}

pub fn book(versions: &[RuleVersion]) -> RuleBook {
    let mut book = RuleBook::default();
    for (position, rules) in versions.iter().enumerate() {
        book.publish(rules.clone(), Instant::MIN, position as i64);
    }
    book
}

/// One row of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// At this time, about this order, this happens.
    On(Instant, Option<&'static str>, EntryKind),
    /// The same with an event id of its own choice, and when it took effect.
    Event(Instant, Instant, &'static str, EntryKind),
    /// Time passes to the end of this instant.
    Until(Instant),
}

pub fn on(time: &str, kind: EntryKind) -> Step {
    Step::On(at(time), None, kind)
}

pub fn of(order: &'static str, time: &str, kind: EntryKind) -> Step {
    Step::On(at(time), Some(order), kind)
}

pub fn event(arrival: &str, effective: &str, id: &'static str, kind: EntryKind) -> Step {
    Step::Event(at(arrival), at(effective), id, kind)
}

pub fn until(time: &str) -> Step {
    Step::Until(at(time))
}

pub fn granting(points: i64, expiry: Option<Expiry>) -> Grant {
    Grant {
        points,
        note: None,
        expiry,
        notify: true,
        actor: None,
    }
}

pub fn grant(points: i64, expiry: Option<Expiry>) -> EntryKind {
    EntryKind::Command(Command::Grant(granting(points, expiry)))
}

pub fn registered(birthday: Option<(u32, u32)>) -> EntryKind {
    let birthday = birthday.map(|(month, day)| Birthday { month, day });
    EntryKind::Command(Command::Registered { birthday })
}

pub fn redeem(points: i64, subtotal: Option<&str>) -> EntryKind {
    let subtotal = subtotal.map(amount);
    EntryKind::Command(Command::Redeem {
        points,
        subtotal,
        payable: None,
        tier: None,
        note: None,
        actor: None,
    })
}

pub fn deduct(points: i64, lot_id: Option<&str>) -> EntryKind {
    let lot_id = lot_id.map(str::to_owned);
    EntryKind::Command(Command::Deduct {
        points,
        lot_id,
        note: None,
        actor: None,
    })
}

pub fn import(points: i64, expires: ImportExpiry) -> EntryKind {
    EntryKind::Command(Command::Import {
        points,
        expires,
        note: None,
        actor: None,
    })
}

/// Points of an order alone, in its issue of this number.
pub fn issue(number: u32, points: i64, expires_at: Option<&str>) -> EntryKind {
    EntryKind::Issue(issue_of(number, &[(None, points, expires_at)]))
}

/// An issue with its parts: bonus, points, expiry.
pub fn issue_of(number: u32, parts: &[(Option<&str>, i64, Option<&str>)]) -> Issue {
    let parts = parts.iter().map(|(bonus_id, points, expires_at)| IssuePart {
        bonus_id: bonus_id.map(Into::into),
        points: *points,
        base_amount: Decimal::ONE,
        expires_at: expires_at.map(at),
    });
    Issue {
        origin: if number > 0 {
            IssueOrigin::Edited
        } else {
            IssueOrigin::Due
        },
        number,
        parts: parts.collect(),
        currency: "TWD".into(),
        adjust: None,
    }
}

/// An edit that raised what an order may keep by `points`, to `kept` of `issued`.
pub fn adjust(number: u32, points: i64, issued: i64, kept: i64, when_short: WhenShort) -> EntryKind {
    EntryKind::Issue(Issue {
        origin: IssueOrigin::Edited,
        adjust: Some(Reverse {
            reason: ReverseReason::Edited,
            issued,
            kept,
            when_short,
            by_cancellation: false,
        }),
        ..issue_of(number, &[(None, points, None)])
    })
}

pub fn reverse(issued: i64, kept: i64, when_short: WhenShort) -> EntryKind {
    EntryKind::Reverse(Reverse {
        reason: ReverseReason::Refunded,
        issued,
        kept,
        when_short,
        by_cancellation: false,
    })
}

pub fn give_back(numerator: i64, denominator: i64) -> EntryKind {
    EntryKind::Return(Return {
        reason: ReverseReason::Refunded,
        numerator: numerator.into(),
        denominator: denominator.into(),
    })
}

pub fn snapshot(points: i64, subtotal: &str) -> EntryKind {
    EntryKind::RedeemByOrder(RedeemByOrder {
        by_level: None,
        points,
        subtotal: amount(subtotal),
        payable: None,
        tier: None,
        currency_mismatch: false,
        cancelled: false,
    })
}

/// An entry about member `m-1`. Events that choose no id have one of their own.
pub fn entry(
    arrival: Instant,
    effective_at: Instant,
    id: &str,
    order: Option<&str>,
    kind: EntryKind,
) -> Entry {
    let by_order = matches!(kind, EntryKind::RedeemByOrder(_));
    Entry {
        shop_id: "acme".into(),
        member_id: "m-1".into(),
        at: arrival,
        effective_at,
        cause_id: id.into(),
        cause_source: "/test".into(),
        order_id: order.map(Into::into),
        step: 0,
        rule_version: by_order.then_some(1),
        traceparent: None,
        kind,
    }
}

/// Plays a history and says what came out, a line each.
pub fn play(member: &mut Member, book: &RuleBook, steps: &[Step]) -> Vec<String> {
    play_all(member, book, steps).iter().map(line).collect()
}

pub fn play_all(member: &mut Member, book: &RuleBook, steps: &[Step]) -> Vec<Outcome> {
    let terms = Terms {
        book,
        gift_horizon: None,
        command_ids_days: 90,
        tier_facts_months: 36,
    };
    let mut outcomes = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let id = format!("e{}", index + 1);
        let Decision { outcomes: told, .. } = match step.clone() {
            Step::On(time, order, kind) => member.apply(&entry(time, time, &id, order, kind), &terms),
            Step::Event(time, effective, id, kind) => {
                member.apply(&entry(time, effective, id, None, kind), &terms)
            }
            Step::Until(time) => Decision {
                outcomes: member.timer("acme", "m-1", time, &terms),
                duplicate: false,
            },
        };
        outcomes.extend(told);
        if let Step::Until(time) = step {
            let wake = member.wake("acme", &terms);
            assert!(wake.is_none_or(|wake| wake > *time), "woken again at {wake:?}");
        }
    }
    outcomes
}

/// Rows of a history against rows of outcomes.
#[track_caller]
pub fn check(book: &RuleBook, steps: &[Step], expected: &[&str]) {
    let mut member = Member::default();
    let told = play(&mut member, book, steps);
    assert_eq!(told, expected, "\ngot:\n{}", told.join("\n"));
}

/// `2024-05-01 10:00 issued granted 100 =100 #1 [100]` and what else there is to say.
pub fn line(outcome: &Outcome) -> String {
    let time = |at: Instant| at.to_utc().expect("a date").format("%Y-%m-%d %H:%M").to_string();
    let moved = |movement: &Movement| {
        let lots: Vec<_> = movement.lots.iter().map(|part| part.points.to_string()).collect();
        let lots = lots.join(" ");
        format!(
            "{} ={} #{} [{lots}]",
            movement.points, movement.balance_after, movement.sequence
        )
    };
    let (kind, rest) = match &outcome.body {
        Body::Issued {
            movement, expires_at, ..
        } => {
            let until = expires_at.map_or("never".into(), time);
            ("issued", format!("{} until {until}", moved(movement)))
        }
        Body::Expired {
            movement, expired_at, ..
        } => ("expired", format!("{} at {}", moved(movement), time(*expired_at))),
        Body::Revoked { movement, requested } => ("revoked", format!("{} of {requested}", moved(movement))),
        Body::Redeemed { movement, worth } => {
            let worth = worth.as_ref().map(|worth| format!(" worth {}", worth.amount));
            (
                "redeemed",
                format!("{}{}", moved(movement), worth.unwrap_or_default()),
            )
        }
        Body::Returned { movement } => ("returned", moved(movement)),
        Body::Adjusted { movement } => ("adjusted", moved(movement)),
        Body::Expiring {
            points,
            expires_at,
            days_left,
            lots,
        } => {
            let lots = lots.len();
            (
                "expiring",
                format!(
                    "{points} in {days_left} days at {} of {lots} lots",
                    time(*expires_at)
                ),
            )
        }
        Body::Rejected { points, .. } => ("rejected", points.map(|p| p.to_string()).unwrap_or_default()),
        Body::TierChanged {
            from,
            to,
            is_up,
            since,
            until,
            ..
        } => {
            let way = if *is_up { "up" } else { "down" };
            let since = since.map_or("always".into(), time);
            let until = until.map_or("ever".into(), time);
            ("tier", format!("{from} {way} {to} {since}..{until}"))
        }
        Body::TierRenewed { tier, since, until } => {
            let until = until.map_or("ever".into(), time);
            ("kept", format!("{tier} {}..{until}", time(*since)))
        }
        Body::TierExpiring {
            tier,
            until,
            days_left,
            falls_to,
            missing,
        } => {
            let missing = missing.iter().flatten().map(|part| part.missing().to_string());
            let missing: Vec<_> = missing.collect();
            let missing = missing.join(" ");
            let until = time(*until);
            (
                "ends",
                format!("{tier} in {days_left} days at {until} to {falls_to} for {missing}"),
            )
        }
        Body::Pending { .. } => ("pending", String::new()),
        Body::Withheld { .. } => ("withheld", String::new()),
    };
    format!(
        "{} {kind} {} {rest}",
        time(outcome.effective_at),
        outcome.reason.code()
    )
    .trim_end()
    .to_owned()
}
