//! Claims, steps and writes for the tests of the store.

use accrual::adapters::redis::{RedisStore, Settings};
use accrual::engine::error::StoreError;
use accrual::engine::ports::{Ask, Change, Marker, Step, Store, Write};
use bytes::Bytes;

use super::{fresh, redis};

pub const P: i32 = 3;

pub async fn open(url: &str, application: &str, identity: &str) -> RedisStore {
    let settings = Settings {
        urls: vec![url.to_owned()],
        application: application.to_owned(),
        stage: "orders".into(),
        identity: identity.to_owned(),
    };
    RedisStore::connect(settings).await.expect("a store")
}

pub async fn store() -> RedisStore {
    open(&redis().url, &fresh("accrual"), "cluster/topic").await
}

pub fn step(epoch: i64, from: u64, to: u64) -> Step {
    Step {
        epoch,
        from,
        to,
        part: 0,
        last: true,
        changelog: 100 + to as i64,
        stamp: 1_000 + to as i64,
        clock: None,
    }
}

pub fn part(step: Step, part: u32, last: bool) -> Step {
    Step { part, last, ..step }
}

pub fn put(key: &'static str, value: &'static [u8], wake: Option<i64>, indexed: bool) -> Write {
    Write {
        key: Bytes::from_static(key.as_bytes()),
        value: Some(Bytes::from_static(value)),
        wake: wake.map_or(Change::Clear, Change::Set),
        index: if indexed { Change::Set(()) } else { Change::Clear },
    }
}

pub fn remove(key: &'static str) -> Write {
    Write {
        key: Bytes::from_static(key.as_bytes()),
        value: None,
        wake: Change::Clear,
        index: Change::Clear,
    }
}

pub fn marker(epoch: i64, batch: u64) -> Marker {
    Marker { epoch, batch }
}

pub fn keys(names: &[&'static str]) -> Ask {
    Ask {
        keys: names
            .iter()
            .map(|name| Bytes::from_static(name.as_bytes()))
            .collect(),
        ..Ask::default()
    }
}

/// The values at a marker, or what stood there instead.
pub async fn values(store: &RedisStore, at: Marker, names: &[&'static str]) -> Vec<Option<Vec<u8>>> {
    let answer = store.read(P, at, keys(names)).await.expect("an answer");
    answer
        .values
        .into_iter()
        .map(|value| value.map(|value| value.to_vec()))
        .collect()
}

pub fn lost<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Lost { .. })), "{result:?}");
}

/// A store claimed at epoch 5 and rebuilt to batch 10.
pub async fn ready() -> RedisStore {
    let store = store().await;
    prepare(&store, 5, 10).await;
    store
}

pub async fn prepare(store: &RedisStore, epoch: i64, batch: u64) {
    store.claim(P, epoch).await.expect("a claim");
    store
        .swap(P, step(epoch, 0, batch))
        .await
        .expect("an empty rebuild");
}

/// Until the server has an answer again.
pub async fn retry<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 0..200 {
        match ask().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            result => return result,
        }
    }
    panic!("the server does not come back");
}
