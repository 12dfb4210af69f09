//! The published schemas: they compile, their examples hold, and the scenarios keep to them.

mod support;

use std::fs;

use accrual::domain::rules::model::words::vocabulary;
use accrual::wire::rule_document;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Number, Value, json};
use support::schemas::{assert_valid, folder, root, schemas, validators};

/// Lines of the scenarios that are wrong on purpose: commands that are refused as `invalid`.
const WRONG_ON_PURPOSE: &[(&str, usize)] = &[
    ("S16", 3),
    ("fine-refusals", 9),
    ("fine-broadcast-refused", 2),
    ("fine-broadcast-refused", 3),
    ("fine-exact-dates", 1),
    ("fine-exact-dates", 2),
    ("fine-exact-dates", 3),
    ("fine-exact-dates", 4),
    ("fine-exact-dates", 5),
    ("fine-invalid-keeps", 2),
    ("fine-invalid-keeps", 3),
    ("fine-invalid-keeps", 4),
    ("fine-invalid-keeps", 5),
];

#[test]
fn examples_hold() {
    let schemas = schemas();
    let validators = validators(&schemas);
    let mut count = 0;
    for (file, schema) in &schemas {
        let meta = jsonschema::meta::validate(schema);
        assert!(meta.is_ok(), "{file}: {meta:?}");
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert_valid(&validators, file, example, file);
            count += 1;
        }
    }
    assert!(count >= 28, "only {count} examples");
}

#[test]
fn what_is_wrong_is_refused() {
    let schemas = schemas();
    let validators = validators(&schemas);
    // A schema, a place in its first example, and a value that may not stand there.
    for (file, pointer, value) in [
        ("inputs/order.created.json", "/order", Value::Null),
        ("inputs/order.created.json", "/order/subtotal", json!(100)),
        (
            "inputs/order.created.json",
            "/order/delivery/type",
            json!("drone"),
        ),
        ("inputs/order.refunded.json", "/refund", json!({"id": "r1"})),
        ("inputs/points.grant.json", "/reason", json!("好".repeat(51))),
        (
            "inputs/points.grant.json",
            "/expiry",
            json!({"never": true, "after_days": 1}),
        ),
        ("inputs/points.grant.json", "/expiry", json!({"never": false})),
        ("inputs/rules.published.json", "/expiry/never", json!(false)),
        ("inputs/points.import.json", "/expires_on", json!("31.12.2022")),
        ("inputs/shop.status_changed.json", "/status", json!("asleep")),
        ("inputs/rules.published.json", "/currancy", json!("TWD")),
        ("inputs/rules.published.json", "/expiry/at", json!("24:01")),
        (
            "inputs/rules.published.json",
            "/accrual/threshold",
            json!({"at_least": "1", "points": 1}),
        ),
        ("inputs/rules.published.json", "/accrual/rate/points", json!(0)),
        ("inputs/order.created.json", "/order/revision", json!(1.5)),
        ("outputs/points-issued.json", "/member_id", Value::Null),
        (
            "outputs/points-issued.json",
            "/expires_at",
            json!("2022-03-08T02:00:00+08:00"),
        ),
        ("outputs/points-issued.json", "/colour", json!("red")),
        ("outputs/points-revoked.json", "/points", json!(0)),
    ] {
        let mut example = schemas[file]["examples"][0].clone();
        match example.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => {
                example
                    .as_object_mut()
                    .unwrap()
                    .insert(pointer[1..].to_owned(), value);
            }
        }
        // `/accrual/threshold` is not there yet, one level down.
        if let Some(value) = example.as_object_mut().unwrap().remove("accrual/threshold") {
            example["accrual"]["threshold"] = value;
        }
        assert!(
            !validators[file].is_valid(&example),
            "{file} {pointer} is not refused"
        );
    }
}

#[test]
fn what_the_readers_take_is_right() {
    let schemas = schemas();
    let validators = validators(&schemas);
    for (file, pointer, value) in [
        ("inputs/order.created.json", "/order/revision", json!(i64::MIN)),
        ("inputs/order.created.json", "/order/channel", json!("")),
        ("inputs/order.created.json", "/order/currency", json!("twd")),
        (
            "inputs/order.created.json",
            "/order/line_items/0",
            json!({"quantity": 0}),
        ),
        (
            "inputs/order.refunded.json",
            "/refund/line_items/0/quantity",
            json!(0),
        ),
        ("inputs/rules.published.json", "/redemption", json!({})),
        ("inputs/rules.published.json", "/channels", Value::Null),
    ] {
        let mut example = schemas[file]["examples"][0].clone();
        *example.pointer_mut(pointer).unwrap() = value;
        assert_valid(&validators, file, &example, pointer);
    }
}

