//! Histories of levels as rows, and the periods they must lead to.

use super::facts::{Counted, Qualified, Setting};
use super::{Period, Rules, Timeline};
use crate::domain::entry::{FactStep, OrderFact};
use crate::domain::instant::Instant;
use crate::domain::ledger::fixtures::{amount, at, rules};
use crate::domain::rules::book::RuleBook;
use crate::domain::rules::model::*;

pub fn of_amount(text: &str) -> Condition {
    Condition {
        amount: Some(amount(text)),
        ..Condition::default()
    }
}

/// A level at an amount, within and valid for so many months.
pub fn level(name: &str, enter: &str, months: u32) -> Level {
    Level {
        enter: vec![of_amount(enter)],
        within: Within::Months(months),
        valid: Expiry::of(ExpirySpan::AfterMonths(months)),
        ..Level::new(name)
    }
}

/// A shop in UTC with a first level `member` and these above it.
pub fn shop(levels: Vec<Level>, change: impl FnOnce(&mut Tiers)) -> RuleVersion {
    let mut rules = rules();
    let mut tiers = Tiers {
        told: ToldTier::default(),
        counts: Counts::of(&Base::default()),
        on_refund: OnRefund::default(),
        on_expiry: OnExpiry::default(),
        retroactive: false,
        levels: std::iter::once(Level::new("member")).chain(levels).collect(),
    };
    change(&mut tiers);
    rules.tiers = Some(tiers);
    rules
}

/// One fact.
#[derive(Clone, Debug)]
pub enum Row {
    /// An order: from each time on it counts this amount; 0: no goods are left.
    Order(u64, Vec<(Instant, &'static str)>),
    Points(u64, Instant, i64),
    Qualify(Instant, &'static str, i64),
    Set(Instant, Option<&'static str>, Option<Instant>),
}

pub fn order(id: u64, steps: &[(&str, &'static str)]) -> Row {
    Row::Order(
        id,
        steps.iter().map(|(time, amount)| (at(time), *amount)).collect(),
    )
}

pub fn set(time: &str, level: Option<&'static str>) -> Row {
    Row::Set(at(time), level, None)
}

pub fn learn(timeline: &mut Timeline, row: &Row) -> Option<Instant> {
    match row {
        Row::Order(id, steps) => {
            let step = |(at, left): &(Instant, &str)| FactStep {
                at: *at,
                amount: amount(left),
                goods: *left != "0",
            };
            let fact = OrderFact {
                created_at: steps.first().map_or(Instant(0), |(at, _)| *at),
                live: true,
                steps: steps.iter().map(step).collect(),
            };
            timeline.learn_order(*id, Some(Counted::of(fact)), Instant::MIN)
        }
        Row::Points(id, at, points) => timeline.learn_points(*id, *at, *points),
        Row::Qualify(at, sum, orders) => Some(timeline.qualify(Qualified {
            at: *at,
            amount: amount(sum),
            orders: *orders,
            cause_id: "q".into(),
        })),
        Row::Set(since, level, until) => Some(timeline.set(Setting {
            since: *since,
            at: *since,
            level: level.map(Into::into),
            until: *until,
            cause_id: "s".into(),
        })),
    }
}

pub fn show(period: &Period) -> String {
    let short = |at: Instant| at.rfc3339().replace('T', " ").replace(":00Z", "");
    let until = period.until.map_or("ever".to_owned(), short);
    let reason = period.began.reason().code();
    format!("{} {}..{until} {reason}", period.level, short(period.since))
}

/// What the facts lead to by the end of `until`.
pub fn periods(book: &RuleBook, rows: &[Row], until: &str) -> Vec<String> {
    let mut timeline = Timeline::default();
    for row in rows {
        learn(&mut timeline, row);
    }
    let rules = Rules {
        book,
        shop_id: "acme",
    };
    timeline.advance(rules, at(until), at(until));
    timeline.periods.iter().map(show).collect()
}

pub fn check(book: &RuleBook, rows: &[Row], until: &str, wanted: &[&str]) {
    assert_eq!(periods(book, rows, until), wanted, "{rows:#?}");
}

thread_local! {
    static PASSES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Somebody has looked through all facts of a member.
pub fn note_pass() {
    PASSES.set(PASSES.get() + 1);
}

/// How often that happened since it was asked for last.
pub fn passes() -> usize {
    PASSES.take()
}
