//! What is read, at which marker, and how much at a time.

use accrual::adapters::redis::Peeked;
use accrual::engine::ports::{Ask, Change, Due, Scan, Step, Store, Timers, Write};
use bytes::Bytes;

use super::redis_support::{P, keys, marker, open, prepare, put, ready, remove, step, values};
use super::{fresh, redis};

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
