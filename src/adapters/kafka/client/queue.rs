//! An event queue of a consumer, read at the level of librdkafka's C interface: the safe wrapper
//! does not tell at which offset a partition ended, and behind control records that is
//! something else than the last record's offset. All other `unsafe` of the adapter is in `describe`.

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use crate::engine::error::LogError;
use crate::engine::ports::{Header, Millis, Offset, Partition, Record};

use super::context::Context;

pub type Client = BaseConsumer<Context>;

/// Header names are few: each is kept once. Bounded, for they come from outside.
const HEADER_NAMES_MAX: usize = 64;

/// What came out of a queue.
pub enum Event {
    Record(Record),
    /// Read to this offset, and there was nothing more.
    End {
        partition: Partition,
        offset: Offset,
    },
    Assign(Vec<Partition>),
    Revoke(Vec<Partition>),
    Error {
        code: RDKafkaErrorCode,
        partition: Option<Partition>,
        fatal: bool,
        reason: String,
    },
    /// Something for the log or nobody.
    Other,
}

/// A reference to a queue. Gone before its client is.
pub struct Queue {
    queue: NonNull<rd::rd_kafka_queue_t>,
    _client: Arc<Client>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// Everything a consumer has to say.
    pub fn of_consumer(client: &Arc<Client>) -> Result<Self, LogError> {
        // SAFETY: the client lives as long as the reference that the queue keeps.
        let queue = unsafe { rd::rd_kafka_queue_get_consumer(client.client().native_ptr()) };
        Self::wrap(queue, client)
    }

    /// One partition's records and ends, which then no longer come out of the consumer's queue.
    pub fn of_partition(client: &Arc<Client>, topic: &str, partition: Partition) -> Result<Self, LogError> {
        let topic = CString::new(topic).map_err(|e| LogError::Fatal(format!("topic name: {e}")))?;
        // SAFETY: as above; the name lives during the call.
        let queue = unsafe {
            rd::rd_kafka_queue_get_partition(client.client().native_ptr(), topic.as_ptr(), partition)
        };
        let queue = Self::wrap(queue, client)?;
        // SAFETY: a null destination ends forwarding.
        unsafe { rd::rd_kafka_queue_forward(queue.queue.as_ptr(), ptr::null_mut()) };
        Ok(queue)
    }

    fn wrap(queue: *mut rd::rd_kafka_queue_t, client: &Arc<Client>) -> Result<Self, LogError> {
        let queue = NonNull::new(queue).ok_or_else(|| LogError::Fatal("the consumer has no queue".into()))?;
        Ok(Self {
            queue,
            _client: client.clone(),
        })
    }

