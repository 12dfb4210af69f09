//! Which lines a replay takes, in which order, and what it says of those it does not take.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::accrual::{Settings, run};
use support::servers::new_dir;

const RULES: &str = "\
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual: {rate: {every: '100', points: 10}}
issuance: {on: paid}
expiry: {after_days: 30}
";

fn line(id: &str, kind: &str, day: u32, mut data: Value) -> String {
    data["shop_id"] = json!("acme");
    let time = format!("2024-05-{day:02}T10:00:00+08:00");
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/shops/acme", "type": kind, "time": time, "data": data,
    });
    event.to_string()
}

fn grant(id: &str, day: u32, points: i64) -> String {
    let data = json!({"member_id": "m-1", "points": points, "reason": "x"});
    line(id, "points.grant", day, data)
}

/// A version that earns so many points for each hundred.
fn published(id: &str, day: u32, version: u32, points: i64) -> String {
    let data = json!({
        "version": version, "effective_from": "2024-01-01T00:00:00+08:00", "timezone": "Asia/Taipei",
        "currency": "TWD", "accrual": {"rate": {"every": "100", "points": points}}, "issuance": {"on": "paid"},
        "expiry": {"after_days": 30},
    });
    line(id, "rules.published", day, data)
}

fn order(id: &str, day: u32) -> [String; 2] {
    let created = json!({"order_id": id, "order": {"subtotal": "1000", "customer": {"id": "m-1"}}});
    [
        line(&format!("{id}-c"), "order.created", day, created),
        line(&format!("{id}-p"), "order.paid", day, json!({"order_id": id})),
    ]
}

/// Exit status, what was said, and type, points and day of each output.
fn replayed(files: &[&[String]], until: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let folder = new_dir("replay-lines");
    let rules = folder.join("rules.yaml");
    fs::write(&rules, RULES).expect("a folder to write to");
    let mut arguments = vec!["replay", "--rules", rules.to_str().expect("UTF-8")];
    let paths: Vec<PathBuf> = (0..files.len())
        .map(|at| folder.join(format!("{at}.jsonl")))
        .collect();
    for (path, lines) in paths.iter().zip(files) {
        fs::write(path, lines.join("\n")).expect("a folder to write to");
        arguments.extend(["--events", path.to_str().expect("UTF-8")]);
    }
    arguments.extend(until);
    let output = run(&arguments, &Settings::new());
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    let told = told.replace(&format!("{}/", folder.display()), "");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let rows = printed.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("a JSON line");
        let kind = event["type"]
            .as_str()
            .expect("a type")
            .trim_start_matches("points-");
        let day = &event["time"].as_str().expect("a time")[5..10];
        format!("{kind} {} {day}", event["data"]["points"])
    });
    (output.status.code(), told, rows.collect())
}