#[test]
fn the_scenarios_keep_to_the_schemas() {
    let validators = validators(&schemas());
    let mut lines = 0;
    for scenario in folder(&root().join("tests/vectors")) {
        if !scenario.is_dir() {
            continue;
        }
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        let events = fs::read_to_string(scenario.join("events.jsonl")).unwrap();
        for (number, line) in events
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let event: Value = serde_json::from_str(line).unwrap();
            let file = format!("inputs/{}.json", event["type"].as_str().unwrap());
            let (data, number) = (&event["data"], number + 1);
            if WRONG_ON_PURPOSE.contains(&(name.as_str(), number)) {
                assert!(
                    !validators[&file].is_valid(data),
                    "{name}:{number} is not refused"
                );
            } else {
                assert_valid(&validators, &file, data, &format!("{name}:{number}"));
            }
            lines += 1;
        }
        let rules = fs::read_to_string(scenario.join("rules.yaml")).unwrap();
        for document in Yaml::load_from_str(&rules).unwrap() {
            assert_valid(
                &validators,
                "inputs/rules.published.json",
                &json_of(&document),
                &name,
            );
            lines += 1;
        }
    }
    assert!(lines > 100, "only {lines} documents");
}

/// Rule documents with as little in them as may be, so that every default is filled in.
fn bare_rules() -> [Value; 3] {
    let document = |accrual: Value| {
        json!({
            "shop_id": "acme", "version": 1, "effective_from": "2022-01-01T00:00:00Z", "timezone": "UTC",
            "currency": "EUR", "accrual": accrual,
        })
    };
    let mut sections = document(json!({"rate": {"every": "1", "points": 1}}));
    sections["expiry"] = json!({"after_days": 1});
    sections["redemption"] = json!({});
    sections["gifts"] = json!({"birthday": {"points": 1}});
    sections["bonuses"] = json!([{"id": "b", "items": {}, "gives": {"points": 1}}]);
    let threshold = |worth: &str, value: Value| json!({"threshold": {"at_least": "1", worth: value}});
    let mut percent = document(threshold("percent", json!("1")));
    let mut points = document(threshold("points", json!(1)));
    for document in [&mut percent, &mut points] {
        document["expiry"] = json!({"yearly": "12-31"});
    }
    [sections, percent, points]
}

/// Every value of a document by its JSON pointer, what holds nothing included.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                leaves(value, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{pointer}/{index}"), found);
            }
        }
        leaf => found.push((pointer.to_owned(), leaf.clone())),
    }
}

/// Where a schema says what stands at a pointer of a document.
fn place_in(schema: &Value, pointer: &str) -> String {
    let mut place = String::new();
    for key in pointer.split('/').skip(1) {
        let below = |place: &str| schema.pointer(place).is_some();
        if let Some(name) = schema.pointer(&format!("{place}/$ref")) {
            place = name.as_str().unwrap().trim_start_matches('#').to_owned();
        }
        if below(&format!("{place}/anyOf/0")) {
            place += "/anyOf/0";
        }
        if let Some(name) = schema.pointer(&format!("{place}/$ref")) {
            place = name.as_str().unwrap().trim_start_matches('#').to_owned();
        }
        place = match below(&format!("{place}/items")) {
            true => format!("{place}/items"),
            false => format!("{place}/properties/{key}"),
        };
        let below = |place: &str| schema.pointer(place).is_some();
        assert!(below(&place), "{pointer} is not in the schema");
    }
    place
}

