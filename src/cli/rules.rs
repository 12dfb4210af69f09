//! `accrual rules …`

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use super::{ConfigArgument, DONE, FAILED, instant, rules_diff};
use crate::app::escaped::Escaped;
use crate::app::operations::{Operations, RuleFault, RuleSummary};
use crate::domain::instant::Instant;

/// Check, publish and list rule versions
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  accrual rules check shops/*.yaml
  accrual rules diff acme-v2.yaml acme-v3.yaml
  accrual rules publish shops/acme.yaml
  accrual rules publish shops/acme.yaml --time 2022-03-01T00:00:00+08:00
  accrual rules show acme")]
pub enum RulesCommand {
    /// Report what is wrong as `file:line: field: what; remedy`; exit 1 if anything is
    Check {
        /// YAML or JSON, several documents allowed
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the fields in which the newest versions of each shop in two files differ
    Diff {
        #[arg(value_name = "OLD")]
        old: PathBuf,
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Publish the next version of a shop's rules, or several in order
    Publish {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Back-date the publication, for going live and backfills; never before the version it follows
        #[arg(long, value_name = "TIME", value_parser = instant)]
        time: Option<Instant>,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// List a shop's published versions
    Show {
        shop: String,
        #[command(flatten)]
        config: ConfigArgument,
    },
}

pub fn execute(
    command: &RulesCommand,
    operations: &dyn Operations,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let (found, verb) = match command {
        RulesCommand::Check { files } => (operations.check_rules(files)?, "is good"),
        RulesCommand::Diff { old, new } => return rules_diff::execute(old, new, out),
        RulesCommand::Publish { files, time, config } => {
            let settings = config.settings()?;
            (operations.publish_rules(&settings, files, *time)?, "is published")
        }
        RulesCommand::Show { shop, config } => {
            let versions = operations.show_rules(&config.settings()?, shop)?;
            return show(shop, &versions, out);
        }
    };
    match found {
        Ok(versions) => {
            for rules in versions {
                for warning in &rules.warnings {
                    writeln!(err, "warning: {}", Escaped(warning))?;
                }
                let already = if rules.already { " already" } else { "" };
                let shop = Escaped(&rules.shop_id);
                writeln!(out, "{shop} version {} {verb}{already}", rules.version)?;
            }
            Ok(DONE)
        }
        Err(faults) => refuse(&faults, err),
    }
}

fn refuse(faults: &[RuleFault], err: &mut dyn Write) -> anyhow::Result<u8> {
    for fault in faults {
        writeln!(err, "{}", Escaped(fault))?;
    }
    Ok(FAILED)
}

fn kept((place, value): &(String, String)) -> String {
    match place.as_str() {
        "labels" => value.clone(),
        place => format!("{place}={value}"),
    }
}

fn show(shop: &str, versions: &[RuleSummary], out: &mut dyn Write) -> anyhow::Result<u8> {
    if versions.is_empty() {
        writeln!(out, "shop {} has no published rules", Escaped(shop))?;
        return Ok(FAILED);
    }
    writeln!(out, "version\teffective_from\tpublished\tenabled\tlabels")?;
    for rules in versions {
        let published = rules.published.map_or_else(|| "-".to_owned(), Instant::rfc3339);
        let from = rules.effective_from.rfc3339();
        let kept: Vec<String> = rules.kept.iter().map(kept).collect();
        let kept = if kept.is_empty() {
            "-".to_owned()
        } else {
            kept.join(" ")
        };
        writeln!(
            out,
            "{}\t{from}\t{published}\t{}\t{kept}",
            rules.version,
            rules.enabled,
            kept = Escaped(kept)
        )?;
    }
    Ok(DONE)
}
