//! CloudEvents 1.0 as they arrive: structured or binary mode of the Kafka binding.
//!
//! What `data` is read as is up to the caller: as the text it is, for whoever will know its type,
//! or as a type, in the same pass over the bytes.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::object::Object;
use super::plain::{self, FromPlain, plain_fields};
use super::text::Text;
use crate::domain::instant::Instant;

/// Longest id of an event, in bytes.
const ID_BYTES_MAX: usize = 1024;
/// Longest `source` of an event, in bytes.
const SOURCE_BYTES_MAX: usize = 2048;

/// What the content type of structured mode begins with.
const CLOUDEVENTS: &[u8] = b"application/cloudevents";

/// Why a record is no event. The text names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("no value")]
    Empty,
    #[error("not a CloudEvent: {0}")]
    Json(String),
    #[error("{0}: missing")]
    Missing(&'static str),
    #[error("{field}: {wrong}")]
    Wrong {
        field: &'static str,
        wrong: &'static str,
    },
}

/// An event; its data is text unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a, D = &'a str> {
    pub id: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    pub subject: Option<Cow<'a, str>>,
    pub time: Instant,
    pub traceparent: Option<Cow<'a, str>>,
    pub data: D,
}

impl<'a, D> Envelope<'a, D> {
    /// The attributes, and the data.
    pub fn split(self) -> (Envelope<'a, ()>, D) {
        let attributes = Envelope {
            id: self.id,
            source: self.source,
            kind: self.kind,
            subject: self.subject,
            time: self.time,
            traceparent: self.traceparent,
            data: (),
        };
        (attributes, self.data)
    }
}

impl<'a> Envelope<'a, ()> {
    /// The attributes with data.
    pub fn with<D>(self, data: D) -> Envelope<'a, D> {
        Envelope {
            id: self.id,
            source: self.source,
            kind: self.kind,
            subject: self.subject,
            time: self.time,
            traceparent: self.traceparent,
            data,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(bound(deserialize = "D: Deserialize<'de>"))]
struct Structured<'a, D> {
    #[serde(borrow)]
    specversion: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    subject: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    traceparent: Option<Text<'a>>,
    data: Option<D>,
    data_base64: Option<IgnoredAny>,
}

plain_fields!(Structured<'a, D> {
    "specversion": specversion,
    "id": id,
    "source": source,
    "type": kind,
    "subject": subject,
    "time": time,
    "traceparent": traceparent,
    "data": data,
    "data_base64": data_base64,
});

/// Reads a record's value and headers, `data` as text. A content type of CloudEvents is structured
/// mode, whatever headers a bridge has left beside it; else binary mode is what has a
/// `ce_specversion` header. Everything else must be a JSON object with `specversion`.
pub fn read<'a>(
    value: Option<&'a [u8]>,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Result<Envelope<'a>, EnvelopeError> {
    let attributes = Attributes::of(headers);
    let value = text("value", value)?.ok_or(EnvelopeError::Empty)?;
    match attributes.are_binary() {
        true => binary(attributes, || Ok(value)),
        false => {
            let (attributes, data) = structured::<&RawValue>(json(value)?, attributes.traceparent)?.split();
            Ok(attributes.with(data.get()))
        }
    }
}

/// Reads value and headers with `data` as a type, in one pass. An error may be one of the data
/// as well; [`read`] tells which, and lets `data` be looked at more closely.
pub fn read_as<'a, D: Deserialize<'a> + FromPlain<'a>>(
    value: Option<&'a [u8]>,
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Result<Envelope<'a, D>, EnvelopeError> {
    let attributes = Attributes::of(headers);
    let value = text("value", value)?.ok_or(EnvelopeError::Empty)?;
    match attributes.are_binary() {
        true => binary(attributes, || plain::read(value).map_or_else(|| json(value), Ok)),
        false => match plain::read(value) {
            Some(read) => structured(read, attributes.traceparent),
            None => structured(json(value)?, attributes.traceparent),
        },
    }
}

/// Whether a record has the attributes in its headers: then its value is the data alone.
pub fn is_binary<'a>(headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> bool {
    Attributes::of(headers).are_binary()
}

fn json<'a, T: Deserialize<'a>>(value: &'a str) -> Result<T, EnvelopeError> {
    serde_json::from_str(value).map_err(|error| explain::<T>(value, &error))
}

