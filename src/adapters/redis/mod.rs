//! The store on Redis: one hash of states, one sorted set of timers and one index a partition,
//! all of one hash tag, changed by scripts alone (one round trip a call).
//!
//! Keys: `{<application>:<stage>:<partition>}:meta`, `:state`, `:timers`, `:index`, and the same
//! under `:shadow:` while a rebuild is under way. The scripts beside this file say what each does;
//! `owner.lua` stands before each of them and holds what they share. `lease` has keys of its own.

mod condition;
mod connection;
mod decode;
mod encode;
mod errors;
mod lease;

use bytes::Bytes;
use redis::Script;

use crate::engine::error::StoreError;
use crate::engine::ports::{
    Answer, Ask, Found, Marker, Millis, Offset, Page, Partition, Sizes, Step, Store, Timers, Write,
};

pub use lease::{Holding, Lease};

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
    keys: Script,
    replicate: Script,
    claim: Script,
    adopt: Script,
    rebuild: Script,
    swap: Script,
    timers: Script,
    peek: Script,
    forget: Script,
}

impl Scripts {
    fn new() -> Self {
        let owner = include_str!("owner.lua");
        let writes = include_str!("writes.lua");
        let of_owner = |script: &str| Script::new(&format!("{owner}{script}"));
        let writing = |script: &str| Script::new(&format!("{owner}{writes}{script}"));
        Self {
            read: of_owner(include_str!("read.lua")),
            keys: of_owner(include_str!("keys.lua")),
            replicate: writing(include_str!("replicate.lua")),
            claim: of_owner(include_str!("claim.lua")),
            adopt: of_owner(include_str!("adopt.lua")),
            rebuild: writing(include_str!("rebuild.lua")),
            swap: of_owner(include_str!("swap.lua")),
            timers: Script::new(include_str!("timers.lua")),
            peek: of_owner(include_str!("peek.lua")),
            forget: of_owner(include_str!("forget.lua")),
        }
    }
}

/// Keys that an owner reads and writes, in the order in which scripts take them.
const LIVE: &[&str] = &["meta", "state", "timers", "index"];
/// Meta and the keys of a rebuild.
const SHADOW: &[&str] = &[
    "meta",
    "shadow:meta",
    "shadow:state",
    "shadow:timers",
    "shadow:index",
];
const LIVE_AND_SHADOW: &[&str] = &[
    "meta",
    "state",
    "timers",
    "index",
    "shadow:meta",
    "shadow:state",
    "shadow:timers",
    "shadow:index",
];

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
        Ok(Self {
            connection,
            prefix: format!("{}:{}", settings.application, settings.stage),
            identity: settings.identity,
            scripts: Scripts::new(),
        })
    }

    /// Why nothing can be decided on this store just now, for readiness; `None`: it is well.
    pub async fn trouble(&self) -> Option<String> {
        self.connection.probe().await
    }

    /// One state as it stands, without owning the partition. `None`: the partition has not been
    /// restored here.
    pub async fn peek(&self, partition: Partition, key: &[u8]) -> Result<Option<Peeked>, StoreError> {
        let mut call = self.call(&self.scripts.peek, partition, LIVE, 0);
        call.bytes(key);
        self.run(call).await?.peeked()
    }

    /// Removes what is held of a partition of this log, which nobody owns any more. `false`: there
    /// was nothing of it.
    pub async fn forget(&self, partition: Partition) -> Result<bool, StoreError> {
        let call = self.call(&self.scripts.forget, partition, LIVE_AND_SHADOW, 0);
        self.run(call).await?.forgotten()
    }

    /// A call of a script that begins with the owner's epoch and the identity.
    fn call<'a>(&self, script: &'a Script, partition: Partition, names: &[&str], epoch: Offset) -> Call<'a> {
        let mut call = Call::new(script, self.tag(partition), names);
        call.number(epoch).bytes(self.identity.as_bytes());
        call
    }

    /// One hash tag a partition: its keys are on one node of a cluster.
    fn tag(&self, partition: Partition) -> String {
        format!("{{{}:{partition}}}", self.prefix)
    }

    async fn run(&self, call: Call<'_>) -> Result<Reply, StoreError> {
        let tag = call.tag.clone();
        match self.connection.run(call).await {
            Ok(value) => Reply::of(value),
            Err(StoreError::Occupied(why)) => Err(StoreError::Occupied(format!("one of {tag}:*: {why}"))),
            Err(error) => Err(error),
        }
    }
}

impl Store for RedisStore {
    async fn read(&self, partition: Partition, expected: Marker, ask: Ask) -> Result<Answer, StoreError> {
        let mut call = self.call(&self.scripts.read, partition, LIVE, expected.epoch);
        call.number(expected.batch);
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
        let answer = self.run(call).await?.answer()?;
        if answer.values.len() != ask.keys.len() {
            return Err(decode::unreadable("as many values as keys"));
        }
        Ok(answer)
    }

    async fn keys(
        &self,
        partition: Partition,
        expected: Marker,
        from: u64,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut call = self.call(&self.scripts.keys, partition, LIVE, expected.epoch);
        call.number(expected.batch).number(from).number(limit);
        self.run(call).await?.page()
    }

    async fn replicate(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> Result<Timers, StoreError> {
        let mut call = self.call(&self.scripts.replicate, partition, LIVE, step.epoch);
        call.number(step.from)
            .number(step.to)
            .number(step.part)
            .number(u8::from(step.last))
            .number(step.changelog)
            .number(step.stamp)
            .optional(step.clock)
            .writes(&writes);
        self.run(call).await?.timers()
    }

    async fn claim(&self, partition: Partition, epoch: Offset) -> Result<Found, StoreError> {
        let call = self.call(&self.scripts.claim, partition, LIVE_AND_SHADOW, epoch);
        self.run(call).await?.found()
    }

    async fn adopt(
        &self,
        partition: Partition,
        marker: Marker,
        counted: Sizes,
    ) -> Result<Option<Timers>, StoreError> {
        let mut call = self.call(&self.scripts.adopt, partition, LIVE, marker.epoch);
        let Sizes {
            states,
            timers,
            index,
        } = counted;
        call.number(marker.batch)
            .bytes(format!("{states}:{timers}:{index}").as_bytes());
        self.run(call).await?.adopted()
    }

    async fn rebuild(&self, partition: Partition, step: Step, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut call = self.call(&self.scripts.rebuild, partition, SHADOW, step.epoch);
        call.number(step.to).number(step.part).writes(&writes);
        self.run(call).await?.done()
    }

    async fn swap(&self, partition: Partition, step: Step) -> Result<Timers, StoreError> {
        let mut call = self.call(&self.scripts.swap, partition, LIVE_AND_SHADOW, step.epoch);
        call.number(step.to)
            .number(step.part)
            .number(step.changelog)
            .number(step.stamp)
            .optional(step.clock);
        self.run(call).await?.timers()
    }

    async fn timers(&self, partition: Partition, now: Millis) -> Result<(Timers, u64), StoreError> {
        let mut call = Call::new(&self.scripts.timers, self.tag(partition), &["timers"]);
        call.number(now);
        self.run(call).await?.timers_and_due()
    }
}
