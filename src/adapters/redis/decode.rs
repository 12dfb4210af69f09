//! What a script answered.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use crate::engine::error::StoreError;
use crate::engine::ports::{Answer, Found, Key, Millis, Page, Timers};

use super::{Holding, Peeked};

/// The fields behind the first word of an answer that was not a refusal.
pub(super) struct Reply {
    word: Vec<u8>,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self, StoreError> {
        let mut rest = list(value)?.into_iter();
        let word = bytes(rest.next())?;
        let mut reply = Self { word, rest };
        match reply.word.as_slice() {
            b"fenced" => Err(StoreError::Fenced {
                epoch: reply.number()?,
            }),
            b"lost" => Err(StoreError::Lost { found: reply.text()? }),
            _ => Ok(reply),
        }
    }

    pub(super) fn done(self) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn answer(mut self) -> Result<Answer, StoreError> {
        let values = self.chunks()?;
        let due = list(self.next()?)?;
        let due_values = self.chunks()?;
        let scanned = list(self.next()?)?;
        let scanned_values = self.chunks()?;
        let timers = self.timers_here()?;

        let mut answer = Answer {
            values,
            timers,
            ..Answer::default()
        };
        let mut pairs = due.into_iter();
        for value in due_values {
            let key = Key::from(bytes(pairs.next())?);
            let wake = number(pairs.next())?;
            // E4: a timer is its state's wake-up. One without a state is not where its owner left it.
            let value = value.ok_or_else(|| stray("timer", &key))?;
            answer.due.push((key, wake, value));
        }
        for (key, value) in scanned.into_iter().zip(scanned_values) {
            let key = Key::from(bytes(Some(key))?);
            let value = value.ok_or_else(|| stray("index entry", &key))?;
            answer.scanned.push((key, value));
        }
        Ok(answer)
    }

    pub(super) fn page(mut self) -> Result<Page, StoreError> {
        let next = Some(self.number()?).filter(|next| *next != 0);
        let keys = list(self.next()?)?.into_iter();
        let keys = keys.map(|key| bytes(Some(key)).map(Key::from));
        Ok(Page {
            keys: keys.collect::<Result<_, _>>()?,
            next,
        })
    }

    pub(super) fn timers(mut self) -> Result<Timers, StoreError> {
        self.timers_here()
    }

    pub(super) fn timers_and_due(mut self) -> Result<(Timers, u64), StoreError> {
        Ok((self.timers_here()?, self.number()?))
    }

    /// `None`: the keys have other sizes.
    pub(super) fn adopted(self) -> Result<Option<Timers>, StoreError> {
        if self.word == b"nothing" {
            return Ok(None);
        }
        self.timers().map(Some)
    }

    pub(super) fn found(mut self) -> Result<Found, StoreError> {
        match self.word.as_slice() {
            b"nothing" => Ok(Found::Nothing),
            b"foreign" => Ok(Found::Foreign {
                identity: self.text()?,
            }),
            b"damaged" => Ok(Found::Damaged { found: self.text()? }),
            _ => Ok(Found::At {
                batch: self.number()?,
                changelog: self.number()?,
                stamp: self.number()?,
                counted: self.number::<i64>()? == 1,
            }),
        }
    }

    pub(super) fn forgotten(self) -> Result<bool, StoreError> {
        Ok(self.word != b"nothing")
    }

    pub(super) fn peeked(mut self) -> Result<Option<Peeked>, StoreError> {
        if self.word == b"nothing" {
            return Ok(None);
        }
        let stamp = self.number()?;
        let clock = match self.next()? {
            Value::Nil => None,
            clock => Some(number(Some(clock))?),
        };
        let value = match self.next()? {
            Value::Nil => None,
            value => Some(bytes(Some(value))?.into()),
        };
        Ok(Some(Peeked { value, stamp, clock }))
    }

    pub(super) fn holding(mut self) -> Result<Holding, StoreError> {
        Ok(match self.word.as_slice() {
            b"ours" => Holding::Ours,
            b"free" => Holding::Free,
            _ => Holding::Other {
                entry: self.text()?,
                left: Duration::from_millis(self.number()?),
            },
        })
    }

    fn timers_here(&mut self) -> Result<Timers, StoreError> {
        let pending = self.number()?;
        let first = list(self.next()?)?;
        let next: Option<Millis> = match first.into_iter().nth(1) {
            Some(score) => Some(number(Some(score))?),
            None => None,
        };
        Ok(Timers { pending, next })
    }

    fn chunks(&mut self) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut all = Vec::new();
        for chunk in list(self.next()?)? {
            for value in list(chunk)? {
                all.push(match value {
                    Value::Nil => None,
                    Value::BulkString(bytes) => Some(Bytes::from(bytes)),
                    _ => return Err(unreadable("a value")),
                });
            }
        }
        Ok(all)
    }

    fn next(&mut self) -> Result<Value, StoreError> {
        self.rest.next().ok_or_else(|| unreadable("one more field"))
    }

    fn text(&mut self) -> Result<String, StoreError> {
        Ok(String::from_utf8_lossy(&bytes(self.rest.next())?).into_owned())
    }

    fn number<N: std::str::FromStr + TryFrom<i64>>(&mut self) -> Result<N, StoreError> {
        number(self.rest.next())
    }
}

/// An answer that no script of ours gives.
pub(super) fn unreadable(wanted: &str) -> StoreError {
    StoreError::Fatal(format!(
        "Redis answered a script with something else than {wanted}"
    ))
}

fn stray(what: &str, key: &Key) -> StoreError {
    StoreError::Lost {
        found: format!("{what} without a state: {}", key.escape_ascii()),
    }
}

fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable("a list")),
    }
}

fn bytes(value: Option<Value>) -> Result<Vec<u8>, StoreError> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(bytes),
        _ => Err(unreadable("bytes")),
    }
}

fn number<N: std::str::FromStr + TryFrom<i64>>(value: Option<Value>) -> Result<N, StoreError> {
    let number = match value {
        Some(Value::Int(number)) => N::try_from(number).ok(),
        Some(Value::BulkString(digits)) => str::from_utf8(&digits)
            .ok()
            .and_then(|digits| digits.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| unreadable("a number"))
}
