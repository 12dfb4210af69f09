//! `accrual explain …`

use std::io::Write;

use clap::{Args, Subcommand};

use super::local_time::LocalTime;
use super::source::SourceArguments;
use super::{DONE, FAILED};
use crate::app::escaped::Escaped;
use crate::app::operations::Operations;
use crate::http::views::{Member, Missing, Order, Tier};

/// Explain where an order or a member stands, and why there were no points
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual explain order acme A-1
  accrual explain member acme m-7 --json
  accrual explain member acme m-7 --url http://127.0.0.1:8080 --token-file token")]
pub enum ExplainCommand {
    /// Bound version, facts, due time, outcome
    Order(Arguments),
    /// Balance and lots; the level held, why, and what is missing for the next and to keep it
    Member(Arguments),
}

impl ExplainCommand {
    fn what(&self) -> &'static str {
        match self {
            Self::Order(_) => "order",
            Self::Member(_) => "member",
        }
    }
}

#[derive(Debug, Args)]
pub struct Arguments {
    shop: String,
    id: String,
    /// Print the look-up as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArguments,
}

pub fn execute(
    command: &ExplainCommand,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let (arguments, text) = match command {
        ExplainCommand::Order(arguments) => {
            let answers = arguments.source.answers(operations)?;
            let order = answers.order(&arguments.shop, &arguments.id)?;
            let text = order.map(|order| rendered(arguments, &order, self::order));
            (arguments, text.transpose()?)
        }
        ExplainCommand::Member(arguments) => {
            let answers = arguments.source.answers(operations)?;
            let member = answers.member(&arguments.shop, &arguments.id)?;
            let text = member.map(|member| rendered(arguments, &member, self::member));
            (arguments, text.transpose()?)
        }
    };
    match text {
        Some(text) => {
            writeln!(out, "{text}")?;
            Ok(DONE)
        }
        None => {
            let what = command.what();
            let (id, shop) = (Escaped(&arguments.id), Escaped(&arguments.shop));
            writeln!(out, "{what} {id} of shop {shop} is not known")?;
            Ok(FAILED)
        }
    }
}

fn rendered<V: serde::Serialize>(
    arguments: &Arguments,
    view: &V,
    as_text: fn(&V) -> String,
) -> serde_json::Result<String> {
    if arguments.json {
        serde_json::to_string(view)
    } else {
        Ok(as_text(view))
    }
}

