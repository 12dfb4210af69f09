//! Rows of events in, rows of decisions out. Rules are YAML, as users write them.

use bytes::Bytes;

use super::*;
use crate::domain::entry::{Entry, EntryKind};
use crate::engine::ports::{Millis, OutRecord};
use crate::engine::processor::{Count, GlobalTable};
use crate::stages::rule_table::RuleTable;
use crate::wire::{ledger_entry, rule_document};

mod binding;
mod earning;
mod explain;
mod explain_by_member;
mod forecast;
mod real_orders;
mod reversal;
mod set_of_facts;

const RULES: &str = "\
shop_id: acme
version: 1
effective_from: 2020-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
channels: [online, pos]
accrual: {rate: {every: 100, points: 1}}
issuance: {on: paid}
reversal: {after_issue: {cancel: full, refund: proportional}}
";

/// An order of 1000 by m-1.
const BASE: &str = r#""revision":1,"created_at":"@01","customer":{"id":"m-1"},"subtotal":"1000""#;

/// One stage, one order, a virtual clock. Timers fire as the engine fires them: those strictly
/// before an event first, and what remains at the end.
struct Shop {
    table: RuleTable,
    orders: Orders,
    state: Option<Vec<u8>>,
    key: Key,
    offset: Offset,
    now: Millis,
    told: Vec<String>,
    /// Ids of what was published.
    ids: Vec<String>,
    counted: Vec<Count>,
    /// What the ledger was told to expect, apart: it says nothing to the outside.
    promised: Vec<(String, i64)>,
    /// What the ledger was sent, whole.
    entries: Vec<Entry>,
}

