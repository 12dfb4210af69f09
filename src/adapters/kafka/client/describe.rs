//! Identity and size of topics, by one request: the safe wrapper has no DescribeTopics.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::bindings as rd;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafkaRespErr;

use crate::engine::error::LogError;
use crate::engine::ports::{Partition, TopicId};

use super::reach;
use super::rights::{self, Right};
use super::settings::QUERY_TIMEOUT_MS;

/// A topic as the brokers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// `None`: the brokers are older than topic ids.
    pub id: Option<TopicId>,
    pub partitions: Partition,
}

/// Describes topics; those that do not exist are left out. Blocks, at most for the query's bound.
pub fn describe<C: ClientContext>(
    client: &Client<C>,
    config: &ClientConfig,
    topics: &[&str],
) -> Result<BTreeMap<String, Description>, LogError> {
    let event = ask(client, topics, false)?;
    let failed = |code: RDKafkaRespErr| reach::asking_code("describing topics", config, Code::from(code));
    // SAFETY: the event is alive until the end of this function, and everything below belongs to it
    // and is copied.
    unsafe {
        let code = rd::rd_kafka_event_error(event.0.as_ptr());
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(failed(code));
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        if result.is_null() {
            return Err(LogError::Retry("describing topics: no result".into()));
        }
        let mut count = 0;
        let list = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let mut found = BTreeMap::new();
        for topic in items(list, count) {
            let name = CStr::from_ptr(rd::rd_kafka_TopicDescription_name(*topic));
            let name = name.to_string_lossy().into_owned();
            let error = rd::rd_kafka_TopicDescription_error(*topic);
            match error.is_null() {
                true => {}
                false => match Code::from(rd::rd_kafka_error_code(error)) {
                    Code::NoError => {}
                    Code::UnknownTopicOrPartition | Code::UnknownTopic => continue,
                    code => {
                        let needs = [Right::topic("Describe", &name)];
                        return Err(rights::reading_code(&name, code, &needs));
                    }
                },
            }
            let mut partitions = 0;
            rd::rd_kafka_TopicDescription_partitions(*topic, &mut partitions);
            let description = Description {
                id: id(rd::rd_kafka_TopicDescription_topic_id(*topic)),
                partitions: Partition::try_from(partitions).unwrap_or(Partition::MAX),
            };
            found.insert(name, description);
        }
        Ok(found)
    }
}

/// Topics on which the client's user has not the right to write, as far as Kafka says. Blocks, at most for
/// the query's bound.
pub fn unwritable<C: ClientContext>(client: &Client<C>, topics: &[&str]) -> Vec<String> {
    let Ok(event) = ask(client, topics, true) else {
        return Vec::new();
    };
    // SAFETY: the event is alive until the end of this function, and everything below belongs to it
    // and is copied.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        if result.is_null() {
            return Vec::new();
        }
        let mut count = 0;
        let list = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let mut found = Vec::new();
        for topic in items(list, count) {
            let error = rd::rd_kafka_TopicDescription_error(*topic);
            // Null is no error, and a null list one that was not asked for.
            let hidden = Code::from(rd::rd_kafka_error_code(error)) == Code::TopicAuthorizationFailed;
            let mut count = 0;
            let operations = rd::rd_kafka_TopicDescription_authorized_operations(*topic, &mut count);
            let write = rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE;
            let known = !operations.is_null();
            if hidden || (known && !items(operations.cast_mut(), count).contains(&write)) {
                let name = CStr::from_ptr(rd::rd_kafka_TopicDescription_name(*topic));
                found.push(name.to_string_lossy().into_owned());
            }
        }
        found
    }
}

/// Sends the request and waits for its answer, for a bounded time.
fn ask<C: ClientContext>(client: &Client<C>, topics: &[&str], with_rights: bool) -> Result<Event, LogError> {
    let names: Result<Vec<CString>, _> = topics.iter().map(|topic| CString::new(*topic)).collect();
    let names = names.map_err(|e| LogError::Fatal(format!("topic name: {e}")))?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout = i32::try_from(QUERY_TIMEOUT_MS).unwrap_or(i32::MAX);
    // SAFETY: the client is alive during the call; names and options are copied by librdkafka before
    // they are destroyed here; the queue is destroyed by its guard, once.
    unsafe {
        let client = client.native_ptr();
        let queue = NonNull::new(rd::rd_kafka_queue_new(client));
        let queue = Queue(queue.ok_or_else(|| LogError::Retry("describing topics: no queue".into()))?);
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options =
            rd::rd_kafka_AdminOptions_new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        rd::rd_kafka_AdminOptions_set_request_timeout(options, timeout, ptr::null_mut(), 0);
        if with_rights {
            rd::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        }
        rd::rd_kafka_DescribeTopics(client, collection, options, queue.0.as_ptr());
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_TopicCollection_destroy(collection);
        // A little longer than the request itself may take.
        let event = rd::rd_kafka_queue_poll(queue.0.as_ptr(), timeout.saturating_add(1_000));
        let event = NonNull::new(event).map(Event);
        event.ok_or_else(|| LogError::Retry("describing topics: no answer".into()))
    }
}

struct Queue(NonNull<rd::rd_kafka_queue_t>);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours alone, and destroyed once; its client is still borrowed.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

struct Event(NonNull<rd::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours alone, and destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// SAFETY: `list` is null or points to `count` items that outlive the borrow.
unsafe fn items<'a, T>(list: *mut T, count: usize) -> &'a [T] {
    match list.is_null() {
        true => &[],
        // SAFETY: the caller's promise.
        false => unsafe { slice::from_raw_parts(list, count) },
    }
}

/// SAFETY: null, or an id that lives during the call.
unsafe fn id(id: *const rd::rd_kafka_Uuid_t) -> Option<TopicId> {
    if id.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let (high, low) = unsafe {
        (
            rd::rd_kafka_Uuid_most_significant_bits(id),
            rd::rd_kafka_Uuid_least_significant_bits(id),
        )
    };
    TopicId::from_halves(high as u64, low as u64)
}
