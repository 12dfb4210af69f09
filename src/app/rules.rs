//! Publishing rule versions and listing what is published.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::adapters::kafka::{Admin, Cluster, Publisher, TopicReader};
use crate::config::Settings;
use crate::domain::instant::Instant;
use crate::domain::rules::book::{Published, RuleBook};
use crate::domain::rules::model::RuleVersion;
use crate::engine::ports::{Header, OutRecord};
use crate::engine::processor::GlobalTable;
use crate::stages::rule_table::RuleTable;
use crate::wire::rule_document;

use super::operations::{RuleFault, RuleSummary};
use super::rule_files::{self, RuleFile};
use super::topics;

/// Records of the rules topic read in one go.
const READ_MAX_RECORDS: usize = 1_000;

/// Reads rule documents without publishing them.
pub fn check(files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
    let versions = match rule_files::read_some(files)? {
        Ok(versions) => versions,
        Err(faults) => return Ok(Err(faults)),
    };
    let gaps = rule_files::gaps(&versions);
    if !gaps.is_empty() {
        return Ok(Err(gaps));
    }
    Ok(Ok(versions
        .iter()
        .map(|file| with_warnings(file, None))
        .collect()))
}

/// Publishes the documents in order. Either all of them fit, or none is published. One that is
/// published already is not published again.
pub async fn publish(
    settings: &Settings,
    cluster: &Cluster,
    files: &[PathBuf],
    time: Option<Instant>,
) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
    let versions = match rule_files::read_some(files)? {
        Ok(versions) => versions,
        Err(faults) => return Ok(Err(faults)),
    };
    let mut book = RuleBook::clone(&read(settings, cluster).await?.book().load());
    let at = time.unwrap_or_else(|| Instant::from_utc(chrono::Utc::now()));
    let (mut fitting, mut faults) = (Vec::new(), Vec::new());
    for file in versions {
        match next(&book, &file, at, time.is_some()) {
            Ok(None) => {
                book.publish(file.rules.clone(), at, 0);
                fitting.push((file, None));
            }
            Ok(known) => fitting.push((file, known)),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    topics::refuse_unfit_rules(settings, &Admin::new(cluster, "accrual-rules")?).await?;
    let publisher = Publisher::new(cluster, "accrual-rules")?;
    let mut summaries = Vec::new();
    for (file, known) in fitting {
        if known.is_none() {
            publisher
                .publish(record(&settings.topics.point_rules, &file.rules, at))
                .await?;
        }
        summaries.push(RuleSummary {
            already: known.is_some(),
            ..with_warnings(&file, known.or(Some(at)))
        });
    }
    Ok(Ok(summaries))
}

/// All versions of a shop, oldest number first.
pub async fn show(settings: &Settings, cluster: &Cluster, shop_id: &str) -> anyhow::Result<Vec<RuleSummary>> {
    let table = read(settings, cluster).await?;
    let book = table.book().load_full();
    let mut found: Vec<RuleSummary> = book
        .versions(shop_id)
        .map(|known| summary(&known.rules, Some(known.published)))
        .collect();
    found.sort_by_key(|rules| rules.version);
    Ok(found)
}

/// The rules topic as it is now.
pub async fn read(settings: &Settings, cluster: &Cluster) -> anyhow::Result<RuleTable> {
    let table = RuleTable::default();
    let group = format!("{}-rules", settings.application_id);
    let reader = TopicReader::new(cluster, "accrual-rules", &group, &settings.topics.point_rules)?;
    for partition in 0..reader.partitions().await? {
        let mut from = 0;
        loop {
            let chunk = reader.read(partition, from, READ_MAX_RECORDS).await?;
            for record in &chunk.records {
                if let Err(refusal) = table.apply(record) {
                    tracing::warn!(partition, offset = record.offset, %refusal, "a rule that does not count");
                }
            }
            if chunk.next >= chunk.end || chunk.next <= from {
                break;
            }
            from = chunk.next;
        }
    }
    Ok(table)
}

/// Whether the document can be the next version; of one that is published already, when that was.
fn next(
    book: &RuleBook,
    file: &RuleFile,
    at: Instant,
    back_dated: bool,
) -> Result<Option<Instant>, RuleFault> {
    let rules = &file.rules;
    let fault = |field: &str, what: String, remedy: String| RuleFault {
        file: file.file.clone(),
        line: file.version_line,
        field: field.to_string(),
        what,
        remedy,
    };
    if let Some(known) = book.version(&rules.shop_id, rules.version) {
        if *known.rules == *rules {
            return Ok(Some(known.published));
        }
        let what = format!("version {} is published with other contents", rules.version);
        return Err(fault(
            "version",
            what,
            "give this document the next number".into(),
        ));
    }
    let Some(last) = last(book, &rules.shop_id) else {
        return Ok(None);
    };
    let wanted = last.rules.version + 1;
    if rules.version != wanted {
        let what = format!("{} does not follow version {}", rules.version, last.rules.version);
        return Err(fault("version", what, format!("the next version is {wanted}")));
    }
    if let Some(what) = rule_files::drops_tiers(&last.rules, rules) {
        return Err(fault("tiers", what, rule_files::KEEP_A_LEVEL.to_owned()));
    }
    if at < last.published {
        let what = format!(
            "published at {}, before version {} at {}",
            at.rfc3339(),
            last.rules.version,
            last.published.rfc3339()
        );
        return Err(match back_dated {
            true => fault("--time", what, "name a later time".into()),
            false => fault("version", what, "publish it after that".into()),
        });
    }
    Ok(None)
}

fn last<'a>(book: &'a RuleBook, shop_id: &str) -> Option<&'a Published> {
    book.versions(shop_id).max_by_key(|known| known.rules.version)
}

