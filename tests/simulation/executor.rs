//! Polls the stages, one at a time, in an order that the seed picks. No runtime, no threads.
//!
//! A crash drops a machine's futures where they wait: any await may be the last. A frozen
//! machine is not polled, while what it has asked for goes on in the world.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use accrual::engine::error::LogError;

use super::world::{Command, Sim};

pub type Task = Pin<Box<dyn Future<Output = Result<(), LogError>> + Send>>;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Running {
    machine: usize,
    stage: usize,
    task: Task,
    woken: Arc<Woken>,
}

pub struct Executor<'a> {
    sim: Sim,
    running: Vec<Running>,
    /// Makes the stages of a machine.
    start: &'a dyn Fn(&Sim, usize) -> Vec<Task>,
}

/// More than this is a loop that gets nowhere.
const STEPS_MAX: u64 = 3_000_000;

impl<'a> Executor<'a> {
    pub fn new(sim: Sim, start: &'a dyn Fn(&Sim, usize) -> Vec<Task>) -> Self {
        Self {
            sim,
            running: Vec::new(),
            start,
        }
    }

    /// Runs until the world says that it is done, or something failed.
    pub fn run(&mut self) -> u64 {
        let mut ready = Vec::new();
        for step in 0..STEPS_MAX {
            let event = {
                let mut world = self.sim.lock();
                if world.failure.is_some() || world.watch.done {
                    return step;
                }
                ready.clear();
                let can = |r: &Running| r.woken.0.load(Ordering::Relaxed) && world.polled(r.machine);
                ready.extend((0..self.running.len()).filter(|i| can(&self.running[*i])));
                let stall = world.knobs.stall;
                if ready.is_empty() || world.chance(stall) {
                    world.next_event()
                } else {
                    None
                }
            };
            match event {
                Some(event) => event(&mut self.sim.lock()),
                None if ready.is_empty() => {
                    self.sim.lock().fail("nothing will ever happen again");
                    return step;
                }
                None => {
                    let pick = self.sim.lock().rng.below(ready.len());
                    self.poll(ready[pick]);
                }
            }
            if !self.sim.lock().commands.is_empty() {
                self.commands();
            }
        }
        for running in &self.running {
            let woken = running.woken.0.load(Ordering::Relaxed);
            self.sim
                .lock()
                .note(|| format!("m{} stage {}: woken {woken}", running.machine, running.stage));
        }
        self.sim.lock().fail("liveness: too many steps");
        STEPS_MAX
    }

    fn poll(&mut self, index: usize) {
        let running = &mut self.running[index];
        running.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(running.woken.clone());
        if let Poll::Ready(result) = running.task.as_mut().poll(&mut Context::from_waker(&waker)) {
            let (machine, stage) = (running.machine, running.stage);
            self.running.swap_remove(index);
            let mut world = self.sim.lock();
            if result.is_err() || !world.machines[machine].stopping {
                world.fail(format!("stage {stage} of m{machine} ended: {result:?}"));
            } else if self.running.iter().all(|running| running.machine != machine) {
                world.stopped(machine);
            }
        }
    }

    fn commands(&mut self) {
        let commands = std::mem::take(&mut self.sim.lock().commands);
        for command in commands {
            match command {
                Command::Crash(machine) => {
                    self.sim.lock().machines[machine].alive = false;
                    self.sim.lock().note(|| format!("m{machine} dies"));
                    self.running.retain(|running| running.machine != machine);
                }
                Command::Start(machine) => self.start(machine),
            }
        }
    }

    fn start(&mut self, machine: usize) {
        {
            let mut world = self.sim.lock();
            if world.machines[machine].alive {
                return;
            }
            let most = world.knobs.skew_max;
            let skew = world.rng.between(0, most);
            let state = &mut world.machines[machine];
            (state.alive, state.life, state.table, state.skew) = (true, state.life + 1, 0, skew);
            (state.frozen_until, state.hung_until) = (0, 0);
            state.stopping = false;
            state.stop_wakers.clear();
            world.note(|| format!("m{machine} starts"));
        }
        for (stage, task) in (self.start)(&self.sim, machine).into_iter().enumerate() {
            let woken = Arc::new(Woken(AtomicBool::new(true)));
            self.running.push(Running {
                machine,
                stage,
                task,
                woken,
            });
        }
    }
}
