//! The store on Redis: one hash of states, one sorted set of timers and one index a partition,
//! all of one hash tag, changed by scripts alone (one round trip a call).
//!
//! Keys: `{<application>:<stage>:<partition>}:meta`, `:state`, `:timers`, `:index`, and the same
//! under `:shadow:` while a rebuild is under way. The scripts beside this file say what each does.

mod connection;
mod decode;
mod encode;

use std::future::Future;

use bytes::Bytes;
use redis::Script;

use crate::engine::error::StoreError;
use crate::engine::ports::{
    Answer, Ask, Found, Marker, Millis, Offset, Partition, Step, Store, Timers, Write,
};

use connection::Connection;
use decode::Reply;
use encode::{Call, lex_bounds};

/// Where the store is and whose it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://` or `rediss://`, with user and password. Several: nodes of a cluster.
    pub urls: Vec<String>,
    pub application: String,
    pub stage: String,
    /// Which log this is a replica of: cluster id and changelog topic. A meta of another
    /// identity counts as nothing (E7).
    pub identity: String,
}

/// One stage's state in Redis.
pub struct RedisStore {
    connection: Connection,
    prefix: String,
    identity: String,
    scripts: Scripts,
}

struct Scripts {
    read: Script,
    replicate: Script,
    claim: Script,
    rebuild: Script,
    swap: Script,
    timers: Script,
    peek: Script,
}

/// What a look-up found in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The state's stored bytes; `None`: there is no such key.
    pub value: Option<Bytes>,
    /// Wall time at which the replica was last brought up to date.
    pub stamp: Millis,
    /// The owner's time then, where it stands still.
    pub clock: Option<Millis>,
}

