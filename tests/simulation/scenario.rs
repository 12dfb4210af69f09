//! One run: a seed, a world, a workload, faults until they stop, a verdict.

use std::sync::{Arc, Mutex};

use accrual::engine::board::Board;
use accrual::engine::lane::Shared;
use accrual::engine::partitioner::Partitioner;
use accrual::engine::ports::Millis;
use accrual::engine::processor::Processor;
use accrual::engine::spec::{Limits, StageSpec};
use accrual::engine::stage::Stage;

use super::clock::SimClock;
use super::executor::{Executor, Task};
use super::faults::Knobs;
use super::model::{self, Written};
use super::producer::SimLog;
use super::real;
use super::store::SimStore;
use super::toy::{self, SimTable, ToyLedger, ToyOrders};
use super::world::{Caller, Command, Machine, Sim, World};

pub struct Verdict {
    pub failure: Option<String>,
    pub trace: Vec<String>,
    pub steps: u64,
    pub knobs: Knobs,
}

/// What was written to the input so far.
type Input = Arc<Mutex<Vec<Written>>>;

/// What is left must be done by then.
const CALM_MAX_MS: Millis = 120_000;
/// After everything came out: time for what must not come.
const AFTERMATH_MS: Millis = 3_000;

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
    if knobs.real {
        real::workload(&mut world, &input);
    } else {
        workload(&mut world, &input);
    }
    world.after(1, World::tend_groups);
    world.after(1, chaos);
    let faulty = knobs.faulty_ms;
    world.after(faulty, move |world| calm(world, input));
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

fn workload(world: &mut World, input: &Input) {
    let knobs = world.knobs.clone();
    let burst = world.rng.chance(0.2);
    for id in 0..knobs.events {
        let at = if burst {
            world.rng.between(0, 50)
        } else {
            world.rng.between(0, knobs.faulty_ms)
        };
        let key = format!("k{}", world.rng.below(knobs.keys));
        let member = format!("m{}", world.rng.below(3));
        let delay = *world.rng.pick(&[0, 1, 20, 150, 600, 2_000]);
        let level = world.rng.below(4);
        let value = match world.rng.below(20) {
            0..13 => format!("put e{id} {delay} {member}"),
            13..16 => format!("hold e{id} {level} {member}"),
            16..18 => "cancel x".to_string(),
            18 => "panic x".to_string(),
            _ => "nonsense".to_string(),
        };
        let input = input.clone();
        world.after(at, move |world| {
            let partition = toy::place(&key, world.knobs.partitions);
            let offset = world.append("in", partition, &key, value.clone());
            let time = world.now;
            world.note(|| format!("in/{partition} at {offset}: {key} {value}"));
            input.lock().expect("input").push(Written {
                topic: "in",
                partition,
                offset,
                time,
                key,
                value,
            });
        });
    }
    for _ in 0..world.rng.below(4) {
        let at = world.rng.between(0, knobs.faulty_ms);
        world.after(at, |world| {
            world.table.push(world.now);
            let end = world.table.len();
            world.note(|| format!("table: record {}", end - 1));
            for machine in 0..world.machines.len() {
                let delay = world.rng.between(0, 1_000);
                let life = world.machines[machine].life;
                world.after(delay, move |world| {
                    world.step(Caller { machine, life }, move |world| {
                        world.read_table(machine, end)
                    });
                });
            }
        });
    }
}

