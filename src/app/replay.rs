//! `accrual replay`: the stages in memory, on a virtual clock, in exact time order.

use std::io::Write;

use anyhow::bail;

use crate::domain::instant::Instant;
use crate::domain::order::facts::UnknownField;
use crate::domain::outcome::Outcome;
use crate::engine::embedded::Embedded;
use crate::engine::error::Refusal;
use crate::engine::ports::{Millis, Partition, Record};
use crate::stages::commands::Commands;
use crate::stages::ledger::{self, Ledger};
use crate::stages::orders::Orders;
use crate::stages::output::Output;
use crate::stages::rule_table::RuleTable;
use crate::stages::topics::Topics;
use crate::wire::output;
use crate::wire::rule_document::RuleEvent;

use super::escaped::Escaped;
use super::lines::{Event, Lines, Read};
use super::operations::Replay;
use super::rule_files;

/// Ids of commands are remembered as `run` does by default.
const COMMAND_IDS_DAYS: u32 = 90;
/// The ledger of a replay is one partition.
const LEDGER_PARTITIONS: Partition = 1;
/// Outputs that wait for the ledger at most.
const SAID_MAX: usize = 128;
/// What events and entries come in: no log is behind them.
static NO_RECORD: Record = Record::NONE;

/// Replays; returns how many lines were malformed.
pub fn replay(request: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u64> {
    let mut malformed = 0;
    let rules = RuleTable::default();
    let files = match rule_files::read(&request.rules)? {
        Ok(versions) => versions,
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!("the rules cannot be used:\n{}", told.join("\n"));
        }
    };
    for file in files {
        rules.add(file.rules);
    }
    let topics = Topics {
        issued: "i".into(),
        expired: "x".into(),
        events: "e".into(),
        entries: "l".into(),
    };
    let (orders, commands, ledger) = (
        Orders::new(rules.book(), topics.clone(), 0).quiet_about_fields(),
        Commands::new(topics.clone(), LEDGER_PARTITIONS),
        Ledger::new(rules.book(), topics.clone(), COMMAND_IDS_DAYS),
    );
    let mut shop = Shop {
        rules: &rules,
        orders: Embedded::new(&orders),
        commands: Embedded::new(&commands),
        said: Vec::new(),
        ledger: Embedded::new(&ledger),
        out,
        line: Vec::new(),
        table_offset: 0,
    };
    let mut now = Millis::MIN;
    let mut lines = Lines::open(&request.events, &commands)?;
    while let Some(read) = lines.next()? {
        let line = match read {
            Read::Line(line) => line,
            Read::Malformed { place, detail } => {
                malformed += 1;
                writeln!(err, "{place}: {}", Escaped(detail))?;
                continue;
            }
        };
        // Time never goes back; what is told late arrives now.
        now = now.max(line.at.floor_millis());
        let place = line.place;
        if let Err(refusal) = shop.take(line.event, now)? {
            malformed += 1;
            writeln!(err, "{place}: {}", Escaped(refusal))?;
        }
    }
    shop.fire(|wake| wake < now)?;
    let horizon = request.until.unwrap_or(Instant::from_millis(now));
    ledger.set_gift_horizon(horizon);
    match request.until {
        Some(until) => shop.fire(|wake| Instant::from_millis(wake) <= until)?,
        None => shop.fire(|_| true)?,
    }
    if request.is_last {
        std::mem::forget(shop);
    }
    name_unknown_fields(&orders, err)?;
    Ok(malformed)
}

/// A misspelt amount counts as 0: who rehearses learns of it here.
fn name_unknown_fields(orders: &Orders, err: &mut dyn Write) -> std::io::Result<()> {
    let (fields, others) = orders.unknown_fields();
    for (UnknownField { section, name }, times) in fields {
        let (path, name) = (section.path(), Escaped(&name));
        writeln!(
            err,
            "unknown field {name} in {path}, in {}: it counts nothing",
            events(times)
        )?;
    }
    if others > 0 {
        writeln!(err, "unknown fields of more names, {others} times")?;
    }
    Ok(())
}

fn events(times: u64) -> String {
    match times {
        1 => "1 event".to_owned(),
        times => format!("{times} events"),
    }
}

/// All stages in memory.
struct Shop<'a> {
    rules: &'a RuleTable,
    orders: Embedded<'a, Orders>,
    commands: Embedded<'a, Commands>,
    /// What they have said and the ledger has not heard yet: as the topic between them.
    said: Vec<Said>,
    ledger: Embedded<'a, Ledger>,
    out: &'a mut dyn Write,
    /// Of the output under way.
    line: Vec<u8>,
    table_offset: i64,
}

