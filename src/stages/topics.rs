//! Where what the stages decided goes to, and as what.

use std::sync::Arc;

use super::keys;
use super::output::Output;
use crate::engine::ports::OutRecord;
use crate::wire::ledger_entry;
use crate::wire::output::{self, TopicKind};

/// Names of the topics that the stages write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub issued: Arc<str>,
    pub expired: Arc<str>,
    pub events: Arc<str>,
    pub entries: Arc<str>,
}

impl Topics {
    /// The record that an output is.
    pub fn record(&self, output: Output) -> OutRecord {
        match output {
            Output::Outcome(outcome) => {
                let published = output::encode(&outcome);
                let topic = match published.topic {
                    TopicKind::Issued => &self.issued,
                    TopicKind::Expired => &self.expired,
                    TopicKind::Events => &self.events,
                };
                OutRecord {
                    topic: topic.clone(),
                    partition: None,
                    key: Some(published.key),
                    value: Some(published.value),
                    headers: published.headers,
                }
            }
            Output::Entry(entry, partition) => OutRecord {
                topic: self.entries.clone(),
                partition,
                key: Some(keys::ledger_key(&entry)),
                value: Some(ledger_entry::encode(&entry)),
                headers: Vec::new(),
            },
        }
    }
}
