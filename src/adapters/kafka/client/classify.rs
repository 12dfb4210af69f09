//! Errors of librdkafka into remedies (E14): by code and flag, never by text.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::engine::error::LogError;

/// What is to be done about an error within a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Abort; the batch is decided again.
    Abort,
    /// Abort; the group has given the partitions to somebody else.
    AbortAndRejoin,
    /// Abort; no retry can help.
    AbortAndStop,
    /// The transactional id has a new user: nothing can be done, nor need be.
    Fenced,
    /// It may have happened or not.
    Unknown,
    /// The producer is dead and no retry can help.
    Stop,
}

/// The remedy for an error of a transactional call. `fatal` is the client's own first fatal error.
pub fn transactional(error: &KafkaError, fatal: Option<Code>) -> Remedy {
    let code = error.rdkafka_error_code();
    let (is_fatal, abortable) = match error {
        KafkaError::Transaction(e) => (e.is_fatal(), e.txn_requires_abort()),
        _ => (code == Some(Code::Fatal), false),
    };
    if is_fatal {
        // Code::Fatal only says that there was one.
        let cause = code.filter(|code| *code != Code::Fatal).or(fatal);
        return match cause {
            Some(code) if is_fenced(code) => Remedy::Fenced,
            Some(code) if is_hopeless(code) => Remedy::Stop,
            _ => Remedy::Unknown,
        };
    }
    match code {
        Some(code) if abortable && is_lost_membership(code) => Remedy::AbortAndRejoin,
        Some(code) if abortable && is_hopeless(code) => Remedy::AbortAndStop,
        _ if abortable => Remedy::Abort,
        _ => Remedy::Unknown,
    }
}

/// The remedy for a record that was not delivered.
pub fn delivery(code: Code, fatal: Option<Code>) -> Remedy {
    match fatal {
        Some(cause) if is_fenced(cause) => Remedy::Fenced,
        Some(cause) if is_hopeless(cause) => Remedy::Stop,
        Some(_) => Remedy::Unknown,
        None if is_hopeless(code) || is_unknown_place(code) => Remedy::AbortAndStop,
        None => Remedy::Abort,
    }
}

/// The record itself can never be written, whatever is tried.
pub fn is_refusal(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidRecord)
}

/// The code of an error, also where the client's own function has none.
pub fn code_of(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// An error of a call that changes nothing: worth a retry, or hopeless.
pub fn reading(what: &str, error: &KafkaError) -> LogError {
    match code_of(error) {
        Some(code) => reading_code(what, code),
        None => match error {
            // What librdkafka says of a property may hold its value.
            KafkaError::ClientConfig(_, _, name, _) => {
                LogError::Fatal(format!("{what}: librdkafka does not take {name}"))
            }
            KafkaError::ClientCreation(_) | KafkaError::Nul(_) => LogError::Fatal(format!("{what}: {error}")),
            _ => LogError::Retry(format!("{what}: {error}")),
        },
    }
}

pub fn reading_code(what: &str, code: Code) -> LogError {
    if code == Code::AutoOffsetReset || code == Code::OffsetOutOfRange {
        LogError::Fatal(format!(
            "{what}: the offset to go on from is not in the log [E12]"
        ))
    } else if is_hopeless(code) || is_fenced(code) {
        LogError::Fatal(format!("{what}: {code}"))
    } else {
        // Also a partition that nobody knows: every topic was there at the start, and a broker
        // that is just starting knows of none. If it was deleted, the next write says so.
        LogError::Retry(format!("{what}: {code}"))
    }
}

fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId
    )
}

fn is_lost_membership(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::RebalanceInProgress
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
    )
}

fn is_unknown_place(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::InvalidTopic
    )
}

/// Rights, versions and settings: somebody has to change something first. Not `Authentication`: so librdkafka
/// also calls a connection that breaks during its login, as when a broker restarts, and it connects again.
fn is_hopeless(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedSASLMechanism
            | Code::InvalidTransactionTimeout
            | Code::InvalidRequiredAcks
            | Code::InvalidConfig
            | Code::InconsistentGroupProtocol
            | Code::PolicyViolation
            | Code::InvalidGroupId
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_a_starting_broker_cannot_answer_is_asked_again() {
        for (code, again) in [
            (Code::UnknownPartition, true),
            (Code::UnknownTopicOrPartition, true),
            (Code::LeaderNotAvailable, true),
            (Code::Authentication, true),
            (Code::TopicAuthorizationFailed, false),
            (Code::OffsetOutOfRange, false),
        ] {
            let error = reading_code("bounds", code);
            assert_eq!(matches!(error, LogError::Retry(_)), again, "{code:?}: {error}");
        }
    }

    #[test]
    fn a_delivery_failure_has_the_remedy_of_its_cause() {
        let rows = [
            (Code::MessageTimedOut, None, Remedy::Abort),
            (Code::NotEnoughReplicas, None, Remedy::Abort),
            (Code::TopicAuthorizationFailed, None, Remedy::AbortAndStop),
            (Code::UnknownTopicOrPartition, None, Remedy::AbortAndStop),
            (Code::PurgeQueue, Some(Code::ProducerFenced), Remedy::Fenced),
            (
                Code::PurgeQueue,
                Some(Code::OutOfOrderSequenceNumber),
                Remedy::Unknown,
            ),
            (
                Code::PurgeQueue,
                Some(Code::ClusterAuthorizationFailed),
                Remedy::Stop,
            ),
        ];
        for (code, fatal, remedy) in rows {
            assert_eq!(delivery(code, fatal), remedy, "{code:?} {fatal:?}");
        }
    }

    #[test]
    fn an_error_without_flags_leaves_the_outcome_open() {
        let rows = [
            (KafkaError::Flush(Code::OperationTimedOut), None, Remedy::Unknown),
            (
                KafkaError::Global(Code::Fatal),
                Some(Code::Fenced),
                Remedy::Fenced,
            ),
            (KafkaError::Global(Code::Fatal), None, Remedy::Unknown),
            (KafkaError::Canceled, None, Remedy::Unknown),
        ];
        for (error, fatal, remedy) in rows {
            assert_eq!(transactional(&error, fatal), remedy, "{error}");
        }
    }
}
