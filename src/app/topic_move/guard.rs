//! Refuses to start on topics that a move has left or has not filled yet.

use anyhow::bail;

use crate::adapters::kafka::{Cluster, TopicReader};
use crate::config::Settings;
use crate::engine::moving::Mark;

use super::marks;

/// Looks at one partition of each changelog, whichever stages run: marks are written to all of them
/// in one transaction. What comes to a process that runs already, a takeover refuses (E5).
pub async fn refuse_moved(settings: &Settings, cluster: &Cluster) -> anyhow::Result<()> {
    let topics = &settings.topics;
    let group = format!("{}-start", settings.application_id);
    for changelog in [&topics.orders_changelog, &topics.ledger_changelog] {
        let states = TopicReader::new(cluster, "accrual-start", &group, changelog)?;
        let last = marks::last(&states, 0).await?;
        if let Some(reason) = last.mark.as_ref().and_then(Mark::refusal) {
            bail!("{changelog}: {reason}");
        }
    }
    Ok(())
}
