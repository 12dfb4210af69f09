//! `accrual rules check` says of each broken file in `tests/rules` what is wrong, where, and
//! what would be right.

mod support;

use std::fs;
use std::path::Path;

use support::accrual::{Settings, run, succeed};

#[test]
fn what_is_wrong_is_told_with_its_line_its_field_and_a_remedy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("tests/rules")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "only {} broken files", files.len());
    let prefix = format!("{}/", folder.display());
    let mut failures = Vec::new();
    for file in files {
        let output = run(
            &["rules", "check", file.to_str().expect("UTF-8")],
            &Settings::new(),
        );
        let told = String::from_utf8(output.stderr)
            .expect("UTF-8")
            .replace(&prefix, "");
        let wanted = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        if told != wanted || output.status.code() != Some(1) {
            failures.push(format!(
                "{} ({}):\n{told}instead of\n{wanted}",
                file.display(),
                output.status
            ));
        }
        for line in told.lines() {
            let (place, what) = line.split_once(": ").expect("file:line: field: what; remedy");
            let (field, said) = what.split_once(": ").expect("field: what; remedy");
            let number = place
                .rsplit(':')
                .next()
                .and_then(|line| line.parse::<usize>().ok());
            let parts = [Some(field), said.split_once("; ").map(|(_, remedy)| remedy)];
            assert!(
                number.is_some() && parts.iter().all(|part| part.is_some_and(|part| !part.is_empty())),
                "{line}"
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_examples_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in fs::read_dir(folder).expect("examples") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let told = succeed(
                &["rules", "check", path.to_str().expect("UTF-8")],
                &Settings::new(),
            );
            assert!(told.contains("is good"), "{}: {told}", path.display());
        }
    }
}
