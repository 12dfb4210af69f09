//! All rule versions and shop statuses known, and which of them counts when.

use std::sync::Arc;

use super::model::{RuleVersion, ShopStatus};
use crate::domain::instant::Instant;

/// A published version: `published` is when it became known (`Instant::MIN`: from the start).
#[derive(Clone, Debug)]
pub struct Published {
    pub rules: Arc<RuleVersion>,
    pub published: Instant,
}

impl Published {
    /// A version counts from the later of the two.
    pub fn counts_from(&self) -> Instant {
        self.rules.effective_from.max(self.published)
    }
}

/// Everything `point-rules` says.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {}

impl RuleBook {
    /// Of the versions published by then the greatest `effective_from` counts, of equals the
    /// higher version.
    pub fn in_force(&self, _shop_id: &str, _at: Instant) -> Option<&Published> {
        todo!()
    }

    /// All versions of a shop, in the order of their numbers.
    pub fn versions(&self, _shop_id: &str) -> impl Iterator<Item = &Published> {
        [].iter()
    }

    pub fn version(&self, _shop_id: &str, _version: u32) -> Option<&Published> {
        todo!()
    }

    /// Open where nothing was said.
    pub fn status(&self, _shop_id: &str, _at: Instant) -> ShopStatus {
        todo!()
    }
}
