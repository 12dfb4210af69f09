//! What an owner finds, and what it rebuilds.

use accrual::engine::ports::{Found, Step, Store, Timers};

use super::redis_support::{
    P, fenced, keys, lost, marker, open, part, prepare, put, ready, remove, step, values,
};
use super::{fresh, redis};

#[tokio::test]
async fn a_claim_says_what_is_there_and_drops_what_is_half_done() {
    let store = ready().await;
    let whole = step(5, 10, 11);
    store
        .replicate(P, part(whole, 0, false), vec![put("a", b"1", None, false)])
        .await
        .expect("written");
    let found = store.claim(P, 7).await.expect("a claim");
    assert_eq!(
        found,
        Found::At {
            batch: 10,
            changelog: 110,
            stamp: 1_010
        }
    );
    assert_eq!(store.claim(P, 7).await.expect("a retry"), found);
    // The partial marker is gone: the new owner writes the batch from its first part.
    let mine = step(7, 10, 11);
    store
        .replicate(P, mine, vec![put("a", b"2", None, false)])
        .await
        .expect("written");
    assert_eq!(values(&store, marker(7, 11), &["a"]).await, [Some(b"2".to_vec())]);
}

#[tokio::test]
async fn the_state_of_another_log_counts_as_nothing() {
    let url = redis().url.clone();
    let application = fresh("accrual");
    let old = open(&url, &application, "cluster/topic").await;
    prepare(&old, 500, 10).await;
    old.replicate(P, step(500, 10, 11), vec![put("old", b"1", Some(1), true)])
        .await
        .expect("written");

    let new = open(&url, &application, "other/topic").await;
    lost(new.read(P, marker(500, 11), keys(&["old"])).await);
    lost(new.replicate(P, step(500, 11, 12), vec![]).await);
    // Epochs of another log do not compare.
    assert_eq!(new.claim(P, 2).await.expect("a claim"), Found::Nothing);
    new.rebuild(P, step(2, 0, 3), vec![put("new", b"1", None, false)])
        .await
        .expect("a part");
    let timers = new.swap(P, part(step(2, 0, 3), 1, true)).await.expect("a swap");
    assert_eq!(timers, Timers::default());
    assert_eq!(
        values(&new, marker(2, 3), &["old", "new"]).await,
        [None, Some(b"1".to_vec())]
    );
    lost(old.read(P, marker(500, 11), keys(&["old"])).await);
}

#[tokio::test]
async fn a_rebuild_belongs_to_one_claim_and_one_target() {
    let store = ready().await;
    store
        .replicate(P, step(5, 10, 11), vec![put("stale", b"1", Some(1), true)])
        .await
        .expect("written");
    let target = |epoch, n| Step {
        part: n,
        ..step(epoch, 0, 20)
    };
    let write = |key| vec![put(key, b"1", Some(9), true)];

    lost(store.rebuild(P, target(5, 1), write("b")).await);
    store.rebuild(P, target(5, 0), write("a")).await.expect("a part");
    lost(store.read(P, marker(5, 11), keys(&["stale"])).await);
    lost(store.rebuild(P, target(5, 2), write("c")).await);
    lost(
        store
            .rebuild(
                P,
                Step {
                    to: 21,
                    ..target(5, 1)
                },
                write("b"),
            )
            .await,
    );
    store.rebuild(P, target(5, 1), write("b")).await.expect("a part");
    store.rebuild(P, target(5, 1), write("b")).await.expect("a retry");
    lost(store.swap(P, target(5, 1)).await);
    lost(store.swap(P, target(5, 3)).await);

    // A second claimant throws the shadow away, and the first cannot go on.
    assert_eq!(store.claim(P, 6).await.expect("a claim"), Found::Nothing);
    fenced(store.rebuild(P, target(5, 2), write("c")).await, 6);
    fenced(store.swap(P, target(5, 2)).await, 6);
    lost(store.rebuild(P, target(6, 2), write("c")).await);
    lost(store.swap(P, target(6, 2)).await);

    store.rebuild(P, target(6, 0), write("x")).await.expect("a part");
    // Part 0 begins afresh.
    store.rebuild(P, target(6, 0), write("a")).await.expect("a part");
    store.rebuild(P, target(6, 1), write("b")).await.expect("a part");
    let timers = store.swap(P, target(6, 2)).await.expect("a swap");
    assert_eq!(
        timers,
        Timers {
            pending: 2,
            next: Some(9)
        }
    );
    assert_eq!(store.swap(P, target(6, 2)).await.expect("a retry"), timers);
    let read = values(&store, marker(6, 20), &["stale", "x", "a", "b"]).await;
    assert_eq!(read, [None, None, Some(b"1".to_vec()), Some(b"1".to_vec())]);
    store
        .replicate(P, step(6, 20, 21), vec![remove("a"), remove("b")])
        .await
        .expect("written");
    let found = store.claim(P, 7).await.expect("a claim");
    assert_eq!(
        found,
        Found::At {
            batch: 21,
            changelog: 121,
            stamp: 1_021
        }
    );
}