/// Files, whether up to a time, and then: exit status, what is said, what comes out.
type Row<'a> = (&'a [&'a [String]], &'a [&'a str], i32, &'a str, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (files, until, status, told, out) in rows {
        let (code, said, printed) = replayed(files, until);
        assert_eq!((code, said.as_str()), (Some(*status), *told), "{files:?}");
        assert_eq!(printed, *out, "{files:?}");
    }
}

#[test]
fn a_version_number_is_published_once() {
    let [created, paid] = order("A-1", 5);
    let other = published("r2", 3, 2, 50);
    let same = published("r3", 4, 2, 20);
    let two = published("r1", 2, 2, 20);
    let refused = "0.jsonl:2: malformed: data.version: 2 of shop acme was published with other content\n\
                   1 line was malformed\n";
    let of_file = published("r4", 2, 1, 99);
    let refused_too = "0.jsonl:1: malformed: data.version: 1 of shop acme was published with other content\n\
                       1 line was malformed\n";
    let twenty: &[&str] = &["issued 200 05-05", "expired 200 06-04"];
    check(&[
        (
            &[&[two.clone(), same, created.clone(), paid.clone()]],
            &[],
            0,
            "",
            twenty,
        ),
        (
            &[&[two, other, created.clone(), paid.clone()]],
            &[],
            3,
            refused,
            twenty,
        ),
        (
            &[&[of_file, created, paid]],
            &[],
            3,
            refused_too,
            &["issued 100 05-05", "expired 100 06-04"],
        ),
    ]);
}

#[test]
fn what_is_malformed_is_told_with_its_place_and_the_rest_goes_on() {
    let odd = line("e1", "points.grnt", 1, json!({"member_id": "m-1"}));
    let no_refund = line("e2", "order.refunded", 1, json!({"order_id": "A-1"}));
    let told = "0.jsonl:1: malformed: type: points.grnt is not a command\n\
                0.jsonl:2: malformed: data.refund: missing\n\
                2 lines were malformed\n";
    let good = grant("g1", 2, 5);
    check(&[(
        &[&[odd, no_refund, good]],
        &[],
        3,
        told,
        &["issued 5 05-02", "expired 5 06-01"],
    )]);
}

#[test]
fn files_are_merged_by_time_and_ties_are_in_the_order_given() {
    let (one, two) = (
        [grant("g1", 2, 1), grant("g3", 4, 3)],
        [grant("g2", 2, 2), grant("g4", 3, 4)],
    );
    let until: &[&str] = &["--until", "2024-05-05T00:00:00+08:00"];
    let out: &[&str] = &[
        "issued 1 05-02",
        "issued 2 05-02",
        "issued 4 05-03",
        "issued 3 05-04",
    ];
    check(&[(&[&one, &two], until, 0, "", out)]);
}

#[test]
fn until_bounds_the_timers_after_the_last_line_and_no_line() {
    let lines = [grant("g1", 1, 1), grant("g2", 3, 2)];
    let at_once: &[&str] = &["--until", "2024-05-02T00:00:00+08:00"];
    let that_day: &[&str] = &["--until", "2024-05-31T10:00:00+08:00"];
    check(&[
        (&[&lines], at_once, 0, "", &["issued 1 05-01", "issued 2 05-03"]),
        (
            &[&lines],
            that_day,
            0,
            "",
            &["issued 1 05-01", "issued 2 05-03", "expired 1 05-31"],
        ),
    ]);
}

#[test]
fn what_is_told_late_comes_out_when_it_is_told() {
    let import = json!({"member_id": "m-1", "points": 5, "expires_at": "2024-05-03T10:00:00+08:00"});
    let created = json!({"order_id": "A-1", "order": {"subtotal": "10", "customer": {"id": "m-2"}}});
    let updated = json!({"order_id": "A-1", "order": {
        "revision": 0, "subtotal": "10", "customer": {"id": "m-2"}, "paid_at": "2024-05-02T10:00:00+08:00",
    }});
    let lines = [
        line("i1", "points.import", 1, import),
        line("A-1-c", "order.created", 1, created),
        line("A-1-u", "order.updated", 5, updated),
        grant("g1", 5, 7),
    ];
    // The order was due before the lot expired, but nobody knew.
    let out: &[&str] = &[
        "issued 5 05-01",
        "expired 5 05-03",
        "withheld null 05-02",
        "issued 7 05-05",
        "expired 7 06-04",
    ];
    check(&[(&[&lines], &[], 0, "", out)]);
}

#[test]
fn fields_that_are_not_known_are_named() {
    let amount = json!({"subtotall": "1000", "customer": {"id": "m-1"}});
    let created = |id: &str, note: &str| {
        let data = json!({"order_id": id, "order": amount, "note": note});
        line(&format!("{id}-c"), "order.created", 5, data)
    };
    let paid = line(
        "A-1-p",
        "order.paid",
        5,
        json!({"order_id": "A-1", "\u{1b}[31m": 1}),
    );
    let said = "unknown field \\u{1b}[31m in data, in 1 event: it counts nothing\n\
                unknown field note in data, in 2 events: it counts nothing\n\
                unknown field subtotall in data.order, in 2 events: it counts nothing\n";
    let lines = [created("A-1", "x"), created("A-2", "\n"), paid];
    check(&[(&[&lines], &[], 0, said, &["withheld null 05-05"])]);
}
