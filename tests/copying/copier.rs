//! A process that copies: reads the input, writes each record to the same partition of the output
//! and commits the offset, in transactions, with nothing but the Kafka adapter. Some transactions
//! are made to fail. Runs until SIGTERM.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use accrual::adapters::kafka::{Cluster, KafkaInput, KafkaLog, KafkaProducer, Membership, Overrun, Stage};
use accrual::engine::error::LogError;
use accrual::engine::ports::{
    Input, InputEvent, Log, OutRecord, Partition, Position, Producer, Record, Transaction,
};
use bytes::Bytes;
use rand::RngExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Records of one transaction.
const TRANSACTION_RECORDS: usize = 100;
/// One transaction in so many holds a record that nobody takes.
const FAILS_ONE_IN: u32 = 12;
const TOO_LARGE_BYTES: usize = 17 * 1024 * 1024;
const REJOIN_BACKOFF: std::time::Duration = std::time::Duration::from_millis(200);

/// What a copier is started with, in the order of its arguments.
pub struct Job {
    pub brokers: String,
    pub application: String,
    pub instance: String,
    pub input: String,
    pub output: String,
}

impl Job {
    pub fn arguments(&self) -> [&str; 5] {
        [
            &self.brokers,
            &self.application,
            &self.instance,
            &self.input,
            &self.output,
        ]
    }

    pub fn from_arguments(words: &[String]) -> Job {
        let [brokers, application, instance, input, output] = words else {
            panic!("five words, not {words:?}");
        };
        let [brokers, application, instance, input, output] =
            [brokers, application, instance, input, output].map(String::clone);
        Job {
            brokers,
            application,
            instance,
            input,
            output,
        }
    }
}

pub fn run(job: &Job) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.expect("a runtime").block_on(copy(job)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", job.instance);
            ExitCode::FAILURE
        }
    }
}

async fn copy(job: &Job) -> Result<(), LogError> {
    let stage = Stage {
        cluster: Cluster::new(job.brokers.clone(), BTreeMap::new()),
        application: job.application.clone(),
        stage: "copy".into(),
        instance: job.instance.clone(),
        input: job.input.as_str().into(),
        changelog: None,
    };
    let log = KafkaLog::new(stage, Overrun::end_process())?;
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
    loop {
        let mut copier = Copier {
            input: log.join().await?,
            log: &log,
            output: job.output.as_str().into(),
            producer: None,
            membership: None,
        };
        let ended = copier.serve(&mut terminate).await;
        copier.input.leave().await;
        match ended {
            Ok(()) => return Ok(()),
            Err(LogError::Fatal(reason)) => return Err(LogError::Fatal(reason)),
            Err(error) => eprintln!("{}: {error}; joining again", job.instance),
        }
        tokio::time::sleep(REJOIN_BACKOFF).await;
    }
}

struct Copier<'a> {
    log: &'a KafkaLog,
    input: KafkaInput,
    output: Arc<str>,
    producer: Option<KafkaProducer>,
    membership: Option<Membership>,
}

impl Copier<'_> {
    /// Until SIGTERM, or until the membership is over.
    async fn serve(&mut self, terminate: &mut Signal) -> Result<(), LogError> {
        loop {
            let event = tokio::select! {
                _ = terminate.recv() => return Ok(()),
                event = self.input.next() => event?,
            };
            match event {
                InputEvent::Assigned {
                    partitions,
                    membership,
                } => {
                    self.membership = Some(membership);
                    self.begin(&partitions).await?;
                }
                // Between two transactions: there is nothing to let go of.
                InputEvent::Revoked { done, .. } => drop(done),
                InputEvent::Records(records) => {
                    for chunk in records.chunks(TRANSACTION_RECORDS) {
                        self.transact(chunk).await?;
                    }
                }
                InputEvent::End { .. } => {}
            }
        }
    }

    /// From where the group has stably got to, once what this name left open is resolved.
    async fn begin(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.producer = Some(self.log.producer(0).await?);
        for &partition in partitions {
            let committed = self.log.committed(partition).await?;
            let from = match committed {
                Some(committed) => committed.offset,
                None => self.log.input_bounds(partition).await?.start,
            };
            self.input.start(partition, from).await?;
        }
        Ok(())
    }

    /// Copies these, however often it takes. An error: the membership is to be given up, and with
    /// it the producer.
    async fn transact(&mut self, records: &[Record]) -> Result<(), LogError> {
        let mut fails = rand::rng().random_ratio(1, FAILS_ONE_IN);
        loop {
            let (Some(producer), Some(membership)) = (&mut self.producer, &self.membership) else {
                return Err(LogError::Fatal("records before an assignment".into()));
            };
            let mut copies: Vec<OutRecord> = records
                .iter()
                .map(|record| copied(&self.output, record))
                .collect();
            if fails {
                copies.push(refused(&copies));
            }
            let offsets: BTreeMap<_, _> = records
                .iter()
                .map(|record| (record.partition, after(record)))
                .collect();
            let transaction = Transaction {
                records: copies,
                offsets: offsets.into_iter().collect(),
                membership: membership.clone(),
            };
            match producer.commit(transaction).await {
                Ok(_) => return Ok(()),
                // Nothing of it has happened.
                Err(LogError::Abort(_) | LogError::Retry(_) | LogError::Refused { .. }) => fails = false,
                Err(error) => return Err(error),
            }
        }
    }
}

fn copied(output: &Arc<str>, record: &Record) -> OutRecord {
    OutRecord {
        topic: output.clone(),
        partition: Some(record.partition),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: Vec::new(),
    }
}

fn refused(copies: &[OutRecord]) -> OutRecord {
    OutRecord {
        value: Some(Bytes::from(vec![0; TOO_LARGE_BYTES])),
        ..copies[0].clone()
    }
}

/// The position behind a record.
fn after(record: &Record) -> Position {
    Position {
        offset: record.offset + 1,
        topic: None,
    }
}
