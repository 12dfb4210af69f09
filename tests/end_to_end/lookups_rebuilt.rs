//! Look-ups while the replica that they read is lost and rebuilt, again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::lookups::{RULES, created, import, order_event};
use crate::support::accrual::Accrual;
use crate::support::deployment::Deployment;
use crate::support::servers;
use crate::support::servers::new_dir;

const ORDERS: usize = 400;
const LOSSES: usize = 8;
const LOSS_INTERVAL: Duration = Duration::from_secs(1);
/// Of all losses together.
const TIMEOUT: Duration = Duration::from_secs(120);
const AT: &str = "2024-03-04T00:00:00Z";

/// Statuses with how often each came, an example of each body, and the slowest answer.
#[derive(Debug, Default)]
struct Answers {
    statuses: BTreeMap<u16, usize>,
    examples: BTreeMap<u16, String>,
    slowest: Duration,
}

impl Answers {
    fn ask(&mut self, accrual: &Accrual, path: &str) {
        let begun = Instant::now();
        let answer = accrual.get(path);
        self.slowest = self.slowest.max(begun.elapsed());
        *self.statuses.entry(answer.status).or_default() += 1;
        self.examples.entry(answer.status).or_insert(answer.body);
    }
}

#[test]
fn known_keys_are_found_while_the_replica_is_rebuilt() {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 3);
    let rules = new_dir("lookups").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a writable temp dir");
    deployment.publish_rules(&rules);
    let accrual = deployment.start();
    accrual.set_clock(AT);
    for number in 0..ORDERS {
        let member = format!("m-{number}");
        deployment.feed(&created(&format!("A-{number}"), json!({"id": member})), None);
        deployment.feed(&import(&member, None), None);
    }
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);

    let end = Instant::now() + TIMEOUT;
    let lost_all = &AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let asking: Vec<_> = ["orders/A", "members/m"]
            .map(|what| {
                let accrual = &accrual;
                scope.spawn(move || {
                    let mut answers = Answers::default();
                    let mut number = 0;
                    while !lost_all.load(Ordering::Relaxed) && Instant::now() < end {
                        number = (number + 7) % ORDERS;
                        answers.ask(accrual, &format!("/v1/shops/acme/{what}-{number}"));
                    }
                    answers
                })
            })
            .into();
        for loss in 0..LOSSES {
            redis.flush_all();
            // Work in some partitions; others are at rest.
            let paid = order_event("order.paid", &format!("A-{loss}"), AT, json!({}));
            deployment.feed(&paid, None);
            thread::sleep(LOSS_INTERVAL);
            // A slow machine gets to the end of a restore, too.
            accrual.wait_ready();
        }
        lost_all.store(true, Ordering::Relaxed);
        asking
            .into_iter()
            .map(|asking| asking.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    for answers in answers {
        println!("{answers:?}");
        let statuses: Vec<u16> = answers.statuses.keys().copied().collect();
        assert_eq!(statuses, [200], "{answers:?}");
    }
}
