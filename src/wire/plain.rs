//! A quick reader of JSON that has nothing odd about it.
//!
//! Nearly every event is plain: on one line, without escapes, no field twice, every value of the
//! type that is wanted. Anything else is `None` here and is read again by serde, which can say
//! what is wrong. Both readers must agree on all that is plain; [`json_object`] declares an object
//! once for both.
//!
//! It is written by hand for speed: reading is a large part of an event's cost, and this reader
//! neither counts lines nor unescapes nor buffers `data`.

use serde::de::IgnoredAny;

use super::object::Object;
use super::scalar::{Amount, At, FactAt, Points, Quantity};
use super::text::Text;
use crate::domain::order::facts::Section;

/// Unknown fields that are noted of an event.
pub const UNKNOWN_MAX_COUNT: usize = 16;
/// Objects and arrays within one another that are passed over.
const DEPTH_MAX: u32 = 32;
/// Whole numbers of so many digits are 64 bits for sure.
const DIGITS_MAX: usize = 18;

/// Reads a whole text.
pub fn read<'a, T: FromPlain<'a>>(text: &'a str) -> Option<T> {
    // Looks at all of it: that is many bytes at a time.
    let is_odd = |byte: u8| byte < b' ' || byte == b'\\';
    if text.bytes().fold(false, |odd, byte| odd | is_odd(byte)) {
        return None;
    }
    let mut json = Plain {
        text,
        at: 0,
        noted: Vec::new(),
    };
    let mut value = T::default();
    value.fill(&mut json)?;
    json.pass_space();
    (json.at == text.len()).then_some(value)
}

/// What can be read the quick way, where it is to be: events are large to be moved about.
pub trait FromPlain<'a>: Default {
    /// Of no use unless it returns `Some`.
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()>;
}

/// A field of an object, read the quick way.
pub trait PlainField<'a> {
    /// Reads the field's value. A field that was there before is not plain.
    fn read(&mut self, json: &mut Plain<'a>) -> Option<()>;
}

/// `null` is as if the field were absent.
impl<'a, T: FromPlain<'a>> PlainField<'a> for Option<T> {
    fn read(&mut self, json: &mut Plain<'a>) -> Option<()> {
        if self.is_some() {
            return None;
        }
        match json.null() {
            Some(()) => Some(()),
            None => self.insert(T::default()).fill(json),
        }
    }
}

impl<'a> PlainField<'a> for FactAt {
    fn read(&mut self, json: &mut Plain<'a>) -> Option<()> {
        if *self != FactAt::Absent {
            return None;
        }
        *self = match json.null() {
            Some(()) => FactAt::Null,
            None => FactAt::At(At::of_text(json.text()?)?.0),
        };
        Some(())
    }
}

/// JSON under way.
pub struct Plain<'a> {
    text: &'a str,
    at: usize,
    noted: Vec<(Section, &'a str)>,
}

