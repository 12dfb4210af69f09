//! `explain`, `quote` and `dead-letters list` say the same by a running instance as by Kafka and Redis
//! themselves.

use std::process::Output;

use serde_json::{Value, json};

use crate::lookups::{RULES, created, import, order_event};
use crate::support::accrual::{Accrual, Settings, run, succeed};
use crate::support::deployment::Deployment;
use crate::support::servers::{self, free_port, new_dir};
use crate::support::topics::Outgoing;

const TOKEN: &str = "0123456789abcdef";
const NOW: &str = "2024-03-04T00:00:00Z";

fn url(accrual: &Accrual) -> String {
    format!("http://{}", accrual.address())
}

/// With the address and the token, and no settings of Kafka and Redis.
fn asked(arguments: &[&str], url: &str, token: Option<&str>) -> Output {
    let mut variables: Settings = vec![("ACCRUAL_URL".to_owned(), url.to_owned())];
    variables.extend(token.map(|token| ("ACCRUAL_TOKEN".to_owned(), token.to_owned())));
    run(arguments, &variables)
}

#[track_caller]
fn is_refused(arguments: &[&str], url: &str, token: Option<&str>, why: &str) {
    let output = asked(arguments, url, token);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.contains(why), "{why} is not in {said}");
}

/// An order, two members, and on each partition four records that cannot be read.
fn feed(deployment: &Deployment) {
    deployment.feed(&import("m-1", None), None);
    deployment.feed(&created("A-1", json!({"id": "m-1"})), None);
    deployment.feed(&created("A-2", Value::Null), None);
    let delivered = order_event("order.delivered", "A-1", NOW, json!({}));
    deployment.feed(&delivered, None);
    for partition in [0, 1] {
        for number in 0..4 {
            let value = [b"{\xff\n".as_slice(), &[number]].concat();
            let record = Outgoing::new("A-1\u{1b}[31m", value).on(partition);
            deployment.topics.produce("order_events", &record);
        }
    }
    deployment.topics.flush();
}

#[test]
fn an_instance_says_what_the_servers_say() {
    let redis = servers::redis();
    let deployment = Deployment::new(servers::kafka(), std::slice::from_ref(&redis.url), 2);
    let rules = new_dir("over-http").join("rules.yaml");
    std::fs::write(&rules, RULES).expect("a writable temp dir");
    deployment.publish_rules(&rules);
    let one = deployment.start();
    one.set_clock(NOW);
    feed(&deployment);
    deployment.wait_quiet(&[&one]);
    let listed = succeed(&["dead-letters", "list", "--json"], &deployment.settings);
    let ids: Vec<String> = listed
        .lines()
        .map(|line| {
            let letter: Value = serde_json::from_str(line).expect("JSON");
            letter["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 8, "{listed}");
    succeed(&["dead-letters", "redrive", &ids[1]], &deployment.settings);
    deployment.wait_quiet(&[&one]);
    // Another instance, which owns a part of the partitions or none.
    let two = {
        let mut settings = deployment.settings.clone();
        settings.push(("ACCRUAL_INSTANCE_ID".to_owned(), "two".to_owned()));
        settings.push(("ACCRUAL_HTTP__TOKEN".to_owned(), TOKEN.to_owned()));
        Accrual::start(&settings)
    };

    let named = ["dead-letters", "list", &ids[0], &ids[7], "--value"];
    let rows: &[(&[&str], i32)] = &[
        (&["explain", "order", "acme", "A-1"], 0),
        (&["explain", "order", "acme", "A-2", "--json"], 0),
        (&["explain", "order", "acme", "A/3 ä"], 1),
        (&["explain", "member", "acme", "m-1"], 0),
        (&["explain", "member", "acme", "m-1", "--json"], 0),
        (&["explain", "member", "acme", "m-9"], 1),
        (&["quote", "acme", "m-1", "--subtotal", "1000"], 0),
        (
            &[
                "quote",
                "acme",
                "m-1",
                "--subtotal",
                "2000",
                "--payable",
                "100",
                "--json",
            ],
            0,
        ),
        (&["dead-letters", "list"], 0),
        (&["dead-letters", "list", "--json"], 0),
        (
            &["dead-letters", "list", "--code", "malformed", "--limit", "3"],
            0,
        ),
        (&["dead-letters", "list", "--code", "none"], 0),
        (&named, 0),
        (&["dead-letters", "list", "7:7"], 1),
    ];
    for (arguments, status) in rows {
        let direct = run(arguments, &deployment.settings);
        let said = String::from_utf8_lossy(&direct.stderr);
        assert_eq!(direct.status.code(), Some(*status), "{arguments:?}: {said}");
        for (instance, token) in [(&one, None), (&two, Some(TOKEN))] {
            let output = asked(arguments, &url(instance), token);
            let shown = |output: &Output| {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                let last = stderr.lines().next_back().map(str::to_owned);
                (output.status.code(), output.stdout.clone(), last)
            };
            assert_eq!(shown(&output), shown(&direct), "{arguments:?} by {instance:?}");
        }
    }
    is_refused(
        rows[0].0,
        &url(&two),
        None,
        "asks for a token, and none was given",
    );
    is_refused(
        rows[0].0,
        &url(&two),
        Some("0123456789abcdeX"),
        "refuses the token",
    );
    is_refused(&["dead-letters", "list"], &url(&two), None, "asks for a token");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    is_refused(rows[0].0, &nobody, None, &format!("cannot reach {nobody}: "));

    pages_hold_every_letter(&one, &ids);
}

/// Page by page, each with one letter: every letter comes once, and the mark of the one sent back.
fn pages_hold_every_letter(accrual: &Accrual, before: &[String]) {
    let (mut found, mut redriven, mut next) = (Vec::new(), Vec::new(), "0:0".to_owned());
    for _ in 0..50 {
        let page = accrual.get(&format!("/v1/dead-letters?limit=1&from={next}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let ids = |field: &str| {
            let list = page[field].as_array().expect("a list").iter();
            let ids = list.map(|entry| entry["id"].as_str().expect("an id").to_owned());
            ids.collect::<Vec<String>>()
        };
        assert!(ids("letters").len() <= 1, "{page}");
        found.extend(ids("letters"));
        redriven.extend(ids("redriven"));
        match page["next"].as_str() {
            Some(at) => next = at.to_owned(),
            None => break,
        }
    }
    // What was sent back was refused again.
    assert_eq!(found.len(), before.len() + 1, "{found:?}");
    assert!(before.iter().all(|id| found.contains(id)), "{found:?}");
    assert_eq!(redriven, [before[1].clone()]);
    for wrong in ["limit=501", "from=3", "ids=1:-1", "limit=x"] {
        let answer = accrual.get(&format!("/v1/dead-letters?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
}
