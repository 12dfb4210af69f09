//! What tells a topic from another one that was created later under the same name.

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

use super::ports::Offset;

/// The id that the brokers gave a topic when it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(NonZeroU128);

/// A place in an input: the offset, and the topic in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub offset: Offset,
    /// `None`: written by a release that did not keep ids, or the brokers have none.
    pub topic: Option<TopicId>,
}

/// Letters of the text form: URL-safe base64 without padding, as Kafka's tools print ids.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LETTERS: u32 = 22;

impl TopicId {
    /// `None` for zero, which stands for no id.
    pub fn new(id: u128) -> Option<Self> {
        NonZeroU128::new(id).map(Self)
    }

    pub fn from_halves(high: u64, low: u64) -> Option<Self> {
        Self::new(u128::from(high) << 64 | u128::from(low))
    }

    pub fn high(self) -> u64 {
        (self.0.get() >> 64) as u64
    }

    pub fn low(self) -> u64 {
        self.0.get() as u64
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.get();
        let text: String = (0..TEXT_LETTERS)
            .map(|at| {
                // The last letter holds the two lowest bits, then four of padding.
                let bits = match 128u32.checked_sub(6 * (at + 1)) {
                    Some(shift) => id >> shift,
                    None => id << 4,
                };
                char::from(LETTERS[(bits & 63) as usize])
            })
            .collect();
        f.write_str(&text)
    }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a topic id")]
pub struct NoTopicId;

impl FromStr for TopicId {
    type Err = NoTopicId;

    fn from_str(text: &str) -> Result<Self, NoTopicId> {
        let digit = |letter: u8| LETTERS.iter().position(|known| *known == letter);
        let (mut id, mut last) = (0u128, 0u128);
        if text.len() != TEXT_LETTERS as usize {
            return Err(NoTopicId);
        }
        for (at, letter) in text.bytes().enumerate() {
            let bits = digit(letter).ok_or(NoTopicId)? as u128;
            match at + 1 == TEXT_LETTERS as usize {
                true => last = bits,
                false => id = id << 6 | bits,
            }
        }
        if last & 15 != 0 {
            return Err(NoTopicId);
        }
        Self::new(id << 2 | last >> 4).ok_or(NoTopicId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_text_that_kafka_prints() {
        // java: new Uuid(0x0123456789abcdefL, 0xfedcba9876543210L).toString()
        let id = TopicId::from_halves(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210).unwrap();
        assert_eq!(id.to_string(), "ASNFZ4mrze_-3LqYdlQyEA");
        for id in [1, 2, u128::MAX, 0xfeed << 64, 7 << 126] {
            let id = TopicId::new(id).unwrap();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(TopicId::from_halves(id.high(), id.low()), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "ASNFZ4mrze_-3LqYdlQyE",
            "ASNFZ4mrze_-3LqYdlQyEAA",
            "ASNFZ4mrze/-3LqYdlQyEA",
            "ASNFZ4mrze_-3LqYdlQyEB",
            "AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(text.parse::<TopicId>(), Err(NoTopicId), "{text}");
        }
        assert_eq!(TopicId::new(0), None);
    }
}
