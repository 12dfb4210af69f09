//! Broadcasts of a shop: one grant to every member of a partition, a part at a time.
//!
//! One that cannot be carried out is remembered as well, in every partition: told again with
//! its faults mended it is still the same command.

use std::collections::{BTreeMap, VecDeque};

use super::Terms;
use super::member::command_id;
use crate::domain::digest::hex;
use crate::domain::entry::{Entry, EntryKind, Invalid};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::{Body, Outcome};
use crate::domain::reason::Reason;

/// A timer fires once time is past it, and a broadcast goes on as soon as it has arrived.
const TIMER_STEP_MICROS: i64 = 1_000;

/// A shop's broadcasts within one partition of the ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Broadcasts {
    /// Hash of `source` and `id` of each broadcast with its arrival.
    pub seen: BTreeMap<u128, Instant>,
    /// Under way, in the order in which they are carried out.
    pub running: VecDeque<Broadcast>,
    /// Arrival of the latest that was carried out; a timer never goes back behind it.
    pub latest: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// A [`EntryKind::GrantAll`].
    pub entry: Entry,
    /// The last member served.
    pub cursor: Option<String>,
}

impl Broadcasts {
    /// Takes in a broadcast, or one that cannot be carried out; `false`: it was seen before, and
    /// is dropped.
    pub fn take(&mut self, entry: &Entry, terms: &Terms) -> bool {
        self.forget(entry.at, terms);
        let id = command_id(entry);
        if self.seen.contains_key(&id) {
            return false;
        }
        self.seen.insert(id, entry.at);
        if let EntryKind::GrantAll(_) = entry.kind {
            self.latest = self.latest.max(Some(entry.at));
            self.running.push_back(Broadcast {
                entry: entry.clone(),
                cursor: None,
            });
        }
        true
    }

    /// The shares of the next `members`, which are those behind the cursor of the first running
    /// broadcast. `more`: there are others behind them.
    pub fn advance(&mut self, members: &[&str], more: bool) -> Vec<Entry> {
        let Some(broadcast) = self.running.front_mut() else {
            return Vec::new();
        };
        let shares = members
            .iter()
            .filter_map(|member| share(&broadcast.entry, member))
            .collect();
        match members.last() {
            Some(last) if more => broadcast.cursor = Some((*last).to_owned()),
            _ => {
                self.running.pop_front();
            }
        }
        shares
    }

    /// Ids that need not be remembered any longer go.
    pub fn forget(&mut self, at: Instant, terms: &Terms) {
        self.seen
            .retain(|_, seen| terms.forgotten_at(*seen).is_none_or(|end| at < end));
    }

    /// When to go on: while a broadcast is under way, before anything that comes after it.
    pub fn wake(&self, terms: &Terms) -> Option<Instant> {
        if self.running.is_empty() {
            return self.seen.values().max().and_then(|at| terms.forgotten_at(*at));
        }
        let at = self.latest?;
        Some(Instant(at.0.saturating_sub(TIMER_STEP_MICROS)))
    }

    pub fn is_blank(&self) -> bool {
        self.seen.is_empty() && self.running.is_empty()
    }
}

/// Answers a broadcast that cannot be carried out. It has no member who could be told.
pub fn refused(entry: &Entry, invalid: &Invalid, terms: &Terms) -> Outcome {
    let in_force = terms.book.in_force(&entry.shop_id, entry.effective_at);
    Outcome {
        id: hex(ids::refused_broadcast(entry)),
        shop_id: entry.shop_id.clone(),
        member_id: None,
        order_id: None,
        rule_version: in_force.map(|published| published.rules.version),
        reason: Reason::Invalid,
        effective_at: entry.effective_at,
        cause_id: entry.cause_id.clone(),
        note: invalid.note.clone(),
        notify: invalid.notify,
        actor: invalid.actor.clone(),
        traceparent: entry.traceparent.clone(),
        body: Body::Rejected {
            points: invalid.points,
            detail: Some(invalid.detail.clone()),
        },
    }
}

fn share(entry: &Entry, member: &str) -> Option<Entry> {
    let EntryKind::GrantAll(grant) = &entry.kind else {
        return None;
    };
    let kind = EntryKind::GrantedToAll(grant.clone());
    Some(Entry {
        member_id: member.into(),
        kind,
        ..entry.clone()
    })
}
