//! Numbers, times and texts in as few bytes as is easy: what one field holds is often what the
//! same field of the row before holds, or near it.

use crate::domain::instant::Instant;

/// Bytes that end too early, or hold what was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Units of times, the coarsest first.
const UNITS: [i64; 4] = [60_000_000, 1_000_000, 1_000, 1];
const UNIT_BITS: u32 = 2;

/// How the end of a text is written, behind what it shares with the text before.
const RAW: u64 = 0;
const UUID: u64 = 1;
const DIGITS: u64 = 2;
const SIX_BITS: u64 = 3;
const FORM_BITS: u32 = 2;
/// Digits that fit a number of 64 bits; a single one is shorter as it is.
const DIGITS_MIN: usize = 2;
const DIGITS_MAX: usize = 19;
/// Shorter ends are written as they are.
const PACKED_MIN: usize = 4;
/// Where a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_CHARS: usize = 36;
/// What identifiers are made of: 64 characters.
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// The same bytes as of [`Writer::number`], quicker.
    pub fn uint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub fn int(&mut self, number: i64) {
        self.uint(zigzag(number));
    }

    pub fn int128(&mut self, number: i128) {
        self.number(zigzag128(number));
    }

    /// How far `at` lies from `base`.
    pub fn time(&mut self, at: Instant, base: Instant) {
        let distance = at.0.wrapping_sub(base.0);
        let (tag, unit) = (0..)
            .zip(UNITS)
            .find(|(_, unit)| distance % unit == 0)
            .unwrap_or((3, 1));
        let steps = zigzag(distance / unit);
        match steps.leading_zeros() >= UNIT_BITS {
            true => self.uint(steps << UNIT_BITS | tag),
            false => self.number(u128::from(steps) << UNIT_BITS | u128::from(tag)),
        }
    }

    /// A text that is like `before`.
    pub fn text(&mut self, text: &str, before: &str) {
        if let Some(uuid) = uuid_of(text) {
            self.uint(UUID);
            self.0.extend_from_slice(&uuid.to_be_bytes());
            return;
        }
        let shared = text
            .bytes()
            .zip(before.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let end = &text.as_bytes()[shared..];
        let mut head = |form| self.number((shared as u128) << FORM_BITS | u128::from(form));
        if (DIGITS_MIN..=DIGITS_MAX).contains(&end.len()) && end.iter().all(u8::is_ascii_digit) {
            head(DIGITS);
            self.uint(end.len() as u64);
            let number = end
                .iter()
                .fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
            return self.number(number);
        } else if end.len() < PACKED_MIN {
            head(RAW);
        } else if end.iter().all(|byte| six_bits(*byte).is_some()) {
            head(SIX_BITS);
            self.uint(end.len() as u64);
            return self.six_bits(end);
        } else {
            head(RAW);
        }
        self.uint(end.len() as u64);
        self.0.extend_from_slice(end);
    }

    fn six_bits(&mut self, end: &[u8]) {
        for four in end.chunks(4) {
            let codes = four
                .iter()
                .map(|byte| u32::from(six_bits(*byte).unwrap_or_default()));
            let bits = codes.fold(0, |bits, code| bits << 6 | code) << (6 * (4 - four.len()));
            self.0
                .extend_from_slice(&bits.to_be_bytes()[1..1 + bytes_of(four.len())]);
        }
    }
}

pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn number(&mut self) -> Result<u128, Malformed> {
        let mut number = 0;
        for place in (0..126).step_by(7).chain([126]) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            number |= u128::from(byte & 0x7f) << place;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub fn uint(&mut self) -> Result<u64, Malformed> {
        self.number()?.try_into().map_err(|_| Malformed)
    }

    pub fn uint32(&mut self) -> Result<u32, Malformed> {
        self.number()?.try_into().map_err(|_| Malformed)
    }

    pub fn int(&mut self) -> Result<i64, Malformed> {
        self.uint().map(unzigzag)
    }

    pub fn int128(&mut self) -> Result<i128, Malformed> {
        self.number().map(unzigzag128)
    }

    /// How many rows follow. Each takes a byte at least.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        (count <= self.0.len()).then_some(count).ok_or(Malformed)
    }

    pub fn id(&mut self) -> Result<u128, Malformed> {
        let bytes = self.bytes(16)?.try_into().map_err(|_| Malformed)?;
        Ok(u128::from_be_bytes(bytes))
    }

    pub fn time(&mut self, base: Instant) -> Result<Instant, Malformed> {
        let number = self.number()?;
        let unit = UNITS[(number & 3) as usize];
        let steps = u64::try_from(number >> UNIT_BITS).map_err(|_| Malformed)?;
        Ok(Instant(base.0.wrapping_add(unzigzag(steps).wrapping_mul(unit))))
    }

    /// Makes the text before into the one that comes next.
    pub fn text(&mut self, text: &mut String) -> Result<(), Malformed> {
        let head = self.number()?;
        let form = (head & 3) as u64;
        if form == UUID {
            *text = uuid(self.id()?);
            return Ok(());
        }
        let shared = usize::try_from(head >> FORM_BITS).map_err(|_| Malformed)?;
        let mut bytes = std::mem::take(text).into_bytes();
        if shared > bytes.len() {
            return Err(Malformed);
        }
        bytes.truncate(shared);
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        match form {
            DIGITS => {
                if length > DIGITS_MAX {
                    return Err(Malformed);
                }
                let digits = self.number()?;
                bytes.extend_from_slice(format!("{digits:0length$}").as_bytes());
            }
            SIX_BITS => {
                let mut left = length;
                while left > 0 {
                    let four = left.min(4);
                    let mut bits = [0; 4];
                    bits[1..1 + bytes_of(four)].copy_from_slice(self.bytes(bytes_of(four))?);
                    let bits = u32::from_be_bytes(bits);
                    let codes = (0..four).map(|place| ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]);
                    bytes.extend(codes);
                    left -= four;
                }
            }
            _ => bytes.extend_from_slice(self.bytes(length)?),
        }
        *text = String::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(())
    }
}

/// Bytes that so many characters of six bits take.
fn bytes_of(characters: usize) -> usize {
    (characters * 6).div_ceil(8)
}

fn six_bits(byte: u8) -> Option<u8> {
    Some(match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        b'a'..=b'z' => byte - b'a' + 36,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

/// The number that a UUID in its usual form is.
fn uuid_of(text: &str) -> Option<u128> {
    if text.len() != UUID_CHARS {
        return None;
    }
    let mut number = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'-' if HYPHENS.contains(&place) => continue,
            _ if HYPHENS.contains(&place) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

fn uuid(number: u128) -> String {
    let mut text = crate::domain::digest::hex(number);
    for place in HYPHENS {
        text.insert(place, '-');
    }
    text
}

/// The sign is the last bit.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

pub fn zigzag128(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

pub fn unzigzag128(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_read_as_written(
            texts in proptest::collection::vec(
                prop_oneof![".{0,12}", "[0-9]{0,25}", "ab[0-9A-Za-z_-]{0,30}", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"],
                1..6,
            ),
        ) {
            let mut writer = Writer::default();
            let mut before = "";
            for text in &texts {
                writer.text(text, before);
                before = text;
            }
            let mut reader = Reader(&writer.0);
            let mut read = String::new();
            for text in &texts {
                reader.text(&mut read).unwrap();
                prop_assert_eq!(&read, text);
            }
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn numbers_and_times_are_read_as_written(numbers: (u128, u64, i64, i128), at: i64, base: i64) {
            let mut writer = Writer::default();
            writer.number(numbers.0);
            writer.uint(numbers.1);
            writer.int(numbers.2);
            writer.int128(numbers.3);
            writer.time(Instant(at), Instant(base));
            let mut reader = Reader(&writer.0);
            let read = (reader.number().unwrap(), reader.uint().unwrap(), reader.int().unwrap(), reader.int128().unwrap());
            prop_assert_eq!(read, numbers);
            prop_assert_eq!(reader.time(Instant(base)), Ok(Instant(at)));
        }
    }

    #[test]
    fn usual_texts_are_short() {
        let size = |text: &str, before: &str| {
            let mut writer = Writer::default();
            writer.text(text, before);
            writer.0.len()
        };
        assert_eq!(size("6c84fb90-12c4-11e1-840d-7b25c5ee775a", ""), 17);
        assert_eq!(size("order-0000000000000000017", "order-0000000000000000016"), 3);
        assert_eq!(size("order-0000000000123456789", "order-0000000000000000016"), 6);
        assert_eq!(size("01HXQ3V8J5ZKQ2M4N6P8R0T2V", ""), 21);
    }
}
