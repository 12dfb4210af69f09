//! A rule document as a tree of texts, from YAML or JSON. Nothing is made a number here, so
//! `00:00`, `12-31` and `0.10` stay what was written.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value as Json;

/// Sections within sections.
const DEPTH_MAX: usize = 32;

/// A value and the line it stands on, from 1; 0 where that is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    /// Keys with their lines, in order.
    Map(Vec<(String, usize, Node)>),
}

/// Where no key can be named.
const DOCUMENT: &str = "document";

/// What stops a document from being read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReadable {
    pub line: usize,
    /// The key, or `document` where none can be named.
    pub field: String,
    pub wrong: String,
}

/// All documents of a YAML text. Empty ones are left out.
pub fn from_yaml(text: &str) -> Result<Vec<Node>, NotReadable> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
    };
    let mut documents = Vec::new();
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => {
                let (event, span) = events.next()?;
                let node = events.node(event, span, 0)?;
                if node.value != Value::Null {
                    documents.push(node);
                }
            }
            _ => {}
        }
    }
}

pub fn from_json(json: &Json) -> Node {
    let plain = |text: String| Value::Scalar { text, quoted: false };
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => plain(yes.to_string()),
        // A number with a fraction went through a float: what was written is not known.
        Json::Number(number) if number.is_f64() => plain(format!("{number} (a JSON number with a fraction)")),
        Json::Number(number) => plain(number.to_string()),
        Json::String(text) => Value::Scalar {
            text: text.clone(),
            quoted: true,
        },
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(fields) => Value::Map(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), 0, from_json(value)))
                .collect(),
        ),
    };
    Node { line: 0, value }
}

impl Node {
    /// As JSON, for what is kept and not read.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                text => text.parse::<i64>().map_or_else(|_| Json::from(text), Json::from),
            },
            Value::Scalar { text, quoted: true } => Json::from(text.as_str()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, _, value)| (key.clone(), value.to_json()));
                Json::Object(fields.collect())
            }
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), NotReadable> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(NotReadable {
                line: error.marker().line(),
                field: DOCUMENT.to_owned(),
                wrong: format!("not YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, NotReadable> {
        let line = span.start.line();
        let wrong = |wrong: &str| {
            Err(NotReadable {
                line,
                field: DOCUMENT.to_owned(),
                wrong: wrong.to_owned(),
            })
        };
        if depth > DEPTH_MAX {
            return wrong("too deep");
        }
        let value = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return wrong("tags are not read: leave the ! out");
            }
            Event::Alias(_) => return wrong("aliases are not read: write the value out"),
            Event::Scalar(text, ScalarStyle::Plain, _, None) => match &*text {
                "" | "~" | "null" | "Null" | "NULL" => Value::Null,
                "True" | "TRUE" => Value::Scalar {
                    text: "true".to_owned(),
                    quoted: false,
                },
                "False" | "FALSE" => Value::Scalar {
                    text: "false".to_owned(),
                    quoted: false,
                },
                text => Value::Scalar {
                    text: text.to_owned(),
                    quoted: false,
                },
            },
            Event::Scalar(text, ..) => Value::Scalar {
                text: text.into_owned(),
                quoted: true,
            },
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return wrong("not a value"),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, NotReadable> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, NotReadable> {
        let mut fields: Vec<(String, usize, Node)> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(fields)),
                (Event::Scalar(key, _, _, None), span) => (key.into_owned(), span.start.line()),
                (_, span) => {
                    let wrong = "a key must be a plain word".to_owned();
                    return Err(NotReadable {
                        line: span.start.line(),
                        field: DOCUMENT.to_owned(),
                        wrong,
                    });
                }
            };
            if fields.iter().any(|(known, _, _)| *known == key) {
                return Err(NotReadable {
                    line,
                    field: key,
                    wrong: "stands here twice".to_owned(),
                });
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            fields.push((key, line, value));
        }
    }
}
