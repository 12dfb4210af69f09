//! The adapters against real servers.

#[path = "../support/servers/mod.rs"]
#[allow(dead_code, unused_imports)]
mod servers;

#[path = "../support/store_cases/mod.rs"]
mod store_cases;

mod kafka_consuming;
mod kafka_outages;
mod kafka_producing;
mod kafka_reading;
mod kafka_support;
mod kafka_topics;
mod redis_applying;
mod redis_asking;
mod redis_claiming;
mod redis_conformance;
mod redis_leasing;
mod redis_server;
mod redis_support;

use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test and no earlier run has used.
fn fresh(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock behind 1970");
    format!(
        "{what}-{:x}-{}",
        now.as_millis(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// One Redis for all tests that leave it running.
fn redis() -> &'static servers::Redis {
    static REDIS: std::sync::OnceLock<servers::Redis> = std::sync::OnceLock::new();
    REDIS.get_or_init(servers::redis)
}
