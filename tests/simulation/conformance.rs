//! The simulated store answers what every store must answer, Redis included.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use accrual::engine::ports::Partition;
use bytes::Bytes;

use super::faults::Knobs;
use super::store::{Shard, SimStore};
use super::store_cases::{CASES, Loss, check};
use super::world::{Caller, Machine, Sim, World};

const STAGE: usize = 0;
const P: Partition = 3;

/// What it answers otherwise.
pub fn store_conforms() -> Result<(), String> {
    for case in CASES {
        let sim = calm_world();
        let caller = Caller { machine: 0, life: 0 };
        let store = SimStore {
            sim: sim.clone(),
            caller,
            stage: STAGE,
        };
        let lose = async |loss: Loss| {
            let mut world = sim.lock();
            Arc::make_mut(&mut world.shard((STAGE, P)).now).lose_named(&loss);
        };
        drive(&sim, check(&store, P, case, lose))?;
    }
    Ok(())
}

/// One machine, and nothing goes wrong.
fn calm_world() -> Sim {
    let mut world = World::new(0, Knobs::draw(0), false);
    world.calm = true;
    world.machines.push(Machine {
        alive: true,
        life: 0,
        stopping: false,
        stop_wakers: Vec::new(),
        frozen_until: 0,
        hung_until: 0,
        skew: 0,
        table: 0,
        table_wakers: Vec::new(),
    });
    Sim(Arc::new(Mutex::new(world)))
}

/// Lets things happen until the future has its answer.
fn drive<T>(sim: &Sim, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
        let event = sim.lock().next_event().expect("the answer is on its way");
        event(&mut sim.lock());
    }
}

impl Shard {
    fn lose_named(&mut self, loss: &Loss) {
        let name = |key: &str| Bytes::copy_from_slice(key.as_bytes());
        match loss {
            Loss::State(key) => drop(self.keys.states.remove(&name(key))),
            Loss::Timer(key) => self.keys.timers.retain(|(_, kept)| *kept != name(key)),
            Loss::IndexEntry(key) => drop(self.keys.index.remove(&name(key))),
            Loss::ShadowState(key) => drop(self.shadow.states.remove(&name(key))),
            Loss::States => self.keys.states.clear(),
            Loss::Timers => self.keys.timers.clear(),
            Loss::Index => self.keys.index.clear(),
            Loss::Meta => self.meta = None,
            Loss::Sizes => *self = (*self.uncounted()).clone(),
            Loss::Everything => *self = Shard::default(),
        }
    }
}
