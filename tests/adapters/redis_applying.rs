//! What becomes of a batch that is being applied.

use accrual::engine::ports::Store;

use super::redis_support::{P, lost, open, part, prepare, put, retry, step};
use super::servers;

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
