//! Protocol Buffers, written straight from what is borrowed.
//!
//! prost reads the stored messages. To write with it, every text of a state would have to be
//! copied into its message first; this writer saves those allocations. [`stored_message`]
//! declares a message once for both.

/// Wire type of varints.
const VARINT: u32 = 0;
/// Wire type of what has a length before it.
const LENGTH: u32 = 2;

/// A message under way. As in every proto3 message, what has its default is left out, but for
/// the fields called optional.
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn with_capacity(bytes: usize) -> Self {
        Writer(Vec::with_capacity(bytes))
    }

    pub fn end(self) -> Vec<u8> {
        self.0
    }

    /// What stands before the message.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn text(&mut self, tag: u32, text: &str) {
        self.optional_text(tag, (!text.is_empty()).then_some(text));
    }

    pub fn optional_text(&mut self, tag: u32, text: Option<&str>) {
        if let Some(text) = text {
            self.key(tag, LENGTH);
            self.varint(text.len() as u64);
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    pub fn sint64(&mut self, tag: u32, number: i64) {
        self.optional_sint64(tag, (number != 0).then_some(number));
    }

    pub fn optional_sint64(&mut self, tag: u32, number: Option<i64>) {
        // Zigzag: the sign is the last bit.
        self.optional_uint64(tag, number.map(|number| ((number << 1) ^ (number >> 63)) as u64));
    }

    pub fn int64(&mut self, tag: u32, number: i64) {
        self.uint64(tag, number as u64);
    }

    pub fn uint64(&mut self, tag: u32, number: u64) {
        self.optional_uint64(tag, (number != 0).then_some(number));
    }

    pub fn optional_uint64(&mut self, tag: u32, number: Option<u64>) {
        if let Some(number) = number {
            self.key(tag, VARINT);
            self.varint(number);
        }
    }

    pub fn bool(&mut self, tag: u32, value: bool) {
        self.uint64(tag, u64::from(value));
    }

    /// A message within; always written.
    pub fn message(&mut self, tag: u32, fields: impl FnOnce(&mut Self)) {
        self.key(tag, LENGTH);
        let place = self.0.len();
        self.0.push(0);
        fields(self);
        let length = self.0.len() - place - 1;
        if length < 0x80 {
            self.0[place] = length as u8;
            return;
        }
        // One byte was left for it; a longer length moves the message.
        let mut bytes = Writer::with_capacity(10);
        bytes.varint(length as u64);
        let extra = bytes.0.len() - 1;
        self.0.resize(self.0.len() + extra, 0);
        self.0
            .copy_within(place + 1..place + 1 + length, place + 1 + extra);
        self.0[place..=place + extra].copy_from_slice(&bytes.0);
    }

    fn key(&mut self, tag: u32, wire_type: u32) {
        self.varint(u64::from(tag << 3 | wire_type));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

/// A message that can be written.
pub trait Write {
    fn write(&self, writer: &mut Writer);
}

/// A field's value, written as the Protocol Buffers type `Kind`.
pub trait Put<Kind> {
    fn put(&self, tag: u32, writer: &mut Writer);
}

/// The types of Protocol Buffers, by the names that prost gives them.
#[allow(non_camel_case_types)]
pub mod kind {
    pub struct sint64;
    pub struct int64;
    pub struct uint32;
    pub struct bool;
    pub struct string;
    pub struct message;
}

macro_rules! scalars {
    ($($kind:ident, $type:ty: $method:ident;)*) => {
        $(impl Put<kind::$kind> for $type {
            fn put(&self, tag: u32, writer: &mut Writer) {
                writer.$method(tag, (*self).into());
            }
        })*
    };
}

scalars! {
    sint64, i64: sint64;
    sint64, Option<i64>: optional_sint64;
    int64, i64: int64;
    uint32, u32: uint64;
    bool, bool: bool;
    string, &str: text;
    string, Option<&str>: optional_text;
}

impl Put<kind::uint32> for Option<u32> {
    fn put(&self, tag: u32, writer: &mut Writer) {
        writer.optional_uint64(tag, self.map(u64::from));
    }
}

impl Put<kind::bool> for Option<bool> {
    fn put(&self, tag: u32, writer: &mut Writer) {
        writer.optional_uint64(tag, self.map(u64::from));
    }
}

impl Put<kind::string> for Vec<&str> {
    fn put(&self, tag: u32, writer: &mut Writer) {
        for text in self {
            writer.optional_text(tag, Some(text));
        }
    }
}

impl<M: Write> Put<kind::message> for Option<M> {
    fn put(&self, tag: u32, writer: &mut Writer) {
        if let Some(message) = self {
            writer.message(tag, |writer| message.write(writer));
        }
    }
}

impl<M: Write> Put<kind::message> for Vec<M> {
    fn put(&self, tag: u32, writer: &mut Writer) {
        for message in self {
            writer.message(tag, |writer| message.write(writer));
        }
    }
}

/// Declares a stored message once: prost's reader, and a form that borrows its texts, to be
/// written. A field is `tag type field: Read, Written;`, the type as prost names it. Where
/// nothing is borrowed one form serves for both.
macro_rules! stored_message {
    ($(#[$meta:meta])* $owned:ident {
        $($(#[$doc:meta])* $tag:literal $kind:ident $(($label:ident))? $field:ident: $read:ty;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, prost::Message)]
        pub struct $owned {
            $($(#[$doc])* #[prost($kind $(, $label)?, tag = $tag)] pub $field: $read,)*
        }

        impl $crate::wire::protobuf::Write for $owned {
            fn write(&self, writer: &mut $crate::wire::protobuf::Writer) {
                $($crate::wire::protobuf::Put::<$crate::wire::protobuf::kind::$kind>::put(
                    &self.$field, $tag, writer,
                );)*
            }
        }
    };
    ($(#[$meta:meta])* $owned:ident, $borrowed:ident {
        $($(#[$doc:meta])* $tag:literal $kind:ident $(($label:ident))? $field:ident: $read:ty, $written:ty;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct $owned {
            $($(#[$doc])* #[prost($kind $(, $label)?, tag = $tag)] pub $field: $read,)*
        }

        /// To be written.
        pub struct $borrowed<'a> {
            $(pub $field: $written,)*
        }

        impl $crate::wire::protobuf::Write for $borrowed<'_> {
            fn write(&self, writer: &mut $crate::wire::protobuf::Writer) {
                $($crate::wire::protobuf::Put::<$crate::wire::protobuf::kind::$kind>::put(
                    &self.$field, $tag, writer,
                );)*
            }
        }
    };
}
pub(super) use stored_message;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Outer {
        #[prost(string, tag = "1")]
        text: String,
        #[prost(string, optional, tag = "2")]
        optional: Option<String>,
        #[prost(sint64, tag = "3")]
        signed: i64,
        #[prost(sint64, optional, tag = "4")]
        optional_signed: Option<i64>,
        #[prost(int64, tag = "5")]
        plain: i64,
        #[prost(uint32, optional, tag = "16")]
        optional_unsigned: Option<u32>,
        #[prost(bool, tag = "17")]
        flag: bool,
        #[prost(message, optional, boxed, tag = "18")]
        inner: Option<Box<Outer>>,
    }

    fn write(outer: &Outer, writer: &mut Writer) {
        writer.text(1, &outer.text);
        writer.optional_text(2, outer.optional.as_deref());
        writer.sint64(3, outer.signed);
        writer.optional_sint64(4, outer.optional_signed);
        writer.int64(5, outer.plain);
        writer.optional_uint64(16, outer.optional_unsigned.map(u64::from));
        writer.bool(17, outer.flag);
        if let Some(inner) = &outer.inner {
            writer.message(18, |writer| write(inner, writer));
        }
    }

    #[test]
    fn the_bytes_are_those_of_prost() {
        let full = |length: usize, number: i64| Outer {
            text: "x".repeat(length),
            optional: Some(String::new()),
            signed: number,
            optional_signed: Some(0),
            plain: number,
            optional_unsigned: Some(number as u32),
            flag: true,
            inner: None,
        };
        let mut outer = Outer::default();
        for (length, number) in [
            (0, 0),
            (1, -1),
            (90, i64::MIN),
            (110, i64::MAX),
            (127, 63),
            (128, -64),
            (20_000, 1 << 40),
        ] {
            outer = Outer {
                inner: Some(Box::new(outer)),
                ..full(length, number)
            };
            let mut writer = Writer::with_capacity(0);
            write(&outer, &mut writer);
            assert_eq!(writer.end(), outer.encode_to_vec(), "{length} {number}");
        }
    }
}
