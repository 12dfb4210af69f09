//! Rule documents in files.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::domain::rules::model::RuleVersion;
use crate::wire::rule_document;

use super::operations::RuleFault;

/// A version, with the place it was read from.
pub struct RuleFile {
    pub file: String,
    /// Where its `version` stands.
    pub version_line: usize,
    pub rules: RuleVersion,
}

/// Every document of every file, or every fault of all of them.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleFile>, Vec<RuleFault>>> {
    let (mut versions, mut faults) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.display().to_string();
        let text = text_of(path).with_context(|| format!("{file}: cannot be read"))?;
        for document in rule_document::read_yaml(&text) {
            match document.read {
                Ok(rules) => versions.push(RuleFile {
                    file: file.clone(),
                    version_line: document.version_line,
                    rules,
                }),
                Err(errors) => faults.extend(errors.into_iter().map(|error| RuleFault {
                    file: file.clone(),
                    line: error.line,
                    field: error.field,
                    what: error.wrong,
                    remedy: error.remedy,
                })),
            }
        }
    }
    faults.extend(repeated(&versions));
    Ok(if faults.is_empty() {
        Ok(versions)
    } else {
        Err(faults)
    })
}

/// The same where a file without any document is a fault: nobody checks or publishes nothing.
pub fn read_some(files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleFile>, Vec<RuleFault>>> {
    let versions = match read(files)? {
        Ok(versions) => versions,
        Err(faults) => return Ok(Err(faults)),
    };
    let names = files.iter().map(|path| path.display().to_string());
    let empty = names.filter(|name| versions.iter().all(|version| version.file != *name));
    let faults: Vec<RuleFault> = empty
        .map(|file| RuleFault {
            file,
            line: 1,
            field: "document".to_string(),
            what: "is missing".to_string(),
            remedy: "write the rules of a shop".to_string(),
        })
        .collect();
    Ok(if faults.is_empty() {
        Ok(versions)
    } else {
        Err(faults)
    })
}

/// One line for a fault.
pub fn told(fault: &RuleFault) -> String {
    let RuleFault {
        file,
        line,
        field,
        what,
        remedy,
    } = fault;
    format!("{file}:{line}: {field}: {what}; {remedy}")
}

/// A version number belongs to one document.
fn repeated(versions: &[RuleFile]) -> Vec<RuleFault> {
    let clash = |(at, file): (usize, &RuleFile)| {
        let same = |other: &&RuleFile| {
            (&other.rules.shop_id, other.rules.version) == (&file.rules.shop_id, file.rules.version)
                && other.rules != file.rules
        };
        let first = versions[..at].iter().find(same)?;
        Some(RuleFault {
            file: file.file.clone(),
            line: file.version_line,
            field: "version".to_string(),
            what: format!(
                "version {} of shop {} stands at {}:{} with other contents",
                file.rules.version, file.rules.shop_id, first.file, first.version_line
            ),
            remedy: "give the later document the next number".to_string(),
        })
    };
    versions.iter().enumerate().filter_map(clash).collect()
}

fn text_of(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}
