//! Where the answers of `explain`, `quote` and `dead-letters list` come from: Kafka and Redis
//! themselves, or a running instance by its HTTP interface. Both give the same views.

mod instance;
mod servers;

use crate::config::Settings;
use crate::config::secret::Secret;
use crate::domain::ledger::redemption::Amounts;
use crate::http::views::{Member, Order, Quote};

use super::operations::{Letter, Letters};

pub use instance::Instance;
pub use servers::Servers;

pub enum Source {
    Servers(Box<Settings>),
    Instance(Address),
}

/// A running instance.
pub struct Address {
    pub url: String,
    pub token: Option<Secret>,
    /// PEM of the authorities to trust in place of the public ones.
    pub certificates: Option<Vec<u8>>,
}

/// Blocking: a command asks one thing.
pub trait Answers {
    /// `None`: not known.
    fn order(&self, shop_id: &str, order_id: &str) -> anyhow::Result<Option<Order>>;

    /// `None`: not known.
    fn member(&self, shop_id: &str, member_id: &str) -> anyhow::Result<Option<Member>>;

    fn quote(
        &self,
        shop_id: &str,
        member_id: &str,
        amounts: Amounts,
        tier: Option<&str>,
    ) -> anyhow::Result<Quote>;

    fn dead_letters(&self, letters: &Letters) -> anyhow::Result<Vec<Letter>>;
}
