//! A record that cannot be read leaves byte for byte, and its partition goes on.

use accrual::engine::partitioner::Partitioner;
use serde_json::json;

use crate::support::accrual::{Accrual, run, succeed};
use crate::support::deployment::Deployment;
use crate::support::servers;
use crate::support::stream::Stream;
use crate::support::topics::{HeaderPair, Incoming, Outgoing, Topics};

const TOO_LARGE_BYTES: usize = 2_000_000;
const NOW: &str = "2024-03-05T00:00:00Z";
const LATER: &str = "2024-03-10T00:00:00Z";

fn event(kind: &str, data: serde_json::Value) -> String {
    json!({
        "specversion": "1.0", "id": format!("e-{kind}"), "source": "/shops/acme", "type": kind,
        "subject": "A-1", "time": "2024-03-04T00:00:00Z", "data": data,
    })
    .to_string()
}

fn created() -> String {
    let order = json!({
        "revision": 1, "created_at": "2024-03-04T00:00:00Z", "currency": "TWD", "subtotal": "900",
        "customer": {"id": "m-1"},
    });
    event(
        "order.created",
        json!({"shop_id": "acme", "order_id": "A-1", "order": order}),
    )
}

fn paid() -> String {
    event("order.paid", json!({"shop_id": "acme", "order_id": "A-1"}))
}

/// Records that must be refused, each with the code, on the partition of order A-1 or the other.
fn refused(home: i32, elsewhere: i32) -> Vec<(&'static str, Outgoing)> {
    let record = |value: &[u8]| {
        Outgoing::new("A-1", value)
            .on(home)
            .header("x-trace", b"\x00\xff")
    };
    let huge = json!({"shop_id": "acme", "order_id": "A-1", "x": "x".repeat(TOO_LARGE_BYTES)});
    let no_shop = event("order.paid", json!({"order_id": "A-1"}));
    let no_value = Outgoing {
        value: None,
        ..record(b"")
    };
    let no_key = Outgoing {
        key: None,
        ..record(b"[]")
    };
    vec![
        ("malformed", record(b"{\"specversion\": \xff")),
        ("malformed", record(no_shop.as_bytes())),
        (
            "malformed",
            record(event("order.eaten", json!({"shop_id": "acme", "order_id": "A-1"})).as_bytes()),
        ),
        ("malformed", record(b"")),
        ("malformed", no_value),
        ("malformed", no_key),
        ("too_large", record(event("order.paid", huge).as_bytes())),
        (
            "wrong_partition",
            Outgoing {
                partition: Some(elsewhere),
                ..record(paid().as_bytes())
            },
        ),
    ]
}

#[test]
fn records_that_cannot_be_read_leave_byte_for_byte_and_the_partition_goes_on() {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 2);
    let topics = &deployment.topics;
    topics.configure(
        "order_events",
        "max.message.bytes",
        &(2 * TOO_LARGE_BYTES).to_string(),
    );
    deployment.publish_rules(&Stream::generated(1, 1, 2).rules);
    let accrual = deployment.start();
    accrual.set_clock(NOW);

    deployment.feed(&created(), None);
    topics.flush();
    let home = topics.read("order_events")[0].partition;
    let bad = refused(home, 1 - home);
    bad.iter()
        .for_each(|(_, record)| topics.produce("order_events", record));
    deployment.feed(&paid(), None);
    topics.flush();
    accrual.set_clock(LATER);
    deployment.wait_quiet(&[&accrual]);

    let dead = topics.read("dead_letters");
    assert_eq!(dead.len(), bad.len(), "{dead:?}");
    let fed = topics.read("order_events");
    for (code, record) in bad {
        let at = fed.iter().find(|fed| is_same(fed, &record)).expect("it was fed");
        let dead = dead.iter().find(|dead| is_letter_of(topics, dead, at));
        let dead = dead.unwrap_or_else(|| panic!("no dead letter for the {code} at offset {}", at.offset));
        assert_eq!(
            dead.header("accrual-reason"),
            code,
            "{}",
            dead.header("accrual-detail")
        );
        assert_eq!((&dead.key, &dead.value), (&record.key, &record.value));
        assert_eq!(
            dead.headers[..record.headers.len()],
            record.headers,
            "headers are kept"
        );
    }
    let issued = topics.read("points_issued");
    assert_eq!(
        issued.len(),
        1,
        "the order of the partition earns, once: {issued:?}"
    );
}

fn is_same(fed: &Incoming, record: &Outgoing) -> bool {
    let headers: &[HeaderPair] = &record.headers;
    record.partition == Some(fed.partition)
        && (&fed.key, &fed.value) == (&record.key, &record.value)
        && fed.headers == headers
}

/// By the coordinates in its headers.
fn is_letter_of(topics: &Topics, dead: &Incoming, fed: &Incoming) -> bool {
    dead.header("accrual-topic") == topics.name("order_events")
        && dead.header("accrual-partition") == fed.partition.to_string()
        && dead.header("accrual-offset") == fed.offset.to_string()
}

