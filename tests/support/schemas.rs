//! The published schemas, and whether a value keeps to one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

const BASE: &str = "https://accrual.example/schemas/";

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn folder(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// Every schema by its path below `schemas/`.
pub fn schemas() -> BTreeMap<String, Value> {
    let mut files = vec![PathBuf::from("common.json")];
    for part in ["inputs", "outputs"] {
        let paths = folder(&root().join("schemas").join(part));
        files.extend(
            paths
                .iter()
                .map(|path| Path::new(part).join(path.file_name().unwrap())),
        );
    }
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(root().join("schemas").join(file)).unwrap();
            let schema: Value =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let file = file.to_str().unwrap().to_owned();
            assert_eq!(schema["$id"], json!(format!("{BASE}{file}")));
            (file, schema)
        })
        .collect()
}

pub fn validators(schemas: &BTreeMap<String, Value>) -> BTreeMap<String, Validator> {
    let mut registry = Registry::new();
    for (file, schema) in schemas {
        registry = registry.add(format!("{BASE}{file}"), schema.clone()).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let build = |schema: &Value| {
        jsonschema::options()
            .should_validate_formats(true)
            .with_registry(&registry)
            .build(schema)
            .unwrap_or_else(|error| panic!("{}: {error}", schema["$id"]))
    };
    schemas
        .iter()
        .map(|(file, schema)| (file.clone(), build(schema)))
        .collect()
}

pub fn assert_valid(validators: &BTreeMap<String, Validator>, file: &str, value: &Value, place: &str) {
    let validator = validators
        .get(file)
        .unwrap_or_else(|| panic!("{place}: there is no {file}"));
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place} against {file}: {errors:#?}");
}
