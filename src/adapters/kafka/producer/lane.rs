//! One lane: a transactional producer on a thread of its own, because its calls block.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::error::LogError;
use crate::engine::ports::{Committed, Producer, Transaction};

use crate::adapters::kafka::client::settings::Stage;
use crate::adapters::kafka::consumer::Membership;

use super::transaction::{GroupOffsets, Sent, TransactionalClient};
use super::watchdog::Watchdog;

struct Job {
    transaction: Transaction<Membership>,
    reply: oneshot::Sender<Result<Committed, LogError>>,
}

/// Hands transactions to the lane's thread.
pub struct KafkaProducer {
    jobs: mpsc::Sender<Job>,
    watchdog: Watchdog,
    /// A transaction that takes longer is not waited for.
    left_after: Duration,
}

impl KafkaProducer {
    pub async fn open(
        stage: &Stage,
        lane: u32,
        watchdog: Watchdog,
        left_after: Duration,
    ) -> Result<Self, LogError> {
        let of_thread = watchdog.clone();
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, opened) = oneshot::channel();
        let stage = stage.clone();
        let name = format!("{}-lane-{lane}", stage.stage);
        let run = move || {
            let mut lane = match Lane::open(&stage, lane, of_thread) {
                Ok(lane) => lane,
                Err(e) => {
                    let _ = ready.send(Err(e));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            while let Ok(job) = queue.recv() {
                let result = lane.commit(&job.transaction);
                let usable = matches!(
                    result,
                    Ok(_) | Err(LogError::Abort(_) | LogError::Refused { .. } | LogError::Retry(_))
                );
                let _ = job.reply.send(result);
                if !usable {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name(name)
            .spawn(run)
            .map_err(|e| LogError::Fatal(format!("no thread for the producer: {e}")))?;
        opened
            .await
            .map_err(|_| LogError::Ambiguous("the lane's thread ended".into()))??;
        Ok(Self {
            jobs,
            watchdog,
            left_after,
        })
    }

    async fn hand_in(&mut self, transaction: Transaction<Membership>) -> Result<Committed, LogError> {
        let gone = || LogError::Ambiguous("the lane's thread ended".into());
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { transaction, reply }).map_err(|_| gone())?;
        match tokio::time::timeout(self.left_after, answer).await {
            Ok(answer) => answer.map_err(|_| gone())?,
            // Its thread ends when the call does. The next producer of this lane has the same
            // transactional id: it fences this one and settles what it began.
            Err(_) => {
                self.watchdog.leave();
                let reason = format!("a transaction has not come back within {:?}", self.left_after);
                tracing::error!("{reason}: its producer is left, and a new one takes over [E14]");
                Err(LogError::Ambiguous(reason))
            }
        }
    }
}

impl Producer for KafkaProducer {
    type Membership = Membership;

    fn commit(
        &mut self,
        transaction: Transaction<Membership>,
    ) -> impl Future<Output = Result<Committed, LogError>> + Send {
        self.hand_in(transaction)
    }
}

struct Lane {
    client: TransactionalClient,
    input: Arc<str>,
}

impl Lane {
    fn open(stage: &Stage, lane: u32, watchdog: Watchdog) -> Result<Self, LogError> {
        let client = TransactionalClient::open(&stage.lane(lane), stage.changelog.clone(), watchdog)?;
        let input = stage.input.clone();
        Ok(Self { client, input })
    }

    fn commit(&mut self, transaction: &Transaction<Membership>) -> Result<Committed, LogError> {
        let records: Vec<Sent<'_>> = transaction.records.iter().map(|record| (record, None)).collect();
        let offset = |(partition, offset): &(_, _)| (self.input.clone(), *partition, *offset);
        let group = GroupOffsets {
            membership: transaction.membership.clone(),
            offsets: transaction.offsets.iter().map(offset).collect(),
        };
        self.client.commit(&records, &[group])
    }
}
