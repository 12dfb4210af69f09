//! Accrual over real Kafka and Redis publishes what `replay` prints, byte for byte, whatever
//! dies, freezes or forgets meanwhile.

mod clock_steps;
mod dead_letters;
mod faults;
mod first_steps;
mod gauges;
mod instance;
mod limits;
mod lookups;
mod lookups_levels;
mod lookups_rebuilt;
mod moves;
mod over_http;
mod redis_losses;
mod redis_troubles;
mod rewritten;
mod rights;
mod scenario_faults;
mod scenarios;
mod shared_redis;
mod slow_clients;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod topics;
mod upgrades;