/// What was sent back is marked and counted, and goes again only by its id.
fn assert_marked(deployment: &Deployment, accrual: &Accrual, sent: usize) {
    let listed = succeed(&["dead-letters", "list", "--json"], &deployment.settings);
    let listed: Vec<serde_json::Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let marked: Vec<_> = listed
        .iter()
        .filter(|letter| letter["redriven_at"].is_string())
        .collect();
    // Beside them a timer's state, and two that were refused again.
    assert_eq!((listed.len(), marked.len()), (sent + 3, sent), "{listed:?}");
    let line = format!("accrual_dead_letters_redriven_total{{stage=\"orders\"}} {sent}");
    let metrics = accrual.get("/metrics").body;
    assert!(metrics.lines().any(|known| known == line), "{metrics}");
    let printed = succeed(
        &["dead-letters", "redrive", "--code", "none"],
        &deployment.settings,
    );
    assert_eq!(printed, "0 sent back\n");
    let printed = succeed(&["dead-letters", "redrive", "--all"], &deployment.settings);
    let stay = "1 states of timers stay: they were read from no topic";
    let before = "were sent back before; name them to send them again";
    assert_eq!(printed, format!("2 sent back\n{sent} {before}\n{stay}\n"));
    let first = marked[0]["id"].as_str().expect("an id");
    let printed = succeed(&["dead-letters", "redrive", first], &deployment.settings);
    assert!(printed.starts_with("1 sent back\n"), "{printed}");
}

/// What is refused, and the partition of two that it must be on after a redrive.
fn redriven(partitioner: Partitioner) -> Vec<(Outgoing, i32)> {
    let told = paid();
    let belongs = partitioner.place(b"A-1", 2);
    let keyless = Outgoing {
        key: None,
        ..Outgoing::default()
    };
    let mut rows = Vec::new();
    for partition in [0, 1] {
        let unreadable = Outgoing::new("A-1", "[]").on(partition);
        rows.push((unreadable, partition));
        if belongs.is_some_and(|belongs| belongs != partition) {
            let with_key = Outgoing::new("A-1", told.as_str()).on(partition);
            let another_key = Outgoing::new("A-2", told.as_str()).on(partition);
            let without_key = Outgoing {
                value: Some(told.clone().into_bytes()),
                ..keyless.clone().on(partition)
            };
            rows.extend([with_key, another_key, without_key].map(|row| (row, 1 - partition)));
        }
    }
    rows
}

#[test]
fn what_is_sent_back_goes_where_the_id_in_it_belongs() {
    let redis = servers::redis();
    for (partitioner, word) in [
        (Partitioner::Murmur2, "murmur2"),
        (Partitioner::Crc32, "crc32"),
        (Partitioner::Any, "any"),
    ] {
        let mut deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 2);
        let setting = ("ACCRUAL_TOPICS__PARTITIONER".to_owned(), word.to_owned());
        deployment.settings.push(setting);
        let topics = &deployment.topics;
        let accrual = deployment.start();
        accrual.set_clock(NOW);
        let rows = redriven(partitioner);
        for (number, (record, _)) in rows.iter().enumerate() {
            let record = record.clone().header("x-row", number.to_string().as_bytes());
            topics.produce("order_events", &record);
        }
        topics.flush();
        deployment.wait_quiet(&[&accrual]);
        assert_eq!(topics.read("dead_letters").len(), rows.len(), "{word}");

        for command in ["list", "redrive"] {
            let missing = run(&["dead-letters", command, "0:0", "1:99"], &deployment.settings);
            let told = String::from_utf8_lossy(&missing.stderr);
            assert_eq!(missing.status.code(), Some(1), "{command}: {told}");
            assert!(told.contains("not among the dead letters"), "{command}: {told}");
        }
        // A timer's state was read from no topic: it stays, and the others go all the same.
        let state = Outgoing::new("A-1", b"state").header("accrual-reason", b"state_too_large");
        topics.produce("dead_letters", &state.on(0));
        topics.flush();
        let printed = succeed(&["dead-letters", "redrive", "--all"], &deployment.settings);
        let sent = rows.len();
        let wanted = format!("{sent} sent back\n1 states of timers stay: they were read from no topic\n");
        assert_eq!(printed, wanted, "{word}");
        let fed = topics.read("order_events");
        for (number, (record, wanted)) in rows.iter().enumerate() {
            let row = number.to_string();
            let twice: Vec<_> = fed.iter().filter(|fed| fed.header("x-row") == row).collect();
            assert_eq!(twice.len(), 2, "{word} {record:?}");
            let on: Vec<i32> = twice.iter().map(|fed| fed.partition).collect();
            let first = record.partition.expect("a partition");
            let moved = if *wanted == first { [first; 2] } else { [0, 1] };
            assert_eq!(on, moved, "{word} {record:?}");
        }
        deployment.wait_quiet(&[&accrual]);
        let dead = topics.read("dead_letters");
        let again = dead
            .iter()
            .filter(|dead| !dead.header("accrual-reason").is_empty());
        let again: Vec<&Incoming> = again.skip(rows.len() + 1).collect();
        assert_eq!(again.len(), 2, "{word}: the unreadable are refused again");
        assert_marked(&deployment, &accrual, rows.len());
    }
}
