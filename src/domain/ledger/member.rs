//! What the ledger remembers of one member of one shop.

use std::collections::BTreeMap;

use super::lots::Lots;
use super::orders::{Details, Orders, Redeemed};
use super::standing::Standing;
use super::tiers::Rules;
use super::usage::{self, Usage};
use super::{Decision, Terms};
use crate::domain::entry::{Birthday, Entry, EntryKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::account::Account;
use crate::domain::outcome::Outcome;
use crate::domain::short_text::ShortText;

pub(super) const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// One member's account. `wire::member_state` gives it its stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// When the member was first registered, imported or credited.
    pub known_since: Option<Instant>,
    pub registered: bool,
    pub birthday: Option<Celebration>,
    /// Last movement's number.
    pub sequence: u64,
    /// What the balance lacks to 0.
    pub debt: i64,
    pub lots: Lots,
    pub orders: Orders,
    /// By the hash of `source` and `id`: commands, and the member's shares of broadcasts.
    pub commands: BTreeMap<u128, Seen>,
    /// Where the shop's rules have tiers, or look for first orders.
    pub standing: Option<Box<Standing>>,
    /// What limits and caps count.
    pub usage: Usage,
    /// Timers of this instant and later ones have not been handled yet.
    pub open_from: Instant,
}

/// A command that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its arrival.
    pub at: Instant,
    pub redeemed: Option<ByCommand>,
}

/// Where it is kept what a command redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByCommand {
    /// Under the order of this hash.
    Order(u64),
    /// Here: for no order.
    Alone(Box<Redeemed>),
}

/// A member's birthday and its gifts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Celebration {
    pub on: Birthday,
    /// The event that told it.
    pub cause_id: ShortText,
    /// The last local year with a gift.
    pub given: Option<i32>,
}

impl Default for Member {
    fn default() -> Self {
        Member {
            known_since: None,
            registered: false,
            birthday: None,
            sequence: 0,
            debt: 0,
            lots: Lots::default(),
            orders: Orders::default(),
            commands: BTreeMap::new(),
            standing: None,
            usage: Usage::default(),
            open_from: Instant::MIN,
        }
    }
}

impl Member {
    /// Takes in an entry for this member. Timers before it come first.
    pub fn apply(&mut self, entry: &Entry, terms: &Terms) -> Decision {
        let at = entry.at.max(self.open_from);
        if self.has_seen(entry, at, terms) {
            return Decision {
                outcomes: Vec::new(),
                duplicate: true,
            };
        }
        if let EntryKind::Expect(points) = entry.kind {
            self.expect(entry, points);
            self.tidy(entry);
            return Decision::default();
        }
        let before = day_of(self.open_from);
        let mut account = Account::new(self, &entry.shop_id, &entry.member_id, *terms);
        account.settle_before(at);
        account.take_in(entry, at);
        account.look_at_levels_by_points(entry, at);
        let decision = Decision {
            outcomes: account.outcomes,
            duplicate: account.duplicate,
        };
        self.tidy(entry);
        if day_of(at) != before {
            self.forget(at, terms);
        }
        decision
    }

    /// Whether the entry was written a second time. If not, it is noted.
    fn has_seen(&mut self, entry: &Entry, at: Instant, terms: &Terms) -> bool {
        let id = match (&entry.kind, &entry.order_id) {
            (EntryKind::Command(_), _) => command_id(entry),
            (EntryKind::GrantedToAll(_), _) => ids::share(entry),
            (_, Some(order)) => return !self.orders.advance(order, entry.step, day_of(at)),
            (_, None) => return false,
        };
        let remembered = |seen: &Seen| terms.forgotten_at(seen.at).is_none_or(|end| at < end);
        if self.commands.get(&id).is_some_and(remembered) {
            return true;
        }
        // Shares are not for those who were not known when the broadcast was read.
        if matches!(entry.kind, EntryKind::Command(_)) || self.is_known_at(entry.at) {
            self.commands.insert(id, Seen { at, redeemed: None });
        }
        false
    }

    pub(super) fn is_known_at(&self, at: Instant) -> bool {
        self.known_since.is_some_and(|since| since <= at)
    }

