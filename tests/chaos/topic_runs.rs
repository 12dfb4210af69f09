//! Runs of their own: somebody changes an input topic under a running system. Everybody stops with
//! the reason, and the way out that the reason names leads to outputs that are all right.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::faults::Kind;
use super::fleet::{Fleet, INSTANCES};
use super::load::Load;
use super::run::{LOOK, Options, Setup, settle, while_feeding};
use super::site::STOP_PATIENCE;
use super::verdict::Wanted;
use crate::support::accrual::succeed;

/// Time under load before the change, and behind the way out.
const LOADED: Duration = Duration::from_secs(20);
/// A change is noticed within a minute while a process runs.
const NOTICED_TIMEOUT: Duration = Duration::from_secs(90);

/// Lets it happen once; how often.
pub fn run(
    setup: &Setup,
    options: &Options,
    change: Kind,
    load: &mut Load,
    dir: &Path,
) -> BTreeMap<Kind, u32> {
    while_feeding(setup, options, load, || thread::sleep(LOADED));
    // Records of the old topic that nobody has read go with it, and nobody could tell of them.
    let wanted = Wanted::of(&setup.rules, &load.as_replay_reads_it(), dir, &load.unsure);
    settle(setup, &wanted).unwrap_or_else(|why| panic!("not settled before the change: {why}"));
    let topics = &setup.deployment.topics;
    let input = topics.name("order_events");
    let fleet = &setup.site.fleet;
    println!("{}", change.name());
    topics.create_again("order_events");
    // Into the new topic, before anybody has accepted it.
    while_feeding(setup, options, load, || {
        wait_for_reason(fleet, &[&input, "deleted and created again", "topics accept"]);
        (0..INSTANCES).for_each(|number| fleet.stop(number, STOP_PATIENCE));
    });
    print!(
        "{}",
        succeed(&["topics", "accept", &input], &setup.deployment.settings)
    );
    (0..INSTANCES).for_each(|number| fleet.launch(number));
    while_feeding(setup, options, load, || thread::sleep(LOADED));
    BTreeMap::from([(change, 1)])
}

/// Waits until some instance is not ready and gives a reason with these words. One may end first,
/// where its offset is not in the new topic: it is started again, as an orchestrator would.
fn wait_for_reason(fleet: &Fleet, words: &[&str]) {
    let deadline = Instant::now() + NOTICED_TIMEOUT;
    loop {
        fleet.look_after();
        let complaints = fleet.complaints();
        if words.iter().all(|word| complaints.contains(word)) {
            println!("{complaints}");
            return;
        }
        assert!(
            Instant::now() < deadline,
            "no instance says {words:?} within {NOTICED_TIMEOUT:?}:\n{complaints}"
        );
        thread::sleep(LOOK);
    }
}
