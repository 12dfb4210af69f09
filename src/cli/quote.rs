//! `accrual quote`

use std::io::Write;

use clap::Args;
use rust_decimal::Decimal;

use super::DONE;
use super::local_time::LocalTime;
use super::source::SourceArguments;
use crate::app::escaped::Escaped;
use crate::app::operations::Operations;
use crate::domain::ledger::redemption::Amounts;
use crate::domain::money;

/// Show how many points a member could redeem for an order, and which limit decides
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  accrual quote acme m-7 --subtotal 1200.00 --tier gold
  accrual quote acme m-7 --subtotal 1200.00 --url http://127.0.0.1:8080")]
pub struct Arguments {
    shop: String,
    member: String,
    /// Of the order, before discounts
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    subtotal: Decimal,
    /// What is to be paid for goods after discounts and store credit [default: as --subtotal]
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    payable: Option<Decimal>,
    #[arg(long)]
    tier: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArguments,
}

pub fn execute(
    arguments: &Arguments,
    operations: &dyn Operations,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let Arguments {
        shop,
        member,
        subtotal,
        payable,
        ..
    } = arguments;
    let amounts = Amounts {
        subtotal: Some(*subtotal),
        payable: *payable,
    };
    let answers = arguments.source.answers(operations)?;
    let quote = answers.quote(shop, member, amounts, arguments.tier.as_deref())?;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&quote)?)?;
    } else {
        let worth = match (&quote.amount, &quote.currency) {
            (Some(amount), Some(currency)) => format!(", worth {amount} {currency}"),
            (Some(amount), None) => format!(", worth {amount}"),
            (None, _) => String::new(),
        };
        let text = format!(
            "{} points{worth} (decided by {}), as of {}",
            quote.points,
            quote.limit,
            LocalTime::of(quote.timezone.as_deref()).show(&quote.as_of)
        );
        writeln!(out, "{}", Escaped(text))?;
    }
    Ok(DONE)
}

fn amount(text: &str) -> Result<Decimal, String> {
    let amount = money::parse_amount(text).ok();
    amount
        .filter(|amount| !amount.is_sign_negative())
        .ok_or_else(|| "not an amount of 0 or more such as 100.00".to_owned())
}
