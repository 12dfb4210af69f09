//! Of an event only its type and time: what decides where and when it goes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::envelope::{self, EnvelopeError};
use super::text::Text;
use crate::domain::instant::Instant;

/// Type and time of an event in structured mode. Whether the rest of it can be read is for its
/// reader to find out.
pub fn read(value: &[u8]) -> Result<(Cow<'_, str>, Instant), EnvelopeError> {
    let mut head = Head::default();
    // An error may only mean that the rest was left alone.
    let _ = (&mut head).deserialize(&mut serde_json::Deserializer::from_slice(value));
    if let (Some(kind), Some(time)) = (head.kind, head.time)
        && let Some(time) = Instant::parse(&time)
    {
        return Ok((kind.0, time));
    }
    let read = envelope::read(Some(value), [].into_iter())?;
    Ok((read.kind, read.time))
}

#[derive(Default)]
struct Head<'a> {
    kind: Option<Text<'a>>,
    time: Option<Text<'a>>,
}

impl<'de> DeserializeSeed<'de> for &mut Head<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Head<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Text>()? {
            match &*name {
                "type" => self.kind = Some(fields.next_value()?),
                "time" => self.time = Some(fields.next_value()?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
            if self.kind.is_some() && self.time.is_some() {
                return Ok(());
            }
        }
        Err(A::Error::missing_field("type or time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &str, wanted: Result<&str, &str>) {
        let read = read(event.as_bytes());
        let read = read.map(|(kind, time)| format!("{kind} {}", time.rfc3339()));
        assert_eq!(
            read.map_err(|error| error.to_string()),
            wanted.map(str::to_owned).map_err(str::to_owned),
            "{event}"
        );
    }

    #[test]
    fn the_rest_is_not_looked_at() {
        let found = Ok("order.paid 2022-03-02T02:00:00Z");
        check(
            r#"{"time":"2022-03-02T10:00:00+08:00","a":[{}],"type":"order.paid","data":x"#,
            found,
        );
        check(
            r#" {"type":"order\u002epaid","time":"2022-03-02T10:00:00+08:00"}"#,
            found,
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(
            "[1]",
            Err("not a CloudEvent: invalid type: sequence, expected an object at line 1 column 0"),
        );
        check("{}", Err("specversion: missing"));
        check(
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"a","time":"soon","data":1}"#,
            Err("time: is not an RFC 3339 time"),
        );
        check(
            r#"{"type":"a","time":1}"#,
            Err("not a CloudEvent: invalid type: integer `1`, expected a string at line 1 column 20"),
        );
    }
}
