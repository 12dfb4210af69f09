//! Everything outside the engine: time, machines, the log, the store. One value under one lock.
//!
//! Time moves from event to event. What happens at the same millisecond happens in an order
//! that the seed picks. A call of the engine is a chain of events: it arrives, it is done, its
//! answer comes back; whoever made it may be dead or frozen by then.
//!
//! Permitted here: machines that die, freeze and thaw at any event, clocks that differ by a
//! bounded skew, and time that jumps for everybody. Survivable because nothing in the protocol
//! counts on a duration (E5, E6): time decides when, never whether.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use accrual::engine::ports::Millis;

use super::faults::Knobs;
use super::group::Groups;
use super::log::Topics;
use super::rng::Rng;
use super::store::Redis;
use super::watch::Watch;

pub type Event = Box<dyn FnOnce(&mut World) + Send>;

/// One machine that runs all stages.
pub struct Machine {
    pub alive: bool,
    /// Counts restarts: what an earlier one began is not carried on.
    pub life: u32,
    /// Told to stop; it ends once it has drained.
    pub stopping: bool,
    pub stop_wakers: Vec<Waker>,
    pub frozen_until: Millis,
    /// The engine is not polled, while threads of the adapters go on.
    pub hung_until: Millis,
    pub skew: Millis,
    /// The global table as this machine has read it: this many records.
    pub table: usize,
    pub table_wakers: Vec<Waker>,
}

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub machine: usize,
    pub life: u32,
}

/// What only the executor can do.
pub enum Command {
    Crash(usize),
    Start(usize),
}

pub struct World {
    pub rng: Rng,
    pub knobs: Knobs,
    pub now: Millis,
    events: BTreeMap<(Millis, u64, u64), Event>,
    counter: u64,
    pub machines: Vec<Machine>,
    pub commands: Vec<Command>,
    pub topics: Topics,
    pub groups: Groups,
    pub redis: Redis,
    pub watch: Watch,
    /// When each record of the global table was written.
    pub table: Vec<Millis>,
    /// Faults go on until then; a jump of time does not shorten them.
    pub faulty_until: Millis,
    /// What is left must be done by then.
    pub calm_until: Millis,
    /// Faults are over: what is left must come to its end.
    pub calm: bool,
    pub trace: Option<Vec<String>>,
    pub failure: Option<String>,
}

