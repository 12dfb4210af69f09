//! Answers out of Kafka and Redis.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;

use super::Answers;
use crate::adapters::kafka::Cluster;
use crate::app::lookups::Lookups;
use crate::app::operations::{Letter, Letters};
use crate::app::{dead_letters, rules, setup, wait};
use crate::config::Settings;
use crate::domain::ledger::redemption::Amounts;
use crate::domain::rules::book::RuleBook;
use crate::http::backend::Problem;
use crate::http::views::{Member, Order, Quote};

pub struct Servers {
    settings: Settings,
    cluster: Cluster,
}

impl Servers {
    /// Asks nobody yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            cluster: setup::cluster(&settings),
            settings,
        }
    }

    async fn open(&self) -> anyhow::Result<(Arc<RuleBook>, Lookups)> {
        let rules = rules::read(&self.settings, &self.cluster).await?;
        let lookups = Lookups::open(&self.settings, &self.cluster, &BTreeMap::new()).await?;
        Ok((rules.book().load_full(), lookups))
    }
}

impl Answers for Servers {
    fn order(&self, shop_id: &str, order_id: &str) -> anyhow::Result<Option<Order>> {
        wait(async {
            let (book, lookups) = self.open().await?;
            let found = lookups.order(&book, shop_id, order_id, None).await;
            found.map_err(problem)
        })
    }

    fn member(&self, shop_id: &str, member_id: &str) -> anyhow::Result<Option<Member>> {
        wait(async {
            let (book, lookups) = self.open().await?;
            let found = lookups.member(&book, (shop_id, member_id), None).await;
            found.map_err(problem)
        })
    }

    fn quote(
        &self,
        shop_id: &str,
        member_id: &str,
        amounts: Amounts,
        tier: Option<&str>,
    ) -> anyhow::Result<Quote> {
        wait(async {
            let (book, lookups) = self.open().await?;
            let quote = lookups
                .quote(&book, (shop_id, member_id), amounts, tier, None)
                .await;
            quote.map_err(problem)
        })
    }

    fn dead_letters(&self, letters: &Letters) -> anyhow::Result<Vec<Letter>> {
        wait(dead_letters::list(&self.settings, &self.cluster, letters))
    }
}

fn problem(problem: Problem) -> anyhow::Error {
    anyhow!("{problem}")
}
