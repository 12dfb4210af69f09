//! What becomes of the server, and which server will not do.

use accrual::adapters::redis::{RedisStore, Settings};
use accrual::engine::error::StoreError;
use accrual::engine::ports::{Found, Store, Timers};
use bytes::Bytes;

use super::redis_support::{P, keys, lost, marker, open, part, prepare, put, retry, step, values};
use super::servers;

#[tokio::test]
async fn a_server_that_forgot_everything_is_noticed_and_rebuilt() {
    let redis = servers::own_redis();
    let store = open(&redis.url, "accrual", "cluster/topic").await;
    prepare(&store, 5, 10).await;
    redis.flush_all();
    lost(store.read(P, marker(5, 10), keys(&["a"])).await);
    lost(store.replicate(P, step(5, 10, 11), vec![]).await);
    lost(store.rebuild(P, step(5, 0, 10), vec![]).await);
    lost(store.swap(P, step(5, 0, 10)).await);
    assert_eq!(store.claim(P, 6).await.expect("a claim"), Found::Nothing);
    // A claim on nothing answers nothing until it is rebuilt.
    lost(store.read(P, marker(6, 0), keys(&["a"])).await);
    lost(store.replicate(P, step(6, 0, 1), vec![]).await);
    store
        .rebuild(P, step(6, 0, 12), vec![put("a", b"1", Some(7), true)])
        .await
        .expect("a part");
    let timers = store
        .swap(P, part(step(6, 0, 12), 1, true))
        .await
        .expect("a swap");
    assert_eq!(
        timers,
        Timers {
            pending: 1,
            next: Some(7)
        }
    );
    assert_eq!(values(&store, marker(6, 12), &["a"]).await, [Some(b"1".to_vec())]);
}

#[tokio::test]
async fn a_server_that_may_evict_is_refused() {
    let redis = servers::own_redis();
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let settings = Settings {
        urls: vec![redis.url.clone()],
        application: "accrual".into(),
        stage: "orders".into(),
        identity: "i".into(),
    };
    match RedisStore::connect(settings.clone()).await {
        Err(StoreError::Fatal(reason)) => assert!(reason.contains("allkeys-lru"), "{reason}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let store = RedisStore::connect(settings).await.expect("a store");
    // The server behind a new connection may be another one: it is asked again.
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    redis.command::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    unavailable_until(&store, "allkeys-lru").await;
    // Nothing was decided there, so it goes on once the policy is right.
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(store.claim(P, 1).await.expect("a claim"), Found::Nothing);
    // A change while connected is seen by whoever asks how the server is.
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let trouble = store.trouble().await.expect("a reason");
    assert!(trouble.contains("allkeys-lru"), "{trouble}");
    unavailable_until(&store, "allkeys-lru").await;
}

/// The next answers are that it is not available, some day for this reason.
async fn unavailable_until(store: &RedisStore, reason: &str) {
    for _ in 0..200 {
        match store.claim(P, 1).await {
            Err(StoreError::Unavailable(why)) if why.contains(reason) => return,
            Err(StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("never {reason}");
}

#[tokio::test]
async fn a_foreign_key_of_another_type_is_left_alone() {
    let redis = servers::own_redis();
    let store = open(&redis.url, "accrual", "cluster/topic").await;
    let key = format!("{{accrual:orders:{P}}}:index");
    redis.command::<()>(&["SET", &key, "foreign"]);
    match store.claim(P, 1).await {
        Err(StoreError::Occupied(why)) => {
            assert!(
                why.contains("WRONGTYPE") && why.contains("{accrual:orders:3}:*"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(redis.command::<String>(&["GET", &key]), "foreign");
    let _: i64 = redis.command(&["DEL", &key]);
    assert_eq!(store.claim(P, 1).await.expect("a claim"), Found::Nothing);
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable_and_one_that_is_back_answers() {
    let redis = servers::own_redis();
    let store = open(&redis.url, "accrual", "cluster/topic").await;
    prepare(&store, 5, 10).await;
    redis.save();
    redis.kill();
    let gone = store.read(P, marker(5, 10), keys(&["a"])).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    redis.start();
    let back = retry(async || store.read(P, marker(5, 10), keys(&["a"])).await).await;
    assert_eq!(back.expect("an answer").values, [None]);
    // The scripts are gone from a server that restarted, too.
}

#[tokio::test]
async fn the_keys_of_a_partition_are_on_one_node_of_a_cluster() {
    let cluster = servers::redis_cluster();
    let settings = Settings {
        urls: cluster.urls(),
        application: "accrual".into(),
        stage: "orders".into(),
        identity: "i".into(),
    };
    let store = RedisStore::connect(settings).await.expect("a store");
    for partition in 0..6 {
        assert_eq!(store.claim(partition, 1).await.expect("a claim"), Found::Nothing);
        store
            .rebuild(partition, step(1, 0, 2), vec![put("a", b"1", Some(1), true)])
            .await
            .expect("a part");
        store
            .swap(partition, part(step(1, 0, 2), 1, true))
            .await
            .expect("a swap");
        let read = store
            .read(partition, marker(1, 2), keys(&["a"]))
            .await
            .expect("an answer");
        assert_eq!(read.values, [Some(Bytes::from_static(b"1"))]);
    }
}
