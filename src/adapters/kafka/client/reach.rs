//! Why no broker answers, found out by connecting to them: librdkafka only says that none does.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::engine::error::LogError;

use super::classify;

const DEFAULT_PORT: u16 = 9092;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Brokers that are tried.
const TRIED_MAX_COUNT: usize = 3;

/// As [`classify::reading`], with the brokers that were asked. Blocking: connects to them.
pub fn asking(what: &str, config: &ClientConfig, error: &KafkaError) -> LogError {
    match classify::code_of(error) {
        Some(code) => asking_code(what, config, code),
        None => classify::reading(what, error),
    }
}

/// The same of a code.
pub fn asking_code(what: &str, config: &ClientConfig, code: Code) -> LogError {
    let unreached = [
        Code::BrokerTransportFailure,
        Code::AllBrokersDown,
        Code::OperationTimedOut,
        Code::Resolve,
    ];
    match unreached.contains(&code) {
        true => classify::reading_code(&format!("{what}, {}", unanswered(config)), code),
        false => classify::reading_code(what, code),
    }
}

/// `asked of Kafka at …`, and what came of it. Blocking.
pub fn unanswered(config: &ClientConfig) -> String {
    let brokers = config.get("bootstrap.servers").unwrap_or_default();
    let protocol = config.get("security.protocol").unwrap_or("plaintext");
    let tried = brokers
        .split(',')
        .take(TRIED_MAX_COUNT)
        .map(|broker| match connect(broker.trim()) {
            Ok(()) => {
                format!("{broker} (connected, but no Kafka answers security.protocol={protocol} there)")
            }
            Err(error) => format!("{broker} ({error})"),
        });
    format!("asked of Kafka at {}", tried.collect::<Vec<_>>().join(", "))
}

fn connect(broker: &str) -> io::Result<()> {
    // librdkafka takes PROTOCOL://host:port, too.
    let address = broker.rsplit("://").next().unwrap_or(broker);
    let with_port = match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{DEFAULT_PORT}"),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in with_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn each_broker_is_named_with_what_came_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", format!("127.0.0.1:1,PLAINTEXT://{open}"));
        assert_eq!(
            unanswered(&config),
            format!(
                "asked of Kafka at 127.0.0.1:1 (Connection refused (os error 111)), PLAINTEXT://{open} \
                 (connected, but no Kafka answers security.protocol=plaintext there)"
            )
        );
    }
}
