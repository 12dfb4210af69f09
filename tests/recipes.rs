//! The recipes of `examples/recipes` turn vendors' payloads into events, and `replay` turns those
//! into points. Each vendor has a folder in `tests/recipes`: payloads in order of arrival, the
//! events they become, and what comes of them.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;
use support::accrual::replay;
use support::schemas::{assert_valid, schemas, validators};
use support::servers::new_dir;

const SHOP: &str = "acme";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a recipe makes of a payload, line by line.
fn run(vendor: &str, payload: &str) -> Result<Vec<String>, String> {
    let path = root().join(format!("examples/recipes/{vendor}.jq"));
    let code = fs::read_to_string(path).expect("a recipe");
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let program = File {
        code: code.as_str(),
        path: (),
    };
    let modules = Loader::new(definitions)
        .load(&arena, program)
        .map_err(|errors| format!("{errors:?}"))?;
    let filter = Compiler::default()
        .with_funs(functions)
        .with_global_vars(["$shop"])
        .compile(modules)
        .map_err(|errors| format!("{errors:?}"))?;
    let vars = Vars::new([Val::from(SHOP.to_owned())]);
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, vars);
    let input = read::parse_single(payload.as_bytes()).map_err(|error| error.to_string())?;
    let lines = filter.id.run((context, input)).map(unwrap_valr);
    lines
        .map(|line| {
            line.map(|line| line.to_string())
                .map_err(|error| error.to_string())
        })
        .collect()
}

fn payloads(vendor: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/recipes").join(vendor);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// A row of `points.txt`.
fn row(event: &Value) -> String {
    let data = &event["data"];
    let text = |name: &str| data[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {} {} {}\n",
        event["type"].as_str().expect("a type"),
        text("order_id"),
        text("member_id"),
        text("reason"),
        data["points"],
        text("effective_at"),
    )
}

fn check(vendor: &str) {
    let folder = root().join("tests/recipes").join(vendor);
    let mut events = String::new();
    for payload in payloads(vendor) {
        let text = fs::read_to_string(&payload).expect("a payload");
        let lines = run(vendor, &text).unwrap_or_else(|wrong| panic!("{}: {wrong}", payload.display()));
        events.extend(lines.into_iter().map(|line| line + "\n"));
    }
    let wanted = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    assert_eq!(events, wanted, "{vendor}/events.jsonl");
    let validators = validators(&schemas());
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("a line of JSON");
        let kind = event["type"].as_str().expect("a type");
        assert_valid(&validators, &format!("inputs/{kind}.json"), &event["data"], line);
    }
    let file = new_dir("recipes").join("events.jsonl");
    fs::write(&file, &events).expect("a folder to write to");
    let printed = replay(&[folder.join("rules.yaml")], &[file], None);
    let mut points = String::new();
    for line in printed.lines() {
        write!(
            points,
            "{}",
            row(&serde_json::from_str(line).expect("a line of JSON"))
        )
        .expect("a string grows");
    }
    let wanted = fs::read_to_string(folder.join("points.txt")).unwrap_or_default();
    assert_eq!(points, wanted, "{vendor}/points.txt");
}

#[test]
fn shopify() {
    check("shopify");
}

#[test]
fn woocommerce() {
    check("woocommerce");
}

#[test]
fn shopline() {
    check("shopline");
}

#[test]
fn ids_above_53_bits_stay_whole() {
    let text = fs::read_to_string(&payloads("shopify")[0]).expect("a payload");
    let id = "820982911946154508";
    assert!(text.contains(&format!("\"id\": {id},")), "a number");
    let event: Value = serde_json::from_str(&run("shopify", &text).expect("an event")[0]).expect("JSON");
    assert_eq!(event["data"]["order_id"], id);
}

#[test]
fn what_is_no_order_is_left_out_or_refused() {
    for (vendor, payload) in [
        ("woocommerce", r#"{"id":1,"status":"checkout-draft"}"#),
        ("shopline", r#"{"id":"a","status":"temp"}"#),
        (
            "shopline",
            r#"{"id":"a","type":"return","return_from_order_id":null}"#,
        ),
        ("shopline", r#"{"id":"a","order_id":"b","status":"pending"}"#),
        (
            "shopify",
            r#"{"id":1,"order_id":2,"created_at":"2024-05-05T09:00:00Z","refund_line_items":[],"order_adjustments":[]}"#,
        ),
    ] {
        assert_eq!(run(vendor, payload), Ok(vec![]), "{vendor} {payload}");
    }
    let refused = run("shopline", r#"{"id":"a","type":"exchange"}"#).expect_err("an error");
    assert!(refused.contains("order a is an exchange"), "{refused}");
}
