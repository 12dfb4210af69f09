//! Two toy stages that mirror orders and ledger: the first sets a timer per event and sends one
//! output per timer; the second gives every member a sequence without gaps and lets each
//! output expire once.

use std::sync::Arc;

use accrual::engine::error::{LogError, Refusal};
use accrual::engine::ports::{Key, Millis, Offset, OutRecord, Partition, Record, Table};
use accrual::engine::processor::{Cause, Decoded, Effects, Nudge, Processor, Saved, Turn};
use bytes::Bytes;

use super::world::Sim;

/// The global table as one machine has read it.
pub struct SimTable {
    pub sim: Sim,
    pub machine: usize,
}

impl Table for SimTable {
    async fn catch_up(&self) -> Result<(), LogError> {
        let machine = self.machine;
        self.sim
            .call(move |world, slot| {
                let (retry, delay) = (world.knobs.log_retry * 0.1, world.latency());
                if world.chance(retry) {
                    return world.after(delay, move |_| slot.answer(Err(LogError::Retry("behind".into()))));
                }
                world.after(delay, move |world| {
                    let end = world.table.len();
                    let delay = world.latency();
                    world.after(delay, move |world| {
                        world.read_table(machine, end);
                        slot.answer(Ok(()));
                    });
                });
            })
            .await
    }

    fn version(&self) -> u64 {
        self.sim.lock().machines[self.machine].table as u64
    }

