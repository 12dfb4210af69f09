//! `accrual rules diff`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::DONE;
use crate::app::escaped::Escaped;
use crate::app::operations::RuleFault;
use crate::domain::rules::model::RuleVersion;
use crate::wire::rule_document;

const LEFT_OUT: &str = "(left out)";

/// Prints each field that the newest versions of a shop in two files have differently, defaults
/// filled in.
pub fn execute(old: &Path, new: &Path, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (old, new) = (newest(&read(old)?, old)?, newest(&read(new)?, new)?);
    for line in compare(&old, &new) {
        writeln!(out, "{}", Escaped(line))?;
    }
    Ok(DONE)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    text.with_context(|| path.display().to_string())
}

/// A document's fields, by dotted path. Those of a bonus stand below its id.
type Fields = BTreeMap<String, String>;

/// The newest version of each shop in a file.
fn newest(text: &str, path: &Path) -> anyhow::Result<BTreeMap<String, Fields>> {
    let shown = path.display().to_string();
    let (mut versions, mut faults) = (BTreeMap::<String, RuleVersion>::new(), Vec::new());
    for document in rule_document::read_yaml(text) {
        match document.read {
            Ok(rules) => {
                let known = versions.get(&rules.shop_id);
                if known.is_none_or(|known| known.version <= rules.version) {
                    versions.insert(rules.shop_id.clone(), rules);
                }
            }
            Err(errors) => faults.extend(errors.into_iter().map(|error| RuleFault::of(&shown, error))),
        }
    }
    if !faults.is_empty() {
        let lines: Vec<String> = faults.iter().map(|fault| Escaped(fault).to_string()).collect();
        bail!("the rules cannot be used:\n{}", lines.join("\n"));
    }
    if versions.is_empty() {
        bail!("{shown}: no document");
    }
    let fields = |(shop_id, rules): (String, RuleVersion)| {
        let mut fields = Fields::new();
        let document = serde_json::from_str(&rule_document::to_json(&rules))?;
        flatten("", &document, &mut fields);
        Ok((shop_id, fields))
    };
    versions.into_iter().map(fields).collect()
}

/// Of several shops each line begins with its shop.
fn compare(old: &BTreeMap<String, Fields>, new: &BTreeMap<String, Fields>) -> Vec<String> {
    if let (1, 1) = (old.len(), new.len()) {
        let pairs = old.values().zip(new.values());
        return pairs.flat_map(|(old, new)| differences(old, new)).collect();
    }
    let shops: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let lines = |shop: &String| match (old.get(shop), new.get(shop)) {
        (Some(old), Some(new)) => differences(old, new)
            .iter()
            .map(|line| format!("{shop}: {line}"))
            .collect(),
        (None, _) => vec![format!("{shop}: only in the new file")],
        (_, None) => vec![format!("{shop}: only in the old file")],
    };
    shops.into_iter().flat_map(lines).collect()
}

fn differences(old: &Fields, new: &Fields) -> Vec<String> {
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let shown =
        |fields: &Fields, path: &String| fields.get(path).cloned().unwrap_or_else(|| LEFT_OUT.to_owned());
    let differs = |path: &&&String| old.get(**path) != new.get(**path);
    let line = |path: &String| format!("{path}: {} -> {}", shown(old, path), shown(new, path));
    paths.iter().filter(differs).map(|path| line(path)).collect()
}

