//! The rights that `deploy/strimzi/users.yaml` lists are enough on a broker that checks them, and what
//! says that one is missing names it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::accrual::{Accrual, Settings, replay, succeed};
use crate::support::acls::{Acl, Rights};
use crate::support::deployment::Deployment;
use crate::support::outputs::{assert_same, printed, published};
use crate::support::servers::{self, Jvm, Kafka, Redis, free_port, wait_for};
use crate::support::topics::{Outgoing, Topics};

const TIMEOUT: Duration = Duration::from_secs(30);
const PUBLISHED: &str = "2000-01-01T00:00:00Z";
/// What a running process loses: an output, and the names of its group and of its transactional id.
const TAKEN_LATER: [&str; 2] = ["points-issued", "accrual-"];
/// The user of `accrual run`.
const RUN: &str = "accrual";
const UNTIL: &str = "2024-12-01T00:00:00Z";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A broker with an authorizer, the users of the file, and exactly their rights.
struct Guarded {
    acls: Vec<Acl>,
    rights: Rights,
    guarded: u16,
    kafka: Kafka,
    redis: Redis,
}

impl Guarded {
    fn new() -> Guarded {
        let acls = Acl::of_strimzi(&path("deploy/strimzi/users.yaml"));
        let mut users: Vec<String> = acls.iter().map(|acl| acl.user.clone()).collect();
        users.dedup();
        let guarded = free_port();
        let kafka = servers::own_kafka_with_users(Jvm::QuickStart, guarded, users);
        let rights = Rights::new(&kafka);
        rights.give(&acls);
        let redis = servers::own_redis();
        Guarded {
            acls,
            rights,
            guarded,
            kafka,
            redis,
        }
    }

    /// As a user. Names of topics and of the application are the defaults.
    fn settings(&self, user: &str) -> Settings {
        let brokers = format!("127.0.0.1:{}", self.guarded);
        let settings = [
            ("KAFKA__BROKERS", brokers.as_str()),
            ("KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ("KAFKA__PROPERTIES__SASL_MECHANISM", "PLAIN"),
            ("KAFKA__PROPERTIES__SASL_USERNAME", user),
            ("KAFKA__PROPERTIES__SASL_PASSWORD", user),
            ("REDIS__URL", &self.redis.url),
            ("TOPICS__PARTITIONS", "1"),
            ("INSTANCE_ID", "one"),
        ];
        let owned = settings.map(|(name, value)| (format!("ACCRUAL_{name}"), value.to_owned()));
        owned.to_vec()
    }

    fn topics(&self, user: &str) -> Topics {
        Topics::of_defaults(&self.kafka.as_user(self.guarded, user), 1)
    }

    /// Does something while a right is missing.
    fn without(&self, acl: &Acl, act: impl FnOnce()) {
        self.rights.take(std::slice::from_ref(acl));
        act();
        self.rights.give(std::slice::from_ref(acl));
    }
}

/// Orders, a grant and what expires, each step by the user that takes it.
fn publishes_what_replay_prints(guarded: &Guarded, deployment: &Deployment) {
    let (rules, events) = (path("examples/rules.yaml"), path("examples/orders.jsonl"));
    let publish = ["rules", "publish", utf8(&rules), "--time", PUBLISHED];
    succeed(&["topics", "create"], &guarded.settings("accrual-topics"));
    succeed(&publish, &guarded.settings("accrual-rules"));
    let accrual = deployment.start();
    for line in std::fs::read_to_string(&events).expect("events").lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let at = event["time"].as_str().expect("a time");
        deployment.step_timers(&[&accrual], at);
        accrual.set_clock(at);
        deployment.feed(line, None);
        deployment.topics.flush();
    }
    deployment.run_until(&[&accrual], UNTIL);
    let wanted = printed(&replay(&[&rules], &[&events], Some(UNTIL)));
    assert_same(&wanted, &published(&guarded.topics("accrual-consumers")));

    let lookups = guarded.settings("accrual-lookups");
    let told = succeed(&["explain", "order", "teahouse", "T-1001"], &lookups);
    assert!(told.contains("T-1001"), "{told}");
    succeed(&["quote", "teahouse", "mei", "--subtotal", "100"], &lookups);
    deployment
        .topics
        .produce("order_events", &Outgoing::new("k", "no event"));
    deployment.topics.flush();
    deployment.wait_quiet(&[&accrual]);
    let sent = succeed(
        &["dead-letters", "redrive", "--all"],
        &guarded.settings("accrual-redrive"),
    );
    assert!(sent.contains("1 sent back"), "{sent}");
    assert_eq!(accrual.stop(), Some(0));
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Work that writes to every topic: points for a member, and what can be no event.
fn work(deployment: &Deployment) {
    let grant = json!({
        "specversion": "1.0", "id": format!("{:x}", rand::random::<u64>()), "source": "/shops/teahouse",
        "type": "points.grant", "subject": "kai", "time": UNTIL,
        "data": {"shop_id": "teahouse", "member_id": "kai", "points": 30, "reason": "another cold tea"},
    });
    deployment.feed(&grant.to_string(), None);
    let letter = Outgoing::new("k", "no event");
    deployment.topics.produce("order_events", &letter);
    deployment.topics.flush();
}

/// What names a missing right.
fn named(acl: &Acl, operation: &str) -> String {
    let kind = match acl.kind.as_str() {
        "transactionalId" => "transactional id",
        kind => kind,
    };
    format!("needs the right {operation} on {kind} {}", acl.name)
}

fn wait_named(accrual: &Accrual, words: &[String]) {
    let mut said = String::new();
    wait_for(&format!("one of {words:?}"), TIMEOUT, || {
        let letters = accrual.probe("/v1/dead-letters");
        said = accrual.log() + &letters.map_or_else(String::new, |answer| answer.body);
        words.iter().any(|words| said.contains(words))
    });
}

#[test]
fn the_rights_of_strimzis_users_are_enough_and_a_missing_one_is_named() {
    let guarded = Guarded::new();
    let deployment = Deployment {
        topics: guarded.topics("accrual-producers"),
        settings: guarded.settings(RUN),
    };
    publishes_what_replay_prints(&guarded, &deployment);
    let from_the_start = |acl: &&Acl| acl.user == RUN && !TAKEN_LATER.contains(&acl.name.as_str());
    for acl in guarded.acls.iter().filter(from_the_start) {
        work(&deployment);
        guarded.without(acl, || {
            let accrual = Accrual::spawn(&deployment.settings);
            // Where no other right on the topic includes it, Describe is missed first.
            let words = [acl.operation.as_str(), "Describe"].map(|operation| named(acl, operation));
            wait_named(&accrual, &words);
            accrual.kill();
        });
    }
    let later = |acl: &&Acl| {
        let taken = TAKEN_LATER.contains(&acl.name.as_str()) || acl.name == "order-events";
        acl.user == RUN && taken && acl.operation != "DescribeConfigs"
    };
    let later: Vec<&Acl> = guarded.acls.iter().filter(later).collect();
    assert_eq!(later.len(), TAKEN_LATER.len() + 2, "{later:?}");
    for acl in later {
        let accrual = deployment.start();
        guarded.without(acl, || {
            work(&deployment);
            wait_named(&accrual, &[named(acl, &acl.operation)]);
            assert_eq!(accrual.wait_for_end(TIMEOUT), Some(1));
        });
    }
}