/// Something happens to somebody, over and over.
fn chaos(world: &mut World) {
    if world.calm {
        return;
    }
    let knobs = world.knobs.clone();
    let machine = world.rng.below(knobs.machines);
    if world.chance(knobs.crash) && world.machines[machine].alive {
        world.commands.push(Command::Crash(machine));
        let delay = world.rng.between(1, 2_500);
        world.after(delay, move |world| world.commands.push(Command::Start(machine)));
    }
    let machine = world.rng.below(knobs.machines);
    if world.chance(knobs.freeze) {
        let span = *world.rng.pick(&[20, 200, 1_000, 3_000]);
        let until = world.now + world.rng.between(1, span);
        world.machines[machine].frozen_until = until;
        world.note(|| format!("m{machine} freezes until {}", until - 1_000_000));
    }
    let machine = world.rng.below(knobs.machines);
    if world.chance(knobs.hang) {
        let until = world.now + *world.rng.pick(&[50, 500, 3_000]);
        world.machines[machine].hung_until = until;
        world.note(|| format!("m{machine} hangs until {}", until - 1_000_000));
    }
    let stage = world.rng.below(2);
    if world.chance(knobs.rebalance) {
        world.note(|| format!("group {stage}: somebody asks for a rebalance"));
        world.rebalance(stage);
    }
    if world.chance(knobs.offset_back) {
        world.set_offset_back(stage);
    }
    if world.chance(knobs.jump) {
        let jump = world.rng.between(100, 3_000);
        world.now += jump;
        world.note(|| format!("time jumps by {jump}"));
    }
    if world.chance(knobs.compact) {
        let topic = world.topics.id(if stage == 0 {
            "in-changelog"
        } else {
            "mid-changelog"
        });
        let partitions = world.topics.partitions(topic) as usize;
        let partition = world.rng.below(partitions) as i32;
        world.compact((topic, partition));
    }
    for (kind, p) in [
        ("forgets", knobs.forget),
        ("empty", knobs.empty),
        ("old snapshot", knobs.snapshot),
    ] {
        if world.chance(p) {
            world.damage_redis(kind);
        }
    }
    if world.chance(0.2) {
        world.save_snapshots();
    }
    if world.chance(knobs.store_down * 0.1) {
        world.redis.down_until = world.now + world.rng.between(10, 1_500);
    }
    let delay = world.rng.between(1, knobs.chaos_every * 2);
    world.after(delay, chaos);
}

/// Faults stop; then everything must come out.
fn calm(world: &mut World, input: Input) {
    world.calm = true;
    world.note(|| "faults stop".to_string());
    world.redis.down_until = 0;
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
    let days = if world.knobs.real { 3 } else { 0 };
    real::let_days_pass(world, days, move |world| {
        poke(world, &pokes);
        let until = world.now + CALM_MAX_MS;
        world.after(500, move |world| look(world, input, until, None));
    });
}

/// A record for every partition: an owner that is idle does not know what became of its store.
fn poke(world: &mut World, input: &Input) {
    for topic in ["in", "mid"] {
        let id = world.topics.id(topic);
        for partition in 0..world.topics.partitions(id) {
            let (key, value) = ("poke".to_string(), "nonsense".to_string());
            let offset = world.append(topic, partition, &key, value.clone());
            let time = world.now;
            input.lock().expect("input").push(Written {
                topic,
                partition,
                offset,
                time,
                key,
                value,
            });
        }
    }
}

fn look(world: &mut World, input: Input, until: Millis, settled: Option<Millis>) {
    let mut wrong = if world.knobs.real {
        real::judge(world, &input.lock().expect("input"))
    } else {
        let model = model::fold(&input.lock().expect("input"), &world.table, world.knobs.skew_max);
        world.judge(&model)
    };
    let now = world.now;
    if wrong.is_empty() && settled.is_some_and(|since| now >= since + AFTERMATH_MS) {
        wrong = world.judge_store();
        if wrong.is_empty() {
            world.watch.done = true;
            return;
        }
    }
    if let Some(what) = wrong.iter().find(|what| what.starts_with("wrong")) {
        return world.fail(what.clone());
    }
    if now > until {
        return world.fail(format!(
            "liveness: {} of {}",
            wrong.first().map_or("nothing", |w| w),
            wrong.len()
        ));
    }
    let settled = if wrong.is_empty() {
        settled.or(Some(now))
    } else {
        None
    };
    world.after(250, move |world| look(world, input, until, settled));
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
        store_max_age_ms: knobs.retention_ms / 2 - knobs.skew_max,
        backoff_max_ms: 200,
        ..Limits::default()
    }
}

/// The stages of one machine, as its process starts.
fn stages(sim: &Sim, machine: usize) -> Vec<Task> {
    let (caller, knobs, ids) = {
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
        )
    };
    let boards = [Arc::new(Board::default()), Arc::new(Board::default())];
    let spec = |stage: usize| StageSpec {
        name: ["orders", "ledger"][stage],
        input_topic: ["in", "mid"][stage].into(),
        input_partitions: [knobs.partitions, 2][stage],
        partitioner: Partitioner::Murmur2,
        changelog: Some(["in-changelog", "mid-changelog"][stage].into()),
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
        spec: &spec,
        log: &log,
        store: &store,
        clock: &clock,
        table: &table,
    };
    if knobs.real {
        let (orders, ledger) = real::stages();
        return vec![run.stage(0, orders), run.stage(1, ledger)];
    }
    vec![run.stage(0, orders), run.stage(1, ledger)]
}

/// What a stage is put together from.
struct Parts<'a> {
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
        Box::pin(Stage::new(shared).run(std::future::pending()))
    }
}
