//! Text of strangers on a terminal: what would move the cursor, change colours, turn the direction
//! of reading or begin a line is shown as an escape sequence of Rust's.

use std::fmt::{self, Display, Write};

/// Shows what it holds on one line.
pub struct Escaped<T>(pub T);

/// Shows what it holds with its line breaks.
pub struct EscapedLines<T>(pub T);

/// Escapes what is written through it.
pub struct Escaping<W> {
    into: W,
    keeps_line_breaks: bool,
}

impl<W: Write> Escaping<W> {
    /// Line breaks are escaped too.
    pub fn new(into: W) -> Self {
        Self {
            into,
            keeps_line_breaks: false,
        }
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let escaped = |c: char| is_unsafe(c) && !(c == '\n' && self.keeps_line_breaks);
        while let Some(at) = text.find(escaped) {
            let (safe, rest) = text.split_at(at);
            self.into.write_str(safe)?;
            let mut rest = rest.chars();
            rest.next()
                .into_iter()
                .flat_map(char::escape_default)
                .try_for_each(|c| self.into.write_char(c))?;
            text = rest.as_str();
        }
        self.into.write_str(text)
    }
}

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping::new(f), "{}", self.0)
    }
}

impl<T: Display> Display for EscapedLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping {
            into: f,
            keeps_line_breaks: true,
        };
        write!(escaping, "{}", self.0)
    }
}

/// Control characters, line and paragraph separators, and marks that turn the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_begins_a_line() {
        for (text, wanted) in [
            ("A-1", "A-1"),
            ("é, 紅茶, \\", "é, 紅茶, \\"),
            ("rules.\u{1b}[31mX\nFAKE", "rules.\\u{1b}[31mX\\nFAKE"),
            ("a\r\tb\0", "a\\r\\tb\\u{0}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}moc\u{2028}x\u{feff}", "\\u{202e}moc\\u{2028}x\\u{feff}"),
        ] {
            assert_eq!(Escaped(text).to_string(), wanted);
        }
        assert_eq!(EscapedLines("a\n\u{1b}b").to_string(), "a\n\\u{1b}b");
    }
}
