//! Names the right that is missing where Kafka refuses something for want of one: Kafka itself only
//! says of what kind it is.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::engine::error::LogError;

use super::classify;

/// A right that a call needs, in the words of Kafka's ACLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// What a broker says when it is missing.
    refusal: Code,
    operation: &'static str,
    resource: String,
}

impl Right {
    pub fn topic(operation: &'static str, name: &str) -> Self {
        Self {
            refusal: Code::TopicAuthorizationFailed,
            operation,
            resource: format!("topic {name}"),
        }
    }

    pub fn group(operation: &'static str, name: &str) -> Self {
        Self {
            refusal: Code::GroupAuthorizationFailed,
            operation,
            resource: format!("group {name}"),
        }
    }

    pub fn transactional_id(operation: &'static str, id: &str) -> Self {
        Self {
            refusal: Code::TransactionalIdAuthorizationFailed,
            operation,
            resource: format!("transactional id {id}"),
        }
    }

    pub fn is_refused_by(&self, code: Code) -> bool {
        self.refusal == code
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.operation, self.resource)?;
        match self.operation {
            "Describe" => f.write_str(" (Read and Write include it)"),
            _ => Ok(()),
        }
    }
}

/// What to add to a message; empty where none of these rights is missing.
pub fn missing<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    let rights: Vec<String> = rights.into_iter().map(Right::to_string).collect();
    match rights.is_empty() {
        true => String::new(),
        false => format!("; Kafka's user needs the right {}", rights.join(", ")),
    }
}

/// As [`classify::reading`], with which of the rights that the call needs is missing.
pub fn reading(what: &str, error: &KafkaError, needs: &[Right]) -> LogError {
    match classify::code_of(error) {
        Some(code) => reading_code(what, code, needs),
        None => classify::reading(what, error),
    }
}

/// The same of a code.
pub fn reading_code(what: &str, code: Code, needs: &[Right]) -> LogError {
    let refused = needs.iter().filter(|right| right.is_refused_by(code));
    match (missing(refused), classify::reading_code(what, code)) {
        (missing, LogError::Fatal(reason)) => LogError::Fatal(reason + &missing),
        (_, error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_rights_that_a_call_needs_the_refused_one_is_named() {
        let needs = [Right::topic("Read", "t"), Right::group("Read", "g")];
        let said = |code| reading_code("reading", code, &needs).to_string();
        let topic = said(Code::TopicAuthorizationFailed);
        assert!(
            topic.ends_with("; Kafka's user needs the right Read on topic t"),
            "{topic}"
        );
        let group = said(Code::GroupAuthorizationFailed);
        assert!(
            group.ends_with("; Kafka's user needs the right Read on group g"),
            "{group}"
        );
        for code in [Code::Authentication, Code::LeaderNotAvailable] {
            assert!(!said(code).contains("needs the right"), "{}", said(code));
        }
    }
}
