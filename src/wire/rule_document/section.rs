//! A section of a document being read. It remembers which fields were asked for, and refuses the
//! others at its end.

use chrono::NaiveTime;
use rust_decimal::Decimal;

use super::findings::Findings;
use super::node::{self, Node, Value};
use super::value::{instant, one_of, scalar, time, twice, wall_time, whole};
use crate::domain::instant::Instant;
use crate::domain::money;
use crate::domain::rules::model::Words;
use crate::domain::short_text::ShortText;
use crate::domain::wall_time::WallTime;

/// Points of one gift or unit.
pub const POINTS_MAX: i64 = 1_000_000_000_000;
/// Days and months of a delay or expiry.
pub const SPAN_MAX: i64 = 1_000_000;
/// A map and its place in the document.
pub struct Section<'a> {
    path: String,
    /// The same as a JSON pointer.
    pointer: String,
    pub line: usize,
    fields: &'a [(String, usize, Node)],
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Reports anything but a map.
    pub fn of(node: &'a Node, path: &str, found: &mut Findings) -> Option<Self> {
        Self::at(
            node,
            path.to_owned(),
            format!("/{}", path.replace('.', "/")),
            found,
        )
    }

    /// The whole document.
    pub fn root(node: &'a Node, found: &mut Findings) -> Option<Self> {
        Self::at(node, String::new(), String::new(), found)
    }

    /// A section whose key the author chose.
    pub fn entry(&self, key: &str, node: &'a Node, found: &mut Findings) -> Option<Self> {
        let pointer = format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"));
        Self::at(node, self.path(key), pointer, found)
    }

    fn at(node: &'a Node, path: String, pointer: String, found: &mut Findings) -> Option<Self> {
        let Value::Map(fields) = &node.value else {
            match path.as_str() {
                "" => found.add(
                    node.line,
                    node::DOCUMENT,
                    "is not a rule document",
                    "write its fields as `shop_id: acme`",
                ),
                path => found.add(
                    node.line,
                    path,
                    "is not a section",
                    "write its fields below it, indented",
                ),
            }
            return None;
        };
        Some(Self {
            path,
            pointer,
            line: node.line,
            fields,
            asked: Vec::new(),
        })
    }

    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A field's value; `null` counts as left out.
    pub fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (_, _, node) = self.fields.iter().find(|(known, _, _)| known == key)?;
        (node.value != Value::Null).then_some(node)
    }

    /// The line of a field; of one that is left out, the line where its section begins.
    pub fn line_of(&self, key: &str) -> usize {
        let field = self.fields.iter().find(|(known, _, _)| known == key);
        field.map_or(self.line, |(_, line, _)| *line)
    }

    pub fn section(&mut self, key: &'static str, found: &mut Findings) -> Option<Section<'a>> {
        let node = self.get(key)?;
        self.entry(key, node, found)
    }

    /// Every field is an entry of its own, named by the author.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.fields.iter().map(|(key, _, node)| (key.as_str(), node))
    }

    pub fn required<T>(&self, key: &str, read: Option<T>, found: &mut Findings) -> Option<T> {
        let missing = !self
            .fields
            .iter()
            .any(|(known, _, node)| known == key && node.value != Value::Null);
        if missing {
            found.add(self.line, &self.path(key), "is missing", format!("add {key}"));
        }
        read
    }

    pub fn text(&mut self, key: &'static str, found: &mut Findings) -> Option<(&'a str, usize)> {
        let path = self.path(key);
        let node = self.get(key)?;
        scalar(node, &path, found).map(|text| (text, node.line))
    }

    pub fn bool(&mut self, key: &'static str, left_out: bool, found: &mut Findings) -> bool {
        let read = self.one_of(key, &[("true", true), ("false", false)], found);
        read.unwrap_or(left_out)
    }

    /// One of the words of an enum; `None` where it is left out or wrong.
    pub fn word<T: Words>(&mut self, key: &'static str, found: &mut Findings) -> Option<T> {
        self.one_of(key, T::WORDS, found)
    }

    pub fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        found: &mut Findings,
    ) -> Option<T> {
        let (text, line) = self.text(key, found)?;
        one_of(text, line, &self.path(key), choices, found)
    }

    /// A list of words, each once.
    pub fn words<T: Words>(&mut self, key: &'static str, found: &mut Findings) -> Vec<T> {
        let path = self.path(key);
        let mut read: Vec<T> = Vec::new();
        for (text, line) in self.texts(key, found).unwrap_or_default() {
            match one_of(text, line, &path, T::WORDS, found) {
                Some(word) if read.contains(&word) => twice(text, line, &path, found),
                Some(word) => read.push(word),
                None => {}
            }
        }
        read
    }

    /// A list of whole numbers, each once.
    pub fn numbers(&mut self, key: &'static str, from: i64, to: i64, found: &mut Findings) -> Vec<u32> {
        let path = self.path(key);
        let mut read: Vec<u32> = Vec::new();
        for (text, line) in self.texts(key, found).unwrap_or_default() {
            match whole(text, line, &path, from, to, found).and_then(|n| u32::try_from(n).ok()) {
                Some(number) if read.contains(&number) => twice(text, line, &path, found),
                Some(number) => read.push(number),
                None => {}
            }
        }
        read
    }

    /// A list of names; left out it is empty.
    pub fn names(&mut self, key: &'static str, found: &mut Findings) -> Vec<ShortText> {
        let texts = self.texts(key, found).unwrap_or_default();
        texts.into_iter().map(|(text, _)| text.into()).collect()
    }

    /// Exactly two texts.
    pub fn pair(
        &mut self,
        key: &'static str,
        example: &str,
        found: &mut Findings,
    ) -> Option<[(&'a str, usize); 2]> {
        let texts = self.texts(key, found)?;
        let pair = <[_; 2]>::try_from(texts).ok();
        if pair.is_none() {
            let line = self.line_of(key);
            let remedy = format!("write it as {example}");
            found.add(line, &self.path(key), "is not a start and an end", remedy);
        }
        pair
    }

    /// A list of sections.
    pub fn list(&mut self, key: &'static str, found: &mut Findings) -> Vec<Section<'a>> {
        let path = self.path(key);
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            found.add(
                node.line,
                &path,
                "is not a list",
                "begin each of its entries with `- `",
            );
            return Vec::new();
        };
        let at = |(index, item): (usize, &'a Node)| {
            let pointer = format!("{}/{key}/{index}", self.pointer);
            Self::at(item, format!("{path}[{index}]"), pointer, found)
        };
        items.iter().enumerate().filter_map(at).collect()
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, key: &'static str, from: i64, to: i64, found: &mut Findings) -> Option<i64> {
        let (text, line) = self.text(key, found)?;
        whole(text, line, &self.path(key), from, to, found)
    }

    /// A decimal number, quoted or plain, of at least 0.
    pub fn amount(&mut self, key: &'static str, found: &mut Findings) -> Option<Decimal> {
        let (amount, line) = self.decimal(key, found)?;
        if amount.is_sign_negative() {
            found.add(line, &self.path(key), "must not be negative", "write 0 or more");
            return None;
        }
        Some(amount)
    }

    /// The same, but above 0.
    pub fn positive(&mut self, key: &'static str, found: &mut Findings) -> Option<Decimal> {
        let (amount, line) = self.decimal(key, found)?;
        let wrong = match amount {
            amount if amount.is_zero() => "must not be 0",
            amount if amount.is_sign_negative() => "must not be negative",
            amount => return Some(amount),
        };
        found.add(line, &self.path(key), wrong, "write more than 0");
        None
    }

    /// A decimal number, quoted or plain, with the line it stands on.
    pub fn decimal(&mut self, key: &'static str, found: &mut Findings) -> Option<(Decimal, usize)> {
        let (text, line) = self.text(key, found)?;
        let path = self.path(key);
        match money::parse_amount(text) {
            Ok(amount) => Some((amount, line)),
            Err(wrong) => {
                found.add(
                    line,
                    &path,
                    format!("{text} {wrong}"),
                    "write it as \"100\" or \"0.5\"",
                );
                None
            }
        }
    }

    /// `HH:MM`.
    pub fn time(&mut self, key: &'static str, found: &mut Findings) -> Option<NaiveTime> {
        let (text, line) = self.text(key, found)?;
        time(text, line, &self.path(key), found)
    }

    /// `HH:MM`, `HH:MM:SS` or `24:00`.
    pub fn wall_time(&mut self, key: &'static str, found: &mut Findings) -> Option<WallTime> {
        let (text, line) = self.text(key, found)?;
        wall_time(text, line, &self.path(key), found)
    }

    pub fn instant(&mut self, key: &'static str, found: &mut Findings) -> Option<Instant> {
        let (text, line) = self.text(key, found)?;
        instant(text, line, &self.path(key), found)
    }

    pub fn texts(&mut self, key: &'static str, found: &mut Findings) -> Option<Vec<(&'a str, usize)>> {
        let path = self.path(key);
        let node = self.get(key)?;
        let Value::List(items) = &node.value else {
            found.add(node.line, &path, "is not a list", "write it as [a, b]");
            return None;
        };
        Some(
            items
                .iter()
                .filter_map(|item| Some((scalar(item, &path, found)?, item.line)))
                .collect(),
        )
    }

    /// Refuses the fields that were not asked for.
    pub fn end(self, found: &mut Findings) {
        for (key, line, node) in self.fields {
            if self.asked.contains(&key.as_str()) {
                continue;
            }
            if key.starts_with("x-") || (key == "labels" && self.path.is_empty()) {
                let place = format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"));
                found.annotations.push((place, node.to_json().to_string()));
                continue;
            }
            let remedy = format!("known here: {}", self.asked.join(", "));
            found.add(*line, &self.path(key), "is not known", remedy);
        }
    }
}
