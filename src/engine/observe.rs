//! What the engine counts, under the names of the wall. Nothing here decides anything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::{counter, gauge, histogram};

use super::batch::Decision;
use super::dead_letter_log::{DeadLetterLog, Line};
use super::error::LogError;
use super::partition::Fill;
use super::ports::{Millis, Partition};
use crate::metrics::{
    BATCH_RECORDS, BATCH_TIMERS, CHANGELOG_FOREIGN_TOTAL, DEAD_LETTERS_REDRIVEN_TOTAL, DEAD_LETTERS_TOTAL,
    EVENTS_READ_TOTAL, RESTORE_RECORDS_LEFT, RESTORE_RECORDS_TOTAL, STATES_LARGE_TOTAL, STORE_LOST_TOTAL,
    STORE_READ_DURATION_SECONDS, STORE_REPLICATE_DURATION_SECONDS, TIMER_LATENESS_SECONDS,
    TIMERS_FIRED_TOTAL, TRANSACTION_DURATION_SECONDS, TRANSACTIONS_FAILED_TOTAL,
};

/// Only ever handed to one of the functions below.
pub fn begin() -> Instant {
    Instant::now()
}

pub fn committed(stage: &'static str, begun: Instant) {
    histogram!(TRANSACTION_DURATION_SECONDS, "stage" => stage).record(begun.elapsed().as_secs_f64());
}

/// By remedy.
pub fn failed(stage: &'static str, error: &LogError) {
    let reason = match error {
        LogError::Retry(_) => "retry",
        LogError::Abort(_) => "abort",
        LogError::Refused { .. } => "refused",
        LogError::Fenced(_) => "fenced",
        LogError::Ambiguous(_) => "ambiguous",
        LogError::Fatal(_) => "fatal",
    };
    counter!(TRANSACTIONS_FAILED_TOTAL, "stage" => stage, "reason" => reason).increment(1);
}

pub fn read(stage: &'static str, begun: Instant) {
    histogram!(STORE_READ_DURATION_SECONDS, "stage" => stage).record(begun.elapsed().as_secs_f64());
}

pub fn replicated(stage: &'static str, begun: Instant) {
    histogram!(STORE_REPLICATE_DURATION_SECONDS, "stage" => stage).record(begun.elapsed().as_secs_f64());
}

pub fn lost(stage: &'static str) {
    counter!(STORE_LOST_TOTAL, "stage" => stage).increment(1);
}

/// A state was written that comes near its limit.
pub fn large_state(stage: &'static str, fill: Fill) {
    counter!(STATES_LARGE_TOTAL, "stage" => stage, "reason" => fill.as_str()).increment(1);
}

/// A record of a changelog that accrual has not written.
pub fn foreign(stage: &'static str) {
    counter!(CHANGELOG_FOREIGN_TOTAL, "stage" => stage).increment(1);
}

pub fn restored(stage: &'static str, partition: Partition, read: u64, left: u64) {
    counter!(RESTORE_RECORDS_TOTAL, "stage" => stage).increment(read);
    let labels = [("stage", stage.to_string()), ("partition", partition.to_string())];
    gauge!(RESTORE_RECORDS_LEFT, &labels).set(left as f64);
}

/// Records that were refused before and are decided now.
pub fn sent_back(stage: &'static str, records: usize) {
    if records > 0 {
        counter!(DEAD_LETTERS_REDRIVEN_TOTAL, "stage" => stage).increment(records as u64);
    }
}

/// A batch that is committed and in the store.
pub fn applied<S>(stage: &'static str, partition: Partition, decision: &Decision<S>, now: Millis) {
    counter!(EVENTS_READ_TOTAL, "stage" => stage).increment(decision.taken as u64);
    histogram!(BATCH_RECORDS, "stage" => stage).record(decision.taken as f64);
    for (name, label, n) in &decision.counts {
        crate::metrics::count(name, label.clone(), *n);
    }
    for (code, last) in &decision.dead_letters {
        counter!(DEAD_LETTERS_TOTAL, "stage" => stage, "code" => *code).increment(1);
        let line = dead_letter_log().note((stage, *code), partition, last.clone(), Instant::now());
        line.iter().for_each(log_dead_letters);
    }
    if decision.timers_fired.is_empty() {
        return;
    }
    counter!(TIMERS_FIRED_TOTAL, "stage" => stage).increment(decision.timers_fired.len() as u64);
    histogram!(BATCH_TIMERS, "stage" => stage).record(decision.timers_fired.len() as f64);
    for due in &decision.timers_fired {
        histogram!(TIMER_LATENESS_SECONDS, "stage" => stage).record((now - due).max(0) as f64 / 1000.0);
    }
}

static DEAD_LETTER_LOG: Mutex<DeadLetterLog> = Mutex::new(DeadLetterLog::new());

fn dead_letter_log() -> MutexGuard<'static, DeadLetterLog> {
    DEAD_LETTER_LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs the dead letters that were only counted so far. To be called every few seconds.
pub fn log_counted_dead_letters() {
    let lines = dead_letter_log().due(Instant::now());
    lines.iter().for_each(log_dead_letters);
}

fn log_dead_letters(line: &Line) {
    let Line {
        stage,
        code,
        count,
        partition,
        last,
    } = line;
    tracing::error!(stage, code, count, partition, last, "dead letters");
}
