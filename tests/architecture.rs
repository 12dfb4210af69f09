//! Holds the import table: arrows between rooms point down only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and what it may import besides itself. The order is that of `lib.rs`, roof first.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli", "app", "config"]),
    (
        "cli",
        &[
            "app", "config", "http", "adapters", "stages", "engine", "wire", "domain", "metrics",
        ],
    ),
    (
        "app",
        &[
            "config", "http", "adapters", "stages", "engine", "wire", "domain", "metrics",
        ],
    ),
    (
        "config",
        &[
            "http", "adapters", "stages", "engine", "wire", "domain", "metrics",
        ],
    ),
    ("http", &["engine", "metrics"]),
    ("adapters", &["engine", "metrics"]),
    ("stages", &["engine", "wire", "domain", "metrics"]),
    ("engine", &["metrics"]),
    ("wire", &["domain"]),
    ("domain", &[]),
    ("metrics", &[]),
];

/// Rooms of the Kafka adapter, and which of its rooms each may import besides itself.
const KAFKA_ROOMS: &[(&str, &[&str])] = &[
    ("client", &[]),
    ("reader", &["client"]),
    ("admin", &["client"]),
    ("consumer", &["client", "reader"]),
    ("producer", &["client", "consumer"]),
];

/// What the pure floor must not touch.
const IMPURE: &[&str] = &[
    "std::time",
    "SystemTime",
    "Utc::now",
    "tokio",
    "async ",
    "HashMap",
    "HashSet",
    "rand::",
    "f64",
    "f32",
    "std::fs",
    "std::net",
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The room a source file belongs to: the first part of its path below `src`.
fn room_of(path: &Path, src: &Path) -> String {
    let below = path.strip_prefix(src).expect("below src");
    let first = below
        .components()
        .next()
        .expect("a name")
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// Code without comments, so that prose may name anything.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "accrual::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.insert(name);
            }
            if let Some(group) = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()) {
                found.extend(
                    group
                        .split(',')
                        .filter_map(|part| part.trim().split("::").next())
                        .map(str::to_string),
                );
            }
        }
    }
    found
}

#[test]
fn every_import_points_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "only {} files found", files.len());
    let rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file, &src);
        if room == "lib" || room == "build" {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: no such room in the table", file.display()));
            continue;
        };
        for import in imports(&code(&fs::read_to_string(&file).expect("readable file"))) {
            let known = rooms.contains(&import.as_str());
            if known && import != room && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: {room} must not import {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_import_inside_the_kafka_adapter_points_down() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapters/kafka");
    let mut files = Vec::new();
    sources(&home, &mut files);
    assert!(files.len() > 15, "only {} files found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file, &home);
        if room == "mod" {
            continue;
        }
        let Some((_, allowed)) = KAFKA_ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: no such room in the table", file.display()));
            continue;
        };
        let text = code(&fs::read_to_string(&file).expect("readable file"));
        for (at, start) in text.match_indices("adapters::kafka::") {
            let import: String = text[at + start.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if import != room && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: {room} must not import {import:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src.join("domain"), &mut files);
    assert!(files.len() > 5, "only {} files found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = code(&fs::read_to_string(&file).expect("readable file"));
        for word in IMPURE.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!("{}: {word}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::domain::x; use crate::{wire::y, engine}; let a = accrual::stages::z();";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["domain", "engine", "stages", "wire"]);
}
