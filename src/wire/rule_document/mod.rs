//! Rule documents: YAML 1.2 or JSON into a [`RuleVersion`], and back into canonical JSON.
//!
//! All that is wrong with a document is reported at once, with its lines. Fields that the contract
//! does not name are refused, so that a misspelt field cannot silently mean its default. Each
//! section is read and written in one file.

mod accrual;
mod bonus;
mod document;
mod expiry;
mod findings;
mod gifts;
mod goods;
mod issuance;
mod json;
mod level;
mod node;
mod redemption;
mod reversal;
mod section;
mod tiers;
mod value;
mod when;

use chrono::NaiveTime;

use serde::Deserialize;

use super::envelope::{Envelope, EnvelopeError};
use super::object::Object;
use super::order_event::{self, OrderEventError};
use crate::domain::instant::Instant;
use crate::domain::rules::book::StatusChange;
use crate::domain::rules::model::{Expiry, RuleVersion, ShopStatus};
use findings::Findings;
use section::Section;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {field}: {wrong}; {remedy}")]
pub struct RuleError {
    /// From 1; 0 where it is not known (JSON).
    pub line: usize,
    /// Path of the field, as `accrual.rate.every`; `document` for the whole.
    pub field: String,
    pub wrong: String,
    pub remedy: String,
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it begins.
    pub line: usize,
    /// Where its `version` stands.
    pub version_line: usize,
    pub read: Result<RuleVersion, Vec<RuleError>>,
}

/// A record of `point-rules`.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleEvent {
    /// Counts from `at` at the earliest.
    Published {
        rules: Box<RuleVersion>,
        at: Instant,
    },
    Status {
        shop_id: String,
        change: StatusChange,
    },
}

/// Why a record of `point-rules` is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleEventError {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("type: {0} is not a rule event")]
    Type(String),
    #[error("data: {0}")]
    Json(String),
    #[error(transparent)]
    Field(#[from] OrderEventError),
    #[error("{}", .0.iter().map(in_data).collect::<Vec<_>>().join("; "))]
    Rules(Vec<RuleError>),
}

fn in_data(error: &RuleError) -> String {
    let RuleError { field, wrong, .. } = error;
    match field.as_str() {
        node::DOCUMENT => format!("data: {wrong}"),
        field => format!("data.{field}: {wrong}"),
    }
}

/// All documents of a YAML (or JSON) file. A text that is not YAML is one faulty document.
pub fn read_yaml(text: &str) -> Vec<Document> {
    let json = text
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .starts_with('{')
        .then(|| json::from_text(text.trim_start_matches('\u{feff}')))
        .flatten();
    let nodes = match json {
        Some(node) => node.map(|node| vec![node]),
        None => node::from_yaml(text),
    };
    match nodes {
        Ok(nodes) => nodes
            .iter()
            .map(|node| Document {
                line: node.line,
                version_line: node.line_of("version"),
                read: document::read(node),
            })
            .collect(),
        Err(error) => vec![Document {
            line: error.line,
            version_line: error.line,
            read: Err(vec![error.into()]),
        }],
    }
}

impl From<node::NotReadable> for RuleError {
    fn from(error: node::NotReadable) -> Self {
        RuleError {
            line: error.line,
            field: match error.field.as_str() {
                "" => node::DOCUMENT.to_owned(),
                _ => error.field,
            },
            wrong: error.wrong,
            remedy: error.remedy.to_owned(),
        }
    }
}

/// One document as a JSON value.
pub fn read_json(json: &serde_json::Value) -> Result<RuleVersion, Vec<RuleError>> {
    document::read(&node::from_json(json))
}

/// An expiry section by itself, as commands hold it. Paths in errors begin with `expiry`.
pub fn read_expiry(json: &serde_json::Value) -> Result<Expiry, Vec<RuleError>> {
    let (node, mut found) = (node::from_json(json), Findings::default());
    let expiry = Section::of(&node, "expiry", &mut found).and_then(|mut section| {
        let read = expiry::read(&mut section, &mut found);
        section.end(&mut found);
        read
    });
    match expiry {
        Some(expiry) if found.errors.is_empty() => Ok(expiry),
        _ => Err(found.errors),
    }
}

/// A rule version as canonical JSON in one line: every field written out.
pub fn to_json(rules: &RuleVersion) -> String {
    document::write(rules)
}

fn time(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}

/// Reads `rules.published` and `shop.status_changed`.
pub fn read_event(envelope: &Envelope<'_>) -> Result<RuleEvent, RuleEventError> {
    match &*envelope.kind {
        "rules.published" => {
            let data: serde_json::Value =
                serde_json::from_str(envelope.data).map_err(|e| RuleEventError::Json(e.to_string()))?;
            // A JSON value keeps only the last of two fields of one name; refuse both, as in a file.
            if let Some(Err(error)) = json::from_text(envelope.data) {
                return Err(RuleEventError::Rules(vec![error.into()]));
            }
            let rules = Box::new(read_json(&data).map_err(RuleEventError::Rules)?);
            Ok(RuleEvent::Published {
                rules,
                at: envelope.time,
            })
        }
        "shop.status_changed" => read_status(envelope),
        other => Err(RuleEventError::Type(other.chars().take(100).collect())),
    }
}

fn read_status(envelope: &Envelope<'_>) -> Result<RuleEvent, RuleEventError> {
    #[derive(Deserialize)]
    struct Data {
        shop_id: Option<String>,
        status: Option<String>,
    }
    let Object(data): Object<Data> =
        serde_json::from_str(envelope.data).map_err(|e| RuleEventError::Json(e.to_string()))?;
    let shop_id = order_event::id("data.shop_id", data.shop_id.as_deref())?.to_owned();
    let status = match data.status.as_deref() {
        Some("open") => ShopStatus::Open,
        Some("resting") => ShopStatus::Resting,
        _ => {
            let wrong = "must be open or resting";
            return Err(OrderEventError::Wrong {
                field: "data.status",
                wrong,
            }
            .into());
        }
    };
    let change = StatusChange {
        at: envelope.time,
        status,
        event_id: envelope.id.clone().into_owned(),
    };
    Ok(RuleEvent::Status { shop_id, change })
}

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiers_tests;
