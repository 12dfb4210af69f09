//! All rule versions and shop statuses known, and which of them counts when.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::model::{BirthdayOn, Level, OnDisable, RuleVersion, ShopStatus};
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

    /// What decides between versions that both count.
    fn rank(&self) -> (Instant, u32) {
        (self.rules.effective_from, self.rules.version)
    }
}

/// A change of a shop's status, with the id of the event that reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    pub at: Instant,
    pub status: ShopStatus,
    pub event_id: String,
}

/// The result of publishing a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    New,
    /// The same document with this number is known.
    Duplicate,
    /// Another document with this number is known, and stays.
    Refused,
}

/// All versions and statuses of `point-rules`. A position is the offset of a record.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    /// Shared, so that a copy with one more version costs little.
    shops: BTreeMap<Arc<str>, Arc<Shop>>,
}

#[derive(Clone, Debug, Default)]
struct Shop {
    /// By rank: the greatest `effective_from` last, of equals the higher version.
    versions: Vec<Published>,
    /// By time; of equals the one that arrived last counts.
    statuses: Vec<StatusChange>,
    /// Where open orders were last asked to look again.
    asks_at: Option<i64>,
    /// Where all orders, ended ones too, were last asked to state what they count.
    facts_at: Option<i64>,
    /// Where timers of members were last moved: birthdays, or levels.
    members_at: Option<i64>,
    /// A version looks at what orders count: it has tiers, or a bonus for first orders.
    looks_at_order_facts: bool,
    /// A version has a bonus for first orders: orders that do not count for levels are looked at.
    looks_at_first_orders: bool,
    /// A version has a level that points lead to.
    looks_at_points: bool,
}

impl RuleBook {
    pub fn publish(&mut self, rules: RuleVersion, published: Instant, position: i64) -> Publication {
        let shop = self.shop_mut(&rules.shop_id);
        if let Some(known) = shop.versions.iter().find(|v| v.rules.version == rules.version) {
            return match *known.rules == rules {
                true => Publication::Duplicate,
                false => Publication::Refused,
            };
        }
        // Later versions change what open orders may expect only so.
        let stops = |rules: &RuleVersion| !rules.enabled && rules.on_disable == OnDisable::Stop;
        let changes = rules.issuance.apply_to_open_orders || stops(&rules);
        if changes || shop.versions.iter().any(|v| stops(&v.rules)) {
            shop.asks_at = Some(position);
        }
        if shop.versions.is_empty()
            || shop
                .versions
                .iter()
                .any(|v| birthday(&v.rules) != birthday(&rules))
        {
            shop.members_at = birthday(&rules).map(|_| position).or(shop.members_at);
        }
        shop.looks_at_points |= looks_at_points(&rules);
        if judges_members(&rules, &shop.versions) {
            shop.members_at = Some(position);
        }
        let has_tiers = |rules: &RuleVersion| rules.tiers.is_some();
        let brings_tiers = has_tiers(&rules) && !shop.versions.iter().any(|v| has_tiers(&v.rules));
        let first_orders = looks_at_first_orders(&rules);
        if brings_tiers || (first_orders && !shop.looks_at_first_orders) {
            shop.facts_at = Some(position);
        }
        shop.looks_at_first_orders |= first_orders;
        shop.looks_at_order_facts |= first_orders || has_tiers(&rules);
        let version = Published {
            rules: Arc::new(rules),
            published,
        };
        let place = shop.versions.partition_point(|v| v.rank() < version.rank());
        shop.versions.insert(place, version);
        Publication::New
    }

    /// False where this change is known already.
    pub fn set_status(&mut self, shop_id: &str, change: StatusChange, position: i64) -> bool {
        let shop = self.shop_mut(shop_id);
        if shop.statuses.contains(&change) {
            return false;
        }
        shop.asks_at = Some(position);
        let place = shop.statuses.partition_point(|s| s.at <= change.at);
        shop.statuses.insert(place, change);
        true
    }

    /// Of the versions published by then the greatest `effective_from` counts, of equals the
    /// higher version.
    pub fn in_force(&self, shop_id: &str, at: Instant) -> Option<&Published> {
        self.shops
            .get(shop_id)?
            .versions
            .iter()
            .rev()
            .find(|v| v.counts_from() <= at)
    }

    pub fn version(&self, shop_id: &str, version: u32) -> Option<&Published> {
        self.versions(shop_id).find(|v| v.rules.version == version)
    }

    /// All versions of a shop, by `effective_from` and number.
    pub fn versions(&self, shop_id: &str) -> impl Iterator<Item = &Published> {
        self.shops
            .get(shop_id)
            .into_iter()
            .flat_map(|shop| &shop.versions)
    }

    /// The zone of a shop by the version in force, else by its first one.
    pub fn zone(&self, shop_id: &str, at: Instant) -> Option<Tz> {
        let version = self.in_force(shop_id, at);
        let version = version.or_else(|| self.versions(shop_id).next());
        version.map(|version| version.rules.timezone)
    }

    pub fn shop_ids(&self) -> impl Iterator<Item = &str> {
        self.shops.keys().map(|id| &**id)
    }

