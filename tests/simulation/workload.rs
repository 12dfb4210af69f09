//! What is written to the input of the toys, and to their global table.

use super::faults::Stages;
use super::model::Written;
use super::scenario::Input;
use super::toy::{self, TRAP};
use super::world::{Caller, World};

pub fn workload(world: &mut World, input: &Input) {
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
        let (key, value) = match hopeless(world) {
            Some(hopeless) => hopeless,
            None => (key, value(world, id, delay, level, &member)),
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

fn value(world: &mut World, id: usize, delay: i64, level: usize, member: &str) -> String {
    match world.rng.below(20) {
        0..13 => format!("put e{id} {delay} {member}"),
        13..16 => format!("hold e{id} {level} {member}"),
        16..18 => "cancel x".to_string(),
        18 => "panic x".to_string(),
        _ => "nonsense".to_string(),
    }
}

/// A record that no state has room for, or one whose timer can never be decided.
fn hopeless(world: &mut World) -> Option<(String, String)> {
    if !world.knobs.hopeless || !world.rng.chance(0.15) {
        return None;
    }
    let key = format!("k{}", world.rng.below(world.knobs.keys));
    Some(if world.rng.chance(0.5) {
        (key, "fat x".to_string())
    } else {
        (TRAP.to_string(), "trap x".to_string())
    })
}

/// A record for every partition: an owner that is idle does not know what became of its store.
pub fn poke(world: &mut World, input: &Input) {
    let topics = if world.knobs.stages == Stages::Relay {
        &["in"][..]
    } else {
        &["in", "mid"]
    };
    for &topic in topics {
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
