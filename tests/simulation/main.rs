//! Deterministic simulation of the engine: a seed decides everything, and the same seed gives
//! the same trace. Without arguments: the conformance of its store, the determinism
//! check, the seeds that once found something, then 2,000 seeds or 60 seconds.
//!
//! `--seeds N --from S --jobs J --seconds T`   many seeds
//! `--seed S --trace`                          one seed, step by step
//! `--mutation E5a`, `--table`                 guards taken away (feature `mutations`)

mod chaos;
mod cleaner;
mod clock;
mod conformance;
mod damage;
mod end;
mod executor;
mod faults;
mod group;
mod input;
mod log;
mod model;
mod mutation;
mod producer;
mod real;
mod real_judge;
mod real_levels;
mod relay;
mod rng;
mod runner;
mod scenario;
mod store;
#[path = "../support/store_cases/mod.rs"]
mod store_cases;
mod store_keys;
mod toy;
mod watch;
mod workload;
mod world;

/// Most of a run is small allocations: seeds a second are worth more than a heap of one's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Panics of the toys are dead letters; they need no noise.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"toy") {
            usual(info);
        }
    }));
    runner::main(std::env::args().skip(1).collect())
}
