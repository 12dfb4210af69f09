//! Runs seeds, many at a time, and says which failed.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::conformance;
use super::mutation::{self, ROWS, Row};
use super::scenario;

/// Seeds that found something once. They are run first, for ever.
const REGRESSIONS: &[(u64, &str)] = &[
    (
        766,
        "a rebuild that outlasts the tombstones brings back what is gone (E7)",
    ),
    (
        5663,
        "a partition given up during its restore held back the ledger's timers",
    ),
    (27868, "the same of the real stages"),
];

struct Options {
    seeds: u64,
    from: u64,
    jobs: usize,
    seconds: u64,
    seed: Option<u64>,
    trace: bool,
    mutation: Option<&'static Row>,
    table: bool,
}

pub fn main(arguments: Vec<String>) -> ExitCode {
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::from(2);
        }
    };
    mutation::set(options.mutation.map(|row| row.switch));
    if options.table {
        return table(&options);
    }
    if let Some(seed) = options.seed {
        return one(seed, options.trace);
    }
    if options.mutation.is_none() {
        if let Err(what) = conformance::store_conforms().and_then(|()| same_seed_same_trace()) {
            println!("{what}\n0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
        for (seed, what) in REGRESSIONS {
            if let Some(failure) = scenario::run(*seed, false).failure {
                println!("seed {seed} ({what}): {failure}\n0 passed, 1 failed");
                return ExitCode::FAILURE;
            }
        }
    }
    let (passed, failed) = many(&options, false);
    for (seed, failure) in failed.iter().take(20) {
        println!("seed {seed}: {failure}");
    }
    println!("{passed} passed, {} failed", failed.len());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(2, |n| n.get());
    let mut options = Options {
        seeds: 2_000,
        from: 0,
        jobs,
        seconds: 60,
        seed: None,
        trace: false,
        mutation: None,
        table: false,
    };
    let mut words = arguments.iter();
    let mut bounded = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match word.as_str() {
            "--seeds" => {
                options.seeds = number(value()?)?;
                options.seconds = if bounded { options.seconds } else { u64::MAX };
            }
            "--from" => options.from = number(value()?)?,
            "--jobs" => options.jobs = number(value()?)? as usize,
            "--seconds" => {
                options.seconds = number(value()?)?;
                bounded = true;
            }
            "--seed" => options.seed = Some(number(value()?)?),
            "--trace" => options.trace = true,
            "--table" => options.table = true,
            "--mutation" => {
                let name = value()?;
                options.mutation = Some(mutation::row(name).ok_or(format!("there is no mutation {name}"))?);
            }
            // What a test runner may hand on.
            _ => {}
        }
    }
    if (options.table || options.mutation.is_some()) && !accrual::engine::mutation::COMPILED {
        return Err("guards can only be taken away with --features mutations".into());
    }
    Ok(options)
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let verdict = scenario::run(seed, trace);
    verdict.trace.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: {} steps, {:?}", verdict.steps, verdict.knobs);
    match verdict.failure {
        None => {
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("seed {seed}: {failure}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

/// Without it no seed means anything, so it comes first.
fn same_seed_same_trace() -> Result<(), String> {
    for seed in 0..6 {
        let (first, second) = (scenario::run(seed, true).trace, scenario::run(seed, true).trace);
        if let Some(at) = (0..first.len().max(second.len())).find(|i| first.get(*i) != second.get(*i)) {
            let (a, b) = (first.get(at), second.get(at));
            return Err(format!(
                "seed {seed} is not deterministic; step {at}:\n{a:?}\n{b:?}"
            ));
        }
    }
    Ok(())
}

/// Runs seeds on all cores; `first` stops at the first failure.
fn many(options: &Options, first: bool) -> (u64, Vec<(u64, String)>) {
    let (next, passed) = (AtomicU64::new(options.from), AtomicU64::new(0));
    let (failed, enough, begun) = (Mutex::new(Vec::new()), AtomicBool::new(false), Instant::now());
    let (until, deadline) = (
        options.from.saturating_add(options.seeds),
        Duration::from_secs(options.seconds),
    );
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                mutation::set(options.mutation.map(|row| row.switch));
                while !enough.load(Ordering::Relaxed) && begun.elapsed() < deadline {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= until {
                        return;
                    }
                    let verdict = std::panic::catch_unwind(|| scenario::run(seed, false).failure);
                    match verdict.unwrap_or_else(|_| Some("panicked".into())) {
                        None => drop(passed.fetch_add(1, Ordering::Relaxed)),
                        Some(failure) => {
                            failed.lock().expect("failed").push((seed, failure));
                            enough.fetch_or(first, Ordering::Relaxed);
                        }
                    }
                    let done = passed.load(Ordering::Relaxed);
                    if !first && done % 500 == 0 && std::io::stderr().is_terminal() {
                        eprint!("\r{done} seeds in {} s", begun.elapsed().as_secs());
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("failed");
    failed.sort();
    (passed.into_inner(), failed)
}

/// Takes each guard away in turn and prints how many seeds it took to notice.
fn table(options: &Options) -> ExitCode {
    println!("# Guards taken away\n");
    println!(
        "Each line takes one guard of the protocol (`src/engine/mod.rs`) away and runs seeds until one fails.\n"
    );
    println!("| guard | what is taken away | caught by seed no. | as |\n| --- | --- | --- | --- |");
    let mut uncaught = 0;
    for row in ROWS {
        let (_, failed) = many(
            &Options {
                mutation: Some(row),
                ..*options
            },
            true,
        );
        let (count, how) = match failed.first() {
            Some((seed, how)) => ((seed - options.from + 1).to_string(), how.replace('|', "/")),
            None => {
                uncaught += 1;
                (format!("not within {}", options.seeds), String::new())
            }
        };
        println!("| {} | {} | {count} | {how} |", row.name, row.what);
    }
    if uncaught == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
