//! What is wrong with the settings: all of it at once.

use std::fmt;

use super::raw::Source;

/// One wrong setting. Never quotes a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub source: Source,
    /// The setting's path.
    pub name: String,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {}; {}",
            self.source, self.name, self.what, self.remedy
        )
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {name}: {reason}")]
    File { name: String, reason: std::io::Error },
    /// One line for each.
    #[error("{}", lines(.0))]
    Wrong(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    format!("the settings are wrong:\n{}", lines.join("\n"))
}
