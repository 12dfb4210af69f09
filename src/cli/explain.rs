//! `accrual explain …`

use std::io::Write;

use clap::{Args, Subcommand};

use super::{ConfigArgument, DONE, FAILED};
use crate::app::operations::Operations;
use crate::http::views::{Member, Order};

/// Say in words where an order or a member stands, and why there were no points
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual explain order acme A-1
  accrual explain member acme m-7 --json")]
pub enum Command {
    /// Bound version, facts, due time, outcome
    Order(Arguments),
    /// Balance and lots
    Member(Arguments),
}

#[derive(Debug, Args)]
pub struct Arguments {
    shop: String,
    id: String,
    /// Print the look-up as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

pub fn execute(command: &Command, operations: &dyn Operations, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (arguments, text) = match command {
        Command::Order(arguments) => {
            let settings = arguments.config.settings()?;
            let order = operations.order(&settings, &arguments.shop, &arguments.id)?;
            (
                arguments,
                order
                    .map(|order| said(arguments, &order, self::order))
                    .transpose()?,
            )
        }
        Command::Member(arguments) => {
            let settings = arguments.config.settings()?;
            let member = operations.member(&settings, &arguments.shop, &arguments.id)?;
            (
                arguments,
                member
                    .map(|member| said(arguments, &member, self::member))
                    .transpose()?,
            )
        }
    };
    match text {
        Some(text) => {
            writeln!(out, "{text}")?;
            Ok(DONE)
        }
        None => {
            writeln!(out, "{} of shop {} is not known", arguments.id, arguments.shop)?;
            Ok(FAILED)
        }
    }
}

fn said<V: serde::Serialize>(
    arguments: &Arguments,
    view: &V,
    words: fn(&V) -> String,
) -> serde_json::Result<String> {
    if arguments.json {
        serde_json::to_string(view)
    } else {
        Ok(words(view))
    }
}

fn order(order: &Order) -> String {
    let member = order.member_id.as_deref().unwrap_or("a guest");
    let mut lines = vec![format!(
        "Order {} of shop {}, by {member}, as of {}",
        order.order_id, order.shop_id, order.as_of
    )];
    lines.push(match order.rule_version {
        Some(version) => format!("  bound to rule version {version}"),
        None => "  bound to no rule version".to_owned(),
    });
    let mut facts: Vec<_> = order.facts.iter().collect();
    facts.sort_by_key(|(_, at)| at.as_str());
    lines.extend(facts.iter().map(|(fact, at)| {
        let event = order.told_by.get(*fact);
        let by = event
            .map(|id| format!(", told by event {id}"))
            .unwrap_or_default();
        format!("  {fact} at {at}{by}")
    }));
    if let Some(base) = &order.base_amount {
        lines.push(format!(
            "  earns on {base} {}",
            order.currency.as_deref().unwrap_or_default()
        ));
    }
    let reason = order
        .reason
        .as_ref()
        .map(|reason| format!(" ({reason})"))
        .unwrap_or_default();
    let points = order
        .points
        .map(|points| format!(", {points} points"))
        .unwrap_or_default();
    lines.push(format!("  {}{reason}{points}", order.outcome));
    if let Some(due) = &order.due_at {
        lines.push(format!("  due at {due}"));
    }
    lines.extend(order.why.iter().map(|why| format!("  {why}")));
    lines.join("\n")
}

fn member(member: &Member) -> String {
    let mut lines = vec![
        format!(
            "Member {} of shop {}, as of {}",
            member.member_id, member.shop_id, member.as_of
        ),
        format!(
            "  balance {}, usable {}, pending {}, after {} changes",
            member.balance, member.usable, member.pending, member.sequence
        ),
    ];
    for lot in &member.lots {
        let order = lot
            .order_id
            .as_ref()
            .map(|id| format!(" for order {id}"))
            .unwrap_or_default();
        let expires = match &lot.expires_at {
            Some(at) => format!("expires at {at}"),
            None => "never expires".to_owned(),
        };
        lines.push(format!(
            "  lot {}: {} points{order}, issued at {}, {expires}",
            lot.lot_id, lot.points, lot.issued_at
        ));
    }
    lines.join("\n")
}