fn flatten(prefix: &str, value: &Value, fields: &mut Fields) {
    let below = |key: &str| match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}.{key}"),
    };
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                flatten(&below(key), value, fields);
            }
        }
        // Bonuses are compared by id, wherever they stand; their order is a field of its own.
        Value::Array(items) if !items.is_empty() && items.iter().all(|item| item["id"].is_string()) => {
            let ids: Vec<&Value> = items.iter().map(|item| &item["id"]).collect();
            fields.insert(prefix.to_owned(), serde_json::json!(ids).to_string());
            for item in items {
                flatten(&below(item["id"].as_str().unwrap_or_default()), item, fields);
            }
        }
        leaf => {
            fields.insert(prefix.to_owned(), leaf.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "shop_id: acme\nversion: 1\neffective_from: 2022-01-01T00:00:00Z\ntimezone: UTC\ncurrency: EUR\n\
        accrual: {rate: {every: '1', points: 1}}\n";

    #[test]
    fn fields_that_differ_are_named() {
        for (more, wanted) in [
            ("", &[][..]),
            ("enabled: true\n", &[]),
            (
                "issuance: {on: paid}\nchannels: [online, pos]\n",
                &[
                    "channels: null -> [\"online\",\"pos\"]",
                    "issuance.on: \"delivered\" -> \"paid\"",
                ],
            ),
            (
                "expiry: {after_days: 30}\nredemption: {points: 100, amount: '1'}\n",
                &[
                    "expiry.after_days: (left out) -> 30",
                    "expiry.never: true -> (left out)",
                    "redemption: null -> (left out)",
                    "redemption.amount: (left out) -> \"1\"",
                    "redemption.digits: (left out) -> null",
                    "redemption.exclude.brands: (left out) -> []",
                    "redemption.exclude.categories: (left out) -> []",
                    "redemption.exclude.products: (left out) -> []",
                    "redemption.exclude.skus: (left out) -> []",
                    "redemption.exclude.tags: (left out) -> []",
                    "redemption.max_percent: (left out) -> null",
                    "redemption.max_points: (left out) -> null",
                    "redemption.min_order: (left out) -> null",
                    "redemption.min_payable: (left out) -> null",
                    "redemption.min_points: (left out) -> null",
                    "redemption.per: (left out) -> null",
                    "redemption.points: (left out) -> 100",
                    "redemption.step: (left out) -> null",
                ],
            ),
        ] {
            assert_eq!(compared(BASE, &format!("{BASE}{more}")), wanted);
        }
        let bonuses = |list: &str| format!("{BASE}bonuses: [{list}]\n");
        let (tea, cup) = (
            "{id: tea, gives: {points: 5}}",
            "{id: cup, gives: {points_each: 1}}",
        );
        assert_eq!(
            compared(
                &bonuses(&format!("{tea}, {cup}")),
                &bonuses(&format!("{cup}, {}", tea.replace('5', "6")))
            ),
            [
                r#"bonuses: ["tea","cup"] -> ["cup","tea"]"#,
                "bonuses.tea.gives.points: 5 -> 6"
            ]
        );
        let gone = compared(&bonuses(tea), BASE);
        assert_eq!(gone[0], r#"bonuses: ["tea"] -> []"#);
        assert!(gone.contains(&"bonuses.tea.gives.points: 5 -> (left out)".to_owned()));
        assert!(newest("- 1", Path::new("rules.yaml")).is_err());
        assert!(newest(&format!("foo: 1\n---\n{BASE}"), Path::new("rules.yaml")).is_err());
        assert!(newest("# nothing\n", Path::new("rules.yaml")).is_err());
    }

    fn compared(old: &str, new: &str) -> Vec<String> {
        let fields = |text: &str| newest(text, Path::new("rules.yaml")).unwrap();
        compare(&fields(old), &fields(new))
    }

    #[test]
    fn the_newest_version_of_each_shop_is_compared() {
        let version = |shop: &str, version: u32, points: u32| {
            BASE.replace("acme", shop)
                .replace("version: 1", &format!("version: {version}"))
                .replace("points: 1", &format!("points: {points}"))
        };
        let file = |documents: &[String]| documents.join("---\n");
        // The last document is not the newest.
        let newer = file(&[version("acme", 2, 5), version("acme", 1, 1)]);
        assert_eq!(
            compared(BASE, &newer),
            ["accrual.rate.points: 1 -> 5", "version: 1 -> 2"]
        );
        let old = file(&[version("acme", 1, 1), version("bee", 1, 1), version("cat", 1, 1)]);
        let new = file(&[version("bee", 2, 3), version("dog", 1, 1), version("acme", 1, 1)]);
        assert_eq!(
            compared(&old, &new),
            [
                "bee: accrual.rate.points: 1 -> 3",
                "bee: version: 1 -> 2",
                "cat: only in the old file",
                "dog: only in the new file",
            ]
        );
        assert_eq!(
            compared(BASE, &version("bee", 1, 1)),
            ["shop_id: \"acme\" -> \"bee\""]
        );
    }
}
