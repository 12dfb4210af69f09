//! Rule documents in files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

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
        let bytes = bytes_of(path).with_context(|| format!("{file}: cannot be read"))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                faults.push(not_utf8(file, &error));
                continue;
            }
        };
        for document in rule_document::read_yaml(&text) {
            match document.read {
                Ok(rules) => versions.push(RuleFile {
                    file: file.clone(),
                    version_line: document.version_line,
                    rules,
                }),
                Err(errors) => faults.extend(errors.into_iter().map(|error| RuleFault::of(&file, error))),
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

/// Within a file each version of a shop follows the one before it: it could not be published
/// otherwise.
pub fn gaps(versions: &[RuleFile]) -> Vec<RuleFault> {
    let gap = |(at, file): (usize, &RuleFile)| {
        let same = |other: &&RuleFile| other.file == file.file && other.rules.shop_id == file.rules.shop_id;
        let before = versions[..at].iter().rev().find(same)?;
        let wanted = before.rules.version + 1;
        if file.rules == before.rules {
            return None;
        }
        if let Some(what) = drops_tiers(&before.rules, &file.rules) {
            return Some(RuleFault {
                file: file.file.clone(),
                line: file.version_line,
                field: "tiers".to_string(),
                what,
                remedy: KEEP_A_LEVEL.to_string(),
            });
        }
        if file.rules.version == wanted {
            return None;
        }
        Some(RuleFault {
            file: file.file.clone(),
            line: file.version_line,
            field: "version".to_string(),
            what: format!(
                "{} of shop {} does not follow version {} at line {}",
                file.rules.version, file.rules.shop_id, before.rules.version, before.version_line
            ),
            remedy: format!("the next version is {wanted}"),
        })
    };
    versions.iter().enumerate().filter_map(gap).collect()
}

/// What to do instead of leaving tiers out.
pub const KEEP_A_LEVEL: &str = "keep a list of one level: then everybody is in that one";

/// Says what is wrong where a version leaves out the tiers that the one before it has: nobody
/// could say where their members are then.
pub fn drops_tiers(before: &RuleVersion, rules: &RuleVersion) -> Option<String> {
    let drops = before.tiers.is_some() && rules.tiers.is_none();
    drops.then(|| format!("is left out, and version {} has it", before.version))
}

fn not_utf8(file: String, error: &FromUtf8Error) -> RuleFault {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    RuleFault {
        file,
        line: 1 + good.iter().filter(|byte| **byte == b'\n').count(),
        field: "document".to_string(),
        what: "is not UTF-8".to_string(),
        remedy: "save the file as UTF-8".to_string(),
    }
}

fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path)
}
