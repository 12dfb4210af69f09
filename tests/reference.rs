//! The reference in `schemas/README.md` is that of the code: commands, settings, paths, metrics.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use accrual::config::{File, Settings};
use accrual::metrics::{self, Kind};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use support::accrual::succeed;

/// Settings whose default the sample cannot show.
const WITHOUT_A_SAMPLE: [&str; 4] = [
    "instance_id",
    "kafka.properties",
    "topics.replication_factor",
    "http.token",
];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The cells of a section's table, without its header.
fn table(section: &str) -> Vec<Vec<String>> {
    let page = text("schemas/README.md");
    let start = page
        .split_once(&format!("\n## {section}\n"))
        .expect("the section")
        .1;
    let section = start.split("\n## ").next().expect("its text");
    let cells = |line: &str| {
        let cells = line.trim_start_matches("| ").trim_end_matches(" |").split(" | ");
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .map(cells)
        .collect()
}

fn code(text: &str) -> &str {
    text.trim_matches('`')
}

#[test]
fn every_metric_is_told_as_it_is() {
    let told = table("Metrics");
    let wanted: Vec<Vec<String>> = metrics::ALL
        .iter()
        .map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() {
                "–".to_owned()
            } else {
                labels.join(", ")
            };
            vec![
                format!("`{}`", metric.name),
                kind.to_owned(),
                labels,
                metric.help.to_owned(),
            ]
        })
        .collect();
    assert_eq!(told, wanted);
}

/// A metric that nothing counts would stand at 0 for ever.
#[test]
fn every_metric_is_counted_somewhere() {
    let metrics_file = text("src/metrics.rs");
    let mut sources = String::new();
    read_sources(
        Path::new(&format!("{}/src", env!("CARGO_MANIFEST_DIR"))),
        &mut sources,
    );
    for metric in metrics::ALL {
        let declared = metrics_file
            .lines()
            .find(|line| line.starts_with("pub const") && line.contains(&format!("\"{}\"", metric.name)))
            .unwrap_or_else(|| panic!("{} has no constant", metric.name));
        let constant = declared
            .trim_start_matches("pub const ")
            .split(':')
            .next()
            .expect("a name");
        // Its declaration and its line of the list are two.
        assert!(
            sources.matches(constant).count() > 2,
            "{} is documented and never counted",
            metric.name
        );
    }
}

fn read_sources(dir: &Path, into: &mut String) {
    for entry in fs::read_dir(dir).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("readable source"));
        }
    }
}

/// Every setting with the value that the sample shows, which is the default.
fn sample() -> Vec<(String, String)> {
    let (mut section, mut settings) = (String::new(), Vec::new());
    for line in text("deploy/accrual.toml").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = "))
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            let words: Vec<&str> = value.split('"').skip(1).step_by(2).collect();
            let value = if words.is_empty() {
                value.to_owned()
            } else {
                words.join(",")
            };
            settings.push((format!("{section}{key}"), value));
        }
    }
    settings
}

#[test]
fn every_setting_is_told_with_its_variable_and_default() {
    let keys: BTreeSet<&str> = Settings::keys().into_iter().collect();
    let told = table("Settings");
    let named: BTreeSet<&str> = told.iter().map(|row| code(&row[0])).collect();
    assert_eq!(named, keys);
    assert_eq!(told.len(), keys.len(), "a key is told twice");
    let sample = sample();
    for row in &told {
        let (key, variable, default) = (code(&row[0]), code(&row[1]), code(&row[2]));
        let of_key = format!("ACCRUAL_{}", key.replace('.', "__").to_uppercase());
        assert_eq!(variable.trim_end_matches("__…"), of_key);
        let shown = sample.iter().find(|(name, _)| name == key);
        if !WITHOUT_A_SAMPLE.contains(&key) {
            assert_eq!(shown.map(|(_, value)| value.as_str()), Some(default), "{key}");
        }
    }
    for (key, _) in sample {
        assert!(keys.contains(key.as_str()), "the sample's {key} is no setting");
    }
}

