//! `accrual rules diff`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::DONE;

const LEFT_OUT: &str = "(left out)";

/// Prints each field that the newest documents of two files have differently.
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
    let documents = Yaml::load_from_str(text).with_context(|| path.display().to_string())?;
    let Some(document @ Yaml::Mapping(_)) = documents.last() else {
        bail!(
            "{}: the last document is no rule document; see `accrual rules check`",
            path.display()
        );
    };
    let mut fields = BTreeMap::new();
    flatten("", document, &mut fields);
    Ok(fields)
}

fn differences(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let shown = |fields: &BTreeMap<String, String>, path: &String| {
        fields.get(path).cloned().unwrap_or_else(|| LEFT_OUT.to_owned())
    };
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| format!("{path}: {} -> {}", shown(old, path), shown(new, path)))
        .collect()
}

fn flatten(prefix: &str, yaml: &Yaml<'_>, fields: &mut BTreeMap<String, String>) {
    match yaml {
        Yaml::Mapping(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{}", text(key)), value, fields);
            }
        }
        leaf => {
            fields.insert(prefix.to_owned(), text(leaf));
        }
    }
}

/// A value in one line. Texts and numbers look alike: `"100"` and `100` are no difference.
fn text(yaml: &Yaml<'_>) -> String {
    match yaml {
        Yaml::Value(Scalar::Null) => "null".to_owned(),
        Yaml::Value(Scalar::Boolean(flag)) => flag.to_string(),
        Yaml::Value(Scalar::Integer(number)) => number.to_string(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.to_string(),
        Yaml::Value(Scalar::String(text)) => text.to_string(),
        Yaml::Sequence(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Yaml::Mapping(entries) => {
            let parts: Vec<_> = entries
                .iter()
                .map(|(k, v)| format!("{}: {}", text(k), text(v)))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_differ_are_named() {
        let base = "---\nversion: 1\n---\nversion: 2\nissuance: {on: delivered, delay_days: 3}\nchannels: [online]\n";
        for (new, wanted) in [
            (base, &[][..]),
            (
                "version: 3\nissuance: {on: completed}\nchannels: [online, pos]\nenabled: false",
                &[
                    "channels: [online] -> [online, pos]",
                    "enabled: (left out) -> false",
                    "issuance.delay_days: 3 -> (left out)",
                    "issuance.on: delivered -> completed",
                    "version: 2 -> 3",
                ],
            ),
        ] {
            let fields = |text| newest(text, Path::new("rules.yaml")).unwrap();
            assert_eq!(differences(&fields(base), &fields(new)), wanted, "{new}");
        }
        assert!(newest("- 1", Path::new("rules.yaml")).is_err());
    }
}
