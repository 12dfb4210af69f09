//! One run: a seed, a world, a workload, faults until they stop, a verdict.

use std::sync::{Arc, Mutex};

use accrual::engine::board::Board;
use accrual::engine::changelog::parts::Sizes;
use accrual::engine::lane::Shared;
use accrual::engine::partitioner::Partitioner;
use accrual::engine::ports::Millis;
use accrual::engine::processor::Processor;
use accrual::engine::spec::{Limits, StageSpec};
use accrual::engine::stage::Stage;

use super::chaos;
use super::clock::SimClock;
use super::end;
use super::executor::{Executor, Task};
use super::faults::{Knobs, Stages};
use super::model::{self, Written};
use super::producer::SimLog;
use super::real;
use super::real_judge;
use super::relay::{self, Relay};
use super::store::SimStore;
use super::toy::{SimTable, ToyLedger, ToyOrders};
use super::workload;
use super::world::{Caller, Command, Machine, Sim, World};

pub struct Verdict {
    pub failure: Option<String>,
    pub trace: Vec<String>,
    pub steps: u64,
    pub knobs: Knobs,
}

/// What was written to the input so far.
pub type Input = Arc<Mutex<Vec<Written>>>;

/// What is left must be done by then.
const CALM_MAX_MS: Millis = 120_000;
/// After everything came out: time for what must not come.
const AFTERMATH_MS: Millis = 1_500;

/// Beyond what the states of any run come to, but for the records that are made for it.
const STATE_MAX_BYTES: usize = 100_000;
/// By then the coordinator has ended what dead producers left open.
const TRANSACTIONS_OVER_MS: Millis = 10_000;
/// Time for a partition to be taken over, and for what must not come then.
const STOPPED_MS: Millis = 5_000;

pub fn run(seed: u64, trace: bool) -> Verdict {
    let knobs = Knobs::draw(seed);
    let mut world = World::new(seed, knobs.clone(), trace);
    for (name, partitions) in [
        ("in", knobs.partitions),
        ("mid", 2),
        ("out", 2),
        ("echo", 1),
        ("dead", 1),
        ("in-changelog", knobs.partitions),
        ("mid-changelog", 2),
    ] {
        world.topics.create(name, partitions);
    }
    world.groups.create(knobs.partitions);
    world.groups.create(2);
    for machine in 0..knobs.machines {
        world.machines.push(Machine {
            alive: false,
            life: 0,
            stopping: false,
            stop_wakers: Vec::new(),
            frozen_until: 0,
            hung_until: 0,
            skew: 0,
            table: 0,
            table_wakers: Vec::new(),
        });
        let delay = world.rng.between(0, 500);
        world.after(delay, move |world| world.commands.push(Command::Start(machine)));
    }
    let input = Input::default();
    if knobs.stages == Stages::Real {
        real::workload(&mut world, &input);
    } else {
        workload::workload(&mut world, &input);
    }
    world.after(1, World::tend_groups);
    world.after(1, chaos::chaos);
    let until = world.faulty_until;
    world.at(until, move |world| calm(world, input));
    let sim = Sim(Arc::new(Mutex::new(world)));
    let steps = Executor::new(sim.clone(), &stages).run();
    let mut world = sim.lock();
    Verdict {
        failure: world.failure.take(),
        trace: world.trace.take().unwrap_or_default(),
        steps,
        knobs,
    }
}

/// Faults stop; then everything must come out.
fn calm(world: &mut World, input: Input) {
    if world.now < world.faulty_until {
        let until = world.faulty_until;
        return world.at(until, move |world| calm(world, input));
    }
    world.calm = true;
    world.note(|| "faults stop".to_string());
    world.redis.down_until = 0;
    if world.knobs.night > 0.0 && world.rng.chance(0.5) {
        // The last night falls when somebody rebuilds: by now much has come and gone.
        world.damage_redis("empty");
    }
    for machine in 0..world.machines.len() {
        world.machines[machine].frozen_until = 0;
        world.machines[machine].hung_until = 0;
        world.commands.push(Command::Start(machine));
        world.after(500, move |world| {
            let end = world.table.len();
            world.read_table(machine, end);
        });
    }
    let pokes = input.clone();
    let days = if world.knobs.stages == Stages::Real { 3 } else { 0 };
    real::let_days_pass(world, days, move |world| {
        workload::poke(world, &pokes);
        world.calm_until = world.now + CALM_MAX_MS;
        world.after(500, move |world| look(world, input, Looked::default()));
    });
}

/// What the last look found. Nothing new became visible: it still holds.
#[derive(Default)]
struct Looked {
    seen: Option<u64>,
    wrong: Option<String>,
    /// Since when nothing is wrong.
    settled: Option<Millis>,
}

fn look(world: &mut World, input: Input, mut last: Looked) {
    let now = world.now;
    if last.seen != Some(world.watch.seen) {
        let wrong = judge(world, &input.lock().expect("input"));
        if let Some(what) = wrong.iter().find(|what| what.starts_with("wrong")) {
            return world.fail(what.clone());
        }
        last.seen = Some(world.watch.seen);
        last.wrong = wrong.first().map(|what| format!("{what} of {}", wrong.len()));
    }
    let mut wrong = last.wrong.clone();
    if last.settled.is_some_and(|since| now >= since + AFTERMATH_MS) && wrong.is_none() {
        wrong = world.judge_store().into_iter().next();
        if wrong.is_none() {
            return the_end(world, input);
        }
    }
    if now > world.calm_until {
        let wrong = wrong.or_else(|| world.judge_store().into_iter().next());
        return world.fail(format!(
            "liveness: {}",
            wrong.as_deref().unwrap_or("not settled yet")
        ));
    }
    last.settled = match wrong {
        None => last.settled.or(Some(now)),
        Some(_) => None,
    };
    world.after(250, move |world| look(world, input, last));
}