/// What a section of a help text lists, one a line.
fn listed<'h>(help: &'h str, section: &str) -> Vec<&'h str> {
    let Some((_, rest)) = help.split_once(&format!("\n{section}:\n")) else {
        return Vec::new();
    };
    let lines = rest
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    lines.map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Every command with its options, as the binary's own help tells them.
fn commands(path: &[&str], into: &mut Vec<(String, BTreeSet<String>)>) {
    let help = succeed(&[path, &["--help"]].concat(), &Vec::new());
    let names = listed(&help, "Commands").into_iter();
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    for name in names.iter().filter(|name| **name != "help") {
        commands(&[path, &[name]].concat(), into);
    }
    if names.is_empty() {
        let options = listed(&help, "Options");
        let options = options.iter().filter_map(|line| {
            let option = line.split([' ', ',']).find(|word| word.starts_with("--"))?;
            (line.starts_with('-') && option != "--help").then(|| option.to_owned())
        });
        into.push((path.join(" "), options.collect()));
    }
}

#[test]
fn every_command_is_told_with_its_options() {
    let mut wanted = Vec::new();
    commands(&[], &mut wanted);
    let told: Vec<(String, BTreeSet<String>)> = table("Commands")
        .iter()
        .map(|row| {
            let words = code(&row[0]).split(' ').skip(1);
            let words: Vec<&str> = words.take_while(|word| !word.starts_with(['<', '['])).collect();
            let options = row[2].split(", ").map(code).filter(|word| *word != "–");
            (words.join(" "), options.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(told, wanted);
    assert!(wanted.len() >= 13, "{wanted:?}");
}

#[test]
fn every_path_is_told() {
    let source = text("src/http/mod.rs");
    let literals = source.split('"').skip(1).step_by(2);
    let mut paths: BTreeSet<String> = literals
        .filter(|text| text.starts_with('/'))
        .map(str::to_owned)
        .collect();
    paths.insert("/v1/shops/{shop}/members/{id}/quote".to_owned());
    let told = table("HTTP").into_iter().map(|row| {
        let told = code(&row[0]).to_owned();
        told.split_once(' ').expect("method and path").1.to_owned()
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), paths);
}

/// Settings that the chart itself gives to each pod, in the Secret or not at all.
const NOT_OF_THE_CHART: [&str; 3] = ["instance_id", "http.listen", "http.token"];

#[test]
fn the_chart_takes_every_setting() {
    let schema: Value =
        serde_json::from_str(&text("deploy/helm/accrual/values.schema.json")).expect("a JSON document");
    let mut taken = BTreeSet::new();
    let sections = schema["properties"]["config"]["properties"]
        .as_object()
        .expect("settings");
    for (name, section) in sections {
        match section["properties"].as_object() {
            Some(keys) => taken.extend(keys.keys().map(|key| format!("{name}.{key}"))),
            None => _ = taken.insert(name.clone()),
        }
    }
    let wanted = Settings::keys()
        .into_iter()
        .filter(|key| !NOT_OF_THE_CHART.contains(key));
    assert_eq!(taken, wanted.map(str::to_owned).collect());
}

#[test]
fn settings_of_the_plain_manifests_are_accepted() {
    let manifests = text("deploy/kubernetes/accrual.yaml");
    let documents = Yaml::load_from_str(&manifests).expect("YAML documents");
    let of = |kind: &str| {
        let found = documents.iter().rfind(|it| it["kind"].as_str() == Some(kind));
        found.expect("one of the kind")
    };
    let file = of("ConfigMap")["data"]["accrual.toml"].as_str().expect("a file");
    let token = ("ACCRUAL_HTTP__TOKEN".to_owned(), "0123456789abcdef".to_owned());
    let file = File {
        name: "accrual.toml",
        text: file,
    };
    let settings = Settings::resolve(Some(file), [token], "accrual-0").expect("good settings");
    let seconds = of("StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_integer();
    assert!(seconds > Some(settings.limits.shutdown_timeout_seconds.into()));
}

/// Alerts, dashboard, runbook and scalers name no metric that is not there.
#[test]
fn every_metric_that_is_looked_at_exists() {
    let names: BTreeSet<&str> = metrics::ALL.iter().map(|metric| metric.name).collect();
    for path in [
        "deploy/prometheus/alerts.yaml",
        "deploy/prometheus/alerts_test.yaml",
        "deploy/grafana/accrual.json",
        "deploy/helm/accrual/templates/scaledobject.yaml",
        "deploy/RUNBOOK.md",
    ] {
        let text = text(path);
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("accrual_")).collect();
        assert!(!named.is_empty(), "{path} names no metric");
        for name in named {
            let base = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(names.contains(base), "{path}: there is no metric {name}");
        }
    }
}