fn order(order: &Order) -> String {
    let local = LocalTime::of(order.timezone.as_deref());
    // The snapshot says who placed it, and when.
    let member = match (order.member_id.as_deref(), order.facts.contains_key("created")) {
        (Some(member), _) => member,
        (None, true) => "a guest",
        (None, false) => "a customer who is not known yet",
    };
    let mut lines = vec![format!(
        "Order {} of shop {}, by {member}, as of {}",
        order.order_id,
        order.shop_id,
        local.show(&order.as_of)
    )];
    lines.push(match order.rule_version {
        Some(version) => format!("  bound to rule version {version}"),
        None => "  bound to no rule version".to_owned(),
    });
    let mut facts: Vec<_> = order.facts.iter().collect();
    facts.sort_by_key(|(_, at)| at.as_str());
    lines.extend(facts.iter().map(|(fact, at)| {
        let event = order.told_by.get(*fact);
        let by = event.map(|id| format!(", by event {id}")).unwrap_or_default();
        format!("  {fact} at {}{by}", local.show(at))
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
        lines.push(format!("  due at {}", local.show(due)));
    }
    lines.extend(order.why.iter().map(|why| format!("  {why}")));
    joined(&lines)
}

fn member(member: &Member) -> String {
    let local = LocalTime::of(member.timezone.as_deref());
    let mut lines = vec![
        format!(
            "Member {} of shop {}, as of {}",
            member.member_id,
            member.shop_id,
            local.show(&member.as_of)
        ),
        format!(
            "  balance {}, usable {}, pending {}, after {} changes",
            member.balance, member.usable, member.pending, member.sequence
        ),
    ];
    if let Some(tier) = &member.tier {
        lines.extend(tier_lines(tier, local));
    }
    for lot in &member.lots {
        let order = lot
            .order_id
            .as_ref()
            .map(|id| format!(" for order {id}"))
            .unwrap_or_default();
        let expires = match &lot.expires_at {
            Some(at) => format!("expires at {}", local.show(at)),
            None => "never expires".to_owned(),
        };
        lines.push(format!(
            "  lot {}: {} points{order}, issued at {}, {expires}",
            lot.lot_id,
            lot.points,
            local.show(&lot.issued_at)
        ));
    }
    joined(&lines)
}

fn tier_lines(tier: &Tier, local: LocalTime) -> Vec<String> {
    let since = match &tier.since {
        Some(since) => format!("since {}", local.show(since)),
        None => "always".to_owned(),
    };
    let until = match &tier.until {
        Some(until) => format!("until {}", local.show(until)),
        None => "without an end".to_owned(),
    };
    let code = tier.reason.as_ref().map(|code| format!(" ({code})"));
    let mut lines = vec![
        format!("  level {}, {since}, {until}", tier.name),
        format!("    because {}{}", tier.why, code.unwrap_or_default()),
    ];
    if let Some(keep) = &tier.keep {
        lines.push(format!("    to keep it: {}", still(&keep.missing)));
    }
    if let Some(next) = &tier.next {
        lines.push(format!("    to reach {}: {}", next.name, still(&next.missing)));
    }
    lines
}

/// What is still missing: any of the conditions, each with all of its parts.
fn still(conditions: &[Vec<Missing>]) -> String {
    if conditions.iter().any(Vec::is_empty) {
        return "nothing is missing".to_owned();
    }
    let part = |part: &Missing| {
        let Missing {
            measure,
            have,
            need,
            missing,
        } = part;
        format!("{measure} {missing} more ({have} of {need})")
    };
    let condition = |parts: &Vec<Missing>| parts.iter().map(part).collect::<Vec<_>>().join(" and ");
    match conditions {
        [] => "only by hand".to_owned(),
        conditions => conditions.iter().map(condition).collect::<Vec<_>>().join(", or "),
    }
}

/// Ids and reasons are texts of shops: none of them begins a line of its own.
fn joined(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| Escaped(line).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::{KeepTier, NextTier};

    #[test]
    fn a_level_says_why_and_what_is_missing() {
        let missing = |measure: &str, have: &str, need: &str, missing: &str| Missing {
            measure: measure.to_owned(),
            have: have.to_owned(),
            need: need.to_owned(),
            missing: missing.to_owned(),
        };
        let tier = Tier {
            name: "silver".to_owned(),
            since: Some("2024-05-01T02:00:00Z".to_owned()),
            until: Some("2025-05-01T15:59:00Z".to_owned()),
            reason: Some("reached".to_owned()),
            why: "the conditions of a level were met".to_owned(),
            benefits: None,
            next: Some(NextTier {
                name: "gold".to_owned(),
                missing: vec![
                    vec![
                        missing("amount", "4550", "5000", "450"),
                        missing("orders", "1", "2", "1"),
                    ],
                    vec![missing("points", "0", "10", "10")],
                ],
            }),
            keep: Some(KeepTier {
                missing: vec![vec![missing("amount", "1", "2", "1")], Vec::new()],
            }),
        };
        assert_eq!(
            tier_lines(&tier, LocalTime::of(Some("Asia/Taipei"))),
            [
                "  level silver, since 2024-05-01T10:00:00+08:00, until 2025-05-01T23:59:00+08:00",
                "    because the conditions of a level were met (reached)",
                "    to keep it: nothing is missing",
                "    to reach gold: amount 450 more (4550 of 5000) and orders 1 more (1 of 2), or points 10 more (0 of 10)",
            ]
        );
    }
}