    /// Handles everything due at or before `now`, in the order of time.
    pub fn timer(&mut self, shop_id: &str, member_id: &str, now: Instant, terms: &Terms) -> Vec<Outcome> {
        let before = day_of(self.open_from);
        let mut account = Account::new(self, shop_id, member_id, *terms);
        account.settle_before(Instant(now.0.saturating_add(1)));
        let outcomes = account.outcomes;
        if day_of(now) != before || self.is_unknown() {
            self.forget(now, terms);
        }
        outcomes
    }

    /// When the next timer is due. Depends on the rules known now; a later version that
    /// changes birthday gifts asks for it again.
    pub fn wake(&self, shop_id: &str, terms: &Terms) -> Option<Instant> {
        let birthday = self.next_birthday(shop_id, terms).map(|gift| gift.at);
        let forgotten = if self.is_unknown() {
            self.commands
                .values()
                .map(|seen| seen.at)
                .max()
                .and_then(|at| terms.forgotten_at(at))
        } else {
            None
        };
        let rules = Rules {
            book: terms.book,
            shop_id,
        };
        let standing = self.standing.as_deref();
        let level = standing
            .and_then(|standing| standing.next(rules, terms))
            .map(|(at, _)| at);
        [
            self.lots.next_expiry(),
            self.lots.next_notice(),
            level,
            birthday,
            forgotten,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub fn balance(&self) -> i64 {
        self.lots.total().saturating_sub(self.debt)
    }

    /// What may be used at an instant. Never below 0.
    pub fn usable(&self, at: Instant) -> i64 {
        self.lots.usable(at).saturating_sub(self.debt).max(0)
    }

    /// What orders with a due time are expected to bring.
    pub fn pending(&self) -> i64 {
        self.orders.expected()
    }

    /// A lot of this id is held, or may get back what was redeemed of it.
    pub fn knows_lot(&self, id: u128) -> bool {
        let alone = self.commands.values().filter_map(|seen| match &seen.redeemed {
            Some(ByCommand::Alone(redeemed)) => Some(&redeemed.taken),
            _ => None,
        });
        let held = self.lots.iter().chain(alone.flatten());
        held.into_iter().any(|lot| lot.id == id) || self.orders.knows_lot(id)
    }

    /// Nothing is remembered but the ids of refused commands.
    pub fn is_unknown(&self) -> bool {
        self.known_since.is_none()
            && self.sequence == 0
            && !self.orders.have_details()
            && self.standing.is_none()
    }

    /// Nothing at all is remembered.
    pub fn is_blank(&self) -> bool {
        self.is_unknown() && self.commands.is_empty()
    }

    /// 0: nothing any more. It moves no balance and says nothing to the outside.
    pub(super) fn expect(&mut self, entry: &Entry, points: i64) {
        let Some(order) = &entry.order_id else { return };
        if points > 0 || self.orders.get(order).is_some() {
            let details = self.orders.details(order);
            details.expected = points.max(0);
            details.pending = None;
        }
    }

    /// What is kept of the entry's order.
    pub(super) fn details(&mut self, entry: &Entry) -> &mut Details {
        self.orders.details(entry.order_id.as_deref().unwrap_or_default())
    }

    fn tidy(&mut self, entry: &Entry) {
        if let Some(order) = &entry.order_id {
            self.orders.tidy(order);
        }
    }

    /// Ids of commands go after their time, and with them what is known of an order's last entry
    /// where nothing else is.
    fn forget(&mut self, at: Instant, terms: &Terms) {
        self.commands
            .retain(|_, seen| terms.forgotten_at(seen.at).is_none_or(|end| at < end));
        if let Some(standing) = &mut self.standing {
            standing.timeline.carry_before(terms.tier_facts_from(at));
        }
        let oldest = day_of(at).saturating_sub(usage::DAYS_KEPT);
        self.usage.fold_before(oldest);
        let days = i32::try_from(terms.command_ids_days)
            .ok()
            .filter(|days| *days > 0);
        let recent = days.map(|days| day_of(at).saturating_sub(days));
        self.orders.forget_receipts(recent.unwrap_or(oldest), oldest);
        if let Some(recent) = recent {
            self.orders.forget_before(recent);
        }
    }
}

/// Days since 1970, in UTC.
fn day_of(at: Instant) -> i32 {
    i32::try_from(at.0.div_euclid(DAY_MICROS)).unwrap_or(i32::MIN)
}

/// Tells commands apart: two are one if `source` and `id` are the same.
pub fn command_id(entry: &Entry) -> u128 {
    ids::command(&entry.cause_source, &entry.cause_id)
}
