//! What is written once, in order, by the newest owner alone.

use accrual::engine::ports::Store;

use super::redis_support::{
    P, fenced, keys, lost, marker, open, part, prepare, put, ready, retry, step, values,
};
use super::servers;

#[tokio::test]
async fn a_stale_owner_is_told_who_came_after() {
    let store = ready().await;
    store.claim(P, 8).await.expect("a claim");
    fenced(store.read(P, marker(5, 10), keys(&["a"])).await, 8);
    fenced(store.replicate(P, step(5, 10, 11), vec![]).await, 8);
    fenced(store.rebuild(P, step(5, 0, 11), vec![]).await, 8);
    fenced(store.swap(P, step(5, 0, 11)).await, 8);
    fenced(store.claim(P, 5).await, 8);
    // Claimed, but the new owner asks for what its predecessor left.
    assert_eq!(values(&store, marker(8, 10), &["a"]).await, [None]);
    // An owner of the future knows more than this store.
    lost(store.read(P, marker(9, 10), keys(&["a"])).await);
    lost(store.replicate(P, step(9, 10, 11), vec![]).await);
}

#[tokio::test]
async fn a_batch_is_applied_once_and_in_order() {
    let store = ready().await;
    let first = || vec![put("a", b"1", None, false)];
    store
        .replicate(P, step(5, 10, 11), first())
        .await
        .expect("written");
    // The reply was lost: made again it changes nothing, whatever it holds.
    store
        .replicate(P, step(5, 10, 11), vec![put("a", b"x", None, false)])
        .await
        .expect("known");
    assert_eq!(values(&store, marker(5, 11), &["a"]).await, [Some(b"1".to_vec())]);
    lost(store.replicate(P, step(5, 12, 13), first()).await);
    lost(store.replicate(P, step(5, 9, 10), first()).await);
    lost(store.read(P, marker(5, 10), keys(&["a"])).await);
    lost(store.read(P, marker(5, 12), keys(&["a"])).await);
}

#[tokio::test]
async fn parts_demand_the_part_before_them() {
    let store = ready().await;
    let whole = step(5, 10, 11);
    let parts = [part(whole, 0, false), part(whole, 1, false), part(whole, 2, true)];
    let write = |i: usize| vec![put(["a", "b", "c"][i], b"1", None, false)];
    lost(store.replicate(P, parts[1], write(1)).await);
    store.replicate(P, parts[0], write(0)).await.expect("written");
    lost(store.read(P, marker(5, 10), keys(&["a"])).await);
    lost(store.replicate(P, parts[2], write(2)).await);
    // Another batch cannot begin in between.
    lost(store.replicate(P, step(5, 10, 12), write(0)).await);
    store.replicate(P, parts[0], write(0)).await.expect("a retry");
    store.replicate(P, parts[1], write(1)).await.expect("written");
    store.replicate(P, parts[1], write(1)).await.expect("a retry");
    store.replicate(P, parts[2], write(2)).await.expect("written");
    store.replicate(P, parts[2], write(2)).await.expect("a retry");
    let read = values(&store, marker(5, 11), &["a", "b", "c"]).await;
    assert!(read.iter().all(Option::is_some), "{read:?}");
}

#[tokio::test]
async fn an_old_snapshot_between_two_parts_is_noticed() {
    let redis = servers::own_redis();
    let store = open(&redis.url, "accrual", "cluster/topic").await;
    prepare(&store, 5, 10).await;
    redis.save();
    let whole = step(5, 10, 11);
    store
        .replicate(P, part(whole, 0, false), vec![put("a", b"1", None, false)])
        .await
        .expect("written");
    redis.load_old_snapshot();
    let again = retry(async || store.replicate(P, part(whole, 1, true), vec![]).await).await;
    lost(again);
}
