//! What accrual says when it cannot do what it is asked: which server, where, why, and in which form.

mod support;

use std::process::Output;
use std::thread;

use serde_json::Value;

use support::accrual::{Settings, run};
use support::servers::free_port;

/// Kafka and Redis where nobody listens.
fn nowhere() -> (String, Settings) {
    let brokers = format!("127.0.0.1:{}", free_port());
    let settings = [
        ("ACCRUAL_KAFKA__BROKERS", brokers.as_str()),
        ("ACCRUAL_REDIS__URL", "redis://127.0.0.1:1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (brokers, settings.to_vec())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_without_a_broker_says_which_was_asked_and_why_not() {
    let commands: &[&[&str]] = &[
        &["topics", "create"],
        &["topics", "check"],
        &["topics", "accept", "order-events"],
        &["rules", "publish", "examples/rules.yaml"],
        &["rules", "show", "acme"],
        &["explain", "order", "acme", "A-1"],
        &["explain", "member", "acme", "m-1"],
        &["quote", "acme", "m-1", "--subtotal", "1"],
        &["dead-letters", "list"],
        &["dead-letters", "redrive", "--all"],
    ];
    let (brokers, settings) = &nowhere();
    thread::scope(|scope| {
        for command in commands {
            scope.spawn(move || {
                let output = run(command, settings);
                let said = said(&output);
                assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
                let last = said.lines().next_back().unwrap_or_default();
                let wanted = format!("asked of Kafka at {brokers} (Connection refused");
                assert!(last.contains(&wanted), "{command:?}: {wanted} is not in {last}");
            });
        }
    });
}

#[test]
fn a_failing_run_says_why_in_the_form_of_its_log() {
    let wrong = |name: &str, value: &str| {
        let settings = vec![(name.to_owned(), value.to_owned())];
        let output = run(&["run"], &settings);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().next_back().expect("a line");
        let last: Value = serde_json::from_str(last).unwrap_or_else(|why| panic!("{why}: {said}"));
        assert_eq!(last["level"], "ERROR", "{last}");
        last["message"].as_str().expect("a message").to_owned()
    };
    assert!(wrong("ACCRUAL_HTTP__LISTEN", "0.0.0.0:1").contains("http.token"));
    assert!(wrong("ACCRUAL_LOG", "loud").contains("is no level"));
    if !cfg!(feature = "tls") {
        let message = wrong("ACCRUAL_KAFKA__PROPERTIES__SECURITY_PROTOCOL", "ssl");
        for words in ["needs TLS, which this build does not have", "--features tls"] {
            assert!(message.contains(words), "{message}");
        }
    }
}

/// Libraries log with the place in their source, on the machine that built it.
#[test]
fn no_line_of_the_log_has_a_path_of_the_build() {
    let (_, mut settings) = nowhere();
    settings.push(("ACCRUAL_LOG".to_owned(), "trace".to_owned()));
    let direct = said(&run(&["topics", "check"], &settings));
    settings.push((
        "ACCRUAL_URL".to_owned(),
        format!("http://127.0.0.1:{}", free_port()),
    ));
    let by_instance = said(&run(&["explain", "order", "acme", "A-1"], &settings));
    for (log, library) in [(direct, "rdkafka"), (by_instance, "ureq")] {
        assert!(log.contains(&format!("\"library\":\"{library}")), "{log}");
        for path in ["log.file", ".cargo", env!("CARGO_MANIFEST_DIR")] {
            assert!(!log.contains(path), "{path} is in {log}");
        }
    }
}
