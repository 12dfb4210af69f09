//! Redis answers what every store must answer.

use super::redis_support::{P, open};
use super::store_cases::{CASES, Loss, check};
use super::{fresh, redis};

#[tokio::test]
async fn redis_answers_as_every_store_must() {
    let mut wrong = Vec::new();
    for case in CASES {
        let application = fresh("accrual");
        let store = open(&redis().url, &application, "cluster/topic").await;
        let checked = check(&store, P, case, async |loss| lose(&application, &loss)).await;
        wrong.extend(checked.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Removes keys and entries as an operator's clean-up would.
fn lose(application: &str, loss: &Loss) {
    let name = |key: &str| format!("{{{application}:orders:{P}}}:{key}");
    let entry = |command: &str, key: &str, entry: &str| {
        let removed: i64 = redis().command(&[command, &name(key), entry]);
        assert_eq!(removed, 1, "{loss:?}");
    };
    let whole = |key: &str| {
        let removed: i64 = redis().command(&["DEL", &name(key)]);
        assert_eq!(removed, 1, "{loss:?}");
    };
    match loss {
        Loss::State(key) => entry("HDEL", "state", key),
        Loss::Timer(key) => entry("ZREM", "timers", key),
        Loss::IndexEntry(key) => entry("ZREM", "index", key),
        Loss::ShadowState(key) => entry("HDEL", "shadow:state", key),
        Loss::States => whole("state"),
        Loss::Timers => whole("timers"),
        Loss::Index => whole("index"),
        Loss::Meta => whole("meta"),
        Loss::Sizes => entry("HDEL", "meta", "sizes"),
        Loss::Everything => {
            for key in ["meta", "state", "timers", "index"] {
                let _: i64 = redis().command(&["DEL", &name(key)]);
            }
        }
    }
}
