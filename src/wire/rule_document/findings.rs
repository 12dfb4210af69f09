//! What is wrong with a document, and what of it is kept without being read.

use super::RuleError;

/// How much of what was written an error quotes.
const SHOWN_MAX_CHARS: usize = 200;

/// All that is wrong with a document, so that one run reports everything.
#[derive(Debug, Default)]
pub struct Findings {
    pub errors: Vec<RuleError>,
    /// `labels` and `x-…` by their place (`/x-note`, `/accrual/x-note`), as JSON text.
    pub annotations: Vec<(String, String)>,
}

impl Findings {
    pub fn add(&mut self, line: usize, field: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(RuleError {
            line,
            field: one_line(field),
            wrong: one_line(&wrong.into()),
            remedy: remedy.into(),
        });
    }
}

/// Text from a document as an error shows it: cut, with line breaks and other controls escaped.
fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(SHOWN_MAX_CHARS));
    for (at, char) in text.chars().enumerate() {
        match char {
            _ if at == SHOWN_MAX_CHARS => {
                shown.push('…');
                break;
            }
            char if char.is_control() => shown.extend(char.escape_default()),
            char => shown.push(char),
        }
    }
    shown
}