#[test]
fn defaults_are_those_of_the_reader() {
    let schemas = schemas();
    let (validators, file) = (validators(&schemas), "inputs/rules.published.json");
    let schema = &schemas[file];
    let mut seen = std::collections::BTreeSet::new();
    for bare in bare_rules() {
        assert_valid(&validators, file, &bare, "a bare document");
        let rules = rule_document::read_json(&bare).unwrap();
        let full: Value = serde_json::from_str(&rule_document::to_json(&rules)).unwrap();
        assert_valid(&validators, file, &full, "as it is published");
        let mut filled = Vec::new();
        leaves(&full, "", &mut filled);
        for (pointer, value) in filled {
            if bare.pointer(&pointer).is_some() {
                continue;
            }
            let place = place_in(schema, &pointer);
            let told = schema.pointer(&format!("{place}/default"));
            assert_eq!(told.unwrap_or(&Value::Null), &value, "{pointer}");
            seen.insert(format!("{place}/default"));
        }
    }
    let mut told = Vec::new();
    let mut all = schema.clone();
    all["examples"] = Value::Null;
    leaves(&all, "", &mut told);
    for (pointer, _) in told.iter().filter(|(pointer, _)| pointer.ends_with("/default")) {
        assert!(seen.contains(pointer), "{pointer} is no default of the reader");
    }
}

/// The schema of a field of a rule document, by its path.
fn field<'a>(schemas: &'a std::collections::BTreeMap<String, Value>, path: &str) -> &'a Value {
    let resolve = |mut schema: &'a Value, file: &'a str| loop {
        if later(schema) {
            return schema;
        } else if let Some(other) = schema.pointer("/anyOf/0") {
            schema = other;
        } else if let Some(items) = schema.get("items") {
            schema = items;
        } else if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let (elsewhere, place) = name.split_once('#').expect("a place");
            let file = if elsewhere.is_empty() { file } else { "common.json" };
            schema = schemas[file].pointer(place).expect("what is referred to");
        } else {
            return schema;
        }
    };
    let file = "inputs/rules.published.json";
    path.split('.').fold(&schemas[file], |schema, key| {
        let fields = &resolve(schema, file)["properties"];
        assert!(!fields[key].is_null(), "{path}: {key} is not in the schema");
        resolve(&fields[key], file)
    })
}

fn later(schema: &Value) -> bool {
    schema["description"]
        .as_str()
        .is_some_and(|text| text.starts_with("Not yet"))
}

#[test]
fn words_are_those_of_the_model() {
    let schemas = schemas();
    let mut fields = 0;
    for (path, words) in vocabulary() {
        // What is not yet supported may only be left out.
        let mut places = path.match_indices('.').map(|(at, _)| &path[..at]).chain([path]);
        if places.any(|place| later(field(&schemas, place))) {
            continue;
        }
        let schema = field(&schemas, path);
        assert_eq!(schema["enum"], json!(words), "{path}");
        fields += 1;
    }
    assert!(fields >= 16, "only {fields} fields");
}

#[test]
fn asyncapi_names_every_schema() {
    let text = fs::read_to_string(root().join("schemas/asyncapi.yaml")).unwrap();
    let document = json_of(&Yaml::load_from_str(&text).unwrap()[0]);
    let messages = document["components"]["messages"].as_object().unwrap();
    let mut named: Vec<_> = messages
        .values()
        .filter_map(|message| message["payload"]["schema"]["$ref"].as_str())
        .map(|path| path.trim_start_matches("./").to_owned())
        .collect();
    named.sort();
    let parts = ["common.json", "inputs/order.json"];
    let all: Vec<_> = schemas()
        .into_keys()
        .filter(|file| !parts.contains(&file.as_str()))
        .collect();
    assert_eq!(named, all);
    for (name, message) in messages {
        let Some(file) = message["payload"]["schema"]["$ref"].as_str() else {
            continue;
        };
        // An event without a time is refused.
        let headers = match file.starts_with("./inputs/") {
            true => "InputHeaders",
            false => "OutputHeaders",
        };
        let known = message["headers"]["allOf"][0]["$ref"].as_str();
        let wanted = format!("#/components/schemas/{headers}");
        assert_eq!(known, Some(&*wanted), "{name}");
        let required = document["components"]["schemas"][headers]["required"].as_array();
        assert!(required.unwrap().contains(&"ce_time".into()), "{headers}");
        let example = message["examples"][0]["payload"]["$ref"].as_str();
        assert_eq!(example, Some(&*format!("{file}#/examples/0")), "{name}");
    }
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(flag)) => Value::Bool(*flag),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => {
            Number::from_f64(**number).map_or(Value::Null, Value::Number)
        }
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), json_of(value)))
            .collect(),
        other => panic!("not a plain document: {other:?}"),
    }
}
