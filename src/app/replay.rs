//! `accrual replay`: the stages in memory, on a virtual clock, in exact time order.

use std::io::Write;

use anyhow::bail;

use crate::domain::instant::Instant;
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

use super::lines::{Event, Lines, Read};
use super::operations::Replay;
use super::rule_files;

/// Ids of commands are remembered as `run` does by default.
const COMMAND_IDS_DAYS: u32 = 90;
/// The ledger of a replay is one partition.
const LEDGER_PARTITIONS: Partition = 1;
/// What events and entries come in: no log is behind them.
static NO_RECORD: Record = Record::NONE;

/// Replays; returns how many lines were malformed.
pub fn replay(request: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u64> {
    let mut malformed = 0;
    let rules = RuleTable::default();
    let files = match rule_files::read(&request.rules)? {
        Ok(versions) => versions,
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(rule_files::told).collect();
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
        Orders::new(rules.book(), topics.clone(), 0),
        Commands::new(topics.clone(), LEDGER_PARTITIONS),
        Ledger::new(rules.book(), topics.clone(), COMMAND_IDS_DAYS),
    );
    let mut shop = Shop {
        rules: &rules,
        orders: Embedded::new(&orders),
        commands: Embedded::new(&commands),
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
                writeln!(err, "{place}: {detail}")?;
                continue;
            }
        };
        // Time never goes back; what is told late arrives now.
        now = now.max(line.at.floor_millis());
        shop.fire(|wake| wake < now)?;
        let place = line.place;
        if let Err(refusal) = shop.take(line.event, now)? {
            malformed += 1;
            writeln!(err, "{place}: {refusal}")?;
        }
        // What the line made due already, as a broadcast, does not wait for the next one.
        shop.fire(|wake| wake < now)?;
    }
    let horizon = request.until.unwrap_or(Instant::from_millis(now));
    ledger.set_gift_horizon(horizon);
    match request.until {
        Some(until) => shop.fire(|wake| Instant::from_millis(wake) <= until)?,
        None => shop.fire(|_| true)?,
    }
    if request.is_last {
        std::mem::forget(shop);
    }
    Ok(malformed)
}

/// All stages in memory.
struct Shop<'a> {
    rules: &'a RuleTable,
    orders: Embedded<'a, Orders>,
    commands: Embedded<'a, Commands>,
    ledger: Embedded<'a, Ledger>,
    out: &'a mut dyn Write,
    /// Of the output under way.
    line: Vec<u8>,
    table_offset: i64,
}

impl Shop<'_> {
    /// Fires timers in time order while `fires` says so; of one instant, orders before the ledger.
    fn fire(&mut self, fires: impl Fn(Millis) -> bool) -> anyhow::Result<()> {
        loop {
            let (order, member) = (self.orders.next_wake(), self.ledger.next_wake());
            let Some(next) = [order, member]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| fires(*next))
            else {
                return Ok(());
            };
            let outputs = match order == Some(next) {
                true => self.orders.fire(),
                false => self.ledger.fire(),
            };
            self.pass_on(outputs?)?;
        }
    }

    /// `Ok(Err)`: the event is refused.
    fn take(&mut self, event: Event, now: Millis) -> anyhow::Result<Result<(), Refusal>> {
        let outputs = match event {
            Event::Order(decoded) => self.orders.event(&decoded, &NO_RECORD, now),
            Event::Command(decoded) => self.commands.event(&decoded, &NO_RECORD, now),
            Event::Rules(event) => self.publish(event, now),
        };
        match outputs {
            Ok(outputs) => self.pass_on(outputs).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What a rule says from here on, and whom it concerns.
    fn publish(&mut self, event: RuleEvent, now: Millis) -> Result<Vec<Output>, Refusal> {
        self.rules.take(event, self.table_offset)?;
        self.table_offset += 1;
        let mut outputs = self.orders.nudge(now)?;
        outputs.extend(self.ledger.nudge(now)?);
        Ok(outputs)
    }

    /// Prints what is for outside and gives the ledger what is for it, and so on.
    fn pass_on(&mut self, outputs: Vec<Output>) -> anyhow::Result<()> {
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
