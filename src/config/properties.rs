//! The table that is handed to librdkafka, less what the protocol depends on.

use std::collections::BTreeMap;
use std::fmt;

/// Properties that accrual sets itself, each with what to do instead.
const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("group.id", "set application_id"),
    ("group.instance.id", "set instance_id"),
    ("group.protocol", LEAVE),
    ("group.remote.assignor", LEAVE),
    ("client.id", "set instance_id"),
    ("transactional.id", "set application_id and instance_id"),
    ("transaction.timeout.ms", LEAVE),
    ("session.timeout.ms", LEAVE),
    ("max.poll.interval.ms", LEAVE),
    ("heartbeat.interval.ms", LEAVE),
    ("message.timeout.ms", LEAVE),
    ("delivery.timeout.ms", LEAVE),
    ("partition.assignment.strategy", LEAVE),
    ("enable.idempotence", LEAVE),
    ("enable.gapless.guarantee", LEAVE),
    ("max.in.flight", LEAVE),
    ("max.in.flight.requests.per.connection", LEAVE),
    ("acks", LEAVE),
    ("request.required.acks", LEAVE),
    ("retries", LEAVE),
    ("message.send.max.retries", LEAVE),
    ("enable.auto.commit", LEAVE),
    ("auto.commit.enable", LEAVE),
    ("enable.auto.offset.store", LEAVE),
    ("auto.offset.reset", LEAVE),
    ("isolation.level", LEAVE),
    ("enable.partition.eof", LEAVE),
    ("check.crcs", LEAVE),
    ("partitioner", "set topics.partitioner to what the producers use"),
    ("allow.auto.create.topics", "run `accrual topics create`"),
    ("message.max.bytes", LEAVE),
    ("batch.size", LEAVE),
    ("batch.num.messages", LEAVE),
    ("test.mock.num.brokers", LEAVE),
];

const LEAVE: &str = "leave it out: exactly-once depends on accrual's own value";

/// What to do instead of setting a reserved property.
pub fn reserved(name: &str) -> Option<&'static str> {
    RESERVED
        .iter()
        .find(|(reserved, _)| *reserved == name)
        .map(|(_, remedy)| *remedy)
}

/// Whether a property's value must not be shown.
pub fn is_secret(name: &str) -> bool {
    [
        "password",
        "passphrase",
        "secret",
        "pem",
        "jaas",
        "oauthbearer.config",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// librdkafka properties by name. `Debug` redacts the secret ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    pub fn insert(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// Whether a text holds a secret one, or a word of it.
    pub fn are_told_by(&self, text: &str) -> bool {
        let secrets = self.0.iter().filter(|(name, _)| is_secret(name));
        let mut words = secrets.flat_map(|(_, value)| value.split([' ', ',', '=', '\n']));
        words.any(|word| !word.is_empty() && text.contains(word))
    }

    /// Names and values, secrets included, for the client alone.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if is_secret(name) {
                "[redacted]"
            } else {
                value.as_str()
            };
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}
