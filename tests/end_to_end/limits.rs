//! What cannot be decided, or is too large, or was written by somebody else holds up nobody.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::accrual::{Accrual, succeed};
use crate::support::deployment::Deployment;
use crate::support::servers::{self, Redis, new_dir, wait_for};
use crate::support::topics::Outgoing;

const NOW: &str = "2024-03-05T00:00:00Z";
const PARTITIONS: i32 = 4;
const TIMEOUT: Duration = Duration::from_secs(60);
const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00Z
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: 100, points: 10}}
issuance: {on: delivered, delay_days: 3}
";

fn grant(member: &str, number: usize) -> String {
    let data = json!({
        "shop_id": "acme", "member_id": member, "points": 1, "reason": "a test",
        "expiry": {"after_days": 30 + number % 3_000},
    });
    json!({
        "specversion": "1.0", "id": format!("g-{member}-{number}"), "source": "/s", "type": "points.grant",
        "subject": member, "time": "2024-03-04T00:00:00Z", "data": data,
    })
    .to_string()
}

fn deploy(redis: &Redis, settings: &[(&str, &str)]) -> Deployment {
    let mut deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), PARTITIONS);
    let rules = new_dir("limits").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a writable temp dir");
    deployment.publish_rules(&rules);
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    deployment.settings.extend(settings);
    deployment
}

fn balance(accrual: &Accrual, member: &str) -> i64 {
    let answer = accrual.get(&format!("/v1/shops/acme/members/{member}"));
    match answer.status {
        200 => answer.json()["balance"].as_i64().expect("a number"),
        _ => 0,
    }
}

fn lots(accrual: &Accrual, member: &str) -> usize {
    let answer = accrual.get(&format!("/v1/shops/acme/members/{member}"));
    answer.json()["lots"].as_array().map_or(0, Vec::len)
}

/// The member's records beyond the limit are kept as dead letters, everybody else is served, and
/// what was kept comes back once there is room: also what the ledger refused.
#[test]
fn a_member_at_the_limit_holds_up_nobody_and_loses_no_point() {
    let redis = servers::redis();
    let mut deployment = deploy(&redis, &[("ACCRUAL_LIMITS__STATE_MAX_BYTES", "20000")]);
    let grants = 600;
    (0..grants).for_each(|number| deployment.feed(&grant("rich", number), None));
    deployment.topics.flush();
    let accrual = deployment.start();
    accrual.set_clock(NOW);
    (0..40).for_each(|number| deployment.feed(&grant(&format!("m-{number}"), 0), None));
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);
    for number in 0..40 {
        assert_eq!(balance(&accrual, &format!("m-{number}")), 1, "member {number}");
    }
    let had = balance(&accrual, "rich");
    let letters = deployment.topics.read("dead_letters");
    assert!(had > 100 && had < grants as i64, "{had} points");
    assert_eq!(had as usize + letters.len(), grants, "given or kept");
    for letter in &letters {
        assert_eq!(letter.header("accrual-reason"), "state_too_large");
        assert_eq!(letter.header("accrual-stage"), "ledger");
    }
    let log = accrual.log();
    assert!(log.contains("acme/rich") && log.contains("four fifths"), "{log}");
    assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());

    let roomy = ("ACCRUAL_LIMITS__STATE_MAX_BYTES".to_owned(), "2000000".to_owned());
    deployment.settings.push(roomy);
    let accrual = deployment.start();
    accrual.set_clock(NOW);
    succeed(&["dead-letters", "redrive", "--all"], &deployment.settings);
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(balance(&accrual, "rich"), grants as i64, "no point is lost");
    assert_eq!(lots(&accrual, "rich"), grants);
}

