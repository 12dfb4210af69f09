//! Single records written outside transactions, for the command line.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};

use crate::engine::error::LogError;
use crate::engine::ports::{Offset, OutRecord, Partition};

use super::transaction::headers;
use crate::adapters::kafka::client::rights::{self, Right};
use crate::adapters::kafka::client::settings::Cluster;
use crate::adapters::kafka::client::{classify, context};

const DELIVERY_WAIT_MS: u64 = 30_000;

/// Writes single records, acknowledged by every in-sync replica.
pub struct Publisher {
    client: Arc<ThreadedProducer<Reports>>,
}

impl Publisher {
    pub fn new(cluster: &Cluster, client_id: &str) -> Result<Self, LogError> {
        let mut config = cluster.producer(client_id);
        config.set("message.timeout.ms", DELIVERY_WAIT_MS.to_string());
        let client = config
            .create_with_context(Reports)
            .map_err(|e| classify::reading("publisher", &e))?;
        Ok(Self {
            client: Arc::new(client),
        })
    }

    /// Where it was written. After an error it may have been written or not, unless it was refused.
    pub async fn publish(&self, record: OutRecord) -> Result<(Partition, Offset), LogError> {
        let client = self.client.clone();
        tokio::task::spawn_blocking(move || send(&client, &record))
            .await
            .unwrap_or_else(|e| Err(LogError::Ambiguous(format!("publishing: {e}"))))
    }
}

fn send(client: &ThreadedProducer<Reports>, record: &OutRecord) -> Result<(Partition, Offset), LogError> {
    let (tell, told) = mpsc::channel();
    let mut out = BaseRecord::<[u8], [u8], Box<Tell>>::with_opaque_to(&record.topic, Box::new(tell));
    out.partition = record.partition;
    out.key = record.key.as_deref();
    out.payload = record.value.as_deref();
    out.headers = headers(record);
    let failed = |error: &KafkaError| {
        let reason = format!("{}: {error}", record.topic);
        match error.rdkafka_error_code() {
            Some(code) if classify::is_refusal(code) => LogError::Refused { index: 0, reason },
            Some(Code::MessageTimedOut) => LogError::Ambiguous(reason),
            _ => rights::reading(&record.topic, error, &[Right::topic("Write", &record.topic)]),
        }
    };
    client.send(out).map_err(|(error, _)| failed(&error))?;
    match told.recv_timeout(Duration::from_millis(2 * DELIVERY_WAIT_MS)) {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(LogError::Ambiguous(format!(
            "{}: no delivery report",
            record.topic
        ))),
    }
}

type Tell = mpsc::Sender<Result<(Partition, Offset), KafkaError>>;

struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::log_line(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Box<Tell>;

    fn delivery(&self, result: &DeliveryResult<'_>, tell: Box<Tell>) {
        use rdkafka::Message;
        // Nobody waits any more where the time ran out.
        let _ = tell.send(match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        });
    }
}