/// Reads once more, slowly, to name the attribute that is of a wrong type.
fn explain<'a, T: Deserialize<'a>>(value: &'a str, error: &serde_json::Error) -> EnvelopeError {
    let text = error.to_string();
    let mut reader = serde_json::Deserializer::from_str(value);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut reader);
    EnvelopeError::Json(match read {
        Err(found) if error.is_data() && found.path().iter().next().is_some() => {
            let place = format!(" at line {} column {}", error.line(), error.column());
            format!("{}: {}", found.path(), text.strip_suffix(&place).unwrap_or(&text))
        }
        _ => text,
    })
}

fn structured<'a, D>(
    Object(read): Object<Structured<'a, D>>,
    traceparent: Option<&'a [u8]>,
) -> Result<Envelope<'a, D>, EnvelopeError> {
    version(read.specversion.as_deref().map(str::as_bytes))?;
    if read.data_base64.is_some() {
        return Err(EnvelopeError::Wrong {
            field: "data_base64",
            wrong: "must be JSON in data",
        });
    }
    let header = || Some(Cow::Borrowed(std::str::from_utf8(traceparent?).ok()?));
    let own = |text: Option<Text<'a>>| text.map(|text| text.0);
    Ok(Envelope {
        id: bounded("id", own(read.id), ID_BYTES_MAX)?,
        source: bounded("source", own(read.source), SOURCE_BYTES_MAX)?,
        kind: bounded("type", own(read.kind), ID_BYTES_MAX)?,
        subject: own(read.subject),
        time: instant(read.time.as_deref())?,
        traceparent: own(read.traceparent).or_else(header),
        data: read.data.ok_or(EnvelopeError::Missing("data"))?,
    })
}

fn binary<'a, D>(
    read: Attributes<'a>,
    data: impl FnOnce() -> Result<D, EnvelopeError>,
) -> Result<Envelope<'a, D>, EnvelopeError> {
    version(read.specversion)?;
    let content = read.content_type.map(<[u8]>::trim_ascii).unwrap_or_default();
    if !content.is_empty() && !is_json(content) {
        return Err(EnvelopeError::Wrong {
            field: "content-type",
            wrong: "must be application/json",
        });
    }
    let own = |field, bytes| Ok(text(field, bytes)?.map(Cow::Borrowed));
    Ok(Envelope {
        id: bounded("ce_id", own("ce_id", read.id)?, ID_BYTES_MAX)?,
        source: bounded("ce_source", own("ce_source", read.source)?, SOURCE_BYTES_MAX)?,
        kind: bounded("ce_type", own("ce_type", read.kind)?, ID_BYTES_MAX)?,
        subject: own("ce_subject", read.subject)?,
        time: instant(text("ce_time", read.time)?)?,
        traceparent: text("ce_traceparent", read.traceparent)?.map(Cow::Borrowed),
        data: data()?,
    })
}

#[derive(Default)]
struct Attributes<'a> {
    specversion: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
    /// The event's own before the record's.
    traceparent: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn of(headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        let mut attributes = Attributes::default();
        for (name, text) in headers {
            attributes.take(name, text);
        }
        attributes
    }

    /// Whether the headers are the event's attributes.
    fn are_binary(&self) -> bool {
        let content = self.content_type.map(<[u8]>::trim_ascii).unwrap_or_default();
        let structured = content
            .get(..CLOUDEVENTS.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CLOUDEVENTS));
        self.specversion.is_some() && !structured
    }

    fn take(&mut self, name: &str, text: Option<&'a [u8]>) {
        match name {
            "ce_specversion" => self.specversion = text,
            "ce_id" => self.id = text,
            "ce_source" => self.source = text,
            "ce_type" => self.kind = text,
            "ce_subject" => self.subject = text,
            "ce_time" => self.time = text,
            "ce_traceparent" => self.traceparent = text,
            "traceparent" => self.traceparent = self.traceparent.or(text),
            _ if name.eq_ignore_ascii_case("content-type") => self.content_type = text,
            _ => {}
        }
    }
}

fn version(found: Option<&[u8]>) -> Result<(), EnvelopeError> {
    match found {
        None => Err(EnvelopeError::Missing("specversion")),
        Some(b"1.0") => Ok(()),
        Some(_) => Err(EnvelopeError::Wrong {
            field: "specversion",
            wrong: "must be 1.0",
        }),
    }
}

fn bounded<'a>(
    field: &'static str,
    found: Option<Cow<'a, str>>,
    bytes_max: usize,
) -> Result<Cow<'a, str>, EnvelopeError> {
    match found {
        None => Err(EnvelopeError::Missing(field)),
        Some(text) if text.is_empty() => Err(EnvelopeError::Wrong {
            field,
            wrong: "must not be empty",
        }),
        Some(text) if text.len() > bytes_max => Err(EnvelopeError::Wrong {
            field,
            wrong: "is too long",
        }),
        Some(text) => Ok(text),
    }
}

