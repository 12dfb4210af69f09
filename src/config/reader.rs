//! Takes typed values out of the raw settings and keeps account of what was wrong.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::adapters::kafka;

use super::problem::Problem;
use super::problem::Source;
use super::properties;
use super::raw::{Entry, PROPERTIES, Value, variable_of};

/// How different a wrong name may be from the right one and still be taken for a slip.
const SLIP_MAX_EDITS: usize = 2;

pub struct Reader {
    entries: BTreeMap<String, Entry>,
    known: Vec<&'static str>,
    pub problems: Vec<Problem>,
}

impl Reader {
    pub fn new(entries: BTreeMap<String, Entry>, problems: Vec<Problem>) -> Self {
        Self {
            entries,
            known: Vec::new(),
            problems,
        }
    }

    /// What was asked for so far.
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// A text that `parse` can read; `expected` says what it should have been.
    pub fn parsed<T>(
        &mut self,
        path: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<(T, Source)> {
        let entry = self.take(path)?;
        let Value::Text(text) = &entry.value else {
            self.refuse(path, &entry, expected);
            return None;
        };
        match parse(text.trim()) {
            Some(value) => Some((value, entry.source)),
            None => {
                self.refuse(path, &entry, expected);
                None
            }
        }
    }

    /// A list, or a text with commas, each part of which `parse` can read. Never empty.
    pub fn list<T>(
        &mut self,
        path: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<(Vec<T>, Source)> {
        let entry = self.take(path)?;
        let parts: Option<Vec<&str>> = match &entry.value {
            Value::Text(text) => Some(text.split(',').collect()),
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let values: Option<Vec<T>> = parts.and_then(|parts| parts.iter().map(|p| parse(p.trim())).collect());
        match values {
            Some(values) if !values.is_empty() => Some((values, entry.source)),
            _ => {
                self.refuse(path, &entry, expected);
                None
            }
        }
    }

    /// A whole number; a variable's text counts as one.
    pub fn number(&mut self, path: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let entry = self.take(path)?;
        let number = match &entry.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if matches!(entry.source, Source::Variable(_)) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                self.refuse(path, &entry, &expected);
                None
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, path: &'static str, options: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = options.iter().map(|(word, _)| format!("{word:?}")).collect();
        let pick = |text: &str| options.iter().find(|(word, _)| *word == text).map(|(_, v)| *v);
        self.parsed(path, &format!("one of {}", words.join(", ")), pick)
            .map(|(value, _)| value)
    }

    /// librdkafka's own properties.
    pub fn properties(&mut self) -> properties::Properties {
        self.known.push("kafka.properties");
        let mut found = properties::Properties::default();
        let paths: Vec<_> = self
            .entries
            .keys()
            .filter(|p| p.starts_with(PROPERTIES))
            .cloned()
            .collect();
        let (paths_count, mut sources) = (paths.len(), Vec::new());
        for path in paths {
            let Some(entry) = self.entries.remove(&path) else {
                continue;
            };
            let name = &path[PROPERTIES.len()..];
            if let Some(remedy) = properties::reserved(name) {
                self.report(&path, entry.source, "may not be set", remedy);
                continue;
            }
            let text = match &entry.value {
                Value::Text(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => {
                    self.refuse(&path, &entry, "a text, a whole number, or true or false");
                    continue;
                }
            };
            match kafka::properties::check(name, &text) {
                Ok(()) => {
                    found.insert(name.to_owned(), text);
                    sources.push((path, entry.source));
                }
                Err(refused) => self.report(&path, entry.source, refused.what, &refused.remedy),
            }
        }
        if sources.len() == paths_count {
            self.check_together(&found, sources);
        }
        found
    }

    /// Whether they fit one another. The property is the one that librdkafka's words name.
    fn check_together(&mut self, found: &properties::Properties, sources: Vec<(String, Source)>) {
        let Err(told) = kafka::properties::check_together(found.expose()) else {
            return;
        };
        let named = sources
            .into_iter()
            .filter(|(path, _)| told.contains(&path[PROPERTIES.len()..]))
            .max_by_key(|(path, _)| path.len());
        let (path, source) = named.unwrap_or_else(|| ("kafka.properties".to_owned(), Source::Default));
        let remedy = match found.are_told_by(&told) {
            true => "look at librdkafka's CONFIGURATION.md (its own words hold a secret)".to_owned(),
            false => format!("librdkafka says: {told}"),
        };
        self.report(&path, source, "no client can be made with it", &remedy);
    }

    pub fn report(&mut self, path: &str, source: Source, what: &str, remedy: &str) {
        self.problems.push(Problem {
            source,
            name: path.to_owned(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// Refuses what nobody asked for, and hands the problems out in order of their sources.
    pub fn finish(mut self) -> Vec<Problem> {
        for (path, entry) in std::mem::take(&mut self.entries) {
            let remedy = self.suggestion(&path, &entry.source);
            self.report(&path, entry.source, "unknown setting", &remedy);
        }
        self.problems.sort_by_key(|problem| match &problem.source {
            Source::File { line, .. } => (0, *line, String::new()),
            Source::Variable(name) => (1, 0, name.clone()),
            Source::Default => (2, 0, problem.name.clone()),
        });
        self.problems
    }

    fn take(&mut self, path: &'static str) -> Option<Entry> {
        self.known.push(path);
        self.entries.remove(path)
    }

    fn refuse(&mut self, path: &str, entry: &Entry, expected: &str) {
        let what = match &entry.value {
            _ if hides(path) => "cannot be used (value not shown)".to_owned(),
            Value::Text(text) => format!("{text:?} cannot be used"),
            Value::Integer(number) => format!("{number} cannot be used"),
            Value::Bool(flag) => format!("{flag} cannot be used"),
            Value::List(_) => "this list cannot be used".to_owned(),
            Value::Other(name) => format!("{name} cannot be used"),
        };
        self.report(path, entry.source.clone(), &what, &format!("write {expected}"));
    }

    /// What the writer of an unknown setting probably wanted.
    fn suggestion(&self, path: &str, source: &Source) -> String {
        let table = format!("{path}.");
        let inside: Vec<_> = self.known.iter().filter_map(|k| k.strip_prefix(&table)).collect();
        if !inside.is_empty() {
            return format!("it is a table of {}", inside.join(", "));
        }
        let plain = |text: &str| text.replace(['.', '_', '-'], "");
        let wanted = plain(path);
        let nearest = self
            .known
            .iter()
            .map(|known| (edits(&wanted, &plain(known)), known))
            .min()
            .filter(|(edits, _)| *edits <= SLIP_MAX_EDITS);
        match (nearest, source) {
            (Some((_, known)), Source::Variable(_)) => format!("did you mean {}?", variable_of(known)),
            (Some((_, known)), _) => format!("did you mean {known}?"),
            (None, Source::Variable(name)) if name.contains("_SERVICE_") || name.contains("_PORT") => {
                "unset it (in Kubernetes: `enableServiceLinks: false`)".to_owned()
            }
            (None, Source::Variable(_)) => "unset it".to_owned(),
            (None, _) => "remove it".to_owned(),
        }
    }
}

/// Whether an error about this setting must not quote its value.
fn hides(path: &str) -> bool {
    path == "http.token"
        || path == "redis.url"
        || path.strip_prefix(PROPERTIES).is_some_and(properties::is_secret)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