impl World {
    pub fn new(seed: u64, knobs: Knobs, trace: bool) -> Self {
        Self {
            rng: Rng::new(seed ^ 0x5EED),
            now: 1_000_000,
            events: BTreeMap::new(),
            counter: 0,
            machines: Vec::new(),
            commands: Vec::new(),
            topics: Topics::default(),
            groups: Groups::default(),
            redis: Redis::default(),
            watch: Watch::default(),
            table: Vec::new(),
            faulty_until: 1_000_000 + knobs.faulty_ms,
            calm_until: 0,
            calm: false,
            trace: trace.then(Vec::new),
            failure: None,
            knobs,
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} {}", now - 1_000_000, text()));
        }
    }

    /// The first failure counts; the run ends with it.
    pub fn fail(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("FAILED {what}"));
        self.failure.get_or_insert(what);
    }

    pub fn after(&mut self, delay: Millis, event: impl FnOnce(&mut World) + Send + 'static) {
        self.at(self.now + delay, event);
    }

    pub fn at(&mut self, time: Millis, event: impl FnOnce(&mut World) + Send + 'static) {
        self.at_keyed(time, event);
    }

    fn at_keyed(
        &mut self,
        time: Millis,
        event: impl FnOnce(&mut World) + Send + 'static,
    ) -> (Millis, u64, u64) {
        self.counter += 1;
        let key = (time, self.rng.next() >> 32, self.counter);
        self.events.insert(key, Box::new(event));
        key
    }

    pub fn next_event(&mut self) -> Option<Event> {
        let ((time, _, _), event) = self.events.pop_first()?;
        self.now = self.now.max(time);
        Some(event)
    }

    /// Time passes for everybody, and nobody gets to do anything.
    pub fn jump(&mut self, by: Millis) {
        self.now += by;
        self.faulty_until += by;
        self.calm_until += by;
        self.note(|| format!("time jumps by {by}"));
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        !self.calm && self.rng.chance(probability)
    }

    /// How long one way takes.
    pub fn latency(&mut self) -> Millis {
        let slow = self.knobs.slow;
        if self.chance(slow) {
            self.rng.between(20, 400)
        } else {
            self.rng.between(0, self.knobs.latency_max)
        }
    }

    pub fn lives(&self, caller: Caller) -> bool {
        let machine = &self.machines[caller.machine];
        machine.alive && machine.life == caller.life
    }

    pub fn frozen(&self, machine: usize) -> bool {
        self.machines[machine].frozen_until > self.now
    }

    pub fn polled(&self, machine: usize) -> bool {
        !self.frozen(machine) && self.machines[machine].hung_until <= self.now
    }

    pub fn stop(&mut self, machine: usize) {
        let state = &mut self.machines[machine];
        if state.alive && !state.stopping {
            state.stopping = true;
            state.stop_wakers.drain(..).for_each(|waker| waker.wake());
            self.note(|| format!("m{machine} is told to stop"));
        }
    }

    /// All of its stages have drained; it comes back some time later.
    pub fn stopped(&mut self, machine: usize) {
        self.machines[machine].alive = false;
        self.note(|| format!("m{machine} has stopped"));
        let delay = self.rng.between(1, 1_000);
        self.after(delay, move |world| world.commands.push(Command::Start(machine)));
    }

    /// Does the caller's next step: not at all if it is dead, later if it is frozen.
    pub fn step(&mut self, caller: Caller, event: impl FnOnce(&mut World) + Send + 'static) {
        if !self.lives(caller) {
            return;
        }
        let thaw = self.machines[caller.machine].frozen_until;
        if thaw > self.now {
            let delay = thaw - self.now;
            self.after(delay, move |world| world.step(caller, event));
        } else {
            event(self);
        }
    }

    pub fn clock(&self, machine: usize) -> Millis {
        self.now + self.machines[machine].skew
    }
}

/// The world, shared.
#[derive(Clone)]
pub struct Sim(pub Arc<Mutex<World>>);

impl Sim {
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Resolves when the machine is told to stop.
    pub async fn stop(self, caller: Caller) {
        std::future::poll_fn(|cx| {
            let mut world = self.lock();
            if !world.lives(caller) {
                return Poll::Pending;
            }
            let machine = &mut world.machines[caller.machine];
            if machine.stopping {
                return Poll::Ready(());
            }
            machine.stop_wakers.retain(|waker| !waker.will_wake(cx.waker()));
            machine.stop_wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Begins a call; `begin` must see to it that the slot is answered some day.
    pub fn call<T: Send + 'static>(&self, begin: impl FnOnce(&mut World, Slot<T>)) -> Call<T> {
        let slot = Slot::default();
        begin(&mut self.lock(), slot.clone());
        Call(slot)
    }

    /// A timer that is taken away when nobody waits for it any more.
    pub fn timer(&self, at: Millis) -> Timer {
        let slot: Slot<()> = Slot::default();
        let answer = slot.clone();
        let key = self.lock().at_keyed(at, move |_| answer.answer(()));
        Timer {
            sim: self.clone(),
            key,
            slot,
        }
    }
}

/// Where an answer is put.
pub struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }
}

impl<T> Slot<T> {
    /// The first answer counts.
    pub fn answer(&self, value: T) {
        let mut inner = self.0.lock().expect("slot");
        if inner.0.is_none() {
            inner.0 = Some(value);
        }
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.0.lock().expect("slot");
        match inner.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                inner.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// An answer that will come, or not.
pub struct Call<T>(Slot<T>);

impl<T> Future for Call<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.poll(cx)
    }
}

pub struct Timer {
    sim: Sim,
    key: (Millis, u64, u64),
    slot: Slot<()>,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.poll(cx)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.sim.lock().events.remove(&self.key);
    }
}
