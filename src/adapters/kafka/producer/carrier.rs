//! Records carried from topics to topics, each exactly once: what was written and how far was read
//! are one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::engine::error::LogError;
use crate::engine::ports::{Millis, OutRecord};

use crate::adapters::kafka::client::classify;
use crate::adapters::kafka::client::context::Context;
use crate::adapters::kafka::client::settings::{Cluster, TRANSACTION_TIMEOUT_MS};
use crate::adapters::kafka::consumer::Membership;

use super::transaction::{GroupOffsets, ReadTo, Sent, TransactionalClient};
use super::watchdog::{Overrun, Watchdog};

/// One transaction of a carrier.
#[derive(Default)]
pub struct Cargo {
    /// With the time that each is to have; without one, that of its writing.
    pub records: Vec<(OutRecord, Option<Millis>)>,
    /// The next to be read, for the carrier's own group.
    pub read: Vec<ReadTo>,
    /// The next to be consumed, for groups that the caller is a member of: a membership that is
    /// over refuses the whole transaction (E6).
    pub of_members: Vec<GroupOffsets>,
}

/// A transactional producer that keeps how far it has read as the offsets of a group of its own,
/// which has no members. Of two with one id the older one is fenced.
#[derive(Clone)]
pub struct Carrier {
    client: Arc<Mutex<TransactionalClient>>,
    id: String,
    group: Option<Membership>,
}

impl Carrier {
    pub async fn open(cluster: &Cluster, id: &str, overrun: &Overrun) -> Result<Self, LogError> {
        let mut config = cluster.producer(id);
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        let watchdog = Watchdog::new(overrun)
            .map_err(|e| LogError::Fatal(format!("no thread for the watchdog: {e}")))?;
        let client = tokio::task::spawn_blocking(move || TransactionalClient::open(&config, None, watchdog));
        let client = client
            .await
            .unwrap_or_else(|e| Err(LogError::Fatal(format!("opening a producer: {e}"))))?;
        Ok(Self {
            client: Arc::new(Mutex::new(client)),
            id: id.to_owned(),
            group: None,
        })
    }

    /// From now on what was read is kept as offsets of this group.
    pub fn with_group(self, cluster: &Cluster, group: &str) -> Result<Self, LogError> {
        let group = Some(without_members(&cluster.consumer(&self.id, group))?);
        Ok(Self { group, ..self })
    }

    /// All of it happens or none. After [`LogError::Abort`] it may be tried again.
    pub async fn commit(&self, cargo: Arc<Cargo>) -> Result<(), LogError> {
        let (client, group) = (self.client.clone(), self.group.clone());
        let committed = tokio::task::spawn_blocking(move || {
            let records: Vec<Sent<'_>> = cargo.records.iter().map(|(record, at)| (record, *at)).collect();
            let own = group.filter(|_| !cargo.read.is_empty());
            let own = own.map(|membership| GroupOffsets {
                membership,
                offsets: cargo.read.clone(),
            });
            let groups: Vec<GroupOffsets> = own.into_iter().chain(cargo.of_members.iter().cloned()).collect();
            let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
            client.commit(&records, &groups).map(drop)
        });
        committed
            .await
            .unwrap_or_else(|e| Err(LogError::Ambiguous(format!("a transaction: {e}"))))
    }
}

/// Group metadata of nobody: a group without members takes offsets under it.
fn without_members(config: &ClientConfig) -> Result<Membership, LogError> {
    let consumer: BaseConsumer<Context> = config
        .create_with_context(Context)
        .map_err(|e| classify::reading("group", &e))?;
    let metadata = consumer.group_metadata();
    let metadata = metadata.ok_or_else(|| LogError::Fatal("no metadata of a group".into()))?;
    Ok(Membership {
        group: config.get("group.id").unwrap_or_default().into(),
        metadata: Arc::new(metadata),
    })
}
