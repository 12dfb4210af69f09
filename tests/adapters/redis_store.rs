//! Every branch of the scripts, on a real server.

use accrual::adapters::redis::{Peeked, RedisStore, Settings};
use accrual::engine::error::StoreError;
use accrual::engine::ports::{Ask, Change, Due, Found, Marker, Scan, Step, Store, Timers, Write};
use bytes::Bytes;

use super::{fresh, redis, servers};

const P: i32 = 3;

async fn open(url: &str, application: &str, identity: &str) -> RedisStore {
    let settings = Settings {
        urls: vec![url.to_owned()],
        application: application.to_owned(),
        stage: "orders".into(),
        identity: identity.to_owned(),
    };
    RedisStore::connect(settings).await.expect("a store")
}

async fn store() -> RedisStore {
    open(&redis().url, &fresh("accrual"), "cluster/topic").await
}

fn step(epoch: i64, from: u64, to: u64) -> Step {
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

fn part(step: Step, part: u32, last: bool) -> Step {
    Step { part, last, ..step }
}

fn put(key: &'static str, value: &'static [u8], wake: Option<i64>, indexed: bool) -> Write {
    Write {
        key: Bytes::from_static(key.as_bytes()),
        value: Some(Bytes::from_static(value)),
        wake: wake.map_or(Change::Clear, Change::Set),
        index: if indexed { Change::Set(()) } else { Change::Clear },
    }
}

fn remove(key: &'static str) -> Write {
    Write {
        key: Bytes::from_static(key.as_bytes()),
        value: None,
        wake: Change::Clear,
        index: Change::Clear,
    }
}

fn marker(epoch: i64, batch: u64) -> Marker {
    Marker { epoch, batch }
}

fn keys(names: &[&'static str]) -> Ask {
    Ask {
        keys: names
            .iter()
            .map(|name| Bytes::from_static(name.as_bytes()))
            .collect(),
        ..Ask::default()
    }
}

/// The values at a marker, or what stood there instead.
async fn values(store: &RedisStore, at: Marker, names: &[&'static str]) -> Vec<Option<Vec<u8>>> {
    let answer = store.read(P, at, keys(names)).await.expect("an answer");
    answer
        .values
        .into_iter()
        .map(|value| value.map(|value| value.to_vec()))
        .collect()
}

fn lost<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Lost { .. })), "{result:?}");
}

fn fenced<T: std::fmt::Debug>(result: Result<T, StoreError>, by: i64) {
    assert!(
        matches!(result, Err(StoreError::Fenced { epoch }) if epoch == by),
        "{result:?}"
    );
}

/// A store claimed at epoch 5 and rebuilt to batch 10.
async fn ready() -> RedisStore {
    let store = store().await;
    prepare(&store, 5, 10).await;
    store
}

async fn prepare(store: &RedisStore, epoch: i64, batch: u64) {
    store.claim(P, epoch).await.expect("a claim");
    store
        .swap(
            P,
            Step {
                part: 0,
                ..step(epoch, 0, batch)
            },
        )
        .await
        .expect("an empty rebuild");
}

#[tokio::test]
async fn a_peek_asks_for_no_marker() {
    let application = fresh("accrual");
    let store = open(&redis().url, &application, "cluster/topic").await;
    assert_eq!(store.peek(P, b"a").await.expect("an answer"), None);
    store.claim(P, 5).await.expect("a claim");
    assert_eq!(
        store.peek(P, b"a").await.expect("an answer"),
        None,
        "not restored"
    );
    prepare(&store, 6, 10).await;
    let write = vec![put("a", b"\0\xff", None, false)];
    store.replicate(P, step(6, 10, 11), write).await.expect("written");
    let found = |value: Option<&'static [u8]>| {
        let value = value.map(Bytes::from_static);
        let (stamp, clock) = (1_011, None);
        Some(Peeked { value, stamp, clock })
    };
    assert_eq!(
        store.peek(P, b"a").await.expect("an answer"),
        found(Some(b"\0\xff"))
    );
    assert_eq!(store.peek(P, b"b").await.expect("an answer"), found(None));
    let other = open(&redis().url, &application, "cluster/other").await;
    assert_eq!(
        other.peek(P, b"a").await.expect("an answer"),
        None,
        "of another log"
    );
}

