//! Three processes of accrual on a real Kafka and a real Redis, under load all the time, while
//! things go wrong one after the other and at once. In the end everything `replay` says must be
//! out, each once. A seed decides the load and the faults.
//!
//! Without arguments: every kind of fault once, about two minutes.
//! `cargo test --test chaos -- --minutes 15 [--brokers 3] [--clocks] [--seed S] [--orders-a-second 20] [--gap-ms 3000]`
//!
//! Runs of their own: `-- --topic-created-again`, somebody deletes the topic of order events and
//! creates it again; `-- --topic-grown`, somebody adds partitions to it in place.
//!
//! Logs of a run that went wrong stay in `target/tmp/chaos-SEED`, with `--keep-logs` of any.
//! `ACCRUAL_TEST_BINARY` names another binary than this build's.

mod clocks;
mod disturb;
mod faults;
mod fleet;
mod load;
mod proxy;
mod redis_faults;
mod run;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod topic_runs;
mod verdict;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A list and a filter by name are for the other test programs.
    let filtered = |word: &String| !word.starts_with('-') && !"chaos".contains(word.as_str());
    if arguments.iter().any(|word| word == "--list") || arguments.first().is_some_and(filtered) {
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        let value = arguments.get(at + 1).and_then(|text| text.parse::<u64>().ok());
        Some(value.unwrap_or_else(|| panic!("{name} wants a number")))
    };
    let flag = |name: &str| arguments.iter().any(|word| word == name);
    let minutes = value("--minutes").map(|minutes| Duration::from_secs(60 * minutes));
    run::run(&run::Options {
        seed: value("--seed").unwrap_or_else(|| rand::random::<u32>().into()),
        minutes,
        clocks: flag("--clocks"),
        change: match (flag("--topic-created-again"), flag("--topic-grown")) {
            (true, _) => Some(faults::Kind::TopicCreatedAgain),
            (_, true) => Some(faults::Kind::TopicGrown),
            _ => None,
        },
        brokers: match value("--brokers").unwrap_or(1) {
            brokers @ (1 | 3) => brokers as usize,
            other => panic!("--brokers is 1 or 3, not {other}"),
        },
        orders_a_second: value("--orders-a-second").unwrap_or(20) as u32,
        keep_logs: flag("--keep-logs"),
        debug_reader: flag("--debug-reader"),
        gap: Duration::from_millis(value("--gap-ms").unwrap_or(3_000)),
    })
}
