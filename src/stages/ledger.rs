//! The ledger stage: entries and timers of members become outcomes.
//!
//! A key is a member, or a shop's broadcasts within this partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::broadcast_progress::BroadcastProgress;
use super::keys;
use super::output::{self, Output};
use super::topics::Topics;
use crate::domain::entry::{Command, Entry, EntryKind};
use crate::domain::instant::Instant;
use crate::domain::ledger::Terms;
use crate::domain::ledger::broadcast::{Broadcasts, refused};
use crate::domain::ledger::member::Member;
use crate::domain::ledger::tiers::days::{ORDERS_AHEAD_MAX, ORDERS_MAX};
use crate::domain::ledger::tiers::facts::FactRefused;
use crate::domain::outcome::Outcome;
use crate::domain::rules::book::RuleBook;
use crate::engine::error::Refusal;
use crate::engine::ports::{Key, Millis, Offset, OutRecord, Partition, Record, Scan};
use crate::engine::processor::{Cause, Decoded, Effects, Nudge, Processor, Saved, Turn};
use crate::metrics::{BROADCAST_MEMBERS_TOTAL, COMMANDS_DUPLICATE_TOTAL, ENTRIES_DUPLICATE_TOTAL};
use crate::wire::{ledger_entry, member_state};

/// Members that one turn of a broadcast serves.
const BROADCAST_MEMBERS_PER_TURN: usize = 500;
/// How long facts of levels are kept if nothing else is said.
const TIER_FACTS_MONTHS: u32 = 36;
/// Every partition takes in a broadcast that cannot be carried out; this one answers it.
const ANSWERING_PARTITION: Partition = 0;

/// The stage with what its decisions are made by.
pub struct Ledger {
    book: Arc<ArcSwap<RuleBook>>,
    topics: Topics,
    command_ids_days: u32,
    tier_facts_months: u32,
    broadcasts: BroadcastProgress,
    /// Microseconds; `i64::MAX`: none.
    gift_horizon: AtomicI64,
}

/// What the ledger keeps under a key.
#[derive(Clone, Debug, PartialEq)]
pub enum LedgerState {
    Member(Box<Member>),
    Broadcasts(Broadcasts),
}

impl Ledger {
    pub fn new(book: Arc<ArcSwap<RuleBook>>, topics: Topics, command_ids_days: u32) -> Self {
        Ledger {
            book,
            topics,
            command_ids_days,
            tier_facts_months: TIER_FACTS_MONTHS,
            broadcasts: BroadcastProgress::default(),
            gift_horizon: AtomicI64::new(i64::MAX),
        }
    }

    /// How long facts of levels are kept; 0: for ever.
    pub fn keeping_tier_facts(self, tier_facts_months: u32) -> Self {
        Ledger {
            tier_facts_months,
            ..self
        }
    }

    /// Who wants to know how far broadcasts are looks there.
    pub fn broadcasts(&self) -> BroadcastProgress {
        self.broadcasts.clone()
    }

    /// From here on birthday gifts later than this are not given: a replay ends.
    pub fn set_gift_horizon(&self, horizon: Instant) {
        self.gift_horizon.store(horizon.0, Ordering::Relaxed);
    }

