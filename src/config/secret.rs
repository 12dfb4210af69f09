//! Values that must never reach a log, an error or a status page.

use std::fmt;

/// A secret text. Its `Debug` shows nothing of it and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that hands it over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The URL of a Redis server. Shows itself without user, password and query.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    full: Secret,
    shown: String,
    database: i64,
}

impl RedisUrl {
    /// Reads `redis://[user][:password@]host[:port][/database]`, or `rediss://…` for TLS.
    pub fn parse(text: &str) -> Option<Self> {
        let url = redis::parse_redis_url(text)?;
        if !matches!(url.scheme(), "redis" | "rediss") {
            return None;
        }
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let port = url.port().unwrap_or(6379);
        let path = url.path().trim_matches('/');
        let database = if path.is_empty() { 0 } else { path.parse().ok()? };
        Some(Self {
            full: Secret::new(text),
            shown: format!("{}://{host}:{port}/{database}", url.scheme()),
            database,
        })
    }

    pub fn expose(&self) -> &str {
        self.full.expose()
    }

    pub fn database(&self) -> i64 {
        self.database
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_url_shows_no_credentials() {
        for (text, shown) in [
            ("redis://h", Some("redis://h:6379/0")),
            ("redis://:s3cret@h:7000/2", Some("redis://h:7000/2")),
            ("rediss://bob:s3cret@[::1]:7000", Some("rediss://[::1]:7000/0")),
            ("redis://bob:s3cret@h/0?password=s3cret", Some("redis://h:6379/0")),
            ("redis://h/x", None),
            ("http://h", None),
            ("h:6379", None),
            ("", None),
        ] {
            let url = RedisUrl::parse(text);
            assert_eq!(url.as_ref().map(ToString::to_string).as_deref(), shown, "{text}");
            assert!(!format!("{url:?}").contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn a_secret_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Secret::new("s3cret"))), "Some([redacted])");
    }
}
