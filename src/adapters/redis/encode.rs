//! A call of a script, its arguments packed once.

use std::collections::BTreeSet;

use bytes::Bytes;
use redis::{Cmd, Script, ToRedisArgs};

use crate::engine::ports::{Change, Scan, Write};

/// Scores of a sorted set are doubles: whole milliseconds are exact within 2^53.
const WAKE_MAX_MS: i64 = 1 << 53;

/// Script, keys and arguments.
pub(super) struct Call<'a> {
    /// What the names of all keys begin with.
    pub(super) tag: String,
    pub(super) script: &'a Script,
    pub(super) cmd: Cmd,
}

impl<'a> Call<'a> {
    pub(super) fn new(script: &'a Script, tag: String, names: &[&str]) -> Self {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(script.get_hash()).arg(names.len());
        for name in names {
            cmd.arg(format!("{tag}:{name}"));
        }
        Self { tag, script, cmd }
    }

    pub(super) fn number(&mut self, number: impl ToRedisArgs) -> &mut Self {
        self.cmd.arg(number);
        self
    }

    /// Empty where there is none.
    pub(super) fn optional(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.bytes(b""),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.cmd.arg(bytes);
        self
    }

    /// Six counts, then what they count, as `writes.lua` reads it. Lua hands whole runs on to one
    /// command each, which is what makes a write cheap.
    pub(super) fn writes(&mut self, writes: &[Write]) {
        debug_assert!(
            no_key_twice(writes),
            "a later write of a key would not always win"
        );
        let kept = || writes.iter().filter(|write| write.value.is_some());
        let removed = || writes.iter().filter(|write| write.value.is_none());
        let unwoken = || {
            writes
                .iter()
                .filter(|w| w.value.is_none() || w.wake == Change::Clear)
        };
        let unindexed = || {
            writes
                .iter()
                .filter(|w| w.value.is_none() || w.index == Change::Clear)
        };
        let woken = || kept().filter(|write| matches!(write.wake, Change::Set(_)));
        let indexed = || kept().filter(|write| write.index == Change::Set(()));

        self.number(2 * kept().count())
            .number(removed().count())
            .number(2 * woken().count())
            .number(unwoken().count())
            .number(2 * indexed().count())
            .number(unindexed().count());
        for write in kept() {
            if let Some(value) = &write.value {
                self.bytes(&write.key).bytes(value);
            }
        }
        removed().for_each(|write| {
            self.bytes(&write.key);
        });
        for write in woken() {
            if let Change::Set(wake) = write.wake {
                self.number(wake.clamp(-WAKE_MAX_MS, WAKE_MAX_MS))
                    .bytes(&write.key);
            }
        }
        unwoken().for_each(|write| {
            self.bytes(&write.key);
        });
        indexed().for_each(|write| {
            self.bytes(b"0").bytes(&write.key);
        });
        unindexed().for_each(|write| {
            self.bytes(&write.key);
        });
    }
}

fn no_key_twice(writes: &[Write]) -> bool {
    let keys: BTreeSet<_> = writes.iter().map(|write| &write.key).collect();
    keys.len() == writes.len()
}

/// The bounds of a scan as `ZRANGEBYLEX` takes them.
pub(super) fn lex_bounds(scan: &Scan) -> (Vec<u8>, Vec<u8>) {
    let from = match &scan.after {
        Some(after) if after.as_ref() >= scan.prefix.as_ref() => marked(b'(', after),
        _ => marked(b'[', &scan.prefix),
    };
    let to = match successor(&scan.prefix) {
        Some(next) => marked(b'(', &next),
        None => vec![b'+'],
    };
    (from, to)
}

fn marked(mark: u8, key: &[u8]) -> Vec<u8> {
    [&[mark], key].concat()
}

/// The smallest key behind every key with this prefix, if there is one.
fn successor(prefix: &Bytes) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix[..=keep].to_vec();
    next[keep] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_covers_its_prefix_and_nothing_else() {
        type Row = (&'static [u8], Option<&'static [u8]>, &'static [u8], &'static [u8]);
        let rows: [Row; 5] = [
            (b"a\0", None, b"[a\0", b"(a\x01"),
            (b"a\0", Some(b"a\0k"), b"(a\0k", b"(a\x01"),
            (b"b", Some(b"a"), b"[b", b"(c"),
            (b"a\xff", None, b"[a\xff", b"(b"),
            (b"", None, b"[", b"+"),
        ];
        for (prefix, after, from, to) in rows {
            let scan = Scan {
                prefix: Bytes::copy_from_slice(prefix),
                after: after.map(Bytes::copy_from_slice),
                limit: 1,
            };
            assert_eq!(lex_bounds(&scan), (from.to_vec(), to.to_vec()), "{prefix:?}");
        }
    }
}
