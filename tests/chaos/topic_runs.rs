//! Runs of their own: somebody changes an input topic under a running system. Everybody stops with
//! the reason, and the way out that the reason names leads to outputs that are all right.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::faults::Kind;
use super::fleet::{Fleet, INSTANCES};
use super::load::Load;
use super::run::{LOOK, Options, PARTITIONS, Setup, settle, while_feeding};
use super::site::STOP_PATIENCE;
use super::verdict::Wanted;
use crate::support::accrual::{process, succeed};
use crate::support::servers::Control;

/// Time under load before the change, and behind the way out.
const LOADED: Duration = Duration::from_secs(20);
/// A change is noticed within a minute while a process runs.
const NOTICED_TIMEOUT: Duration = Duration::from_secs(90);

/// A multiple of what there is: no two old partitions share a new one.
const GROWN: i32 = 2 * PARTITIONS;
/// When the move is killed, and run again.
const KILLED_AFTER: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// Lets it happen once; how often.
pub fn run(
    setup: &mut Setup,
    options: &Options,
    change: Kind,
    load: &mut Load,
    dir: &Path,
) -> BTreeMap<Kind, u32> {
    while_feeding(setup, options, load, || thread::sleep(LOADED));
    match change {
        Kind::TopicGrown => grown(setup, options, load, dir),
        _ => created_again(setup, options, load, dir),
    }
    while_feeding(setup, options, load, || thread::sleep(LOADED));
    BTreeMap::from([(change, 1)])
}

/// Producers write to partitions that nobody reads, until all of it is moved to topics of that size.
fn grown(setup: &mut Setup, options: &Options, load: &mut Load, dir: &Path) {
    let old = &setup.deployment;
    let input = old.topics.name("order_events");
    println!("{}", Kind::TopicGrown.name());
    old.topics.grow("order_events", GROWN);
    let fleet = &setup.site.fleet;
    while_feeding(setup, options, load, || {
        let read = format!("has {GROWN} partitions and {PARTITIONS} are read");
        wait_for_reason(fleet, &[&input, &read, "topics move"]);
        (0..INSTANCES).for_each(|number| fleet.stop(number, STOP_PATIENCE));
    });
    let from = dir.join("old.toml");
    fs::write(&from, old.toml()).expect("a writable directory");
    let mut new = old.beside(&setup.site.brokers[0], GROWN);
    // The new side goes on under the old name, with what Redis holds under it.
    let application = "ACCRUAL_APPLICATION_ID";
    new.settings
        .push((application.to_owned(), old.topics.prefix.clone()));
    let arguments = ["topics", "move", "--from", from.to_str().expect("UTF-8")];
    for after in KILLED_AFTER {
        let moving = process("move", &arguments, &new.settings);
        moving.start();
        thread::sleep(after);
        moving.kill();
    }
    print!("{}", succeed(&arguments, &new.settings));
    let logs = dir.join("moved");
    fs::create_dir_all(&logs).expect("a writable directory");
    let site = Arc::get_mut(&mut setup.site).expect("nobody disturbs it");
    site.fleet = Fleet::start(&new.settings, &logs, None);
    setup.moved = Some(new);
}

fn created_again(setup: &Setup, options: &Options, load: &mut Load, dir: &Path) {
    // Records of the old topic that nobody has read go with it, and nobody could tell of them.
    let wanted = Wanted::of(&setup.rules, &load.as_replay_reads_it(), dir, &load.unsure);
    settle(setup, &wanted).unwrap_or_else(|why| panic!("not settled before the change: {why}"));
    let topics = &setup.deployment.topics;
    let input = topics.name("order_events");
    let fleet = &setup.site.fleet;
    println!("{}", Kind::TopicCreatedAgain.name());
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