    async fn changed(&self, seen: u64) {
        std::future::poll_fn(|cx| {
            let machine = &mut self.sim.lock().machines[self.machine];
            if machine.table as u64 != seen {
                return std::task::Poll::Ready(());
            }
            machine.table_wakers.retain(|waker| !waker.will_wake(cx.waker()));
            machine.table_wakers.push(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await
    }
}

impl super::world::World {
    /// The machine has read the table to here.
    pub fn read_table(&mut self, machine: usize, end: usize) {
        let state = &mut self.machines[machine];
        state.table = state.table.max(end);
        state.table_wakers.drain(..).for_each(|waker| waker.wake());
    }
}

pub struct ToyOrders {
    pub table: SimTable,
    pub mid: Arc<str>,
    pub echo: Arc<str>,
    pub members_partitions: i32,
}

pub enum OrderEvent {
    Put {
        id: String,
        delay: Millis,
        member: String,
    },
    Hold {
        id: String,
        level: usize,
        member: String,
    },
    Cancel,
    Panic,
    /// Makes the state larger than any may be.
    Fat,
    /// Sets a timer that panics.
    Trap,
}

/// The key of timers that panic.
pub const TRAP: &str = "trap";
const FAT_BYTES: usize = 200_000;

/// What is to come: when, which, for whom, and whether it was held.
type Pending = (Millis, String, String, bool);

#[derive(Clone, Default, Debug)]
pub struct OrderState {
    pub count: u64,
    pub pending: Vec<Pending>,
    /// Since when, which, for whom, until which table record.
    pub held: Vec<(Millis, String, String, usize)>,
}

fn refusal(detail: &str) -> Refusal {
    Refusal::new("malformed", detail)
}

/// What is sent out.
pub fn record(topic: &Arc<str>, partition: Partition, key: Option<Bytes>, value: String) -> OutRecord {
    OutRecord {
        topic: topic.clone(),
        partition: Some(partition),
        key,
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

pub fn place(key: &str, partitions: i32) -> Partition {
    key.bytes().map(i32::from).sum::<i32>() % partitions
}

impl Processor for ToyOrders {
    type Event = OrderEvent;
    type State = OrderState;
    type Output = OutRecord;

    fn decode(&self, record: &Record) -> Result<Decoded<OrderEvent>, Refusal> {
        let text =
            std::str::from_utf8(record.value.as_deref().unwrap_or_default()).map_err(|_| refusal("utf-8"))?;
        let words: Vec<&str> = text.split(' ').collect();
        let event = match words[..] {
            ["put", id, delay, member] => OrderEvent::Put {
                id: id.into(),
                delay: delay.parse().expect("number"),
                member: member.into(),
            },
            ["hold", id, level, member] => OrderEvent::Hold {
                id: id.into(),
                level: level.parse().expect("number"),
                member: member.into(),
            },
            ["cancel", _] => OrderEvent::Cancel,
            ["panic", _] => OrderEvent::Panic,
            ["fat", _] => OrderEvent::Fat,
            ["trap", _] => OrderEvent::Trap,
            _ => return Err(refusal("unknown word")),
        };
        let reads_table = matches!(event, OrderEvent::Put { .. } | OrderEvent::Hold { .. });
        let key = record.key.clone().ok_or_else(|| refusal("no key"))?;
        Ok(Decoded {
            key,
            event,
            placed_by: None,
            at: None,
            reads_table,
        })
    }

    fn load(&self, _key: &Key, stored: &[u8]) -> Result<OrderState, Refusal> {
        let text = std::str::from_utf8(stored).map_err(|_| refusal("state"))?;
        let mut parts = text.split('|');
        let count = parts
            .next()
            .and_then(|c| c.parse().ok())
            .ok_or_else(|| refusal("state"))?;
        let mut state = OrderState {
            count,
            ..OrderState::default()
        };
        for item in parts {
            match item.split(',').collect::<Vec<_>>()[..] {
                ["p", due, id, member, held] => {
                    let due = due.parse().map_err(|_| refusal("due"))?;
                    state
                        .pending
                        .push((due, id.into(), member.into(), held == "true"));
                }
                ["h", since, id, member, level] => {
                    let level = level.parse().map_err(|_| refusal("level"))?;
                    state.held.push((
                        since.parse().map_err(|_| refusal("since"))?,
                        id.into(),
                        member.into(),
                        level,
                    ));
                }
                _ => return Err(refusal("state")),
            }
        }
        Ok(state)
    }

    fn save(&self, _key: &Key, state: &OrderState) -> Saved {
        let mut text = state.count.to_string();
        for (due, id, member, held) in &state.pending {
            text += &format!("|p,{due},{id},{member},{held}");
        }
        for (since, id, member, level) in &state.held {
            text += &format!("|h,{since},{id},{member},{level}");
        }
        let wake = state.pending.iter().map(|pending| pending.0).min();
        Saved {
            bytes: text.into(),
            wake,
            indexed: !state.held.is_empty(),
        }
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<OutRecord>) -> Result<(), Refusal> {
        let state = turn.state.get_or_insert_default();
        let timer = matches!(turn.cause, Cause::Timer { .. });
        match turn.cause {
            Cause::Event { event, record } => self.event(state, event, record, effects),
            Cause::Timer { .. } => {
                let due: Vec<Pending> = state
                    .pending
                    .iter()
                    .filter(|p| p.0 <= turn.now)
                    .cloned()
                    .collect();
                state.pending.retain(|p| p.0 > turn.now);
                if due.iter().any(|pending| pending.1 == TRAP) {
                    panic!("toy");
                }
                for (_, id, member, _) in due {
                    let key = String::from_utf8_lossy(turn.key);
                    let value = format!("{key} {id} {} {}", turn.now, state.count);
                    let partition = place(&member, self.members_partitions);
                    effects.send(record(&self.mid, partition, Some(member.into()), value));
                }
            }
            Cause::Nudge => {}
        }
        // A timer's turn must not end with something due before it.
        if !timer {
            self.release(state);
        }
        if state.pending.is_empty() && state.held.is_empty() && state.count.is_multiple_of(3) {
            *turn.state = None;
        }
        Ok(())
    }

    fn encode(&self, output: OutRecord) -> OutRecord {
        output
    }

    fn nudges(&self, after: Offset) -> Vec<Nudge> {
        let read = self.table.version() as Offset;
        ((after + 1).max(0)..read)
            .map(|offset| Nudge {
                offset,
                prefix: Bytes::new(),
                // Of keys that do not wait for the table nothing comes.
                every_key: offset % 2 == 1,
            })
            .collect()
    }
}

impl ToyOrders {
    fn event(
        &self,
        state: &mut OrderState,
        event: &OrderEvent,
        record: &Record,
        effects: &mut Effects<OutRecord>,
    ) {
        let at = record.timestamp.expect("the log stamps");
        state.count += 1;
        match event {
            OrderEvent::Put { id, delay, member } => {
                state
                    .pending
                    .push((at + delay, id.clone(), member.clone(), false));
                let value = format!("{id} {}", self.table.version());
                effects.send(self::record(&self.echo, 0, record.key.clone(), value));
            }
            OrderEvent::Hold { id, level, member } => {
                state.held.push((at, id.clone(), member.clone(), *level))
            }
            OrderEvent::Cancel => state.pending.retain(|pending| pending.3),
            OrderEvent::Panic => {
                state.pending.clear();
                panic!("toy");
            }
            OrderEvent::Fat => {
                let fat = "x".repeat(FAT_BYTES);
                state.pending.push((Millis::MAX, fat, "m0".into(), true));
                effects.send(self::record(&self.echo, 0, record.key.clone(), "fat 0".into()));
            }
            OrderEvent::Trap => state.pending.push((at, TRAP.into(), "m0".into(), true)),
        }
    }

    /// What was held until a table record that is known now becomes due at its time.
    fn release(&self, state: &mut OrderState) {
        let world = self.table.sim.lock();
        let known = &world.table[..world.machines[self.table.machine].table];
        let free = |held: &(Millis, String, String, usize)| held.3 < known.len();
        for (since, id, member, level) in state.held.iter().filter(|held| free(held)) {
            state
                .pending
                .push((known[*level].max(*since), id.clone(), member.clone(), true));
        }
        state.held.retain(|held| !free(held));
    }
}

pub struct ToyLedger {
    pub out: Arc<str>,
    pub partitions: i32,
}

#[derive(Clone, Default, Debug)]
pub struct MemberState {
    sequence: u64,
    lots: Vec<(Millis, String)>,
}

/// How long a lot lives.
pub fn life(id: &str) -> Millis {
    200 + id.bytes().map(Millis::from).sum::<Millis>() % 7 * 200
}

impl Processor for ToyLedger {
    type Event = (String, Millis);
    type State = MemberState;
    type Output = OutRecord;

    fn decode(&self, record: &Record) -> Result<Decoded<(String, Millis)>, Refusal> {
        let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        let [_, id, due, _] = words[..] else {
            return Err(refusal("entry"));
        };
        let due: Millis = due.parse().map_err(|_| refusal("due"))?;
        let key = record.key.clone().ok_or_else(|| refusal("no key"))?;
        Ok(Decoded {
            key,
            event: (id.to_string(), due),
            placed_by: None,
            at: Some(due),
            reads_table: false,
        })
    }

    fn load(&self, _key: &Key, stored: &[u8]) -> Result<MemberState, Refusal> {
        let text = String::from_utf8_lossy(stored);
        let mut parts = text.split('|');
        let sequence = parts
            .next()
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| refusal("state"))?;
        let lot = |lot: &str| {
            let (due, id) = lot.split_once(',').expect("two words");
            (due.parse().expect("number"), id.to_string())
        };
        Ok(MemberState {
            sequence,
            lots: parts.map(lot).collect(),
        })
    }

    fn save(&self, _key: &Key, state: &MemberState) -> Saved {
        let lots: String = state
            .lots
            .iter()
            .map(|(due, id)| format!("|{due},{id}"))
            .collect();
        let wake = state.lots.iter().map(|lot| lot.0).min();
        Saved {
            bytes: format!("{}{lots}", state.sequence).into(),
            wake,
            indexed: true,
        }
    }

    fn apply(&self, turn: Turn<'_, Self>, effects: &mut Effects<OutRecord>) -> Result<(), Refusal> {
        let state = turn.state.get_or_insert_default();
        let member = String::from_utf8_lossy(turn.key).into_owned();
        let partition = place(&member, self.partitions);
        let mut send = |state: &mut MemberState, what: &str, id: &str, at: Millis| {
            state.sequence += 1;
            let value = format!("{member} {} {what} {id} {at}", state.sequence);
            effects.send(record(&self.out, partition, Some(turn.key.clone()), value));
        };
        match turn.cause {
            Cause::Event { event: (id, due), .. } => {
                send(state, "in", id, *due);
                state.lots.push((due + life(id), id.clone()));
            }
            Cause::Timer { .. } => {
                let mut gone: Vec<_> = state
                    .lots
                    .iter()
                    .filter(|lot| lot.0 <= turn.now)
                    .cloned()
                    .collect();
                gone.sort();
                state.lots.retain(|lot| lot.0 > turn.now);
                for (_, id) in gone {
                    send(state, "exp", &id, turn.now);
                }
            }
            Cause::Nudge => {}
        }
        Ok(())
    }

    fn encode(&self, output: OutRecord) -> OutRecord {
        output
    }
}
