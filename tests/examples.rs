//! The examples do what the pages beside them say: five rule files together over one file of
//! orders, and the little story.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, FixedOffset};
use serde_json::Value;
use support::accrual::{Settings, replay, succeed};
use support::servers::new_dir;

const SYSTEMS: [&str; 5] = ["cyberbiz", "shopline", "ako", "easystore", "showmore"];
/// Taipei and Kuala Lumpur alike.
const LOCAL_HOURS: i32 = 8;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn page(name: &str) -> String {
    fs::read_to_string(example(name)).unwrap_or_else(|why| panic!("examples/{name}: {why}"))
}

/// Line by line, so that a difference is seen where it is.
fn assert_same(told: &str, wanted: &str, name: &str) {
    for (number, (told, wanted)) in told.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(told, wanted, "examples/{name}, line {}", number + 1);
    }
    assert_eq!(told.lines().count(), wanted.lines().count(), "examples/{name}");
}

fn text<'a>(value: &'a Value, otherwise: &'a str) -> &'a str {
    value.as_str().unwrap_or(otherwise)
}

fn local(value: &Value) -> String {
    let Some(instant) = value.as_str() else {
        return "-".to_owned();
    };
    let zone = FixedOffset::east_opt(LOCAL_HOURS * 3600).expect("an offset");
    let instant = DateTime::parse_from_rfc3339(instant).expect("an instant");
    instant.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// A row of `systems.txt`.
fn row(event: &Value) -> String {
    let data = &event["data"];
    let shop = text(&data["shop_id"], "").trim_end_matches("-example");
    let kind = text(&event["type"], "").trim_start_matches("points-");
    let kind = if kind.starts_with("tier-") { "tier" } else { kind };
    let points = match (kind, data["points"].as_i64()) {
        ("tier", _) => text(data.get("to").unwrap_or(&data["tier"]), "-").to_owned(),
        (_, points) => points.map_or("-".to_owned(), |points| points.to_string()),
    };
    let ends = data
        .get("due_at")
        .or(data.get("until"))
        .unwrap_or(&data["expires_at"]);
    format!(
        "{shop:<11} {:<7} {:<6} {kind:<9} {:<21} {points:<7} {:<17} {}",
        text(&data["member_id"], "-"),
        text(&data["order_id"], "-"),
        text(&data["reason"], "-"),
        local(&data["effective_at"]),
        local(ends),
    )
}

/// Every row of the page follows from what the five systems document.
#[test]
fn the_five_systems_do_what_they_document() {
    let rules = SYSTEMS.map(|system| example(&format!("{system}.yaml")));
    let printed = replay(&rules, &[example("systems.jsonl")], None);
    let page = page("systems.txt");
    let (header, wanted) = page.split_once('\n').expect("a header");
    assert!(header.starts_with("shop "), "{header}");
    let mut told = String::new();
    for line in printed.lines() {
        let event = serde_json::from_str(line).expect("a JSON line");
        writeln!(told, "{}", row(&event)).expect("a string grows");
    }
    assert_same(&told, wanted, "systems.txt");
}

/// What `make demo` prints.
#[test]
fn the_demo_tells_its_story() {
    let printed = replay(&[example("rules.yaml")], &[example("orders.jsonl")], None);
    let mut teller = Command::new(example("story.sh"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("examples/story.sh starts");
    let mut stdin = teller.stdin.take().expect("its stdin");
    stdin.write_all(printed.as_bytes()).expect("it reads");
    drop(stdin);
    let told = teller.wait_with_output().expect("its end").stdout;
    let told = String::from_utf8(told).expect("UTF-8");
    assert_same(&told, &page("story.txt"), "story.txt");
}

/// Before the second version of the rules goes live: which fields it changes, and what that
/// means for whom. Only T-1006 was placed under it.
#[test]
fn another_rate_is_told_by_field_and_by_member() {
    let folder = new_dir("what-if");
    let old = folder.join("old.yaml");
    let rules = page("rules.yaml").replace("points: 20,", "points: 10,");
    fs::write(&old, rules).expect("a folder to write to");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (old, new, orders) = (
        path(&old),
        path(&example("rules.yaml")),
        path(&example("orders.jsonl")),
    );
    let told = succeed(&["rules", "diff", &old, &new], &Settings::new());
    assert_eq!(told, "accrual.rate.points: 10 -> 20\n");
    let what_if = ["replay", "--rules", &new, "--compare", &old, "--events", &orders];
    assert_eq!(
        succeed(&what_if, &Settings::new()),
        "teahouse kai: issued 330 -> 430 (+100), expired 280 -> 380 (+100)\n\
         in all, for 1 of 2 members: issued 640 -> 740 (+100), expired 490 -> 590 (+100), balance 0 -> 0 (+0)\n"
    );
}
