//! The first steps of the README, pasted into a shell, print what the README shows.

use std::path::Path;
use std::process::Command;

use crate::support::servers::{self, Jvm, free_port, new_dir};

const BINARY: &str = env!("CARGO_BIN_EXE_accrual");
/// `make` and `cargo` would start servers and a build of their own. The end takes accrual with it.
const BEFORE: &str = "make() { :; }; cargo() { :; }; trap 'kill %1; wait' EXIT\nset -e\n";
const TIMEOUT_SECONDS: &str = "120";

/// The blocks of a language in the part about Kafka and Redis, joined.
fn blocks(language: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, part) = readme.split_once("**With Kafka and Redis.**").expect("the part");
    let (part, _) = part.split_once("\n## ").expect("its end");
    let fence = format!("```{language}\n");
    let blocks = part.split(&fence).skip(1);
    blocks
        .map(|block| block.split_once("```").expect("a fence").0)
        .collect()
}

#[test]
fn the_first_steps_of_the_readme_print_what_it_shows() {
    let (kafka, redis) = (servers::own_kafka(Jvm::QuickStart), servers::own_redis());
    let listen = format!("127.0.0.1:{}", free_port());
    let folder = Path::new(BINARY)
        .parent()
        .expect("a folder")
        .display()
        .to_string();
    let log = new_dir("first-steps").join("log").display().to_string();
    let script = blocks("sh")
        .replace("$PWD/target/quick", &folder)
        .replace("127.0.0.1:9092", &kafka.brokers)
        .replace("127.0.0.1:8080", &listen)
        .replace("/tmp/accrual.log", &log);
    let output = Command::new("timeout")
        .args([TIMEOUT_SECONDS, "bash", "-c", &format!("{BEFORE}{script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("ACCRUAL_KAFKA__BROKERS", &kafka.brokers)
        .env("ACCRUAL_REDIS__URL", &redis.url)
        .env("ACCRUAL_HTTP__LISTEN", &listen)
        .output()
        .expect("bash starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}\n{printed}", output.status);

    let shown = blocks("text");
    // What `make up` prints is not printed here.
    let shown: Vec<&str> = shown.lines().skip(2).filter(|line| line.trim() != "…").collect();
    assert!(shown.len() >= 15, "{shown:?}");
    // Not in order: partitions are read in any.
    for line in shown {
        let is_it = |printed: &str| {
            let mut rest = Some(printed);
            for part in line.split('…') {
                rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
            }
            rest.is_some()
        };
        assert!(printed.lines().any(is_it), "{line} is not in:\n{printed}");
    }
}
