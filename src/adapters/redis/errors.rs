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

pub(super) fn remedy(e: RedisError) -> StoreError {
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, ExecAbort, MasterDown, Moved, NoScript, ReadOnly, TryAgain,
    };
    if refused(&e) {
        return StoreError::Unavailable("Redis refuses the user or the password of redis.url".into());
    }
    if e.code() == Some(FOREIGN_KEY_CODE) {
        return StoreError::Occupied(e.to_string());
    }
    let passes = e.is_io_error()
        || e.is_timeout()
        || e.is_connection_dropped()
        || e.is_connection_refusal()
        || e.code().is_some_and(|code| PASSING_CODES.contains(&code))
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
