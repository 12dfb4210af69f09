//! What each target does with an input. The targets give it what the fuzzer finds, the test
//! `fuzzed` some of the corpus, changed at random.

#![allow(dead_code, reason = "each target takes one of these")]

use accrual::engine::ports::{Header, Record};
use accrual::wire::{envelope, rule_document};

use crate::shop::{Shop, Stages};

/// Lines of a story that are read.
const LINES_MAX: usize = 20;

/// One record in binary mode: lines of `name: value` are headers, up to an empty line; the rest
/// is the value.
pub fn binary(input: &[u8]) {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, value) = end.map_or((input, &[][..]), |at| (&input[..at], &input[at + 2..]));
    let headers = head.split(|byte| *byte == b'\n').filter_map(header);
    let stages = Stages::new();
    let mut shop = Shop::new(&stages);
    shop.take(&record(value, headers.collect()), 1_700_000_000_000);
    shop.fire(None);
}

/// A story of events, one a line, as `accrual replay` reads them: orders, commands and rules.
pub fn events(story: &[u8]) {
    let stages = Stages::new();
    let mut shop = Shop::new(&stages);
    for line in story.split(|byte| *byte == b'\n').take(LINES_MAX) {
        if let Ok(event) = envelope::read(Some(line), [].into_iter()) {
            shop.take(&record(line, Vec::new()), event.time.floor_millis());
        }
    }
    shop.fire(None);
}

/// A rule file: what is good is written and read back, what is wrong has a line and a remedy.
pub fn rule_file(text: &str) {
    for document in rule_document::read_yaml(text) {
        match document.read {
            Ok(rules) => {
                let json = serde_json::from_str(&rule_document::to_json(&rules)).expect("JSON");
                assert_eq!(rule_document::read_json(&json).as_ref(), Ok(&rules));
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                assert!(
                    errors
                        .iter()
                        .all(|error| error.line > 0 && !error.remedy.is_empty())
                );
            }
        }
    }
}

fn record(value: &[u8], headers: Vec<Header>) -> Record {
    Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(value.to_vec().into()),
        headers,
    }
}

fn header(line: &[u8]) -> Option<Header> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    Some((
        name.into(),
        Some(line[colon + 1..].trim_ascii_start().to_vec().into()),
    ))
}
