//! Holds the table of `REQUIREMENTS.md`: every id is in it, and what it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const IDS: [(char, u32); 5] = [('C', 10), ('S', 18), ('A', 8), ('E', 10), ('W', 8)];
/// Ids that nothing shows yet; their row says why.
const LATER: [&str; 1] = ["A8"];
/// Parts of the contract's fine print, with how many lines of each the table has.
const FINE_PRINT: [(&str, usize); 20] = [
    ("Rule documents", 9),
    ("Looking beyond", 3),
    ("Facts", 9),
    ("Amounts", 13),
    ("Told once", 6),
    ("Ledger", 9),
    ("Redemption", 11),
    ("Commands", 2),
    ("Notices", 1),
    ("Replay", 3),
    ("Orders, again", 6),
    ("Ledger, again", 7),
    ("Facts taken back", 4),
    ("Claims", 2),
    ("Pending, again", 1),
    ("Bonuses", 5),
    ("Real orders, again", 11),
    ("Spans", 1),
    ("Levels", 18),
    ("Limits", 7),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Id or text of each row, with what its last cell names.
fn rows() -> Vec<(String, String, Vec<String>)> {
    let text = fs::read_to_string(root().join("tests/REQUIREMENTS.md")).expect("the table");
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let shown = cells.last().expect("a cell");
        let names = shown.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[0].to_owned(), cells[1].to_owned(), names)
    };
    let is_row =
        |line: &&str| line.starts_with("| ") && !line.contains("---") && !line.contains("shown by |");
    text.lines().filter(is_row).map(row).collect()
}

fn test_functions(folder: PathBuf, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            test_functions(path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let names = text.split("fn ").skip(1);
            into.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn every_id_is_in_the_table_once() {
    let rows = rows();
    let wanted = IDS
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}")));
    for id in wanted {
        let found: Vec<_> = rows.iter().filter(|(row, _, _)| *row == id).collect();
        let [(_, what, names)] = found[..] else {
            panic!("{id} has {} rows", found.len());
        };
        let later = LATER.contains(&id.as_str());
        assert_eq!(
            names.is_empty(),
            later,
            "{id} is shown by something, or it is for later"
        );
        assert_eq!(
            what.starts_with("later: "),
            later,
            "{id} says why it is for later"
        );
    }
}

#[test]
fn every_line_of_the_fine_print_is_shown() {
    let rows = rows();
    for (part, lines) in FINE_PRINT {
        let of_part: Vec<_> = rows.iter().filter(|(row, _, _)| *row == part).collect();
        assert_eq!(of_part.len(), lines, "{part}");
        for (_, line, names) in of_part {
            assert!(!names.is_empty(), "{part}: nothing shows that {line}");
        }
    }
}

#[test]
fn what_the_table_names_is_there() {
    let mut functions = BTreeSet::new();
    test_functions(root().join("src"), &mut functions);
    test_functions(root().join("tests"), &mut functions);
    let mut missing = Vec::new();
    for (row, _, names) in rows() {
        for name in names {
            let folder = root().join("tests/vectors").join(&name);
            if !folder.is_dir() && !functions.contains(&name) {
                missing.push(format!("{row}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "neither folder nor test: {missing:#?}");
}

/// A scenario that shows nothing anyone asked for would not be missed.
#[test]
fn every_scenario_shows_a_row_or_a_line_of_the_fine_print() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|(_, _, names)| names).collect();
    let folders = fs::read_dir(root().join("tests/vectors")).expect("tests/vectors");
    for entry in folders {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            assert!(named.contains(&name), "{name} is in no row");
        }
    }
}