    fn terms<'a>(&self, book: &'a RuleBook) -> Terms<'a> {
        let horizon = self.gift_horizon.load(Ordering::Relaxed);
        Terms {
            book,
            gift_horizon: (horizon != i64::MAX).then_some(Instant(horizon)),
            command_ids_days: self.command_ids_days,
            tier_facts_months: self.tier_facts_months,
        }
    }

    fn entry(
        &self,
        turn: &mut Turn<'_, Self>,
        entry: &Entry,
        effects: &mut Effects<Output>,
    ) -> Result<(), Refusal> {
        let book = self.book.load();
        let terms = self.terms(&book);
        if entry.member_id.is_empty() {
            return self.broadcast(turn, entry, &terms, effects);
        }
        if let Some(LedgerState::Member(member)) = turn.state
            && let Some(refused) = member.refuses(entry, &terms)
        {
            return Err(fact_refused(refused, entry));
        }
        let member = member(turn.state)?;
        let decision = member.apply(entry, &terms);
        publish(decision.outcomes, effects);
        if decision.duplicate {
            let counted = match entry.kind {
                EntryKind::Command(_) => COMMANDS_DUPLICATE_TOTAL,
                _ => ENTRIES_DUPLICATE_TOTAL,
            };
            effects.count(counted, "", 1);
        }
        Ok(())
    }

    fn broadcast(
        &self,
        turn: &mut Turn<'_, Self>,
        entry: &Entry,
        terms: &Terms,
        effects: &mut Effects<Output>,
    ) -> Result<(), Refusal> {
        let invalid = match &entry.kind {
            EntryKind::GrantAll(_) => None,
            EntryKind::Command(Command::Invalid(invalid)) => Some(invalid),
            _ => return Err(Refusal::new("malformed", "an entry without its member")),
        };
        if !broadcasts(turn.state)?.take(entry, terms) {
            effects.count(COMMANDS_DUPLICATE_TOTAL, "", 1);
            return Ok(());
        }
        if let Some(invalid) = invalid.filter(|_| turn.partition == ANSWERING_PARTITION) {
            output::publish(refused(entry, invalid, terms), effects);
        }
        Ok(())
    }

    fn timer(
        &self,
        turn: &mut Turn<'_, Self>,
        scanned: &[Key],
        effects: &mut Effects<Output>,
    ) -> Result<(), Refusal> {
        let book = self.book.load();
        let terms = self.terms(&book);
        let now = Instant::from_millis(turn.now);
        match turn.state {
            Some(LedgerState::Member(member)) => {
                let (shop_id, member_id) = parts(turn.key)?;
                let outcomes = member.timer(shop_id, member_id, now, &terms);
                publish(outcomes, effects);
            }
            Some(LedgerState::Broadcasts(broadcasts)) => {
                let members = scanned
                    .iter()
                    .map(|key| Ok(parts(key)?.1))
                    .collect::<Result<Vec<_>, Refusal>>()?;
                let more = members.len() >= BROADCAST_MEMBERS_PER_TURN;
                for share in broadcasts.advance(&members, more) {
                    effects.count(BROADCAST_MEMBERS_TOTAL, "", 1);
                    output::hand_over_to(turn.partition, share, effects);
                }
                broadcasts.forget(now, &terms);
            }
            None => {}
        }
        Ok(())
    }
}

fn fact_refused(refused: FactRefused, entry: &Entry) -> Refusal {
    let (member, shop) = (&entry.member_id, &entry.shop_id);
    let order = entry.order_id.as_deref().unwrap_or_default();
    let why = match refused {
        FactRefused::KeptAsSums => format!(
            "as it would change what is kept as sums of days: the newest {ORDERS_MAX} orders are kept one by one"
        ),
        FactRefused::TooManyAhead => {
            format!("{ORDERS_AHEAD_MAX} orders are kept already, and count from later on")
        }
    };
    let detail = format!(
        "what order {order} counts for the level of member {member} of shop {shop} is not taken in, {why};          is this id that of many buyers? send their orders without a customer, else use member.qualify"
    );
    Refusal::new("tier_facts_limit", detail)
}

fn publish(outcomes: Vec<Outcome>, effects: &mut Effects<Output>) {
    for outcome in outcomes {
        output::publish(outcome, effects);
    }
}

impl Processor for Ledger {
    type Event = Entry;
    type State = LedgerState;
    type Output = Output;

    fn decode(&self, record: &Record) -> Result<Decoded<Entry>, Refusal> {
        let value = record.value.as_deref().unwrap_or_default();
        let entry =
            ledger_entry::decode(value).map_err(|error| Refusal::new("malformed", error.to_string()))?;
        Ok(decoded(entry))
    }

    fn load(&self, key: &Key, stored: &[u8]) -> Result<LedgerState, Refusal> {
        let read = match parts(key)? {
            (_, "\0") => member_state::decode_broadcasts(stored).map(LedgerState::Broadcasts),
            (shop_id, _) => member_state::decode_member(shop_id, stored)
                .map(|member| LedgerState::Member(Box::new(member))),
        };
        read.map_err(|error| Refusal::new("malformed", format!("state: {error}")))
    }

    fn save(&self, key: &Key, state: &LedgerState) -> Saved {
        let bytes = match state {
            LedgerState::Member(member) => member_state::encode_member(member),
            LedgerState::Broadcasts(broadcasts) => member_state::encode_broadcasts(broadcasts),
        };
        Saved {
            bytes: Bytes::from(bytes),
            wake: self.wake(key, state),
            indexed: self.indexed(key, state),
        }
    }

    fn wake(&self, key: &Key, state: &LedgerState) -> Option<Millis> {
        let book = self.book.load();
        let terms = self.terms(&book);
        let wake = match state {
            LedgerState::Member(member) => member.wake(keys::parts(key)?.0, &terms),
            LedgerState::Broadcasts(broadcasts) => broadcasts.wake(&terms),
        };
        wake.map(Instant::ceil_millis)
    }

