//! The orders stage: order events and due times become entries for the ledger and outcomes.
//!
//! A key is one order of one shop.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use super::field_watch::FieldWatch;
use super::keys;
use super::output::{self, Output};
use super::rule_table;
use super::topics::Topics;
use crate::domain::instant::Instant;
use crate::domain::order::facts::{OrderEvent, UnknownField};
use crate::domain::order::{self, Decisions, Order, OrderError, OrderKey};
use crate::domain::rules::book::RuleBook;
use crate::engine::error::Refusal;
use crate::engine::ports::{Key, Millis, Offset, OutRecord, Record};
use crate::engine::processor::{Cause, Decoded, Effects, Nudge, Processor, Saved, Turn};
use crate::metrics::{FACTS_AHEAD_TOTAL, FIELDS_UNKNOWN_TOTAL};
use crate::wire::{order_event, order_state};

/// The stage with what its decisions are made by.
pub struct Orders {
    book: Arc<ArcSwap<RuleBook>>,
    topics: Topics,
    orders_days: u32,
    /// Arrival of the event whose facts were last warned of, in milliseconds.
    warned_at: AtomicI64,
    fields: FieldWatch,
}

/// Least time between two warnings of facts that lie ahead.
const WARN_EVERY_MS: i64 = 60_000;

impl Orders {
    /// `orders_days`: how long an order is kept after its last event; 0: for ever.
    pub fn new(book: Arc<ArcSwap<RuleBook>>, topics: Topics, orders_days: u32) -> Self {
        Self {
            book,
            topics,
            orders_days,
            warned_at: AtomicI64::new(i64::MIN),
            fields: FieldWatch::new(true),
        }
    }

    /// Unknown fields are counted for [`Self::unknown_fields`] and not logged.
    pub fn quiet_about_fields(self) -> Self {
        Self {
            fields: FieldWatch::new(false),
            ..self
        }
    }

    /// The unknown fields that events had, by name with how often, and how often those of more names
    /// than are kept.
    pub fn unknown_fields(&self) -> (Vec<(UnknownField, u64)>, u64) {
        self.fields.seen()
    }

    /// Counts facts that lie after their event, and warns of them once a minute.
    fn watch_facts(&self, event: &OrderEvent, now: Millis, effects: &mut Effects<Output>) {
        for (fact, at) in event.facts_ahead() {
            effects.count(FACTS_AHEAD_TOTAL, fact, 1);
            let warned_at = self.warned_at.load(Ordering::Relaxed);
            if now.saturating_sub(warned_at) >= WARN_EVERY_MS {
                self.warned_at.store(now, Ordering::Relaxed);
                tracing::warn!(
                    shop = event.shop_id.as_str(),
                    order = event.order_id.as_str(),
                    event = event.id.as_str(),
                    fact,
                    at = at.rfc3339(),
                    "fact is more than a day later than its event"
                );
            }
        }
    }
}

/// Reads an order event.
pub fn read<'a>(
    value: Option<&'a [u8]>,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
) -> Result<Decoded<Box<OrderEvent>>, Refusal> {
    let event =
        order_event::read(value, headers).map_err(|error| Refusal::new("malformed", error.to_string()))?;
    let binds = event
        .snapshot
        .as_ref()
        .is_some_and(|snapshot| snapshot.created_at.is_some());
    let key = keys::key(&event.shop_id, &event.order_id);
    Ok(Decoded {
        placed_by: Some(event.shop_id.len() + 1..key.len()),
        key,
        at: None,
        reads_table: binds,
        event: Box::new(event),
    })
}

fn send(decisions: Decisions, effects: &mut Effects<Output>) {
    for entry in decisions.entries {
        output::hand_over(entry, effects);
    }
    for outcome in decisions.outcomes {
        output::publish(outcome, effects);
    }
}

impl Processor for Orders {
    type Event = Box<OrderEvent>;
    /// Large, and moved about with every turn.
    type State = Box<Order>;
    type Output = Output;

    fn decode(&self, record: &Record) -> Result<Decoded<Box<OrderEvent>>, Refusal> {
        let headers = record
            .headers
            .iter()
            .map(|(name, text)| (&**name, text.as_deref()));
        read(record.value.as_deref(), headers)
    }

    fn load(&self, _key: &Key, stored: &[u8]) -> Result<Box<Order>, Refusal> {
        order_state::decode(stored)
            .map(Box::new)
            .map_err(|error| Refusal::new("malformed", format!("stored order: {error}")))
    }

    fn save(&self, key: &Key, order: &Box<Order>) -> Saved {
        Saved {
            bytes: order_state::encode(order),
            wake: self.wake(key, order),
            indexed: self.indexed(key, order),
        }
    }

    fn wake(&self, _key: &Key, order: &Box<Order>) -> Option<Millis> {
        order.wake_millis(self.orders_days)
    }

    fn indexed(&self, _key: &Key, order: &Box<Order>) -> bool {
        order.is_open()
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<Output>) -> Result<(), Refusal> {
        let key = match turn.cause {
            Cause::Event { event, .. } => OrderKey {
                shop_id: &event.shop_id,
                order_id: &event.order_id,
            },
            Cause::Timer { .. } | Cause::Nudge => match keys::parts(turn.key) {
                Some((shop_id, order_id)) => OrderKey { shop_id, order_id },
                None => return Err(Refusal::new("malformed", "key is not that of an order")),
            },
        };
        let now = Instant::from_millis(turn.now);
        let book = self.book.load();
        let decisions = match (&turn.cause, turn.state.as_mut()) {
            (Cause::Event { event, .. }, Some(order)) => order.apply(key, event, now, &book),
            (Cause::Event { event, .. }, None) => {
                let mut order = Box::<Order>::default();
                let decided = order::check_remembered(event, now, self.orders_days)
                    .and_then(|()| order.apply(key, event, now, &book));
                if decided.is_ok() {
                    *turn.state = Some(order);
                }
                decided
            }
            (Cause::Timer { .. }, Some(order)) => order.timer(key, now, &book),
            (Cause::Nudge, Some(order)) => order.nudge(key, &book),
            (Cause::Timer { .. } | Cause::Nudge, None) => return Ok(()),
        }
        .map_err(refusal)?;
        send(decisions, effects);
        if let Cause::Event { event, .. } = turn.cause {
            self.watch_facts(event, turn.now, effects);
            if !event.unknown.is_empty() {
                self.fields.see(event, turn.now);
                for field in &event.unknown {
                    effects.count(FIELDS_UNKNOWN_TOTAL, field.section.path(), 1);
                }
            }
        }
        if turn
            .state
            .as_ref()
            .is_some_and(|order| order.is_forgotten(now, self.orders_days))
        {
            *turn.state = None;
        }
        Ok(())
    }

    fn encode(&self, output: Output) -> OutRecord {
        self.topics.record(output)
    }

    fn nudges(&self, after: Offset) -> Vec<Nudge> {
        rule_table::nudges(&self.book.load(), after)
    }
}

fn refusal(error: OrderError) -> Refusal {
    let code = match error {
        OrderError::Forgotten { .. } => "order_forgotten",
        OrderError::VersionUnknown { .. } => "rule_version_unknown",
    };
    Refusal::new(code, error.to_string())
}

#[cfg(test)]
#[path = "orders_tests/mod.rs"]
mod tests;
