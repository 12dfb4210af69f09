//! Rights of Kafka's users, as Strimzi's resources list them, given and taken away by Kafka's admin
//! protocol: the safe wrapper has no calls for them.

use std::ffi::{CStr, CString, c_char};
use std::fs;
use std::path::Path;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr;
use saphyr::{LoadableYamlNode, Yaml};

use super::servers::{Kafka, wait_for};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANY_HOST: &CStr = c"*";

/// One right of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub user: String,
    /// `topic`, `group` or `transactionalId`
    pub kind: String,
    pub name: String,
    /// Of everything whose name begins so.
    pub prefix: bool,
    pub operation: String,
}

impl Acl {
    /// Everything that a file of Strimzi's users grants.
    pub fn of_strimzi(path: &Path) -> Vec<Acl> {
        let text = fs::read_to_string(path).expect("users");
        let users = Yaml::load_from_str(&text).expect("YAML documents");
        users.iter().flat_map(rights).collect()
    }
}

fn text(value: &Yaml<'_>) -> String {
    value.as_str().expect("a text").to_owned()
}

fn rights(user: &Yaml<'_>) -> Vec<Acl> {
    let acls = user["spec"]["authorization"]["acls"].as_sequence();
    let rights = acls.expect("rights").iter().flat_map(|acl| {
        let resource = &acl["resource"];
        let operations = acl["operations"].as_sequence().expect("operations");
        operations.iter().map(|operation| Acl {
            user: text(&user["metadata"]["name"]),
            kind: text(&resource["type"]),
            name: text(&resource["name"]),
            prefix: text(&resource["patternType"]) == "prefix",
            operation: text(operation),
        })
    });
    rights.collect()
}

/// Gives rights and takes them away, and waits until the broker goes by them.
pub struct Rights {
    client: BaseConsumer,
}

type Made<T> = unsafe extern "C" fn(
    rd::rd_kafka_ResourceType_t,
    *const c_char,
    rd::rd_kafka_ResourcePatternType_t,
    *const c_char,
    *const c_char,
    rd::rd_kafka_AclOperation_t,
    rd::rd_kafka_AclPermissionType_t,
    *mut c_char,
    usize,
) -> *mut T;

impl Rights {
    /// By a client that may do so.
    pub fn new(kafka: &Kafka) -> Rights {
        let client = kafka.client().create().expect("a client");
        Rights { client }
    }

    pub fn give(&self, acls: &[Acl]) {
        let bindings = acls.iter().map(|acl| made(acl, rd::rd_kafka_AclBinding_new));
        let mut bindings: Vec<_> = bindings.collect();
        let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS;
        // SAFETY: everything lives during the calls; the results belong to the event.
        self.ask(
            operation,
            |client, options, queue| unsafe {
                rd::rd_kafka_CreateAcls(client, bindings.as_mut_ptr(), bindings.len(), options, queue);
            },
            |event| unsafe {
                let mut count = 0;
                let result = rd::rd_kafka_event_CreateAcls_result(event);
                let results = rd::rd_kafka_CreateAcls_result_acls(result, &mut count);
                assert_eq!(count, acls.len(), "an answer for each");
                for (index, acl) in acls.iter().enumerate() {
                    let error = rd::rd_kafka_acl_result_error(*results.add(index));
                    assert!(error.is_null(), "not given: {acl:?}");
                }
            },
        );
        // SAFETY: ours alone, and destroyed once.
        bindings
            .into_iter()
            .for_each(|binding| unsafe { rd::rd_kafka_AclBinding_destroy(binding) });
        self.wait(acls, true);
    }

    pub fn take(&self, acls: &[Acl]) {
        let filters = acls
            .iter()
            .map(|acl| made(acl, rd::rd_kafka_AclBindingFilter_new));
        let mut filters: Vec<_> = filters.collect();
        let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEACLS;
        // SAFETY: everything lives during the calls.
        self.ask(
            operation,
            |client, options, queue| unsafe {
                rd::rd_kafka_DeleteAcls(client, filters.as_mut_ptr(), filters.len(), options, queue);
            },
            |_| {},
        );
        // SAFETY: ours alone, and destroyed once.
        filters
            .into_iter()
            .for_each(|filter| unsafe { rd::rd_kafka_AclBinding_destroy(filter) });
        self.wait(acls, false);
    }

