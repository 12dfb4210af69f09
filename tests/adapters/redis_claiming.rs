//! What an owner finds that belongs to another log.

use accrual::engine::ports::{Found, Store, Timers};

use super::redis_support::{P, keys, lost, marker, open, part, prepare, put, step, values};
use super::{fresh, redis};

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
    let foreign = Found::Foreign {
        identity: "cluster/topic".into(),
    };
    assert_eq!(new.claim(P, 2).await.expect("a claim"), foreign);
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
