//! What goes wrong with Redis, and how it is done.

use std::thread;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use redis::{Connection, RedisResult, cmd};

use super::faults::{Fault, Kind};
use crate::support::servers::Redis;

/// Fields or members lost at once.
const FIELDS_MAX_COUNT: usize = 20;
const SCAN_COUNT: usize = 1_000;
/// In the keys and calls of leases, which are renewed all the time and hold no state.
pub const LEASE: &str = ":instance:";
/// Memory is full with anything at all.
const NO_MEMORY_BYTES: &str = "1";

/// Lets it happen; whether it met anything.
pub fn happen(redis: &Redis, fault: &Fault) -> bool {
    match fault.kind {
        Kind::RedisFlushed => redis.flush_all(),
        Kind::RedisFieldsLost => return lose(redis, fault.seed, fields).unwrap_or(false),
        Kind::RedisKeyLost => return lose(redis, fault.seed, key).unwrap_or(false),
        Kind::RedisPassword => {
            let mut inside = redis.connect().expect("Redis runs");
            set(&mut inside, "requirepass", "another");
            // Who is connected already is not asked again: everybody is to come anew.
            let mut kill = cmd("CLIENT");
            kill.arg("KILL")
                .arg("TYPE")
                .arg("normal")
                .arg("SKIPME")
                .arg("yes");
            let _: i64 = kill.query(&mut inside).expect("clients are cut");
            thread::sleep(fault.lasts);
            set(&mut inside, "requirepass", "");
        }
        Kind::RedisFull => {
            let mut inside = redis.connect().expect("Redis runs");
            set(&mut inside, "maxmemory", NO_MEMORY_BYTES);
            thread::sleep(fault.lasts);
            set(&mut inside, "maxmemory", "0");
        }
        Kind::RedisAsleep => {
            let seconds = format!("{:.3}", fault.lasts.as_secs_f64());
            let mut connection = redis.connect().expect("Redis runs");
            // Its answer comes later than anybody waits for.
            let _ = cmd("DEBUG")
                .arg("SLEEP")
                .arg(seconds)
                .query::<()>(&mut connection);
            drop(connection);
            thread::sleep(fault.lasts);
        }
        Kind::RedisRestarted => {
            redis.save();
            redis.stop();
            thread::sleep(fault.lasts);
            redis.start();
        }
        Kind::RedisOldSnapshot => {
            redis.save();
            thread::sleep(fault.lasts);
            redis.load_old_snapshot();
        }
        _ => {
            redis.kill();
            thread::sleep(fault.lasts);
            redis.start();
        }
    }
    true
}

fn set(connection: &mut Connection, name: &str, value: &str) {
    let done: RedisResult<()> = cmd("CONFIG").arg("SET").arg(name).arg(value).query(connection);
    done.unwrap_or_else(|why| panic!("CONFIG SET {name}: {why}"));
}

/// Loses something of a state's key drawn from the seed; whether there was anything.
fn lose(
    redis: &Redis,
    seed: u64,
    what: fn(&mut Connection, &str, &mut StdRng) -> RedisResult<bool>,
) -> RedisResult<bool> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut connection = redis.connect()?;
    let mut keys: Vec<String> = cmd("KEYS").arg("*").query(&mut connection)?;
    keys.retain(|key| !key.contains(LEASE));
    // Redis gives them in no order of its own.
    keys.sort();
    match keys.choose(&mut random) {
        Some(chosen) => what(&mut connection, chosen, &mut random),
        None => Ok(false),
    }
}

fn key(connection: &mut Connection, name: &str, _: &mut StdRng) -> RedisResult<bool> {
    let lost: i64 = cmd("DEL").arg(name).query(connection)?;
    Ok(lost > 0)
}

/// Some fields of a hash or members of a sorted set, of meta too.
fn fields(connection: &mut Connection, name: &str, random: &mut StdRng) -> RedisResult<bool> {
    let kind: String = cmd("TYPE").arg(name).query(connection)?;
    let (scan, lose) = match kind.as_str() {
        "hash" => ("HSCAN", "HDEL"),
        "zset" => ("ZSCAN", "ZREM"),
        _ => return Ok(false),
    };
    let mut ask = cmd(scan);
    ask.arg(name).arg(0).arg("COUNT").arg(SCAN_COUNT);
    // Name and value in turns.
    let (_, found): (u64, Vec<Vec<u8>>) = ask.query(connection)?;
    let mut names: Vec<&Vec<u8>> = found.iter().step_by(2).collect();
    names.sort();
    let count = random.random_range(1..=FIELDS_MAX_COUNT);
    let chosen: Vec<&Vec<u8>> = names.sample(random, count).copied().collect();
    if chosen.is_empty() {
        return Ok(false);
    }
    let lost: i64 = cmd(lose).arg(name).arg(chosen).query(connection)?;
    Ok(lost > 0)
}
