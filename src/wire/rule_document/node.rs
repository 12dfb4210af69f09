//! A rule document as a tree of texts, from YAML or JSON. Nothing is made a number here, so
//! `00:00`, `12-31` and `0.10` stay what was written.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Number, Value as Json};

/// Sections within sections.
pub const DEPTH_MAX: usize = 32;

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
    /// A JSON number with a fraction, which went through a float: its digits are not known.
    Fraction(Number),
    List(Vec<Node>),
    /// Keys with their lines, in order.
    Map(Vec<(String, usize, Node)>),
}

/// Where no key can be named.
pub const DOCUMENT: &str = "document";

/// What stops a document from being read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReadable {
    pub line: usize,
    /// The path of the field; empty: the value itself; `document` where none can be named.
    pub field: String,
    pub wrong: String,
    pub remedy: &'static str,
}

impl NotReadable {
    /// The same, seen from the section that `key` stands in.
    pub fn below(mut self, key: &str) -> Self {
        match self.field.as_str() {
            DOCUMENT => {}
            "" => self.field = key.to_owned(),
            field => self.field = format!("{key}.{field}"),
        }
        self
    }
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

/// Something that is wrong with a document as a whole.
pub fn not_readable(line: usize, wrong: impl Into<String>, remedy: &'static str) -> NotReadable {
    NotReadable {
        line,
        field: DOCUMENT.to_owned(),
        wrong: wrong.into(),
        remedy,
    }
}

pub fn too_deep(line: usize) -> NotReadable {
    not_readable(line, "too deep", "write fewer sections within sections")
}

/// A key stands in a map once.
pub fn add_field(
    fields: &mut Vec<(String, usize, Node)>,
    key: String,
    line: usize,
    value: Node,
) -> Result<(), NotReadable> {
    if fields.iter().any(|(known, _, _)| *known == key) {
        return Err(NotReadable {
            line,
            field: key,
            wrong: "stands here twice".to_owned(),
            remedy: "leave one of them out",
        });
    }
    fields.push((key, line, value));
    Ok(())
}

pub fn from_json(json: &Json) -> Node {
    let plain = |text: String| Value::Scalar { text, quoted: false };
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => plain(yes.to_string()),
        Json::Number(number) if number.is_f64() => Value::Fraction(number.clone()),
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
    /// Where a key stands; of one that is not there, where the map begins.
    pub fn line_of(&self, key: &str) -> usize {
        let Value::Map(fields) = &self.value else {
            return self.line;
        };
        let field = fields.iter().find(|(known, _, _)| known == key);
        field.map_or(self.line, |(_, line, _)| *line)
    }

    /// The plain word `false`.
    pub fn is_false(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, .. } if text == "false")
    }

    /// As JSON, for what is kept and not read. Keys are put in order: theirs says nothing.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                text => text.parse::<i64>().map_or_else(|_| Json::from(text), Json::from),
            },
            Value::Scalar { text, quoted: true } => Json::from(text.as_str()),
            Value::Fraction(number) => Json::Number(number.clone()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, _, value)| (key.clone(), value.to_json()));
                let sorted: BTreeMap<_, _> = fields.collect();
                Json::Object(sorted.into_iter().collect())
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
            Some(Err(error)) => Err(not_readable(
                error.marker().line(),
                format!("not YAML: {}", error.info()),
                "indent with spaces; close what is open; put text with other signs in quotes",
            )),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, NotReadable> {
        let line = span.start.line();
        let wrong = |wrong: &str, remedy| {
            Err(NotReadable {
                field: String::new(),
                ..not_readable(line, wrong, remedy)
            })
        };
        if depth > DEPTH_MAX {
            return Err(too_deep(line));
        }
        let value = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return wrong("tags are not read", "leave the word with the ! out");
            }
            Event::Alias(_) => {
                return wrong(
                    "aliases are not read",
                    "write the value in place of the word with the *",
                );
            }
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
            _ => return wrong("not a value", "write a text, a list or a section"),
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
                    let line = span.start.line();
                    return Err(not_readable(
                        line,
                        "a key must be a plain word",
                        "write it as `key: value`",
                    ));
                }
            };
            let (event, span) = self.next()?;
            let value = self
                .node(event, span, depth + 1)
                .map_err(|error| error.below(&key))?;
            add_field(&mut fields, key, line, value)?;
        }
    }
}
