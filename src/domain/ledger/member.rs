//! What the ledger remembers of one member of one shop.

use std::collections::{BTreeMap, BTreeSet};

use super::lots::{Lot, Lots};
use super::{Decision, Terms};
use crate::domain::entry::{Birthday, Entry, EntryKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::account::Account;
use crate::domain::outcome::Outcome;
use crate::domain::short_text::ShortText;

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
    /// By order id.
    pub redemptions: BTreeMap<ShortText, Redeemed>,
    /// Points taken back so far, by order id.
    pub taken_back: BTreeMap<ShortText, i64>,
    pub cancelled_orders: BTreeSet<ShortText>,
    /// What orders with a due time are expected to bring, by order id.
    pub expected: BTreeMap<ShortText, i64>,
    /// Hash of `source` and `id` of each command with its arrival.
    pub commands: BTreeMap<u128, Instant>,
    /// Timers of this instant and later ones have not been handled yet.
    pub open_from: Instant,
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

/// What an order redeemed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redeemed {
    /// The lots with the points taken from each, in the order of taking.
    pub taken: Vec<Lot>,
    pub returned: i64,
}

impl Redeemed {
    pub fn points(&self) -> i64 {
        self.taken
            .iter()
            .fold(0, |sum: i64, lot| sum.saturating_add(lot.points))
    }
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
            redemptions: BTreeMap::new(),
            taken_back: BTreeMap::new(),
            cancelled_orders: BTreeSet::new(),
            expected: BTreeMap::new(),
            commands: BTreeMap::new(),
            open_from: Instant::MIN,
        }
    }
}

impl Member {
    /// Takes in an entry for this member. Timers before it come first.
    pub fn apply(&mut self, entry: &Entry, terms: &Terms) -> Decision {
        if let EntryKind::Expect(points) = entry.kind {
            self.expect(entry, points);
            return Decision::default();
        }
        let at = entry.at.max(self.open_from);
        let mut account = Account::new(self, &entry.shop_id, &entry.member_id, *terms);
        account.settle_before(at);
        account.member.forget_commands(at, terms);
        if let EntryKind::Command(_) = entry.kind {
            let id = command_id(entry);
            if account.member.commands.contains_key(&id) {
                return Decision {
                    outcomes: account.outcomes,
                    duplicate: true,
                };
            }
            account.member.commands.insert(id, at);
        }
        match &entry.kind {
            EntryKind::Issue(issue) => {
                account.member.expect(entry, 0);
                account.issue(entry, issue, at);
            }
            EntryKind::Reopen(_) => {
                let order = entry.order_id.clone().unwrap_or_default();
                account.member.cancelled_orders.remove(&order);
            }
            EntryKind::Reverse(reverse) => account.reverse(entry, reverse, at),
            EntryKind::RedeemByOrder(redeem) => account.redeem_by_order(entry, redeem, at),
            EntryKind::Return(back) => account.give_back(entry, back, at),
            EntryKind::OrderCancelled => {
                let order = entry.order_id.clone().unwrap_or_default();
                account.member.cancelled_orders.insert(order);
            }
            EntryKind::Command(command) => account.command(entry, command, at),
            EntryKind::GrantedToAll(grant) => account.granted_to_all(entry, grant, at),
            // The one is for the shop's broadcasts, not for a member; the other was taken in above.
            EntryKind::GrantAll(_) | EntryKind::Expect(_) => {}
        }
        Decision {
            outcomes: account.outcomes,
            duplicate: false,
        }
    }

    /// Handles everything due at or before `now`, in the order of time.
    pub fn timer(&mut self, shop_id: &str, member_id: &str, now: Instant, terms: &Terms) -> Vec<Outcome> {
        let mut account = Account::new(self, shop_id, member_id, *terms);
        account.settle_before(Instant(now.0.saturating_add(1)));
        account.member.forget_commands(now, terms);
        account.outcomes
    }

    /// When the next timer is due. Depends on the rules known now; a later version that
    /// changes birthday gifts asks for it again.
    pub fn wake(&self, shop_id: &str, terms: &Terms) -> Option<Instant> {
        let notice = self
            .lots
            .iter()
            .filter_map(|lot| lot.notice.map(|notice| notice.at))
            .min();
        let birthday = self.next_birthday(shop_id, terms).map(|gift| gift.at);
        let forgotten = if self.is_unknown() {
            self.commands
                .values()
                .max()
                .and_then(|at| terms.forgotten_at(*at))
        } else {
            None
        };
        [self.lots.next_expiry(), notice, birthday, forgotten]
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
        self.expected
            .values()
            .fold(0, |sum: i64, points| sum.saturating_add(*points))
    }

    /// A lot of this id is held, or may get back what was redeemed of it.
    pub fn knows_lot(&self, id: u128) -> bool {
        let redeemed = self.redemptions.values().flat_map(|redeemed| &redeemed.taken);
        self.lots.iter().chain(redeemed).any(|lot| lot.id == id)
    }

    /// Nothing is remembered but the ids of refused commands.
    pub fn is_unknown(&self) -> bool {
        self.known_since.is_none()
            && self.sequence == 0
            && self.cancelled_orders.is_empty()
            && self.expected.is_empty()
    }

    /// Nothing at all is remembered.
    pub fn is_blank(&self) -> bool {
        self.is_unknown() && self.commands.is_empty()
    }

    /// 0: nothing any more. It moves no balance and says nothing to the outside.
    fn expect(&mut self, entry: &Entry, points: i64) {
        let Some(order) = &entry.order_id else { return };
        if points > 0 {
            self.expected.insert(order.clone(), points);
        } else {
            self.expected.remove(order);
        }
    }

    fn forget_commands(&mut self, at: Instant, terms: &Terms) {
        self.commands
            .retain(|_, seen| terms.forgotten_at(*seen).is_none_or(|end| at < end));
    }
}

/// Tells commands apart: two are one if `source` and `id` are the same.
pub fn command_id(entry: &Entry) -> u128 {
    ids::command(&entry.cause_source, &entry.cause_id)
}