    /// Members that are known: they alone have a share in broadcasts and birthdays.
    fn indexed(&self, _key: &Key, state: &LedgerState) -> bool {
        matches!(state, LedgerState::Member(member) if member.known_since.is_some() || member.standing.is_some())
    }

    fn apply(&self, mut turn: Turn<'_, Self>, effects: &mut Effects<Output>) -> Result<(), Refusal> {
        match turn.cause {
            Cause::Event { event, .. } => self.entry(&mut turn, event, effects)?,
            Cause::Timer { scanned, .. } => self.timer(&mut turn, scanned, effects)?,
            // Its wake-up is worked out anew when it is saved.
            Cause::Nudge => {}
        }
        let blank = match turn.state {
            Some(LedgerState::Member(member)) => member.is_blank(),
            Some(LedgerState::Broadcasts(broadcasts)) => {
                self.broadcasts
                    .note(turn.partition, turn.key, broadcasts.running.len());
                broadcasts.is_blank()
            }
            None => false,
        };
        if blank {
            *turn.state = None;
        }
        Ok(())
    }

    fn encode(&self, output: Output) -> OutRecord {
        self.topics.record(output)
    }

    fn scan(&self, key: &Key, state: &LedgerState) -> Option<Scan> {
        let LedgerState::Broadcasts(broadcasts) = state else {
            return None;
        };
        let (shop_id, _) = keys::parts(key)?;
        let running = broadcasts.running.front()?;
        Some(Scan {
            prefix: keys::shop_prefix(shop_id),
            after: running.cursor.as_ref().map(|member| keys::key(shop_id, member)),
            limit: BROADCAST_MEMBERS_PER_TURN,
        })
    }

    /// A version with other birthday gifts than the ones before moves its members' timers.
    fn nudges(&self, after: Offset) -> Vec<Nudge> {
        let book = self.book.load();
        let asked = book.member_nudges(after);
        let nudge = |(shop_id, offset)| Nudge {
            offset,
            prefix: keys::shop_prefix(shop_id),
            every_key: false,
        };
        let mut nudges: Vec<Nudge> = asked.map(nudge).collect();
        nudges.sort_by_key(|nudge| nudge.offset);
        nudges
    }
}

/// An entry with what the engine must know of it.
pub fn decoded(entry: Entry) -> Decoded<Entry> {
    let key = keys::ledger_key(&entry);
    // On another partition there would be a second state of the same member. Broadcasts are on
    // every partition.
    let placed_by = (!entry.member_id.is_empty()).then_some(0..key.len());
    Decoded {
        key,
        placed_by,
        at: Some(entry.at.ceil_millis()),
        reads_table: reads_rules(&entry.kind),
        event: entry,
    }
}

fn member(state: &mut Option<LedgerState>) -> Result<&mut Member, Refusal> {
    match state.get_or_insert_with(|| LedgerState::Member(Box::default())) {
        LedgerState::Member(member) => Ok(member),
        LedgerState::Broadcasts(_) => Err(Refusal::new("malformed", "the key is not a member's")),
    }
}

fn broadcasts(state: &mut Option<LedgerState>) -> Result<&mut Broadcasts, Refusal> {
    match state.get_or_insert_with(|| LedgerState::Broadcasts(Broadcasts::default())) {
        LedgerState::Broadcasts(broadcasts) => Ok(broadcasts),
        LedgerState::Member(_) => Err(Refusal::new("malformed", "the key is not that of broadcasts")),
    }
}

fn parts(key: &Key) -> Result<(&str, &str), Refusal> {
    keys::parts(key).ok_or_else(|| Refusal::new("malformed", "the key is not shop and member"))
}

fn reads_rules(kind: &EntryKind) -> bool {
    match kind {
        EntryKind::Issue(_)
        | EntryKind::IssueByPriceList(_)
        | EntryKind::Revise(_)
        | EntryKind::Forecast(_)
        | EntryKind::Reopen(_)
        | EntryKind::RedeemByOrder(_)
        | EntryKind::GrantedToAll(_)
        | EntryKind::OrderFact(_)
        | EntryKind::Command(_) => true,
        EntryKind::Reverse(_)
        | EntryKind::Return(_)
        | EntryKind::Expect(_)
        | EntryKind::OrderCancelled
        | EntryKind::GrantAll(_) => false,
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
