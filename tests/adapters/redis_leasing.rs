//! Which process holds an instance's leases.

use std::time::Duration;

use accrual::adapters::redis::{Holding, Lease};

use super::{fresh, redis};

const TIME: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

async fn open(application: &str, stages: &[&'static str]) -> Lease {
    let urls = [redis().url.clone()];
    let lease = Lease::connect(&urls, application, "one", stages.to_vec()).await;
    lease.expect("a server")
}

async fn hold(lease: &Lease, entry: &str, may_take: bool, dead: &[&str]) -> Holding {
    let dead: Vec<String> = dead.iter().map(|&entry| entry.to_owned()).collect();
    let holding = lease.hold(entry, TIME, may_take, &dead).await;
    holding.expect("an answer")
}

/// Whose they are, if they are another's.
async fn other(lease: &Lease, entry: &str, dead: &[&str]) -> String {
    match hold(lease, entry, true, dead).await {
        Holding::Other { entry, left } => {
            assert!(left > TIME / 2 && left <= TIME, "{left:?}");
            entry
        }
        holding => panic!("{holding:?}"),
    }
}

#[tokio::test]
async fn one_holds_all_stages_until_it_releases_them() {
    let lease = open(&fresh("accrual"), &["orders", "ledger"]).await;
    assert_eq!(hold(&lease, "a", false, &[]).await, Holding::Free);
    assert_eq!(hold(&lease, "a", true, &[]).await, Holding::Ours);
    assert_eq!(hold(&lease, "a", false, &[]).await, Holding::Ours, "renewed");
    assert_eq!(other(&lease, "b", &[]).await, "a");
    lease.release("b").await.expect("an answer");
    assert_eq!(other(&lease, "b", &[]).await, "a", "it is not b's to release");
    lease.release("a").await.expect("an answer");
    assert_eq!(hold(&lease, "b", false, &[]).await, Holding::Free);
    assert_eq!(hold(&lease, "b", true, &[]).await, Holding::Ours);
    assert_eq!(other(&lease, "a", &[]).await, "b");
}

#[tokio::test]
async fn all_stages_or_none() {
    let application = fresh("accrual");
    let both = open(&application, &["orders", "ledger"]).await;
    let orders = open(&application, &["orders"]).await;
    let ledger = open(&application, &["ledger"]).await;
    assert_eq!(hold(&ledger, "a", true, &[]).await, Holding::Ours);
    assert_eq!(other(&both, "b", &[]).await, "a");
    assert_eq!(
        hold(&orders, "c", true, &[]).await,
        Holding::Ours,
        "b holds nothing"
    );
    ledger.release("a").await.expect("an answer");
    assert_eq!(other(&both, "b", &[]).await, "c");
    orders.release("c").await.expect("an answer");
    assert_eq!(hold(&both, "b", true, &[]).await, Holding::Ours);
    // What is left of leases is not all of them.
    ledger.release("b").await.expect("an answer");
    assert_eq!(hold(&both, "b", false, &[]).await, Holding::Free);
}

#[tokio::test]
async fn leases_of_the_dead_are_taken_and_no_others() {
    let lease = open(&fresh("accrual"), &["orders"]).await;
    assert_eq!(hold(&lease, "a", true, &[]).await, Holding::Ours);
    assert_eq!(other(&lease, "b", &["c"]).await, "a");
    assert_eq!(hold(&lease, "b", false, &["c", "a"]).await, Holding::Ours);
    assert_eq!(other(&lease, "a", &[]).await, "b");
}

#[tokio::test]
async fn a_lease_ends_unless_it_is_renewed() {
    let lease = open(&fresh("accrual"), &["orders"]).await;
    let holding = lease.hold("a", SHORT, true, &[]).await.expect("an answer");
    assert_eq!(holding, Holding::Ours);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while hold(&lease, "b", true, &[]).await != Holding::Ours {
        assert!(tokio::time::Instant::now() < deadline, "it never ends");
    }
}