fn with_warnings(file: &RuleFile, published: Option<Instant>) -> RuleSummary {
    let warnings = file.rules.warnings().into_iter().map(|warning| RuleFault {
        file: file.file.clone(),
        line: file.version_line,
        field: warning.field,
        what: warning.what,
        remedy: warning.remedy.to_owned(),
    });
    RuleSummary {
        warnings: warnings.collect(),
        ..summary(&file.rules, published)
    }
}

fn summary(rules: &RuleVersion, published: Option<Instant>) -> RuleSummary {
    RuleSummary {
        shop_id: rules.shop_id.clone(),
        version: rules.version,
        effective_from: rules.effective_from,
        published,
        already: false,
        enabled: rules.enabled,
        warnings: Vec::new(),
        kept: rules
            .annotations
            .iter()
            .map(|(place, value)| (place[1..].to_string(), value.clone()))
            .collect(),
    }
}

/// `rules.published` in binary mode. The key tells versions apart, so that compaction keeps all.
fn record(topic: &str, rules: &RuleVersion, at: Instant) -> OutRecord {
    let id = format!("{}:{}", rules.shop_id, rules.version);
    let header = |name: &str, value: &str| -> Header {
        (Arc::from(name), Some(Bytes::copy_from_slice(value.as_bytes())))
    };
    OutRecord {
        topic: topic.into(),
        partition: None,
        key: Some(id.clone().into()),
        value: Some(rule_document::to_json(rules).into()),
        headers: vec![
            header("ce_specversion", "1.0"),
            header("ce_id", &format!("rules:{id}")),
            header("ce_source", "/accrual/rules"),
            header("ce_type", "rules.published"),
            header("ce_time", &at.rfc3339()),
            header("ce_subject", &rules.shop_id),
            header("content-type", "application/json"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "shop_id: acme\nversion: 1\neffective_from: 2022-03-01T00:00:00+08:00\n\
        timezone: Asia/Taipei\ncurrency: TWD\naccrual: {rate: {every: 100, points: 1}}\n";

    fn file(text: &str) -> RuleFile {
        let read = rule_document::read_yaml(text).remove(0);
        RuleFile {
            file: "acme.yaml".to_owned(),
            version_line: read.version_line,
            rules: read.read.expect("a rule document"),
        }
    }

    #[test]
    fn a_version_that_drops_its_tiers_is_refused() {
        let tiers = "tiers: {levels: [{name: member}]}\n";
        let mut book = RuleBook::default();
        let at = Instant::parse("2022-03-01T00:00:00Z").unwrap();
        book.publish(file(&format!("{FIRST}{tiers}")).rules, at, 0);
        let second = FIRST.replace("version: 1", "version: 2");
        let refused = next(&book, &file(&second), at, false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "acme.yaml:2: tiers: is left out, and version 1 has it; keep a list of one level: \
             then everybody is in that one"
        );
        let kept = next(&book, &file(&format!("{second}{tiers}")), at, false);
        assert_eq!(kept, Ok(None));
    }
}