    /// The next event, waited for at most so long.
    pub fn poll(&self, wait_ms: i32, names: &mut HeaderNames) -> Option<Event> {
        // SAFETY: the queue is alive; the event is destroyed when the guard is dropped, behind
        // everything that is read out of it.
        let event = unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), wait_ms) };
        let event = Guard(NonNull::new(event)?);
        // SAFETY: the event is alive.
        let kind = unsafe { rd::rd_kafka_event_type(event.ptr()) };
        Some(match kind {
            rd::RD_KAFKA_EVENT_FETCH => event.record(names).map_or(Event::Other, Event::Record),
            rd::RD_KAFKA_EVENT_ERROR => event.error(),
            rd::RD_KAFKA_EVENT_REBALANCE => event.rebalance(),
            rd::RD_KAFKA_EVENT_LOG => {
                event.log();
                Event::Other
            }
            _ => Event::Other,
        })
    }

    /// Makes a waiting `poll` return.
    pub fn wake(&self) {
        // SAFETY: the queue is alive.
        unsafe { rd::rd_kafka_queue_yield(self.queue.as_ptr()) };
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: our own reference, used by nobody any more; the client is still alive.
        unsafe { rd::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// The member's metadata, if it is that of a member: one kicked out has generation −1, and the
/// broker would take it for somebody without a group (E6).
pub fn membership<C: ConsumerContext>(client: &BaseConsumer<C>) -> Option<ConsumerGroupMetadata> {
    // SAFETY: the client is alive; the copy is destroyed below.
    let generation = unsafe {
        let copy = rd::rd_kafka_consumer_group_metadata(client.client().native_ptr());
        if copy.is_null() {
            return None;
        }
        let generation = rd::rd_kafka_consumer_group_metadata_generation_id(copy);
        rd::rd_kafka_consumer_group_metadata_destroy(copy);
        generation
    };
    if generation < 0 {
        return None;
    }
    client.group_metadata()
}

/// Each header name once.
#[derive(Default)]
pub struct HeaderNames(Vec<Arc<str>>);

impl HeaderNames {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        if self.0.len() < HEADER_NAMES_MAX {
            self.0.push(name.clone());
        }
        name
    }
}

struct Guard(NonNull<rd::rd_kafka_event_t>);

impl Guard {
    fn ptr(&self) -> *mut rd::rd_kafka_event_t {
        self.0.as_ptr()
    }

    fn record(&self, names: &mut HeaderNames) -> Option<Record> {
        // SAFETY: the message belongs to the event, which outlives this call; librdkafka's
        // pointers and lengths go together, and a null pointer is a null key or value.
        unsafe {
            let message = rd::rd_kafka_event_message_next(self.ptr()).as_ref()?;
            let key = view(message.key, message.key_len);
            let value = view(message.payload, message.len);
            let headers = headers(message);
            let held = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
            let size = held(key) + held(value) + headers.iter().map(|(_, v)| held(*v)).sum::<usize>();

            // One allocation holds all bytes of a record.
            let mut all = Vec::with_capacity(size);
            let mut push = |bytes: Option<&[u8]>| {
                bytes.map(|bytes| {
                    all.extend_from_slice(bytes);
                    all.len() - bytes.len()..all.len()
                })
            };
            let key = push(key);
            let value = push(value);
            let headers: Vec<_> = headers
                .into_iter()
                .map(|(name, value)| (names.get(&name.to_string_lossy()), push(value)))
                .collect();
            let all = Bytes::from(all);
            Some(Record {
                partition: message.partition,
                offset: message.offset,
                timestamp: timestamp(message),
                key: key.map(|range| all.slice(range)),
                value: value.map(|range| all.slice(range)),
                headers: headers
                    .into_iter()
                    .map(|(name, range)| -> Header { (name, range.map(|range| all.slice(range))) })
                    .collect(),
            })
        }
    }

    fn error(&self) -> Event {
        // SAFETY: the event is alive; the partition is destroyed after its fields are copied.
        unsafe {
            let code = RDKafkaErrorCode::from(rd::rd_kafka_event_error(self.ptr()));
            let place = rd::rd_kafka_event_topic_partition(self.ptr());
            let place = NonNull::new(place).map(|place| {
                let copied = (place.as_ref().partition, place.as_ref().offset);
                rd::rd_kafka_topic_partition_destroy(place.as_ptr());
                copied
            });
            match place {
                Some((partition, offset)) if code == RDKafkaErrorCode::PartitionEOF => {
                    Event::End { partition, offset }
                }
                _ => Event::Error {
                    code,
                    partition: place.map(|(partition, _)| partition),
                    fatal: rd::rd_kafka_event_error_is_fatal(self.ptr()) != 0,
                    reason: text(rd::rd_kafka_event_error_string(self.ptr())),
                },
            }
        }
    }

    fn rebalance(&self) -> Event {
        // SAFETY: the list belongs to the event and is only read.
        unsafe {
            let list = rd::rd_kafka_event_topic_partition_list(self.ptr());
            let partitions = list.as_ref().map_or_else(Vec::new, |list| {
                let count = usize::try_from(list.cnt).unwrap_or(0);
                (0..count).map(|i| (*list.elems.add(i)).partition).collect()
            });
            match rd::rd_kafka_event_error(self.ptr()) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assign(partitions),
                _ => Event::Revoke(partitions),
            }
        }
    }

    fn log(&self) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the strings belong to the event and are copied.
        unsafe {
            if rd::rd_kafka_event_log(self.ptr(), &mut facility, &mut line, &mut level) == 0 {
                super::context::log_line(level, &text(facility), &text(line));
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: ours alone, and destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.ptr()) };
    }
}

/// SAFETY: `data` is null or points to `len` bytes that live as long as the event they came with.
unsafe fn view<'a>(data: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    NonNull::new(data.cast_mut()).map(|data| unsafe { slice::from_raw_parts(data.as_ptr().cast(), len) })
}

/// SAFETY: the message is alive, and what is returned is used only while it is.
unsafe fn headers<'a>(message: &rd::rd_kafka_message_t) -> Vec<(&'a CStr, Option<&'a [u8]>)> {
    let mut found = Vec::new();
    // SAFETY: the list and all in it belong to the message.
    unsafe {
        let mut list = ptr::null_mut();
        if rd::rd_kafka_message_headers(message, &mut list) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return found;
        }
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        while rd::rd_kafka_header_get_all(list, found.len(), &mut name, &mut value, &mut len)
            == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            found.push((CStr::from_ptr(name), view(value, len)));
        }
    }
    found
}

/// SAFETY: the message is alive.
unsafe fn timestamp(message: &rd::rd_kafka_message_t) -> Option<Millis> {
    let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the caller's promise.
    let at = unsafe { rd::rd_kafka_message_timestamp(message, &mut kind) };
    (kind != rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && at >= 0).then_some(at)
}

/// SAFETY: null, or a string that lives during the call.
unsafe fn text(string: *const std::ffi::c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string).to_string_lossy().trim().to_owned() }
}
