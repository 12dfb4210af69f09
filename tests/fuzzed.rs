//! A bounded part of what `tests/fuzz/run` does, on any compiler: inputs of the corpus, changed at
//! random, through the same targets. A panic is a fault; the seed and the input are said.

#[path = "fuzz/targets/input.rs"]
mod input;
#[path = "fuzz/targets/shop.rs"]
mod shop;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Of each target. `ACCRUAL_FUZZ_INPUTS` says another number.
const INPUTS: usize = 2_000;
/// Longer ones are cut.
const BYTES_MAX: usize = 16_384;
const CHANGES_MAX: usize = 6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

const BLOCK_BYTES: usize = 512;

/// The inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let archive = folder().join(format!("corpus/{target}.tar.gz"));
    let unpacked = Command::new("gzip")
        .arg("-dc")
        .arg(&archive)
        .output()
        .expect("gzip");
    assert!(unpacked.status.success(), "{}", archive.display());
    let mut rest = &unpacked.stdout[..];
    let mut inputs = Vec::new();
    // Each file is a block that says its size, and blocks that hold it.
    while rest.len() >= BLOCK_BYTES && rest[0] != 0 {
        let (head, behind) = rest.split_at(BLOCK_BYTES);
        let digits = std::str::from_utf8(&head[124..135]).expect("octal digits");
        let size = usize::from_str_radix(digits.trim(), 8).expect("octal digits");
        if head[156] == b'0' {
            inputs.push(behind[..size].to_vec());
        }
        rest = &behind[size.next_multiple_of(BLOCK_BYTES)..];
    }
    inputs
}

fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder().join("dictionary")).expect("a dictionary");
    let words = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words
        .map(|word| word.replace("\\\"", "\"").into_bytes())
        .collect()
}

struct Changes {
    random: StdRng,
    words: Vec<Vec<u8>>,
}

impl Changes {
    fn place(&mut self, bytes: &[u8]) -> usize {
        self.random.random_range(0..=bytes.len())
    }

    fn one_of<'a>(&mut self, inputs: &'a [Vec<u8>]) -> &'a [u8] {
        &inputs[self.random.random_range(0..inputs.len())]
    }

    fn word(&mut self) -> Vec<u8> {
        let place = self.random.random_range(0..self.words.len());
        self.words[place].clone()
    }

    fn change(&mut self, input: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..self.random.random_range(0..=CHANGES_MAX) {
            let at = self.place(&bytes);
            let end = at + self.random.random_range(0..=8).min(bytes.len() - at);
            match self.random.random_range(0..6) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes[at..end]
                    .iter_mut()
                    .for_each(|byte| *byte ^= 1 << self.random.random_range(0..8)),
                2 => drop(bytes.splice(at..at, self.word())),
                3 => drop(bytes.splice(at..end, self.word())),
                4 => self.with_a_line(&mut bytes, corpus),
                _ => {
                    let again = bytes[at..].to_vec();
                    bytes.extend(again);
                }
            }
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    /// A line of another input is put in, so that stories meet.
    fn with_a_line(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let lines: Vec<&[u8]> = self
            .one_of(corpus)
            .split_inclusive(|byte| *byte == b'\n')
            .collect();
        let Some(line) = lines.get(self.random.random_range(0..lines.len().max(1))) else {
            return;
        };
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
        let at = starts[self.random.random_range(0..starts.len())];
        bytes.splice(at..at, line.to_vec());
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

fn run(target: &str, take: fn(&[u8])) {
    let corpus = corpus(target);
    let seed = number("ACCRUAL_FUZZ_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    println!(
        "{target}: {} inputs in the corpus; again with ACCRUAL_FUZZ_SEED={seed}",
        corpus.len()
    );
    let inputs = number("ACCRUAL_FUZZ_INPUTS").map_or(INPUTS, |number| number as usize);
    let mut changes = Changes {
        random: StdRng::seed_from_u64(seed),
        words: words(),
    };
    assert!(changes.words.len() > 40, "{} words", changes.words.len());
    let knows_levels = |input: &&Vec<u8>| String::from_utf8_lossy(input).contains("levels");
    let with_levels: Vec<Vec<u8>> = corpus.iter().filter(knows_levels).cloned().collect();
    for _ in 0..inputs {
        // Few know levels, and most have been found for their broken ends.
        let from = match changes.random.random_range(0..2) {
            0 => &with_levels,
            _ => &corpus,
        };
        let input = changes.one_of(from).to_vec();
        let input = changes.change(&input, &corpus);
        if catch_unwind(AssertUnwindSafe(|| take(&input))).is_err() {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzzed-{target}-{seed}"));
            fs::write(&file, &input).expect("a writable temp dir");
            panic!(
                "seed {seed}: {} has the input:\n{}",
                file.display(),
                String::from_utf8_lossy(&input)
            );
        }
    }
}

#[test]
fn stories_of_events() {
    run("events", input::events);
}

#[test]
fn records_in_binary_mode() {
    run("binary", input::binary);
}

#[test]
fn rule_files() {
    run("rule_files", |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            input::rule_file(text);
        }
    });
}

/// Levels, limits and the commands of members are among what the corpus begins with.
#[test]
fn the_corpus_knows_levels() {
    let lacks = |target: &str, words: &[&str]| -> Vec<String> {
        let inputs = corpus(target).concat();
        let inputs = String::from_utf8_lossy(&inputs);
        let lacking = words.iter().filter(|word| !inputs.contains(**word));
        lacking.map(|word| (*word).to_owned()).collect()
    };
    let events = [
        "member.tier_set",
        "member.qualify",
        "order.refunded",
        "\"shop_id\":\"levels\"",
    ];
    assert_eq!(lacks("events", &events), [""; 0]);
    let rules = [
        "levels:",
        "per_member:",
        "first_order:",
        "renew_when:",
        "in_tier:",
        "per_order:",
    ];
    assert_eq!(lacks("rule_files", &rules), [""; 0]);
}
