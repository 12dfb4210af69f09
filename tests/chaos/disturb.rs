//! Lets the faults of a plan happen, some of them at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::faults::{Fault, Kind, Plan};
use super::run::{LOOK, Options};
use super::site::Site;

/// A fault that does not find its target free waits, but not many of them.
const PUT_OFF_MAX: usize = 6;
/// A bit longer than the longest fault.
const FAULTS_END_TIMEOUT: Duration = Duration::from_secs(150);

/// Lets things go wrong until time is up, and waits until the last of it is over.
pub fn disturb(site: &Arc<Site>, options: &Options, begun: Instant) -> BTreeMap<Kind, u32> {
    let mut plan = Plan::new(options.seed, options.gap, options.kinds());
    let mut happened = BTreeMap::new();
    let mut running: Vec<(Kind, JoinHandle<bool>)> = Vec::new();
    let mut put_off: Vec<Fault> = Vec::new();
    let mut drawn = Instant::now();
    let more = |plan: &Plan| match options.minutes {
        Some(minutes) => begun.elapsed() < minutes,
        None => !plan.has_been_round(),
    };
    while more(&plan) || !put_off.is_empty() {
        if put_off.len() < PUT_OFF_MAX && more(&plan) {
            put_off.extend(plan.next());
            drawn = Instant::now();
        }
        assert!(
            drawn.elapsed() < FAULTS_END_TIMEOUT,
            "nothing is free to be disturbed by {put_off:?}"
        );
        let gap = put_off.first().map_or(options.gap, |fault| fault.gap);
        let until = Instant::now() + gap;
        while Instant::now() < until {
            site.fleet.look_after();
            thread::sleep(LOOK);
        }
        let begin = |fault: &mut Fault| {
            let thread = site.begin(*fault);
            thread.map(|thread| (fault.kind, thread))
        };
        let started = put_off
            .iter_mut()
            .enumerate()
            .find_map(|(at, fault)| Some((at, begin(fault)?)));
        if let Some((at, (kind, thread))) = started {
            let fault = put_off.remove(at);
            let second = begun.elapsed().as_secs_f64();
            println!(
                "{second:7.1} s  {} ({:.1} s)",
                kind.name(),
                fault.lasts.as_secs_f64()
            );
            running.push((kind, thread));
        }
        collect(&mut running, &mut happened);
    }
    let deadline = Instant::now() + FAULTS_END_TIMEOUT;
    while !running.is_empty() {
        assert!(Instant::now() < deadline, "faults do not end: {:?}", running);
        site.fleet.look_after();
        collect(&mut running, &mut happened);
        thread::sleep(LOOK);
    }
    happened
}

/// Counts the faults that are over and met something.
fn collect(running: &mut Vec<(Kind, JoinHandle<bool>)>, happened: &mut BTreeMap<Kind, u32>) {
    let over = running.extract_if(.., |(_, thread)| thread.is_finished());
    for (kind, thread) in over {
        if thread.join().expect("a fault that happens as planned") {
            *happened.entry(kind).or_default() += 1;
        }
    }
}
