//! Single values of a document: numbers, times and words, each with what is right instead.

use chrono::NaiveTime;

use super::findings::Findings;
use super::node::{Node, Value};
use crate::domain::instant::Instant;
use crate::domain::wall_time::WallTime;
use crate::wire::local_time;

pub fn whole(text: &str, line: usize, path: &str, from: i64, to: i64, found: &mut Findings) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(number) if (from..=to).contains(&number) => Some(number),
        _ => {
            let remedy = match to {
                i64::MAX => format!("write a whole number from {from}"),
                to => format!("write a whole number from {from} to {to}"),
            };
            found.add(line, path, format!("{text} is not such a number"), remedy);
            None
        }
    }
}

pub fn time(text: &str, line: usize, path: &str, found: &mut Findings) -> Option<NaiveTime> {
    let read = local_time::time_of_day(text);
    if read.is_none() {
        no_time(text, line, path, found);
    }
    read
}

pub fn wall_time(text: &str, line: usize, path: &str, found: &mut Findings) -> Option<WallTime> {
    let read = local_time::wall_time(text);
    if read.is_none() {
        no_time(text, line, path, found);
    }
    read
}

pub fn instant(text: &str, line: usize, path: &str, found: &mut Findings) -> Option<Instant> {
    let read = Instant::parse(text);
    if read.is_none() {
        let wrong = format!("{text} is not an RFC 3339 time");
        found.add(line, path, wrong, "write it as 2022-03-01T00:00:00+08:00");
    }
    read
}

fn no_time(text: &str, line: usize, path: &str, found: &mut Findings) {
    let wrong = format!("{text} is not a time of day");
    found.add(line, path, wrong, "write it as \"23:59\"");
}

pub fn one_of<T: Copy>(
    text: &str,
    line: usize,
    path: &str,
    choices: &[(&str, T)],
    found: &mut Findings,
) -> Option<T> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Some(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let remedy = format!("write one of: {}", names.join(", "));
    found.add(line, path, format!("{text} is not known"), remedy);
    None
}

pub fn twice(text: &str, line: usize, path: &str, found: &mut Findings) {
    found.add(line, path, format!("{text} stands here twice"), "leave one out");
}

pub fn scalar<'a>(node: &'a Node, path: &str, found: &mut Findings) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } if !text.is_empty() => Some(text),
        Value::Scalar { .. } => {
            found.add(
                node.line,
                path,
                "is empty",
                "write a value, or leave the field out",
            );
            None
        }
        Value::Fraction(number) => {
            let wrong = format!("{number} is a JSON number with a fraction");
            found.add(node.line, path, wrong, "write it in quotes");
            None
        }
        _ => {
            found.add(node.line, path, "is not a single value", "write one value");
            None
        }
    }
}