/// First the ledger's timers before a time have their turn, then what was said.
struct Said {
    until: Millis,
    output: Option<Output>,
}

impl Shop<'_> {
    /// `Ok(Err)`: the event is refused.
    fn take(&mut self, event: Event, now: Millis) -> anyhow::Result<Result<(), Refusal>> {
        self.fire_orders(|wake| wake < now)?;
        self.until(now);
        let outputs = match event {
            Event::Order(decoded) => self.orders.event(&decoded, &NO_RECORD, now),
            Event::Command(decoded) => self.commands.event(&decoded, &NO_RECORD, now),
            Event::Rules(event) => {
                self.catch_up(|wake| wake < now)?;
                self.publish(event, now)
            }
        };
        match outputs {
            Ok(outputs) => self.say(now, outputs)?,
            Err(refusal) => return Ok(Err(refusal)),
        }
        // What the line made due already does not wait for the next one.
        self.fire_orders(|wake| wake < now)?;
        Ok(Ok(()))
    }

    /// What a rule says from here on, and whom it concerns.
    fn publish(&mut self, event: RuleEvent, now: Millis) -> Result<Vec<Output>, Refusal> {
        self.rules.take(event, self.table_offset)?;
        self.table_offset += 1;
        let mut outputs = self.orders.nudge(now)?;
        outputs.extend(self.ledger.nudge(now)?);
        Ok(outputs)
    }

    /// Fires all timers while `fires` says so.
    fn fire(&mut self, fires: impl Fn(Millis) -> bool) -> anyhow::Result<()> {
        self.fire_orders(&fires)?;
        self.catch_up(fires)
    }

    fn fire_orders(&mut self, fires: impl Fn(Millis) -> bool) -> anyhow::Result<()> {
        while let Some(wake) = self.orders.next_wake().filter(|wake| fires(*wake)) {
            let outputs = self.orders.fire()?;
            self.say(wake, outputs)?;
        }
        Ok(())
    }

    fn fire_ledger(&mut self, fires: impl Fn(Millis) -> bool) -> anyhow::Result<()> {
        while self.ledger.next_wake().is_some_and(&fires) {
            let outputs = self.ledger.fire()?;
            self.pass_on(outputs)?;
        }
        Ok(())
    }

    /// Leaves what was decided at a time for later: the ledger tells the stages before it
    /// nothing, and each of them is faster at many things in a row than at one by turns. Its
    /// timers come in between in the order of time; of one instant, orders before the ledger.
    fn say(&mut self, at: Millis, outputs: Vec<Output>) -> anyhow::Result<()> {
        if outputs.is_empty() {
            return Ok(());
        }
        self.until(at);
        for output in outputs {
            match self.said.last_mut() {
                Some(Said {
                    output: none @ None, ..
                }) => *none = Some(output),
                _ => self.said.push(Said {
                    until: at,
                    output: Some(output),
                }),
            }
        }
        match self.said.len() < SAID_MAX {
            true => Ok(()),
            false => self.catch_up(|wake| wake < at),
        }
    }

    fn until(&mut self, at: Millis) {
        match self.said.last_mut() {
            Some(Said { until, output: None }) => *until = at.max(*until),
            _ => self.said.push(Said {
                until: at,
                output: None,
            }),
        }
    }

    /// Brings the ledger to where the stages before it are.
    fn catch_up(&mut self, fires: impl Fn(Millis) -> bool) -> anyhow::Result<()> {
        let mut said = std::mem::take(&mut self.said);
        for Said { until, output } in said.drain(..) {
            self.fire_ledger(|wake| wake < until)?;
            self.pass_on(output)?;
        }
        self.said = said;
        self.fire_ledger(fires)
    }

    /// Prints what is for outside and gives the ledger what is for it, and so on.
    fn pass_on(&mut self, outputs: impl IntoIterator<Item = Output>) -> anyhow::Result<()> {
        for output in outputs {
            match output {
                Output::Outcome(outcome) => self.print(&outcome)?,
                Output::Entry(entry, _) => {
                    let decoded = ledger::decoded(entry);
                    let at = decoded.at.unwrap_or(Millis::MIN);
                    let decided = self.ledger.event(&decoded, &NO_RECORD, at)?;
                    self.pass_on(decided)?;
                }
            }
        }
        Ok(())
    }

    fn print(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.line.clear();
        output::write_line(outcome, &mut self.line);
        self.out.write_all(&self.line)?;
        Ok(())
    }
}