    /// A broker goes by what was changed a little after the change.
    fn wait(&self, acls: &[Acl], given: bool) {
        for acl in acls {
            wait_for(&format!("{acl:?} to be given: {given}"), ANSWER_TIMEOUT, || {
                self.is_given(acl) == given
            });
        }
    }

    fn is_given(&self, acl: &Acl) -> bool {
        let filter = made(acl, rd::rd_kafka_AclBindingFilter_new);
        let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS;
        let mut count = 0;
        // SAFETY: everything lives during the calls; the filter is destroyed once.
        self.ask(
            operation,
            |client, options, queue| unsafe { rd::rd_kafka_DescribeAcls(client, filter, options, queue) },
            |event| unsafe {
                let result = rd::rd_kafka_event_DescribeAcls_result(event);
                rd::rd_kafka_DescribeAcls_result_acls(result, &mut count);
            },
        );
        unsafe { rd::rd_kafka_AclBinding_destroy(filter) };
        count > 0
    }

    fn ask(
        &self,
        operation: rd::rd_kafka_admin_op_t,
        send: impl FnOnce(*mut rd::rd_kafka_t, *const rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t),
        read: impl FnOnce(*mut rd::rd_kafka_event_t),
    ) {
        let timeout = i32::try_from(ANSWER_TIMEOUT.as_millis()).expect("a short time");
        // SAFETY: the client outlives all that is made of it here and destroyed here, each once.
        unsafe {
            let client = self.client.client().native_ptr();
            let queue = rd::rd_kafka_queue_new(client);
            let options = rd::rd_kafka_AdminOptions_new(client, operation);
            send(client, options, queue);
            rd::rd_kafka_AdminOptions_destroy(options);
            let event = rd::rd_kafka_queue_poll(queue, timeout);
            assert!(!event.is_null(), "no answer about rights");
            let why = CStr::from_ptr(rd::rd_kafka_event_error_string(event)).to_string_lossy();
            let code = rd::rd_kafka_event_error(event);
            assert_eq!(code, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "{why}");
            read(event);
            rd::rd_kafka_event_destroy(event);
            rd::rd_kafka_queue_destroy(queue);
        }
    }
}

fn made<T>(acl: &Acl, make: Made<T>) -> *mut T {
    use rd::rd_kafka_AclOperation_t as Operation;
    use rd::rd_kafka_ResourceType_t as Kind;
    let kind = match acl.kind.as_str() {
        "topic" => Kind::RD_KAFKA_RESOURCE_TOPIC,
        "group" => Kind::RD_KAFKA_RESOURCE_GROUP,
        "transactionalId" => Kind::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        other => panic!("a resource of type {other}"),
    };
    let pattern = match acl.prefix {
        true => rd::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
        false => rd::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
    };
    let operation = match acl.operation.as_str() {
        "Read" => Operation::RD_KAFKA_ACL_OPERATION_READ,
        "Write" => Operation::RD_KAFKA_ACL_OPERATION_WRITE,
        "Create" => Operation::RD_KAFKA_ACL_OPERATION_CREATE,
        "Describe" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE,
        "DescribeConfigs" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
        other => panic!("an operation {other}"),
    };
    let name = CString::new(acl.name.as_str()).expect("no NUL");
    let principal = CString::new(format!("User:{}", acl.user)).expect("no NUL");
    let mut why = [0; 256];
    // SAFETY: the texts live during the call, which copies them.
    let made = unsafe {
        make(
            kind,
            name.as_ptr(),
            pattern,
            principal.as_ptr(),
            ANY_HOST.as_ptr(),
            operation,
            rd::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            why.as_mut_ptr(),
            why.len(),
        )
    };
    assert!(!made.is_null(), "{acl:?}");
    made
}
