//! What the HTTP interface asks from the first moment on: before the stages run it answers that the
//! process is alive, why it is not ready, and its metrics.

use std::sync::{Arc, OnceLock};

use crate::engine::ports::Millis;
use crate::http::backend::{Backend, Problem};
use crate::http::views::{DeadLetters, DeadLettersRequest, Member, Order, Quote, QuoteRequest, Status};
use crate::metrics::Exposition;

use super::node::Node;
use super::patience;

pub struct Front {
    metrics: Exposition,
    node: OnceLock<Arc<Node>>,
}

impl Front {
    pub fn new(metrics: Exposition) -> Self {
        Self {
            metrics,
            node: OnceLock::new(),
        }
    }

    /// The stages run: from now on they are asked.
    pub fn runs(&self, node: Arc<Node>) {
        let first = self.node.set(node);
        debug_assert!(first.is_ok(), "a process starts once");
    }

    fn node(&self) -> Result<&Arc<Node>, Problem> {
        self.node.get().ok_or_else(|| Problem::Unavailable(starting()))
    }
}

fn starting() -> String {
    match patience::waits_for() {
        Some(what) => format!("starting: {what}"),
        None => "starting".to_owned(),
    }
}

impl Backend for Front {
    fn not_ready(&self) -> Vec<String> {
        match self.node.get() {
            Some(node) => node.reasons(),
            None => vec![starting()],
        }
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }

    async fn status(&self) -> Result<Status, Problem> {
        self.node()?.look().await
    }

    async fn set_clock(&self, now: Millis) -> Result<Millis, Problem> {
        self.node()?.set_clock(now)
    }

    async fn order(&self, shop_id: &str, order_id: &str) -> Result<Order, Problem> {
        self.node()?.order(shop_id, order_id).await
    }

    async fn member(&self, shop_id: &str, member_id: &str) -> Result<Member, Problem> {
        self.node()?.member(shop_id, member_id).await
    }

    async fn quote(&self, shop_id: &str, member_id: &str, asked: &QuoteRequest) -> Result<Quote, Problem> {
        self.node()?.quote(shop_id, member_id, asked).await
    }

    async fn dead_letters(&self, asked: &DeadLettersRequest) -> Result<DeadLetters, Problem> {
        self.node()?.letters.page(asked).await
    }
}
