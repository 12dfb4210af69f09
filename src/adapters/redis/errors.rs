//! Errors of Redis into remedies (E14): by kind and by Redis' own error codes, never by text.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::engine::error::StoreError;

/// Error codes after which the same call may go through later: memory full, another script
/// running, disk trouble, too few replicas, no or a wrong password, a right that is missing.
const PASSING_CODES: &[&str] = &[
    "OOM",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
];
/// A key of ours is somebody else's, and of another type.
const FOREIGN_KEY_CODE: &str = "WRONGTYPE";

/// Whether the server takes neither the user nor the password of the URL. Redis' own code does
/// not come through a connection that was refused.
pub(super) fn refused(e: &RedisError) -> bool {
    e.kind() == ErrorKind::AuthenticationFailed
}

/// Whether the next answer may come from another server than the last.
pub(super) fn broken(e: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown, Moved, ReadOnly};
    e.is_io_error()
        || e.is_connection_dropped()
        || refused(e)
        || matches!(
            e.kind(),
            ErrorKind::Server(BusyLoading | MasterDown | Moved | ReadOnly)
        )
}

/// Redis' own code. Before Redis 7 an error within a script has the code ERR, and its own code
/// stands in the text: `ERR Error running script (…): @user_script:1: WRONGTYPE …`.
fn code(e: &RedisError) -> Option<&str> {
    let wrapped = e.detail().filter(|text| text.starts_with("Error running script"));
    let known = |word: &&str| *word == FOREIGN_KEY_CODE || PASSING_CODES.contains(word);
    let inner = wrapped.and_then(|text| {
        let words = text.split_whitespace().map(|word| word.trim_start_matches('-'));
        words.into_iter().find(known)
    });
    inner.or(e.code())
}

pub(super) fn remedy(e: RedisError) -> StoreError {
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, ExecAbort, MasterDown, Moved, NoScript, ReadOnly, TryAgain,
    };
    if refused(&e) {
        return StoreError::Unavailable("Redis refuses the user or the password of redis.url".into());
    }
    if code(&e) == Some("NOAUTH") {
        return StoreError::Unavailable(
            "Redis asks for a password (NOAUTH): write it into redis.url, as redis://:PASSWORD@HOST:PORT"
                .into(),
        );
    }
    if code(&e) == Some(FOREIGN_KEY_CODE) {
        return StoreError::Occupied(e.to_string());
    }
    let passes = e.is_io_error()
        || e.is_timeout()
        || e.is_connection_dropped()
        || e.is_connection_refusal()
        || code(&e).is_some_and(|code| PASSING_CODES.contains(&code))
        || matches!(
            e.kind(),
            ErrorKind::Io
                | ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Parse
                | ErrorKind::Server(
                    Ask | BusyLoading
                        | ClusterDown
                        | ExecAbort
                        | MasterDown
                        | Moved
                        | NoScript
                        | ReadOnly
                        | TryAgain,
                )
        );
    match passes {
        true => StoreError::Unavailable(format!("Redis: {e}")),
        false => StoreError::Fatal(format!("Redis: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy_of(reply: &str) -> StoreError {
        let value = redis::parse_redis_value(reply.as_bytes()).unwrap();
        remedy(value.extract_error().unwrap_err())
    }

    #[test]
    fn a_password_that_is_wanted_is_said_with_the_remedy() {
        let found = remedy_of("-NOAUTH Authentication required.\r\n").to_string();
        assert!(found.contains("(NOAUTH): write it into redis.url"), "{found}");
    }

    #[test]
    fn an_error_within_a_script_has_one_remedy_in_every_version() {
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let script = "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791):";
        for reply in [
            format!("-{wrong_type} script: f_6b1b, on @user_script:1.\r\n"),
            format!("-{script} @user_script:1: {wrong_type}\r\n"),
        ] {
            let found = remedy_of(&reply);
            assert!(matches!(found, StoreError::Occupied(_)), "{reply}: {found:?}");
        }
        let full = format!(
            "-{script} @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.\r\n"
        );
        assert!(matches!(remedy_of(&full), StoreError::Unavailable(_)));
        let broken = format!("-{script} @user_script:1: attempt to index a nil value\r\n");
        assert!(matches!(remedy_of(&broken), StoreError::Fatal(_)));
    }
}