impl<'a> Plain<'a> {
    /// Tells `field` the name of each field; the value is left to it.
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.pass(b'{')?;
        if self.pass(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = self.text()?;
            self.pass_space();
            self.pass(b':')?;
            field(self, name)?;
            self.pass_space();
            if self.pass(b',').is_none() {
                return self.pass(b'}');
            }
        }
    }

    /// Reads `null`, if that comes next.
    pub fn null(&mut self) -> Option<()> {
        match self.peek() {
            Some(b'n') => self.word("null"),
            _ => None,
        }
    }

    /// Passes over the value of a field that is not declared, and notes its name.
    #[cold]
    pub fn pass_unknown(&mut self, section: Section, name: &'a str) -> Option<()> {
        if self.noted.len() < UNKNOWN_MAX_COUNT && !self.noted.contains(&(section, name)) {
            self.noted.push((section, name));
        }
        self.skip()
    }

    /// Fields that are not declared, each once.
    pub fn noted(&self) -> &[(Section, &'a str)] {
        &self.noted
    }

    /// A value that nobody wants.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.object(|json, _| json.skip_within(depth))
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.array(|json| json.skip_within(depth))
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// Calls `item` for each; the value is left to it.
    fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.pass(b'[')?;
        if self.pass(b']').is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.pass_space();
            if self.pass(b',').is_none() {
                return self.pass(b']');
            }
        }
    }

    /// A string: there are no escapes, so it ends at the next quote.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let from = self.at;
        let end = quote(self.text.as_bytes(), from)?;
        self.at = end + 1;
        self.text.get(from..end)
    }

    /// A number as it is written.
    fn number(&mut self) -> Option<&'a str> {
        self.pass_space();
        let from = self.at;
        let digits = |json: &mut Self| {
            let from = json.at;
            while json.byte().is_some_and(|byte| byte.is_ascii_digit()) {
                json.at += 1;
            }
            (json.at > from).then_some(from)
        };
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let whole = digits(self)?;
        if self.at - whole > 1 && self.text.as_bytes()[whole] == b'0' {
            return None;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            digits(self)?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            digits(self)?;
        }
        self.text.get(from..self.at)
    }

    /// To serde a number with a fraction or an exponent, or below 0 and yet 0, is a float.
    fn whole_number(&mut self) -> Option<i64> {
        let text = self.number()?;
        let is_whole = text.len() <= DIGITS_MAX && text != "-0";
        is_whole.then(|| text.parse().ok()).flatten()
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.pass_space();
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// The first byte of what comes next.
    fn peek(&mut self) -> Option<u8> {
        self.pass_space();
        self.byte()
    }

    /// This byte, if it comes next.
    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn pass_space(&mut self) {
        while self.byte() == Some(b' ') {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Where the next quote is. Strings are short here: eight bytes at a time are soon through.
#[inline]
fn quote(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    let mut at = from;
    while let Some((word, _)) = bytes.get(at..)?.split_first_chunk::<8>() {
        let odds = u64::from_le_bytes(*word) ^ (ONES * b'"' as u64);
        // The lowest bit set is in the first byte that is a quote.
        let quotes = odds.wrapping_sub(ONES) & !odds & (ONES << 7);
        if quotes != 0 {
            return Some(at + (quotes.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    last_quote(bytes, at)
}

#[cold]
#[inline(never)]
fn last_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let within = bytes.get(from..)?.iter().position(|byte| *byte == b'"')?;
    Some(from + within)
}

/// Declares an object of JSON once: its struct, serde's reader and the quick reader.
///
/// Each field is `"name" => field: Type`; the type implements [`PlainField`], `Default` and
/// `Deserialize`. All fields may be absent, others are passed over; the quick reader notes their names.
macro_rules! json_object {
    ($(#[$meta:meta])* $vis:vis struct $type:ident is $section:ident { $($(#[$doc:meta])* $name:literal => $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Default, serde::Deserialize)]
        #[serde(default, bound(deserialize = "'de: 'a"))]
        $vis struct $type<'a> {
            $($(#[$doc])* #[serde(rename = $name)] pub $field: $kind,)*
        }

        impl $type<'_> {
            pub const FIELDS: &'static [&'static str] = &[$($name),*];
        }

        $crate::wire::plain::plain_fields!($type<'a> { $($name: $field,)* } $section);
    };
}
pub(super) use json_object;

/// The quick reader of a type whose serde reader is declared beside it.
macro_rules! plain_fields {
    ($type:ident<$life:lifetime $(, $data:ident)?> { $($name:literal: $field:ident),* $(,)? } $($section:ident)?) => {
        impl<$life $(, $data: $crate::wire::plain::FromPlain<$life>)?> $crate::wire::plain::FromPlain<$life>
            for $type<$life $(, $data)?>
        {
            fn fill(&mut self, json: &mut $crate::wire::plain::Plain<$life>) -> Option<()> {
                const NULL_IS_PLAIN: bool = $crate::wire::plain::is_data!($($section)?);
                json.object(|json, name| match name {
                    $($name => $crate::wire::plain::read_field::<_, NULL_IS_PLAIN>(&mut self.$field, json),)*
                    other => $crate::wire::plain::pass_other!(json, other $(, $section)?),
                })
            }
        }
    };
}
pub(super) use plain_fields;

/// Whether an object is a part of the data.
macro_rules! is_data {
    () => {
        false
    };
    ($section:ident) => {
        true
    };
}
pub(super) use is_data;

/// A second value behind `null` counts in data, as it stands last. An attribute that stands twice is
/// refused, which serde finds out.
#[inline]
pub fn read_field<'a, F: PlainField<'a>, const NULL_IS_PLAIN: bool>(
    field: &mut F,
    json: &mut Plain<'a>,
) -> Option<()> {
    match NULL_IS_PLAIN || json.peek() != Some(b'n') {
        true => field.read(json),
        false => None,
    }
}

macro_rules! pass_other {
    ($json:ident, $name:ident) => {{
        let _ = $name;
        $json.skip()
    }};
    ($json:ident, $name:ident, $section:ident) => {
        $json.pass_unknown($crate::domain::order::facts::Section::$section, $name)
    };
}
pub(super) use pass_other;

impl<'a> FromPlain<'a> for IgnoredAny {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        json.skip()
    }
}

impl<'a> FromPlain<'a> for Text<'a> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = Text(json.text()?.into());
        Some(())
    }
}

impl<'a> FromPlain<'a> for bool {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = json.peek()? == b't';
        json.word(if *self { "true" } else { "false" })
    }
}

impl<'a> FromPlain<'a> for i64 {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = json.whole_number()?;
        Some(())
    }
}

impl<'a> FromPlain<'a> for u32 {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = json.whole_number()?.try_into().ok()?;
        Some(())
    }
}

impl<'a> FromPlain<'a> for Points {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = Points(json.whole_number()?);
        (self.0 >= 0).then_some(())
    }
}

impl<'a> FromPlain<'a> for Amount {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        let read = match json.peek()? {
            b'"' => Amount::of_text(json.text()?),
            _ => Amount::of_number(json.whole_number()?.try_into().ok()?),
        };
        *self = read.ok()?;
        Some(())
    }
}

/// A number with a fraction is left to serde.
impl<'a> FromPlain<'a> for Quantity {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        let read = match json.peek()? {
            b'"' => Quantity::of_text(json.text()?),
            _ => Quantity::of_number(json.whole_number()?.try_into().ok()?),
        };
        *self = read.ok()?;
        Some(())
    }
}

impl<'a> FromPlain<'a> for At {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        *self = At::of_text(json.text()?)?;
        Some(())
    }
}

impl<'a, T: FromPlain<'a>> FromPlain<'a> for Object<T> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        self.0.fill(json)
    }
}

impl<'a, T: FromPlain<'a>> FromPlain<'a> for Box<T> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        (**self).fill(json)
    }
}

impl<'a, T: FromPlain<'a>> FromPlain<'a> for Vec<T> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        json.array(|json| self.push_mut(T::default()).fill(json))
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
