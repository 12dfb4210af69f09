//! Ids out of causes: the same parts give the same 128 bits for ever (E8).

use xxhash_rust::xxh3::xxh3_128;

/// Hash of the parts in their order. Each is preceded by its length, so that `["ab", "c"]` and
/// `["a", "bc"]` differ. Published and stored: XXH3's 128 bits, never another function.
pub fn digest(parts: &[&str]) -> u128 {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    xxh3_128(&bytes)
}

/// As an id that is published: 32 hexadecimal digits.
pub fn hex(digest: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

/// Reads what [`hex`] wrote.
pub fn from_hex(text: &str) -> Option<u128> {
    if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_what_it_was() {
        assert_eq!(
            hex(digest(&["issued", "acme", "A-1", "0"])),
            "1f6ffba8f3fb40e84003a6f46a671d5a"
        );
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", ""]), digest(&["a"]));
    }

    #[test]
    fn hex_is_read_back() {
        for value in [0, 1, u128::MAX, digest(&["x"])] {
            assert_eq!(from_hex(&hex(value)), Some(value));
            assert_eq!(hex(value), format!("{value:032x}"));
        }
        for text in [
            "",
            "1",
            "+0000000000000000000000000000001",
            "g0000000000000000000000000000000",
        ] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
