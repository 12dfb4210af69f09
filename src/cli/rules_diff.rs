//! `accrual rules diff`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::DONE;
use crate::wire::rule_document;

const LEFT_OUT: &str = "(left out)";

/// Prints each field that the newest documents of two files have differently, defaults filled in.
pub fn execute(old: &Path, new: &Path, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (old, new) = (newest(&read(old)?, old)?, newest(&read(new)?, new)?);
    for line in differences(&old, &new) {
        writeln!(out, "{line}")?;
    }
    Ok(DONE)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The fields of the last document, by dotted path.
fn newest(text: &str, path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = path.display();
    let document = rule_document::read_yaml(text)
        .pop()
        .with_context(|| format!("{shown}: no document"))?;
    let rules = match document.read {
        Ok(rules) => rules,
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(|fault| format!("{shown}: {fault}")).collect();
            bail!(told.join("\n"));
        }
    };
    let mut fields = BTreeMap::new();
    flatten(
        "",
        &serde_json::from_str(&rule_document::to_json(&rules))?,
        &mut fields,
    );
    Ok(fields)
}

fn differences(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let shown = |fields: &BTreeMap<String, String>, path: &String| {
        fields.get(path).cloned().unwrap_or_else(|| LEFT_OUT.to_owned())
    };
    let differs = |path: &&&String| old.get(**path) != new.get(**path);
    let line = |path: &String| format!("{path}: {} -> {}", shown(old, path), shown(new, path));
    paths.iter().filter(differs).map(|path| line(path)).collect()
}

fn flatten(prefix: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{key}"), value, fields);
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
                    "redemption.max_percent: (left out) -> null",
                    "redemption.min_order: (left out) -> null",
                    "redemption.min_payable: (left out) -> null",
                    "redemption.per: (left out) -> null",
                    "redemption.points: (left out) -> 100",
                ],
            ),
        ] {
            let fields = |text: &str| newest(text, Path::new("rules.yaml")).unwrap();
            let found = differences(&fields(BASE), &fields(&format!("{BASE}{more}")));
            assert_eq!(found, wanted);
        }
        assert!(newest("- 1", Path::new("rules.yaml")).is_err());
    }
}