/// Its state is many records of the changelog and one value of Redis.
#[test]
fn a_member_with_very_many_lots_works_and_is_restored_whole() {
    let redis = servers::own_redis();
    let deployment = deploy(&redis, &[]);
    let accrual = deployment.start();
    accrual.set_clock(NOW);
    let grants = 25_000;
    (0..grants).for_each(|number| deployment.feed(&grant("rich", number), None));
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(balance(&accrual, "rich"), grants as i64);
    assert!(deployment.topics.read("dead_letters").is_empty());
    let changes = deployment.topics.read("ledger_changelog");
    let is_part = |key: Option<&u8>| key == Some(&2);
    let parts = changes
        .iter()
        .filter(|record| is_part(record.key.iter().flatten().next()));
    assert!(parts.count() > 1, "its state is in parts");
    accrual.kill();
    redis.flush_all();
    accrual.start_again();
    accrual.set_clock(NOW);
    deployment.feed(&grant("rich", grants), None);
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);
    assert_eq!(balance(&accrual, "rich"), grants as i64 + 1);
    assert_eq!(lots(&accrual, "rich"), grants + 1);
    assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());
}

#[test]
fn a_record_of_somebody_else_in_a_changelog_is_passed_by_at_the_next_start() {
    let redis = servers::own_redis();
    let deployment = deploy(&redis, &[]);
    let accrual = deployment.start();
    accrual.set_clock(NOW);
    let feed = |number: usize| {
        for member in 0..12 {
            deployment.feed(&grant(&format!("m-{member}"), number), None);
        }
        deployment.topics.flush();
    };
    feed(0);
    deployment.wait_quiet(&[&accrual]);
    for partition in 0..PARTITIONS {
        for (key, value) in [
            (&b"zz"[..], Some(b"by hand".to_vec())),
            (b"zz", None),
            (b"\0m", Some(b"\xff\xff".to_vec())),
            (b"\0c", Some(b"\xff\xff".to_vec())),
        ] {
            let record = Outgoing {
                value,
                ..Outgoing::new(key, "")
            };
            deployment
                .topics
                .produce("ledger_changelog", &record.on(partition));
        }
    }
    deployment.topics.flush();
    feed(1);
    deployment.wait_quiet(&[&accrual]);
    accrual.kill();
    redis.flush_all();
    accrual.start_again();
    accrual.set_clock(NOW);
    feed(2);
    deployment.wait_quiet(&[&accrual]);
    for member in 0..12 {
        assert_eq!(balance(&accrual, &format!("m-{member}")), 3, "member {member}");
    }
    let metrics = accrual.get("/metrics").body;
    let counted = metrics
        .lines()
        .find(|line| line.starts_with("accrual_changelog_foreign_total{stage=\"ledger\"}"));
    assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    assert!(
        accrual.log().contains("that accrual has not written"),
        "{}",
        accrual.log()
    );
}

/// Records of a changelog that are ours and damaged stop their partition, which counts as behind.
#[test]
fn a_stopped_partition_counts_as_behind_and_the_end_is_orderly() {
    let redis = servers::own_redis();
    let deployment = deploy(&redis, &[]);
    let accrual = deployment.start();
    accrual.set_clock(NOW);
    deployment.feed(&grant("m-1", 0), None);
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);
    accrual.kill();
    redis.flush_all();
    for partition in 0..PARTITIONS {
        let damaged = Outgoing::new(b"\x01acme\0m-2".to_vec(), vec![9, 9, 9]).on(partition);
        deployment.topics.produce("ledger_changelog", &damaged);
    }
    deployment.feed(&grant("m-1", 1), None);
    deployment.topics.flush();
    accrual.launch();
    let ledger = |status: Value| status["stages"]["ledger"]["behind"].as_i64().unwrap_or(0);
    wait_for("the entry to count as behind", TIMEOUT, || {
        ledger(accrual.status()) > 0
    });
    let ready = accrual.get("/readyz");
    assert_eq!(ready.status, 503);
    let reasons = ready.json()["reasons"].to_string();
    assert!(
        reasons.contains("stopped") && reasons.contains("[E2]"),
        "{reasons}"
    );
    assert_eq!(accrual.stop(), Some(0), "{}", accrual.log());
}
