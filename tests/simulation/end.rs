//! What happens in some runs when everything came out. Nobody can know what it skips, so where it
//! happened nothing may be decided any more.

use accrual::engine::moving::{Mark, Phase};

use super::faults::Knobs;
use super::log::{Entry, Place};
use super::toy;
use super::world::World;

/// The event of a timer that must not fire.
pub const UNREAD: &str = "unread";
const UNKNOWN: &str = "E2, E12: a batch although nobody can know what belongs before it";
const DELAY_MS: i64 = 100;

/// Whether there was anything to be done to the world.
pub type Begin = fn(&mut World) -> bool;

pub fn drawn(knobs: &Knobs) -> Option<Begin> {
    let ends: [(bool, Begin); 4] = [
        (knobs.offset_ahead, set_ahead),
        (knobs.part_lost, lose_part),
        (knobs.moved, move_away),
        (knobs.unread, grow),
    ];
    ends.into_iter().find_map(|(drawn, begin)| drawn.then_some(begin))
}

/// Somebody sets the group's offset of a partition ahead (E12).
fn set_ahead(world: &mut World) -> bool {
    let (partitions, by) = (world.knobs.partitions as usize, world.rng.between(1, 5));
    let partition = world.rng.below(partitions) as i32;
    world.note(|| format!("somebody sets the offset of {partition} ahead by {by}"));
    world.groups.set_ahead(0, partition, by);
    let place = (world.topics.id("in-changelog"), partition);
    world.watch.stopped = Some((place, UNKNOWN));
    true
}

/// A changelog has lost a part of a state that Redis does not have either (E2).
fn lose_part(world: &mut World) -> bool {
    let topic = world.topics.id("in-changelog");
    for partition in 0..world.topics.partitions(topic) {
        let place = (topic, partition);
        if let Some(offset) = world.topics.log_mut(place).lose_part() {
            world.note(|| format!("log: {place:?} has lost the part at {offset}"));
            world.empty((0, partition));
            world.watch.stopped = Some((place, UNKNOWN));
            return true;
        }
    }
    false
}

/// The states of a partition are being moved, or were (E5).
fn move_away(world: &mut World) -> bool {
    let topic = world.topics.id("in-changelog");
    let partitions = world.topics.partitions(topic) as usize;
    let place: Place = (topic, world.rng.below(partitions) as i32);
    let phase = *world.rng.pick(&[Phase::Filling, Phase::Left]);
    world.note(|| format!("{place:?} is marked as {phase:?}"));
    let mark = Mark::new(phase, "elsewhere", "move", world.now).record(&"in-changelog".into(), place.1);
    let entry = Entry::data(mark.key, mark.value, Vec::new(), 0);
    let now = world.now;
    world.topics.log_mut(place).append(now, entry);
    world.moved(place);
    world.watch.stopped = Some((place, "E5: a batch in a changelog that is moved"));
    true
}

/// The input grows: what would take a timer back may lie where nobody reads (E13).
fn grow(world: &mut World) -> bool {
    world.note(|| "part of the input is read by nobody".to_string());
    world.watch.unread = true;
    let partition = toy::place(UNREAD, world.knobs.partitions);
    world.append("in", partition, UNREAD, format!("put {UNREAD} {DELAY_MS} m0"));
    true
}
