//! Which process runs an instance's stages: a key for each stage, held for a short time and renewed.
//!
//! Keys: `{<application>:instance:<instance_id>}:<stage>`, strings. What an entry says is the
//! caller's; here entries are only compared.

use std::time::Duration;

use redis::Script;

use crate::engine::error::StoreError;

use super::connection::Connection;
use super::decode::Reply;
use super::encode::Call;

/// The leases of one instance.
pub struct Lease {
    connection: Connection,
    tag: String,
    stages: Vec<&'static str>,
    hold: Script,
    release: Script,
}

/// Who holds the leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// The caller, all of them, from now on.
    Ours,
    /// Nobody else, and the caller was not to take them.
    Free,
    /// Another process holds one of them, for `left` unless it renews it.
    Other { entry: String, left: Duration },
}

impl Lease {
    pub async fn connect(
        urls: &[String],
        application: &str,
        instance: &str,
        stages: Vec<&'static str>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            connection: Connection::open(urls).await?,
            tag: format!("{{{application}:instance:{instance}}}"),
            stages,
            hold: Script::new(include_str!("hold.lua")),
            release: Script::new(include_str!("release.lua")),
        })
    }

    /// Takes or renews all leases for `time`. Those of the entries `dead` count as free; other free
    /// ones are taken only if `may_take`.
    pub async fn hold(
        &self,
        entry: &str,
        time: Duration,
        may_take: bool,
        dead: &[String],
    ) -> Result<Holding, StoreError> {
        let mut call = Call::new(&self.hold, self.tag.clone(), &self.stages);
        call.bytes(entry.as_bytes())
            .number(time.as_millis() as u64)
            .number(u8::from(may_take));
        dead.iter().for_each(|entry| {
            call.bytes(entry.as_bytes());
        });
        self.run(call).await?.holding()
    }

    /// Gives back what the entry holds.
    pub async fn release(&self, entry: &str) -> Result<(), StoreError> {
        let mut call = Call::new(&self.release, self.tag.clone(), &self.stages);
        call.bytes(entry.as_bytes());
        self.run(call).await?.done()
    }

    async fn run(&self, call: Call<'_>) -> Result<Reply, StoreError> {
        match self.connection.run(call).await {
            Ok(value) => Reply::of(value),
            Err(StoreError::Occupied(why)) => {
                Err(StoreError::Occupied(format!("one of {}:*: {why}", self.tag)))
            }
            Err(error) => Err(error),
        }
    }
}
