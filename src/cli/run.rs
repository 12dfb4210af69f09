//! `accrual run`

use clap::Args;

use super::{ConfigArgument, DONE};
use crate::app::operations::Operations;

/// Run the processor: Kafka and Redis
///
/// Ends in good order on SIGTERM and SIGINT. Logs go to stderr, at the level of ACCRUAL_LOG
/// (default info). Every setting is also an environment variable: ACCRUAL_ and its path in
/// capitals, levels joined by two underscores.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  accrual run --config accrual.toml
  ACCRUAL_KAFKA__BROKERS=kafka:9092 ACCRUAL_REDIS__URL=redis://redis:6379 accrual run
  ACCRUAL_STAGES=orders accrual run")]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
}

pub fn execute(arguments: &Arguments, operations: &dyn Operations) -> anyhow::Result<u8> {
    operations.run(arguments.config.settings()?)?;
    Ok(DONE)
}