/// Everything came out. In some runs something then happens after which no owner may go on, or no
/// timer may fire. Every process is started again, and must notice it when it takes partitions over.
fn the_end(world: &mut World, input: Input) {
    let Some(begin) = end::drawn(&world.knobs) else {
        world.watch.done = true;
        return;
    };
    let machines = 0..world.machines.len();
    world.commands.extend(machines.clone().map(Command::Crash));
    world.after(TRANSACTIONS_OVER_MS, move |world| {
        if !begin(world) {
            world.watch.done = true;
            return;
        }
        workload::poke(world, &input);
        world.commands.extend(machines.map(Command::Start));
        world.after(STOPPED_MS, |world| world.watch.done = true);
    });
}

fn judge(world: &World, input: &[Written]) -> Vec<String> {
    match world.knobs.stages {
        Stages::Real => real_judge::judge(world, input),
        Stages::Relay => relay::judge(world, input),
        Stages::Toys => {
            let model = model::fold(input, &world.table, world.knobs.skew_max);
            world.judge(&model)
        }
    }
}

fn limits(knobs: &Knobs) -> Limits {
    Limits {
        lanes: knobs.lanes,
        batch_max_records: knobs.batch_max,
        timers_max_per_turn: knobs.timers_max,
        sweep_max_keys: knobs.sweep_max,
        store_chunk_max_keys: knobs.chunk_max,
        changelog_chunk_max_records: knobs.changelog_chunk,
        inbox_max_records: knobs.inbox_max,
        cache_max_keys: knobs.cache_max,
        state_max_bytes: STATE_MAX_BYTES,
        state_sizes: Sizes {
            whole_max_bytes: knobs.whole_max,
            part_bytes: knobs.part_bytes,
        },
        store_max_age_ms: knobs.retention_ms / 2 - knobs.skew_max,
        store_look_ms: knobs.look_every,
        backoff_max_ms: 200,
        ..Limits::default()
    }
}

/// The stages of one machine, as its process starts.
fn stages(sim: &Sim, machine: usize) -> Vec<Task> {
    let (caller, knobs, ids, unread) = {
        let world = sim.lock();
        let ids: Vec<usize> = ["in", "in-changelog", "mid", "mid-changelog"]
            .iter()
            .map(|name| world.topics.id(name))
            .collect();
        (
            Caller {
                machine,
                life: world.machines[machine].life,
            },
            world.knobs.clone(),
            ids,
            world.watch.unread,
        )
    };
    let boards = [Arc::new(Board::default()), Arc::new(Board::default())];
    boards[0].hold_timers(unread);
    let spec = |stage: usize| StageSpec {
        name: ["orders", "ledger"][stage],
        input_topic: ["in", "mid"][stage].into(),
        input_partitions: [knobs.partitions, 2][stage],
        partitioner: Partitioner::Murmur2,
        changelog: (knobs.stages != Stages::Relay).then(|| ["in-changelog", "mid-changelog"][stage].into()),
        dead_letters: "dead".into(),
        nonce: format!("m{machine}l{}", caller.life),
        upstream: boards[..stage].to_vec(),
        board: boards[stage].clone(),
        limits: limits(&knobs),
    };
    let table = || SimTable {
        sim: sim.clone(),
        machine,
    };
    let orders = ToyOrders {
        table: table(),
        mid: "mid".into(),
        echo: "echo".into(),
        members_partitions: 2,
    };
    let ledger = ToyLedger {
        out: "out".into(),
        partitions: 2,
    };
    let log = |stage: usize| SimLog {
        sim: sim.clone(),
        caller,
        stage,
        input: ids[stage * 2],
        changelog: ids[stage * 2 + 1],
    };
    let store = |stage: usize| SimStore {
        sim: sim.clone(),
        caller,
        stage,
    };
    let clock = || SimClock {
        sim: sim.clone(),
        machine,
    };
    let run = Parts {
        sim,
        caller,
        spec: &spec,
        log: &log,
        store: &store,
        clock: &clock,
        table: &table,
    };
    match knobs.stages {
        Stages::Toys => vec![run.stage(0, orders), run.stage(1, ledger)],
        Stages::Real => {
            let (orders, ledger) = real::stages();
            vec![run.stage(0, orders), run.stage(1, ledger)]
        }
        Stages::Relay => {
            let out = "out".into();
            vec![run.stage(0, Relay { out, partitions: 2 })]
        }
    }
}

/// What a stage is put together from.
struct Parts<'a> {
    sim: &'a Sim,
    caller: Caller,
    spec: &'a dyn Fn(usize) -> StageSpec,
    log: &'a dyn Fn(usize) -> SimLog,
    store: &'a dyn Fn(usize) -> SimStore,
    clock: &'a dyn Fn() -> SimClock,
    table: &'a dyn Fn() -> SimTable,
}

impl Parts<'_> {
    fn stage<P: Processor>(&self, stage: usize, processor: P) -> Task {
        let shared = Shared {
            spec: (self.spec)(stage),
            processor: Arc::new(processor),
            log: Arc::new((self.log)(stage)),
            store: Arc::new((self.store)(stage)),
            clock: Arc::new((self.clock)()),
            table: Arc::new((self.table)()),
        };
        let stop = self.sim.clone().stop(self.caller);
        Box::pin(Stage::new(shared).run(stop))
    }
}
