//! A JSON file as a tree of texts, with the lines that its values stand on. (YAML reads most of
//! JSON, but neither escapes of two parts, `\ud83d\ude00`, nor a tab behind a colon.)

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::node::{self, Node, NotReadable, Value};

/// The one document of a JSON text; `None`: it is no JSON.
pub fn from_text(text: &str) -> Option<Result<Node, NotReadable>> {
    let document: &RawValue = serde_json::from_str(text).ok()?;
    let mut reader = Reader { text, at: 0, line: 1 };
    Some(reader.node(document, 0))
}

/// Values come in the order of the text: lines are counted once.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, raw: &'a RawValue, depth: usize) -> Result<Node, NotReadable> {
        let source = raw.get();
        let line = self.line_of(source);
        if depth > node::DEPTH_MAX {
            return Err(node::too_deep(line));
        }
        let not_json = |error: serde_json::Error| {
            node::not_readable(line, format!("not JSON: {error}"), "write it as JSON")
        };
        let value = match source.as_bytes().first() {
            Some(b'{') => {
                let Fields(read) = serde_json::from_str(source).map_err(not_json)?;
                let mut fields: Vec<(String, usize, Node)> = Vec::with_capacity(read.len());
                for (key, raw) in read {
                    let value = self.node(raw, depth + 1).map_err(|error| error.below(&key))?;
                    let line = value.line;
                    node::add_field(&mut fields, key.into_owned(), line, value)?;
                }
                Value::Map(fields)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(source).map_err(not_json)?;
                let items = items.into_iter().map(|raw| self.node(raw, depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Scalar {
                text: serde_json::from_str(source).map_err(not_json)?,
                quoted: true,
            },
            Some(b'n') => Value::Null,
            _ => Value::Scalar {
                text: source.to_owned(),
                quoted: false,
            },
        };
        Ok(Node { line, value })
    }

    /// `source` is a part of the text.
    fn line_of(&mut self, source: &str) -> usize {
        let at = source.as_ptr() as usize - self.text.as_ptr() as usize;
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.at = self.at.max(at);
        self.line
    }
}

/// An object's fields in their order, including those that stand twice.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        reader.deserialize_map(FieldsVisitor)
    }
}
