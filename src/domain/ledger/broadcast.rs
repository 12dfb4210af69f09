//! Broadcasts of a shop: one grant to every member of a partition, a part at a time.

use std::collections::{BTreeMap, VecDeque};

use super::Terms;
use super::member::command_id;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::instant::Instant;

/// A shop's broadcasts within one partition of the ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Broadcasts {
    /// Hash of `source` and `id` of each broadcast with its arrival.
    pub seen: BTreeMap<u128, Instant>,
    /// Under way, in the order in which they are carried out.
    pub running: VecDeque<Broadcast>,
    /// Arrival of the latest; a timer never goes back behind it.
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
    /// Takes in a broadcast; `false`: it was seen before, and is dropped.
    pub fn start(&mut self, entry: &Entry, terms: &Terms) -> bool {
        self.forget(entry.at, terms);
        if self.seen.insert(command_id(entry), entry.at).is_some() {
            return false;
        }
        self.latest = self.latest.max(Some(entry.at));
        self.running.push_back(Broadcast {
            entry: entry.clone(),
            cursor: None,
        });
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

    /// When to go on: at once while a broadcast is under way.
    pub fn wake(&self, terms: &Terms) -> Option<Instant> {
        if self.running.is_empty() {
            return self.seen.values().max().and_then(|at| terms.forgotten_at(*at));
        }
        self.latest
    }

    pub fn is_blank(&self) -> bool {
        self.seen.is_empty() && self.running.is_empty()
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