fn instant(text: Option<&str>) -> Result<Instant, EnvelopeError> {
    let text = text.ok_or(EnvelopeError::Missing("time"))?;
    Instant::parse(text).ok_or(EnvelopeError::Wrong {
        field: "time",
        wrong: "is not an RFC 3339 time",
    })
}

fn text<'a>(field: &'static str, bytes: Option<&'a [u8]>) -> Result<Option<&'a str>, EnvelopeError> {
    let Some(bytes) = bytes else { return Ok(None) };
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(EnvelopeError::Wrong {
            field,
            wrong: "is not UTF-8",
        }),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let end = content_type
        .iter()
        .position(|b| *b == b';')
        .unwrap_or(content_type.len());
    let media = content_type[..end].trim_ascii();
    media.eq_ignore_ascii_case(b"application/json") || media.ends_with(b"+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"specversion":"1.0","id":"e1","source":"/s","type":"order.paid","time":"2022-03-02T10:00:00+08:00","data":{"a": 1}}"#;

    fn check(value: &str, headers: &[(&str, &str)], wanted: Result<(&str, &str), &str>) {
        let headers = headers.iter().map(|(name, text)| (*name, Some(text.as_bytes())));
        let got = read(Some(value.as_bytes()), headers);
        let got = got.map(|e| {
            (
                format!("{} {} {} {:?}", e.id, e.source, e.kind, e.traceparent),
                e.data.as_bytes().to_vec(),
            )
        });
        let wanted = wanted.map(|(head, data)| (head.to_owned(), data.as_bytes().to_vec()));
        assert_eq!(
            got.map_err(|e| e.to_string()),
            wanted.map_err(str::to_owned),
            "{value}"
        );
    }

    #[test]
    fn both_modes_are_read() {
        check(EVENT, &[], Ok((r#"e1 /s order.paid None"#, r#"{"a": 1}"#)));
        check(
            EVENT,
            &[
                ("content-type", "application/cloudevents+json"),
                ("traceparent", "00-a"),
            ],
            Ok((r#"e1 /s order.paid Some("00-a")"#, r#"{"a": 1}"#)),
        );
        let binary = [
            ("ce_specversion", "1.0"),
            ("ce_id", "e1"),
            ("ce_source", "/s"),
            ("ce_type", "order.paid"),
            ("ce_time", "2022-03-02T10:00:00Z"),
            ("content-type", "application/json; charset=utf-8"),
            ("ce_traceparent", "00-b"),
            ("traceparent", "00-c"),
        ];
        check("[1]", &binary, Ok((r#"e1 /s order.paid Some("00-b")"#, "[1]")));
        check("[1]", &binary[..3], Err("ce_type: missing"));
        for content in [
            "application/cloudevents+json",
            " Application/CloudEvents+JSON; charset=UTF-8",
        ] {
            let both = [&binary[..5], &[("Content-Type", content)], &binary[6..7]].concat();
            check(
                EVENT,
                &both,
                Ok((r#"e1 /s order.paid Some("00-b")"#, r#"{"a": 1}"#)),
            );
            check(
                "[1]",
                &both,
                Err("not a CloudEvent: invalid type: sequence, expected an object at line 1 column 0"),
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(
            "x",
            &[],
            Err("not a CloudEvent: expected value at line 1 column 1"),
        );
        check(
            r#"["1.0","e1","/s","order.paid",null,"2022-03-02T10:00:00Z",null,{}]"#,
            &[],
            Err("not a CloudEvent: invalid type: sequence, expected an object at line 1 column 0"),
        );
        check("{}", &[], Err("specversion: missing"));
        check(&EVENT.replace("1.0", "0.3"), &[], Err("specversion: must be 1.0"));
        check(&EVENT.replace(r#""id":"e1","#, ""), &[], Err("id: missing"));
        check(
            &EVENT.replace(r#""id":"e1","#, r#""id":"","#),
            &[],
            Err("id: must not be empty"),
        );
        check(
            &EVENT.replace("T10", "T99"),
            &[],
            Err("time: is not an RFC 3339 time"),
        );
        check(
            &EVENT.replace(r#","data":{"a": 1}"#, ""),
            &[],
            Err("data: missing"),
        );
        assert_eq!(read(None, [].into_iter()), Err(EnvelopeError::Empty));
    }
}