#[tokio::test]
async fn what_was_written_is_read_at_its_marker() {
    let store = ready().await;
    let binary: &[u8] = b"\0\xff\r\n";
    let writes = vec![
        put("s\0a", binary, Some(2_000), true),
        put("s\0b", b"", Some(1_000), true),
        put("s\x01c", b"c", Some(1_000), true),
        put("t", b"t", None, false),
    ];
    let timers = store
        .replicate(P, step(5, 10, 11), writes)
        .await
        .expect("written");
    assert_eq!(
        timers,
        Timers {
            pending: 3,
            next: Some(1_000)
        }
    );

    let mut ask = keys(&["s\0a", "gone", "s\0b", "t"]);
    ask.due = Some(Due {
        before: 2_000,
        limit: 10,
    });
    ask.scan = Some(Scan {
        prefix: Bytes::from_static(b"s\0"),
        after: None,
        limit: 10,
    });
    let answer = store
        .read(P, marker(5, 11), ask.clone())
        .await
        .expect("an answer");
    let wanted = [Some(binary), None, Some(b"".as_slice()), Some(b"t")];
    assert_eq!(
        answer.values.iter().map(Option::as_deref).collect::<Vec<_>>(),
        wanted
    );
    // Strictly before, earliest first, ties by key.
    let due: Vec<_> = answer
        .due
        .iter()
        .map(|(key, wake, _)| (key.as_ref(), *wake))
        .collect();
    assert_eq!(due, [(b"s\0b".as_slice(), 1_000), (b"s\x01c", 1_000)]);
    let scanned: Vec<_> = answer.scanned.iter().map(|(key, _)| key.as_ref()).collect();
    assert_eq!(scanned, [b"s\0a".as_slice(), b"s\0b"]);
    assert_eq!(answer.timers, timers);

    ask.scan = Some(Scan {
        prefix: Bytes::from_static(b"s\0"),
        after: Some(Bytes::from_static(b"s\0a")),
        limit: 1,
    });
    ask.due = Some(Due {
        before: 5_000,
        limit: 1,
    });
    let answer = store.read(P, marker(5, 11), ask).await.expect("an answer");
    assert_eq!(answer.scanned.len(), 1);
    assert_eq!(answer.due.len(), 1);
    assert_eq!(store.timers(P, 2_000).await.expect("timers"), (timers, 2));

    let mut kept = put("s\0a", b"new", None, false);
    (kept.wake, kept.index) = (Change::Keep, Change::Keep);
    let writes = vec![kept, remove("s\0b"), put("s\x01c", b"c", None, false)];
    let timers = store
        .replicate(P, step(5, 11, 12), writes)
        .await
        .expect("written");
    assert_eq!(
        timers,
        Timers {
            pending: 1,
            next: Some(2_000)
        }
    );
    let read = values(&store, marker(5, 12), &["s\0a", "s\0b"]).await;
    assert_eq!(read, [Some(b"new".to_vec()), None]);
}

#[tokio::test]
async fn large_asks_and_batches_are_sliced() {
    let store = ready().await;
    let name = |i: usize| Bytes::from(format!("key-{i:05}"));
    let writes: Vec<_> = (0..9_001)
        .map(|i| Write {
            key: name(i),
            value: Some(name(i)),
            wake: Change::Set(i as i64),
            index: Change::Set(()),
        })
        .collect();
    store
        .replicate(P, step(5, 10, 11), writes)
        .await
        .expect("written");
    let ask = Ask {
        keys: (0..9_001).map(name).collect(),
        due: Some(Due {
            before: 9_000,
            limit: 20_000,
        }),
        scan: Some(Scan {
            prefix: Bytes::from_static(b"key"),
            after: None,
            limit: 20_000,
        }),
    };
    let answer = store.read(P, marker(5, 11), ask).await.expect("an answer");
    assert_eq!(answer.values.len(), 9_001);
    assert!(
        answer
            .values
            .iter()
            .enumerate()
            .all(|(i, value)| value.as_ref() == Some(&name(i)))
    );
    assert_eq!(answer.due.len(), 9_000);
    assert!(answer.due.iter().all(|(key, _, value)| key == value));
    assert_eq!(answer.scanned.len(), 9_001);
}

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

/// Until the server has an answer again.
async fn retry<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 0..200 {
        match ask().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            result => return result,
        }
    }
    panic!("the server does not come back");
}

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
        .swap(
            P,
            Step {
                part: 1,
                ..step(6, 0, 12)
            },
        )
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
async fn a_peek_tells_the_owners_clock_where_it_stands_still() {
    let store = ready().await;
    let clock = async || {
        store
            .peek(P, b"a")
            .await
            .expect("an answer")
            .expect("restored")
            .clock
    };
    let set = |from, clock| Step {
        clock,
        ..step(5, from, from + 1)
    };
    assert_eq!(clock().await, None);
    store
        .replicate(P, set(10, Some(-7)), vec![])
        .await
        .expect("written");
    assert_eq!(clock().await, Some(-7));
    store.replicate(P, set(11, None), vec![]).await.expect("written");
    assert_eq!(clock().await, None, "the next owner's goes on by itself");
    store.claim(P, 6).await.expect("a claim");
    let rebuilt = Step {
        clock: Some(9),
        ..step(6, 0, 13)
    };
    store.rebuild(P, rebuilt, vec![]).await.expect("a part");
    let timers = store.swap(P, Step { part: 1, ..rebuilt }).await;
    timers.expect("a swap");
    assert_eq!(clock().await, Some(9));
    store.claim(P, 7).await.expect("a claim");
    assert_eq!(clock().await, Some(9), "until the next owner has written");
}

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
    let timers = new
        .swap(
            P,
            Step {
                part: 1,
                ..step(2, 0, 3)
            },
        )
        .await
        .expect("a swap");
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
    let refused = retry(async || store.claim(P, 1).await).await;
    assert!(matches!(refused, Err(StoreError::Fatal(_))), "{refused:?}");
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
            .swap(
                partition,
                Step {
                    part: 1,
                    ..step(1, 0, 2)
                },
            )
            .await
            .expect("a swap");
        let read = store
            .read(partition, marker(1, 2), keys(&["a"]))
            .await
            .expect("an answer");
        assert_eq!(read.values, [Some(Bytes::from_static(b"1"))]);
    }
}