impl Shop {
    fn new(rules: &str, orders_days: u32) -> Self {
        let table = RuleTable::default();
        for document in rule_document::read_yaml(rules) {
            table.add(document.read.unwrap());
        }
        let name = |name: &str| Arc::<str>::from(name);
        let topics = Topics {
            issued: name("issued"),
            expired: name("expired"),
            events: name("events"),
            entries: name("entries"),
        };
        let orders = Orders::new(table.book(), topics, orders_days);
        let key = keys::key("acme", "A-1");
        Self {
            table,
            orders,
            state: None,
            key,
            offset: 0,
            now: 0,
            told: Vec::new(),
            ids: Vec::new(),
            counted: Vec::new(),
            promised: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// A line is `type | time | data besides the ids`; the event's id is its number.
    fn tell(&mut self, number: usize, line: &str) {
        let (kind, time, data) = parts(line);
        let data = match data.is_empty() {
            true => r#"{"shop_id":"acme","order_id":"A-1"}"#.to_owned(),
            false if kind.starts_with("order.") => {
                format!(r#"{{"shop_id":"acme","order_id":"A-1",{}}}"#, data)
            }
            false => format!(r#"{{"shop_id":"acme",{data}}}"#),
        };
        let value = format!(
            r#"{{"specversion":"1.0","id":"e{number}","source":"/s","type":"{kind}","time":"{time}","data":{data}}}"#
        );
        self.offset += 1;
        self.now = self.now.max(Instant::parse(&time).unwrap().ceil_millis());
        let record = Record {
            partition: 0,
            offset: self.offset,
            timestamp: Some(self.now),
            key: None,
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        };
        if kind.starts_with("order.") {
            self.fire(self.now);
            match self.orders.decode(&record) {
                Ok(decoded) => self.turn(
                    Cause::Event {
                        event: &decoded.event,
                        record: &record,
                    },
                    self.now,
                ),
                Err(refusal) => self.told.push(refusal.to_string()),
            }
        } else {
            self.table.apply(&record).unwrap();
            if self
                .orders
                .nudges(self.offset - 1)
                .iter()
                .any(|nudge| self.key.starts_with(&nudge.prefix))
            {
                self.turn(Cause::Nudge, self.now);
            }
        }
    }

    fn saved(&self) -> Option<Saved> {
        let state = self.orders.load(&self.key, self.state.as_ref()?).unwrap();
        Some(self.orders.save(&self.key, &state))
    }

    /// Timers whose time lies before the clock.
    fn fire(&mut self, clock: Millis) {
        while let Some(due) = self
            .saved()
            .and_then(|saved| saved.wake)
            .filter(|due| *due < clock)
        {
            self.turn(Cause::Timer { due, scanned: &[] }, due);
            let next = self.saved().and_then(|saved| saved.wake);
            assert!(
                next.is_none_or(|next| next > due),
                "asked for {next:?} again at {due}"
            );
        }
    }

    fn turn(&mut self, cause: Cause<'_, Box<OrderEvent>>, now: Millis) {
        let mut state = self
            .state
            .as_ref()
            .map(|bytes| self.orders.load(&self.key, bytes).unwrap());
        let mut effects = Effects::default();
        let turn = Turn {
            key: &self.key,
            state: &mut state,
            cause,
            now,
            partition: 0,
        };
        if let Err(refusal) = self.orders.apply(turn, &mut effects) {
            self.told.push(refusal.to_string());
        }
        self.state = state.map(|state| self.orders.save(&self.key, &state).bytes.to_vec());
        let watched = [
            crate::metrics::FACTS_AHEAD_TOTAL,
            crate::metrics::FIELDS_UNKNOWN_TOTAL,
        ];
        let ahead = |count: &&Count| watched.contains(&count.0);
        self.counted.extend(effects.counts.iter().filter(ahead).cloned());
        for output in effects.outputs {
            match &output {
                Output::Outcome(outcome) => self.ids.push(outcome.id.clone()),
                Output::Entry(entry, _) => self.entries.push(entry.clone()),
            }
            let record = self.orders.encode(output);
            match expectation(&record) {
                Some(promised) => self.promised.push(promised),
                None => self.told.push(show(&record)),
            }
        }
    }
}

fn parts(line: &str) -> (String, String, String) {
    let mut parts = line.splitn(3, '|').map(str::trim);
    let kind = parts.next().unwrap().to_owned();
    let time = at(parts.next().unwrap());
    let data = parts.next().unwrap_or("").replace("BASE", BASE);
    (kind, time, expand(&data))
}

/// `05` is 5 March 2022, 10:00 in Taipei; `05T11:30` another time of that day.
fn at(text: &str) -> String {
    match text.len() {
        2 => format!("2022-03-{text}T10:00:00+08:00"),
        8 => format!("2022-03-{text}:00+08:00"),
        _ => text.to_owned(),
    }
}

fn expand(data: &str) -> String {
    let mut out = String::new();
    let mut rest = data;
    while let Some(i) = rest.find("\"@") {
        let end = i + 2 + rest[i + 2..].find('"').unwrap();
        out += &rest[..=i];
        out += &at(&rest[i + 2..end]);
        rest = &rest[end..];
    }
    out + rest
}

fn expectation(record: &OutRecord) -> Option<(String, i64)> {
    if &*record.topic != "entries" {
        return None;
    }
    let entry = ledger_entry::decode(record.value.as_ref()?).unwrap();
    match entry.kind {
        EntryKind::Expect(points) => Some((entry.member_id.into(), points)),
        _ => None,
    }
}

fn show(record: &OutRecord) -> String {
    let value = record.value.as_ref().unwrap();
    let short = |at: Instant| {
        let local = crate::domain::calendar::local_date_time(chrono_tz::Tz::Asia__Taipei, at);
        let text = local.format("%Y-%m-%dT%H:%M").to_string();
        let text = text.strip_prefix("2022-03-").unwrap_or(&text).to_owned();
        text.strip_suffix("T10:00").unwrap_or(&text).to_owned()
    };
    if &*record.topic != "entries" {
        let data: serde_json::Value = serde_json::from_slice(value).unwrap();
        let text = |key: &str| data[key].as_str().unwrap_or("-").to_owned();
        let time = |key: &str| Instant::parse(data[key].as_str().unwrap()).map(short).unwrap();
        let what = match data.get("due_at") {
            Some(due) if due.is_null() => format!("pending {}", data["points"]),
            Some(_) => format!("pending {} due {}", data["points"], time("due_at")),
            None => format!(
                "withheld {} {}",
                text("reason"),
                data.get("points").unwrap_or(&serde_json::Value::Null)
            ),
        };
        return format!(
            "{} by {} at {}",
            what.trim_end_matches(" null"),
            text("cause_id"),
            time("effective_at")
        );
    }
    let entry = ledger_entry::decode(value).unwrap();
    let what = match &entry.kind {
        EntryKind::Issue(issue) => {
            let own = &issue.parts[0];
            let expires = own
                .expires_at
                .map(|at| format!(" till {}", short(at)))
                .unwrap_or_default();
            let part = match &issue.adjust {
                Some(adjust) => format!(" part {} to {}-{}", issue.number, adjust.issued, adjust.kept),
                None => String::new(),
            };
            format!("issue {} of {}{}{}", own.points, own.base_amount, part, expires)
        }
        EntryKind::Reverse(reverse) => {
            format!("reverse {:?} {}-{}", reverse.reason, reverse.issued, reverse.kept).to_lowercase()
        }
        EntryKind::RedeemByOrder(redeem) => {
            format!(
                "redeem {}{}",
                redeem.points,
                if redeem.cancelled { " cancelled" } else { "" }
            )
        }
        EntryKind::Return(back) => format!("return {}/{}", back.numerator, back.denominator),
        EntryKind::OrderCancelled => "cancelled".to_owned(),
        EntryKind::Reopen(_) => "reopen".to_owned(),
        other => format!("{other:?}"),
    };
    let version = entry
        .rule_version
        .filter(|version| *version != 1)
        .map(|v| format!(" v{v}"))
        .unwrap_or_default();
    format!(
        "{what}{version} {} by {} at {}",
        entry.member_id,
        entry.cause_id,
        short(entry.effective_at)
    )
}

/// The rules topic is read apart from the orders: whether a timer fires before or after a
/// record there that is later than it must not make a difference.
#[track_caller]
fn run(rules: &str, lines: &[&str]) -> Vec<String> {
    let decided = |timers_first: bool| {
        let mut shop = Shop::new(rules, 0);
        for (i, line) in lines.iter().enumerate() {
            if timers_first {
                shop.fire(Instant::parse(&parts(line).1).unwrap().ceil_millis());
            }
            shop.tell(i + 1, line);
        }
        shop.fire(Millis::MAX);
        shop.told
    };
    let told = decided(false);
    assert_eq!(told, decided(true), "timers before rules: {lines:#?}");
    told
}

#[track_caller]
fn check(rules: &str, lines: &[&str], wanted: &[&str]) {
    assert_eq!(run(rules, lines), wanted, "{lines:#?}");
}

/// The rules with some texts exchanged for others.
#[track_caller]
fn rules(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(RULES.to_owned(), |rules, (from, to)| {
        assert!(rules.contains(from), "{from}");
        rules.replace(from, to)
    })
}

/// The base order with other fields; a field told again counts as told last.
fn created(fields: &str) -> String {
    format!(r#"order.created | 01 | "order":{{{BASE},{fields}}}"#)
}

const CREATED: &str = r#"order.created | 01 | "order":{BASE}"#;