impl RedisStore {
    /// Connects and refuses a server that may forget keys on its own (E3).
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        let connection = Connection::open(&settings.urls).await?;
        let writes = include_str!("writes.lua");
        Ok(Self {
            connection,
            prefix: format!("{}:{}", settings.application, settings.stage),
            identity: settings.identity,
            scripts: Scripts {
                read: Script::new(include_str!("read.lua")),
                replicate: Script::new(&format!("{writes}{}", include_str!("replicate.lua"))),
                claim: Script::new(include_str!("claim.lua")),
                rebuild: Script::new(&format!("{writes}{}", include_str!("rebuild.lua"))),
                swap: Script::new(include_str!("swap.lua")),
                timers: Script::new(include_str!("timers.lua")),
                peek: Script::new(include_str!("peek.lua")),
            },
        })
    }

    /// The server answers (for readiness).
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }

    /// One state as it stands, without owning the partition. `None`: the partition has not been
    /// restored here.
    pub async fn peek(&self, partition: Partition, key: &[u8]) -> Result<Option<Peeked>, StoreError> {
        let keys = self.keys(partition, &["meta", "state"]);
        let mut call = Call::new(&self.scripts.peek, &keys);
        call.bytes(self.identity.as_bytes()).bytes(key);
        Reply::of(self.connection.run(call).await?)?.peeked()
    }

    /// One hash tag a partition: its keys are on one node of a cluster.
    fn keys(&self, partition: Partition, names: &[&str]) -> Vec<String> {
        let tag = format!("{{{}:{partition}}}", self.prefix);
        names.iter().map(|name| format!("{tag}:{name}")).collect()
    }

    async fn ask(&self, partition: Partition, expected: Marker, ask: Ask) -> Result<Answer, StoreError> {
        let keys = self.keys(partition, &["meta", "state", "timers", "index"]);
        let mut call = Call::new(&self.scripts.read, &keys);
        call.number(expected.epoch)
            .number(expected.batch)
            .bytes(self.identity.as_bytes());
        match ask.due {
            Some(due) => call.number(due.before).number(due.limit),
            None => call.bytes(b"").bytes(b""),
        };
        match &ask.scan {
            Some(scan) => {
                let (from, to) = lex_bounds(scan);
                call.bytes(&from).bytes(&to).number(scan.limit)
            }
            None => call.bytes(b"").bytes(b"").bytes(b""),
        };
        for key in &ask.keys {
            call.bytes(key);
        }
        let answer = Reply::of(self.connection.run(call).await?)?.answer()?;
        if answer.values.len() != ask.keys.len() {
            return Err(decode::unreadable("as many values as keys"));
        }
        Ok(answer)
    }

    async fn write(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> Result<Timers, StoreError> {
        let keys = self.keys(partition, &["meta", "state", "timers", "index"]);
        let mut call = Call::new(&self.scripts.replicate, &keys);
        call.number(step.epoch)
            .bytes(self.identity.as_bytes())
            .number(step.from)
            .number(step.to)
            .number(step.part)
            .number(u8::from(step.last))
            .number(step.changelog)
            .number(step.stamp)
            .optional(step.clock)
            .writes(&writes);
        Reply::of(self.connection.run(call).await?)?.timers()
    }

    async fn take(&self, partition: Partition, epoch: Offset) -> Result<Found, StoreError> {
        let keys = self.keys(
            partition,
            &[
                "meta",
                "shadow:meta",
                "shadow:state",
                "shadow:timers",
                "shadow:index",
            ],
        );
        let mut call = Call::new(&self.scripts.claim, &keys);
        call.number(epoch).bytes(self.identity.as_bytes());
        Reply::of(self.connection.run(call).await?)?.found()
    }

    async fn shadow(&self, partition: Partition, step: Step, writes: Vec<Write>) -> Result<(), StoreError> {
        let keys = self.keys(
            partition,
            &[
                "meta",
                "shadow:meta",
                "shadow:state",
                "shadow:timers",
                "shadow:index",
            ],
        );
        let mut call = Call::new(&self.scripts.rebuild, &keys);
        call.number(step.epoch)
            .bytes(self.identity.as_bytes())
            .number(step.to)
            .number(step.part)
            .writes(&writes);
        Reply::of(self.connection.run(call).await?)?.done()
    }

    async fn exchange(&self, partition: Partition, step: Step) -> Result<Timers, StoreError> {
        let keys = self.keys(
            partition,
            &[
                "meta",
                "state",
                "timers",
                "index",
                "shadow:meta",
                "shadow:state",
                "shadow:timers",
                "shadow:index",
            ],
        );
        let mut call = Call::new(&self.scripts.swap, &keys);
        call.number(step.epoch)
            .bytes(self.identity.as_bytes())
            .number(step.to)
            .number(step.part)
            .number(step.changelog)
            .number(step.stamp)
            .optional(step.clock);
        Reply::of(self.connection.run(call).await?)?.timers()
    }

    async fn count(&self, partition: Partition, now: Millis) -> Result<(Timers, u64), StoreError> {
        let keys = self.keys(partition, &["timers"]);
        let mut call = Call::new(&self.scripts.timers, &keys);
        call.number(now);
        Reply::of(self.connection.run(call).await?)?.timers_and_due()
    }
}

impl Store for RedisStore {
    fn read(
        &self,
        partition: Partition,
        expected: Marker,
        ask: Ask,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send {
        self.ask(partition, expected, ask)
    }

    fn replicate(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<Timers, StoreError>> + Send {
        self.write(partition, step, writes)
    }

    fn claim(
        &self,
        partition: Partition,
        epoch: Offset,
    ) -> impl Future<Output = Result<Found, StoreError>> + Send {
        self.take(partition, epoch)
    }

    fn rebuild(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.shadow(partition, step, writes)
    }

    fn swap(
        &self,
        partition: Partition,
        step: Step,
    ) -> impl Future<Output = Result<Timers, StoreError>> + Send {
        self.exchange(partition, step)
    }

    fn timers(
        &self,
        partition: Partition,
        now: Millis,
    ) -> impl Future<Output = Result<(Timers, u64), StoreError>> + Send {
        self.count(partition, now)
    }
}
