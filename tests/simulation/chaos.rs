//! What happens to machines, groups, clocks, topics and Redis while the world is faulty.

use bytes::Bytes;

use super::log::Entry;
use super::world::{Command, World};

/// Something happens to somebody, over and over.
pub fn chaos(world: &mut World) {
    if world.calm {
        return;
    }
    machines(world);
    cluster(world);
    redis(world);
    let delay = world.rng.between(1, world.knobs.chaos_every * 2);
    world.after(delay, chaos);
}

fn machines(world: &mut World) {
    let knobs = world.knobs.clone();
    let machine = world.rng.below(knobs.machines);
    if world.chance(knobs.crash) && world.machines[machine].alive {
        world.commands.push(Command::Crash(machine));
        let delay = world.rng.between(1, 2_500);
        world.after(delay, move |world| world.commands.push(Command::Start(machine)));
    }
    let machine = world.rng.below(knobs.machines);
    if world.chance(knobs.stop) {
        world.stop(machine);
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
        let until = world.now + *world.rng.pick(&[50, 500, 2_000]);
        let until = until.max(world.machines[machine].hung_until);
        world.machines[machine].hung_until = until;
        world.note(|| format!("m{machine} hangs until {}", until - 1_000_000));
    }
}

fn cluster(world: &mut World) {
    let knobs = world.knobs.clone();
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
        world.jump(jump);
    }
    if world.chance(knobs.compact) {
        let topic = world.topics.id(["in-changelog", "mid-changelog"][stage]);
        let partitions = world.topics.partitions(topic) as usize;
        let partition = world.rng.below(partitions) as i32;
        world.compact((topic, partition));
    }
    if world.chance(knobs.night) {
        night(world);
    }
    if knobs.foreign > 0.0 && world.chance(knobs.foreign) {
        foreign(world);
    }
}

const FOREIGN_KEYS: [&[u8]; 5] = [b"zz", b"\x02\0", b"\0", b"\0mm", b"\xff"];

/// A record of nobody of ours, or a tombstone, in a changelog. It must change nothing.
fn foreign(world: &mut World) {
    let name = *world.rng.pick(&["in-changelog", "mid-changelog"]);
    let topic = world.topics.id(name);
    let partitions = world.topics.partitions(topic) as usize;
    let partition = world.rng.below(partitions) as i32;
    let key = *world.rng.pick(&FOREIGN_KEYS);
    let value = world.rng.chance(0.5).then(|| Bytes::from_static(b"by hand"));
    world.note(|| format!("somebody writes {key:?} {value:?} to {name}/{partition}"));
    let entry = Entry::data(Some(Bytes::from_static(key)), value, Vec::new(), 0);
    let now = world.now;
    world.topics.log_mut((topic, partition)).append(now, entry);
    world.moved((topic, partition));
}

fn redis(world: &mut World) {
    let knobs = world.knobs.clone();
    for (kind, p) in [
        ("forgets", knobs.forget),
        ("empty", knobs.empty),
        ("old snapshot", knobs.snapshot),
        ("uncounted", knobs.uncounted),
        ("loses", knobs.lose),
    ] {
        if world.chance(p) {
            world.damage_redis(kind);
        }
    }
    if knobs.snapshot > 0.0 && world.chance(0.2) {
        world.save_snapshots();
    }
    if world.chance(knobs.store_down * 0.1) {
        world.redis.down_until = world.now + world.rng.between(10, 1_500);
    }
}

/// Whoever has a store from before the night must not believe it (E7).
fn night(world: &mut World) {
    world.save_snapshots();
    let evening = world.rng.between(50, 1_500);
    world.after(evening, |world| {
        if world.calm {
            return;
        }
        world.night_falls();
        if world.chance(0.7) {
            world.damage_redis("old snapshot");
        }
    });
}

impl World {
    /// A cleaner meets the tombstones, they grow old, and the next cleaner takes them away. Who
    /// copies the changelog meanwhile must not believe what it read before (E7).
    pub fn night_falls(&mut self) {
        self.clean_all();
        let by = self.knobs.retention_ms + 1;
        self.jump(by);
        // Heartbeats go on through so long a time.
        self.keep_sessions(by);
        self.clean_all();
    }
}
