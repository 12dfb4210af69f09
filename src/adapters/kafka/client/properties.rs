//! Whether librdkafka takes a user's properties. What it says about a value that it does not take
//! may hold the value, and the value may be a secret: nothing here repeats one.

use rdkafka::ClientContext;
use rdkafka::bindings::rd_kafka_conf_res_t as Res;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, ProducerContext};

const MANUAL: &str = "librdkafka's CONFIGURATION.md";

/// Why a property is not taken, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub what: &'static str,
    pub remedy: String,
}

/// Looks at one property by itself.
pub fn check(name: &str, value: &str) -> Result<(), Refused> {
    if needs_tls(name, value) && !cfg!(feature = "tls") {
        return Err(Refused {
            what: "needs TLS, which this build does not have",
            remedy: "build it with `cargo build --release --features tls`".to_owned(),
        });
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(Res::RD_KAFKA_CONF_UNKNOWN, ..)) => Err(Refused {
            what: "is no property of librdkafka",
            remedy: match nearest(name) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("look its name up in {MANUAL}"),
            },
        }),
        Err(KafkaError::ClientConfig(_, told, ..)) => Err(Refused {
            what: "cannot be used (value not shown)",
            remedy: remedy(name, value, told.trim()),
        }),
        Err(_) => Err(Refused {
            what: "cannot be used (value not shown)",
            remedy: "write it without NUL bytes".to_owned(),
        }),
    }
}

/// SCRAM comes with OpenSSL, as TLS does.
fn needs_tls(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "security.protocol" => value == "ssl" || value == "sasl_ssl",
        "sasl.mechanism" | "sasl.mechanisms" => value.starts_with("scram-"),
        name => name.starts_with("ssl."),
    }
}

/// Looks at properties together, each of which is good by itself: whether they fit one another,
/// and whether the files they name are there. The error may hold what they say.
pub fn check_together<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    let client: KafkaResult<BaseProducer<Silent>> = config.create_with_context(Silent);
    match client {
        Err(KafkaError::ClientCreation(told)) => Err(told.trim().to_owned()),
        _ => Ok(()),
    }
}

fn remedy(name: &str, value: &str, told: &str) -> String {
    if let Some((_, range)) = told.rsplit_once("allowed range ") {
        return format!("write a number in {range}");
    }
    if !value.is_empty() && !told.contains(value) {
        return format!("librdkafka says: {told}");
    }
    let default = ClientConfig::new()
        .create_native_config()
        .and_then(|native| native.get(name));
    match default {
        Ok(default) if !default.is_empty() => {
            format!("its default is {default:?}; {MANUAL} has what else it may be")
        }
        _ => format!("{MANUAL} has what it may be"),
    }
}

/// A property whose name differs in one letter, or in two that changed places.
fn nearest(name: &str) -> Option<String> {
    let letters = || "abcdefghijklmnopqrstuvwxyz.".chars();
    let (mut dropped, mut swapped, mut replaced, mut added) = (vec![], vec![], vec![], vec![]);
    for (at, letter) in name.char_indices() {
        let (before, after) = (&name[..at], &name[at + letter.len_utf8()..]);
        dropped.push(format!("{before}{after}"));
        if let Some(next) = after.chars().next() {
            swapped.push(format!("{before}{next}{letter}{}", &after[next.len_utf8()..]));
        }
        replaced.extend(letters().map(|other| format!("{before}{other}{after}")));
        added.extend(letters().map(|more| format!("{before}{more}{letter}{after}")));
    }
    added.extend(letters().map(|more| format!("{name}{more}")));
    let mut near = dropped.into_iter().chain(swapped).chain(replaced).chain(added);
    near.find(|near| is_known(near))
}

fn is_known(name: &str) -> bool {
    let tried = ClientConfig::new().set(name, "").create_native_config();
    !matches!(
        tried,
        Err(KafkaError::ClientConfig(Res::RD_KAFKA_CONF_UNKNOWN, ..) | KafkaError::Nul(_))
    )
}

/// A client that is only tried says nothing.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Silent {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_told_without_its_value() {
        for (name, value, wanted) in [
            ("security.protocol", "plaintext", None),
            ("client.rack", "", None),
            ("sasl.pasword", "s3cret", Some("did you mean sasl.password?")),
            ("sasl.passwordd", "s3cret", Some("did you mean sasl.password?")),
            ("sasl.pasSword", "s3cret", Some("did you mean sasl.password?")),
            ("sasl.apssword", "s3cret", Some("did you mean sasl.password?")),
            ("sasl.passwor", "s3cret", Some("did you mean sasl.password?")),
            (
                "nonsense",
                "s3cret",
                Some("look its name up in librdkafka's CONFIGURATION.md"),
            ),
            ("fetch.min.bytes", "0", Some("write a number in 1..100000000")),
            (
                "security.protocol",
                "s3cret",
                Some("its default is \"plaintext\"; librdkafka's CONFIGURATION.md has what else it may be"),
            ),
            (
                "socket.keepalive.enable",
                "s3cret",
                Some("librdkafka says: Expected bool value for \"socket.keepalive.enable\": true or false"),
            ),
            ("client.rack", "a\0s3cret", Some("write it without NUL bytes")),
        ] {
            let told = check(name, value).err();
            assert_eq!(told.as_ref().map(|told| told.remedy.as_str()), wanted, "{name}");
        }
        if let Err(told) = check("sasl.oauthbearer.client.secret", "s3cret") {
            assert!(told.remedy.contains("not supported in this build"), "{told:?}");
            assert!(!told.remedy.contains("s3cret"), "{told:?}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn what_needs_another_build_says_which() {
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("security.protocol", "ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("ssl.key.pem", "s3cret"),
        ] {
            let told = check(name, value).unwrap_err();
            assert_eq!(told.what, "needs TLS, which this build does not have", "{name}");
            assert_eq!(
                told.remedy,
                "build it with `cargo build --release --features tls`"
            );
        }
    }

    #[test]
    fn properties_that_do_not_fit_one_another_are_told() {
        let sasl = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "NONE"),
        ];
        let told = check_together(sasl).unwrap_err();
        assert!(told.contains("SASL mechanism"), "{told}");
        assert_eq!(check_together([("security.protocol", "plaintext")]), Ok(()));
    }
}