    /// The versions that take the issuance part of open orders over from `bound`, in the order
    /// in which they count. One that never comes into force is not among them.
    pub fn takeovers<'a>(&'a self, shop_id: &str, bound: &Published) -> Vec<&'a Published> {
        let comes_into_force = |v: &&Published| {
            self.in_force(shop_id, v.counts_from())
                .is_some_and(|in_force| in_force.rank() == v.rank())
        };
        let mut later: Vec<&Published> = self
            .versions(shop_id)
            .filter(|v| v.rules.issuance.apply_to_open_orders && v.rank() > bound.rank())
            .filter(comes_into_force)
            .collect();
        later.sort_by_key(|v| v.counts_from());
        later
    }

    /// Open where no change is known.
    pub fn status(&self, shop_id: &str, at: Instant) -> ShopStatus {
        self.status_change(shop_id, at)
            .map_or(ShopStatus::Open, |change| change.status)
    }

    /// When a shop that rested at `since` opens again, and by which event.
    pub fn next_open(&self, shop_id: &str, since: Instant) -> Option<&StatusChange> {
        let statuses = &self.shops.get(shop_id)?.statuses;
        let later = statuses.partition_point(|s| s.at <= since);
        let reported_late = later.checked_sub(1).map(|last| &statuses[last]);
        // Of several at one instant the last to arrive counts.
        let ends_its_instant = |i: &usize| statuses.get(i + 1).is_none_or(|next| next.at != statuses[*i].at);
        let opens = (later..statuses.len())
            .filter(ends_its_instant)
            .map(|i| &statuses[i]);
        reported_late
            .into_iter()
            .chain(opens)
            .find(|s| s.status == ShopStatus::Open)
    }

    /// The shops whose orders were asked to look again behind `after`, with the position, and which of
    /// their orders.
    pub fn nudges(&self, after: i64) -> impl Iterator<Item = (&str, i64, Asked)> {
        let asked = self.shops.iter().flat_map(|(id, shop)| {
            let all = shop.facts_at.map(|at| (&**id, at, Asked::All));
            // All orders of one position are the open ones too.
            let open = shop.asks_at.filter(|at| shop.facts_at != Some(*at));
            let open = open.map(|at| (&**id, at, Asked::Open));
            all.into_iter().chain(open)
        });
        asked.filter(move |(_, position, _)| *position > after)
    }

    /// The shops whose members' timers were moved behind `after`, with the position.
    pub fn member_nudges(&self, after: i64) -> impl Iterator<Item = (&str, i64)> {
        let asked = self
            .shops
            .iter()
            .filter_map(|(id, shop)| Some((&**id, shop.members_at?)));
        asked.filter(move |(_, position)| *position > after)
    }

    /// Whether any version of a shop looks at what orders count.
    pub fn looks_at_order_facts(&self, shop_id: &str) -> bool {
        self.shops
            .get(shop_id)
            .is_some_and(|shop| shop.looks_at_order_facts)
    }

    /// Whether any version of a shop has a bonus for first orders.
    pub fn looks_at_first_orders(&self, shop_id: &str) -> bool {
        self.shops
            .get(shop_id)
            .is_some_and(|shop| shop.looks_at_first_orders)
    }

    /// Whether any version of a shop has a level that points lead to.
    pub fn looks_at_points(&self, shop_id: &str) -> bool {
        self.shops.get(shop_id).is_some_and(|shop| shop.looks_at_points)
    }

    /// When a version of the shop or its status was last published.
    pub fn last_change(&self, shop_id: &str) -> Option<Instant> {
        let shop = self.shops.get(shop_id)?;
        let versions = shop.versions.iter().map(|version| version.published);
        let statuses = shop.statuses.iter().map(|change| change.at);
        versions.chain(statuses).max()
    }

    fn status_change(&self, shop_id: &str, at: Instant) -> Option<&StatusChange> {
        let statuses = &self.shops.get(shop_id)?.statuses;
        statuses[..statuses.partition_point(|s| s.at <= at)].last()
    }

    fn shop_mut(&mut self, shop_id: &str) -> &mut Shop {
        Arc::make_mut(self.shops.entry(Arc::from(shop_id)).or_default())
    }
}

/// Which orders look at a change of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Open,
    All,
}

/// When birthday gifts come by a version; `None`: never. Versions that agree in this leave
/// their members' timers as they are.
fn birthday(rules: &RuleVersion) -> Option<(Tz, BirthdayOn, NaiveTime)> {
    let gift = rules.birthday_gift().filter(|_| rules.enabled)?;
    Some((rules.timezone, gift.on, gift.at))
}

fn looks_at_first_orders(rules: &RuleVersion) -> bool {
    rules.bonuses.iter().any(|bonus| bonus.when.first_order)
}

fn looks_at_points(rules: &RuleVersion) -> bool {
    let levels = rules.tiers.as_ref().map_or(&[][..], |tiers| &tiers.levels);
    let conditions = |level: &Level| {
        let all = level.enter.iter().chain(level.renewal());
        all.into_iter().any(|condition| condition.points.is_some())
    };
    levels.iter().any(conditions)
}

/// Whether a version changes levels by itself, when it counts.
fn judges_members(rules: &RuleVersion, before: &[Published]) -> bool {
    let Some(tiers) = &rules.tiers else { return false };
    let mut known = before.iter().filter_map(|version| version.rules.tiers.as_ref());
    let removes = known.any(|known| {
        known
            .levels
            .iter()
            .any(|level| tiers.level(&level.name).is_none())
    });
    tiers.retroactive || removes
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
