//! What a run shows in the end.

use std::time::Duration;

use super::faults::Kind;
use super::load::Load;
use super::run::PARTITIONS;
use super::site::Site;
use super::verdict::Verdict;
use super::watch::Seen;
use crate::support::outputs::TOPICS;
use crate::support::topics::Topics;

/// A run of so long that lets a kind of fault never happen has failed.
const ALL_KINDS_MIN: Duration = Duration::from_secs(15 * 60);

pub struct Times {
    pub loaded: Duration,
    pub stall: Duration,
    pub took: Duration,
    pub renewed: u32,
}

/// How often each kind happened, of those that may.
pub fn show(site: &Site, load: &Load, kinds: &[(Kind, u32)], times: &Times, verdict: &Verdict) {
    let fleet = &site.fleet;
    let (ended, stopped) = (fleet.ended(), fleet.stopped());
    println!("\n{:<46} {:>6}", "fault", "times");
    for (kind, times) in kinds {
        println!("{:<46} {times:>6}", kind.name());
    }
    let row = |what: &str, value: String| println!("{what:<46} {value:>6}");
    row(
        "faults in all",
        kinds.iter().map(|(_, times)| times).sum::<u32>().to_string(),
    );
    row("seconds under load", times.loaded.as_secs().to_string());
    row("events fed", load.events().to_string());
    row("outputs", verdict.outputs.to_string());
    row("issued", verdict.issued.to_string());
    row("expired", verdict.expired.to_string());
    row(
        "orders left out (reversed too late)",
        load.unsure.len().to_string(),
    );
    row(
        "longest time without an output, seconds",
        format!("{:.1}", times.stall.as_secs_f64()),
    );
    row(
        "settled after, seconds",
        format!("{:.1}", times.took.as_secs_f64()),
    );
    row(
        "times the test's own reader had stopped fetching",
        times.renewed.to_string(),
    );
    row("exit codes after SIGTERM", format!("{stopped:?}"));
    row(
        "exit codes of processes that ended themselves",
        format!("{ended:?}"),
    );
    row("lost", verdict.lost.to_string());
    row("twice", verdict.twice.to_string());
    row("otherwise wrong", verdict.wrong.to_string());
}

/// Whether a fault never happened in a run that is long enough for all of them; says which.
pub fn missed(kinds: &[(Kind, u32)], took: Duration) -> bool {
    let never = kinds.iter().filter(|(_, times)| *times == 0);
    let never = never.map(|(kind, _)| *kind);
    let never: Vec<&str> = never.map(Kind::name).collect();
    if !never.is_empty() {
        println!("never happened: {}", never.join("; "));
    }
    !never.is_empty() && took >= ALL_KINDS_MIN
}

/// Partitions of which the one that read along has not read as much as there is.
pub fn unread(topics: &Topics, seen: &Seen) -> usize {
    let mut partitions = 0;
    for topic in TOPICS {
        let there = topics.read(topic);
        for partition in 0..PARTITIONS {
            let there = there.iter().filter(|record| record.partition == partition);
            let there = there.count();
            let read = seen
                .events
                .range((topic, partition, 0)..(topic, partition + 1, 0));
            let (read, last) = (read.clone().count(), read.last().map(|((.., offset), _)| *offset));
            if read != there {
                println!("{topic} {partition}: {read} of {there} outputs were read along, up to {last:?}");
                partitions += 1;
            }
        }
    }
    partitions
}
