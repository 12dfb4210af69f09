//! How the engine keeps a state: its wake-up and index flag stand beside the stage's bytes,
//! so that a restore needs nobody who can read them.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::Refusal;
use super::ports::{Key, Millis};
use super::processor::Saved;

/// First byte of a stored state. Never reused for another layout.
const LAYOUT: u8 = 1;
const FLAG_WAKE: u8 = 1;
const FLAG_INDEXED: u8 = 2;
/// The wake-up is not the stage's own but a later look at what could not be decided. Versions
/// that do not know this flag take it for the stage's own.
const FLAG_POSTPONED: u8 = 4;
const HEADER_MAX_BYTES: usize = 10;

/// Layout, flags, wake-up in ms (only if there is one), the stage's bytes.
pub fn encode(saved: &Saved, postponed: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(saved.bytes.len() + HEADER_MAX_BYTES);
    out.put_u8(LAYOUT);
    let wake = if saved.wake.is_some() { FLAG_WAKE } else { 0 };
    let indexed = if saved.indexed { FLAG_INDEXED } else { 0 };
    let postponed = if postponed { FLAG_POSTPONED } else { 0 };
    out.put_u8(wake | indexed | postponed);
    if let Some(wake) = saved.wake {
        out.put_i64(wake);
    }
    out.extend_from_slice(&saved.bytes);
    out.freeze()
}

/// How many bytes [`encode`] makes of it.
pub fn len(saved: &Saved) -> usize {
    saved.bytes.len() + if saved.wake.is_some() { HEADER_MAX_BYTES } else { 2 }
}

/// Whether the wake-up of a stored state is a later look at what could not be decided.
pub fn is_postponed(stored: &Bytes) -> bool {
    stored.get(1).is_some_and(|flags| flags & FLAG_POSTPONED != 0)
}

/// A key for people: its words with a stroke between them.
pub fn shown(key: &Key) -> String {
    let words = key.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words: Vec<_> = words
        .map(|word| String::from_utf8_lossy(word).escape_debug().to_string())
        .collect();
    words.join("/")
}

/// Reads what [`encode`] wrote.
pub fn decode(stored: &Bytes) -> Result<Saved, Refusal> {
    let corrupt = |what: &str| Refusal::new("corrupt_state", what.to_string());
    let [layout, flags, ..] = stored[..] else {
        return Err(corrupt("shorter than its header"));
    };
    if layout != LAYOUT {
        return Err(corrupt("unknown layout"));
    }
    let (wake, at) = if flags & FLAG_WAKE == 0 {
        (None, 2)
    } else {
        let bytes = stored.get(2..10).ok_or_else(|| corrupt("wake-up cut off"))?;
        (
            Some(Millis::from_be_bytes(bytes.try_into().expect("eight bytes"))),
            10,
        )
    };
    Ok(Saved {
        bytes: stored.slice(at..),
        wake,
        indexed: flags & FLAG_INDEXED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        for (wake, indexed, bytes) in [
            (None, false, &b""[..]),
            (Some(-1), true, b"x"),
            (Some(i64::MAX), false, b"abc"),
        ] {
            let saved = Saved {
                bytes: Bytes::copy_from_slice(bytes),
                wake,
                indexed,
            };
            for postponed in [false, true] {
                let stored = encode(&saved, postponed);
                assert_eq!((stored.len(), is_postponed(&stored)), (len(&saved), postponed));
                assert_eq!(decode(&stored), Ok(saved.clone()));
            }
        }
    }

    #[test]
    fn a_cut_or_foreign_state_is_refused() {
        for bytes in [&b""[..], &[1], &[1, 1, 0], &[9, 0, 1]] {
            assert_eq!(
                decode(&Bytes::copy_from_slice(bytes)).unwrap_err().code,
                "corrupt_state"
            );
        }
    }
}
