//! Entries between the stages that were written a second time: by a mirror, a restore, a tool.

use crate::support::deployment::Deployment;
use crate::support::outputs::assert_same;
use crate::support::servers;
use crate::support::stream::{ALL_DAYS, Stream, seed};
use crate::support::topics::{Incoming, Outgoing};

const MEMBERS: u32 = 30;
const PARTITIONS: i32 = 2;
/// The stream is written again when so many of its days are over, and at its end.
const DAYS_BEFORE: usize = 6;

/// The same record once more, on a partition.
fn again(record: &Incoming, partition: i32) -> Outgoing {
    Outgoing {
        key: record.key.clone(),
        value: record.value.clone(),
        ..Outgoing::default()
    }
    .on(partition)
}

fn write_again(deployment: &Deployment, place: impl Fn(&Incoming) -> i32) -> usize {
    let entries = deployment.topics.read("ledger_entries");
    for record in &entries {
        deployment
            .topics
            .produce("ledger_entries", &again(record, place(record)));
    }
    deployment.topics.flush();
    entries.len()
}

#[test]
fn entries_written_again_move_nothing() {
    let redis = servers::redis();
    let stream = Stream::generated(seed(), MEMBERS, ALL_DAYS);
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), PARTITIONS);
    deployment.publish_rules(&stream.rules);
    let accrual = deployment.start();
    for (day, lines) in stream.moments().enumerate() {
        accrual.set_clock(&lines[0].at);
        for line in lines {
            deployment.feed(&line.text, Some(&line.at));
        }
        deployment.topics.flush();
        deployment.wait_quiet(&[&accrual]);
        if day == DAYS_BEFORE {
            assert!(write_again(&deployment, |record| record.partition) > 0);
            deployment.wait_quiet(&[&accrual]);
        }
    }
    deployment.run_until(&[&accrual], &stream.until);
    write_again(&deployment, |record| record.partition);
    deployment.wait_quiet(&[&accrual]);
    assert!(deployment.topics.read("dead_letters").is_empty());
    // On the other partition there is no account of these members.
    let elsewhere = write_again(&deployment, |record| PARTITIONS - 1 - record.partition);
    deployment.wait_quiet(&[&accrual]);
    let letters = deployment.topics.read("dead_letters");
    assert_eq!(letters.len(), elsewhere);
    for letter in &letters {
        assert_eq!(letter.header("accrual-reason"), "wrong_partition");
    }
    assert_same(&stream.wanted, &deployment.published());
}
