//! Text fields of JSON that stay where they are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::domain::short_text::ShortText;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A string borrowed from the input, unless escapes had to be resolved. (A `Cow` within an
/// `Option` would be copied always.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    pub fn short(&self) -> ShortText {
        ShortText::from(&*self.0)
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_escapes_are_copied() {
        let read = |json: &'static str| serde_json::from_str::<Option<Text>>(json).unwrap();
        assert!(matches!(read(r#""plain""#), Some(Text(Cow::Borrowed("plain")))));
        assert!(matches!(read(r#""a\"b""#), Some(Text(Cow::Owned(text))) if text == "a\"b"));
        assert_eq!(read("null"), None);
    }
}
