//! The settings in the terms of adapters, engine and stages.

use anyhow::Context;

use crate::adapters::kafka::Cluster;
use crate::adapters::redis::{Lease, Settings as RedisSettings};
use crate::config::{self, Settings, Stage as StageKind};
use crate::engine::partitioner::Partitioner;
use crate::stages::topics::Topics;

/// The brokers, and what librdkafka is given besides.
pub fn cluster(settings: &Settings) -> Cluster {
    let properties = settings.kafka.properties.expose();
    let properties = properties
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Cluster::new(settings.kafka.brokers.clone(), properties)
}

/// Where the stages send what they decided.
pub fn stage_topics(names: &config::Topics) -> Topics {
    Topics {
        issued: names.points_issued.as_str().into(),
        expired: names.points_expired.as_str().into(),
        events: names.points_events.as_str().into(),
        entries: names.ledger_entries.as_str().into(),
    }
}

/// Where a stage's replica is in Redis, and which log it is a replica of.
pub fn store_settings(settings: &Settings, kind: StageKind, identity: &str, log: &str) -> RedisSettings {
    RedisSettings {
        urls: redis_urls(settings),
        application: settings.application_id.clone(),
        stage: kind.as_str().to_string(),
        identity: format!("{identity}/{log}"),
    }
}

/// The leases of this instance's stages.
pub async fn connect_lease(settings: &Settings) -> anyhow::Result<Lease> {
    let stages = settings.stages.iter().map(|kind| kind.as_str()).collect();
    let (application, instance) = (&settings.application_id, &settings.instance_id);
    Lease::connect(&redis_urls(settings), application, instance, stages)
        .await
        .with_context(|| format!("redis.url: {:?}", settings.redis.urls))
}

fn redis_urls(settings: &Settings) -> Vec<String> {
    let urls = settings.redis.urls.iter();
    urls.map(|url| url.expose().to_string()).collect()
}

/// How the producers of the input topics place keys.
pub fn placing(configured: config::Partitioner) -> Partitioner {
    match configured {
        config::Partitioner::Murmur2 => Partitioner::Murmur2,
        config::Partitioner::Crc32 => Partitioner::Crc32,
        config::Partitioner::Any => Partitioner::Any,
    }
}
