//! What the engine asks of the outside: a log, a store, a clock. Adapters answer.
//!
//! An adapter never decides: it does one thing at a time and says what became of it.
//! Every error is already a remedy (E14), so the engine never reads message text.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{LogError, StoreError};
pub use super::topic_id::{Position, TopicId};

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
/// Position in a partition of the log.
pub type Offset = i64;
/// Number of a partition.
pub type Partition = i32;
/// Key of a state, unique within a stage.
pub type Key = Bytes;

/// By key. Hashed with a seed of the process.
pub type KeyMap<V> = HashMap<Key, V, foldhash::fast::RandomState>;

/// One record header. A header may stand without a value.
pub type Header = (Arc<str>, Option<Bytes>);

/// A record as a topic holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub partition: Partition,
    pub offset: Offset,
    /// The log's timestamp, if it has one.
    pub timestamp: Option<Millis>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

impl Record {
    /// One that says nothing.
    pub const NONE: Record = Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: None,
        headers: Vec::new(),
    };
}

/// A record to be written within a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct OutRecord {
    pub topic: Arc<str>,
    /// `None`: where the key belongs by murmur2, as Java clients place it.
    pub partition: Option<Partition>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

impl OutRecord {
    /// Key and value.
    pub fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// Everything one transaction holds. All of it happens or none (E1).
#[derive(Debug)]
pub struct Transaction<M> {
    pub records: Vec<OutRecord>,
    /// Absolute offsets of the input, the next to be consumed. Never empty (E1).
    pub offsets: Vec<(Partition, Position)>,
    /// The membership the batch was read under (E6).
    pub membership: M,
}

/// What a committed transaction left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// For each changelog partition written, the highest offset whose delivery the broker
    /// reported with a valid offset. A hint: missing where no valid offset came back.
    pub changelog: Vec<(Partition, Offset)>,
}

/// The durable log: topics of one stage and its changelog.
pub trait Log: Send + Sync + 'static {
    /// Proof of group membership: captured at assignment, swapped with the owned set (E6).
    type Membership: Clone + Send + Sync + 'static;
    type Input: Input<Membership = Self::Membership>;
    type Producer: Producer<Membership = Self::Membership>;

    /// Joins the stage's consumer group. Called once for each run of a stage.
    fn join(&self) -> impl Future<Output = Result<Self::Input, LogError>> + Send;

    /// A transactional producer with the stable id `<application>-<stage>-<instance>-<lane>`.
    /// Fences whoever used that id before and resolves what it left open.
    fn producer(&self, lane: u32) -> impl Future<Output = Result<Self::Producer, LogError>> + Send;

    /// Reads committed records of a changelog partition from `from` on (or the oldest kept),
    /// at most `limit` of them. Waits for nothing: an empty answer says the end was reached.
    fn changelog(
        &self,
        partition: Partition,
        from: Offset,
        limit: usize,
    ) -> impl Future<Output = Result<ChangelogChunk, LogError>> + Send;

    /// Frees what reading a changelog partition holds: its restore is over.
    fn close_changelog(&self, _partition: Partition) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Start and read_committed end (last stable offset) of an input partition, asked afresh.
    fn input_bounds(&self, partition: Partition) -> impl Future<Output = Result<Bounds, LogError>> + Send;

    /// The topic that stands under the input's name now; `None` where the log has no ids (E12).
    fn input_topic(&self) -> impl Future<Output = Result<Option<TopicId>, LogError>> + Send;

    /// The group's stable committed offset. Waits while a transaction on it is unresolved (E5).
    fn committed(
        &self,
        partition: Partition,
    ) -> impl Future<Output = Result<Option<Position>, LogError>> + Send;
}

/// A part of a changelog partition.
#[derive(Clone, Debug, Default)]
pub struct ChangelogChunk {
    pub records: Vec<Record>,
    /// Where to go on. Beyond aborted records and control records too.
    pub next: Offset,
    /// The read_committed end when this was read. `next >= end`: nothing more for now.
    pub end: Offset,
}

/// First offset kept and the offset behind the last stable record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub start: Offset,
    pub end: Offset,
}

/// The consumer side of a stage.
pub trait Input: Send + 'static {
    type Membership;

    /// The next thing that happened. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<InputEvent<Self::Membership>, LogError>> + Send;

    /// Delivers records of an assigned partition from `offset` on, paused or not before.
    /// Nothing is delivered before the first start; what was read under an earlier one is not
    /// delivered any more once this returns: it would hide what lies between. Must not wait for
    /// a revocation that the engine has yet to let go of: refuses as `Fenced` instead.
    fn start(
        &mut self,
        partition: Partition,
        offset: Offset,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Stops (or resumes) delivery of a started partition; what was delivered already may still come.
    fn pause(&mut self, partition: Partition, paused: bool);

    /// Leaves the group in good order. The adapter asks for what is owned back first
    /// (a last `Revoked` through `next` is not needed: the engine has dropped everything).
    fn leave(&mut self) -> impl Future<Output = ()> + Send;
}

/// What an input tells the engine.
#[derive(Debug)]
pub enum InputEvent<M> {
    /// These partitions are now owned, besides those owned already, under this membership.
    /// An empty list still carries a new membership.
    Assigned {
        partitions: Vec<Partition>,
        membership: M,
    },
    /// These must be given up. The group waits until `done` is dropped: a transaction in
    /// flight ends first (E6).
    Revoked {
        partitions: Vec<Partition>,
        done: Released,
    },
    /// Records in offset order for each partition.
    Records(Vec<Record>),
    /// The input was read to this offset and there was nothing more.
    End { partition: Partition, offset: Offset },
}

/// Dropped when the engine has let go of what was revoked.
#[derive(Debug)]
pub struct Released(#[allow(dead_code)] pub Option<tokio::sync::oneshot::Sender<()>>);

/// The producer side of one lane.
pub trait Producer: Send + 'static {
    type Membership;

    /// Runs one whole transaction. `Ok` means committed. After `LogError::Abort`, `Retry` and
    /// `Refused` nothing of it has happened and the producer is usable; after every other error
    /// it is not. An outcome that is not known is `Ambiguous`, never `Retry`.
    fn commit(
        &mut self,
        transaction: Transaction<Self::Membership>,
    ) -> impl Future<Output = Result<Committed, LogError>> + Send;
}

/// Which owner wrote last, and how far it got (E3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    /// Offset of the owner's claim record.
    pub epoch: Offset,
    pub batch: u64,
}

/// A question to the store, answered atomically at one marker.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub keys: Vec<Key>,
    /// Keys with `wake < before`, earliest first, ties by key.
    pub due: Option<Due>,
    /// Indexed keys with this prefix in key order.
    pub scan: Option<Scan>,
}

#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub before: Millis,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    pub prefix: Bytes,
    /// Only keys behind this one.
    pub after: Option<Key>,
    pub limit: usize,
}

/// The answer to an [`Ask`], in its order.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub values: Vec<Option<Bytes>>,
    pub due: Vec<(Key, Millis, Bytes)>,
    pub scanned: Vec<(Key, Bytes)>,
    pub timers: Timers,
}

/// Some keys of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub keys: Vec<Key>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<u64>,
}

/// The timers of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    pub pending: u64,
    /// Wake-up of the earliest.
    pub next: Option<Millis>,
}

/// The absolute new value of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub key: Key,
    /// `None` removes the key, its timer and its index entry.
    pub value: Option<Bytes>,
    pub wake: Change<Millis>,
    pub index: Change<()>,
}

/// A change of something that may be absent. `Keep` only where the present value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<T> {
    Keep,
    Set(T),
    Clear,
}

/// One part of applying a committed batch to the store (E2, §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub epoch: Offset,
    /// The batch the store must be at before the first part.
    pub from: u64,
    /// The batch it is at after the last part.
    pub to: u64,
    /// Counted from 0.
    pub part: u32,
    pub last: bool,
    /// Every record behind this changelog offset belongs to a later batch, or is of this one.
    pub changelog: Offset,
    /// Processor's wall time, for the age check of a takeover (E7).
    pub stamp: Millis,
    /// Processor's time where it stands still between settings: for look-ups, not for decisions.
    pub clock: Option<Millis>,
}

/// How many entries the keys of a partition hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub states: u64,
    pub timers: u64,
    pub index: u64,
}

/// What a takeover finds in the store, after the claim has shut its predecessor out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No meta, or one that was claimed and never rebuilt.
    Nothing,
    /// The state of another cluster or topic.
    Foreign { identity: String },
    /// Single keys or entries are missing (E15).
    Damaged { found: String },
    At {
        batch: u64,
        changelog: Offset,
        stamp: Millis,
        /// The keys have the sizes that their owner left. `false`: it was a version that kept no
        /// sizes, and nothing is answered until they are adopted.
        counted: bool,
    },
}

/// An ordered replica of the changelog that answers fast.
pub trait Store: Send + Sync + 'static {
    /// Answers at exactly this marker, or says what stands there instead (E3). Like every
    /// call of an owner it notices, at constant cost, that entries are missing (E15).
    fn read(
        &self,
        partition: Partition,
        expected: Marker,
        ask: Ask,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Keys page by page, from 0 on, indexed or not, in no order and about `limit` at a time. Each one
    /// that is there from the first page to the last is in one of them at least; the marker may
    /// move on between them.
    fn keys(
        &self,
        partition: Partition,
        expected: Marker,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Applies one part of a committed batch. No key stands in it twice: a store may write
    /// values, timers and index one after the other.
    fn replicate(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<Timers, StoreError>> + Send;

    /// Sets the owner epoch, drops partial markers and shadows, and says what is there (E5).
    fn claim(
        &self,
        partition: Partition,
        epoch: Offset,
    ) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// Keeps sizes from now on, if the keys have exactly these; `None`: they have others (E15).
    fn adopt(
        &self,
        partition: Partition,
        marker: Marker,
        counted: Sizes,
    ) -> impl Future<Output = Result<Option<Timers>, StoreError>> + Send;

    /// Writes a part of a rebuild into shadow keys, no key twice. `step.from` is not looked at (E7).
    fn rebuild(
        &self,
        partition: Partition,
        step: Step,
        writes: Vec<Write>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the finished shadow of this claim and target in place of what was there.
    /// `step.part` is the number of parts written.
    fn swap(
        &self,
        partition: Partition,
        step: Step,
    ) -> impl Future<Output = Result<Timers, StoreError>> + Send;

    /// Pending and due timers, for status pages; not for decisions.
    fn timers(
        &self,
        partition: Partition,
        now: Millis,
    ) -> impl Future<Output = Result<(Timers, u64), StoreError>> + Send;
}

/// The processor's time.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;
    /// Real time, also where the processor's time stands still: for the age of what is stored.
    fn wall(&self) -> Millis;
    /// The processor's time where it stands still until it is set; `None`: it goes on by itself.
    fn standing(&self) -> Option<Millis> {
        None
    }
    /// Returns when `now() >= at`, or earlier when the clock was set. Cancel safe.
    fn wait_until(&self, at: Millis) -> impl Future<Output = ()> + Send;
    /// Waits that much real time, whatever the clock says: for back-off.
    fn pause(&self, millis: u64) -> impl Future<Output = ()> + Send;
}

/// The global table as a stage sees it: read whole by every instance (E11).
pub trait Table: Send + Sync + 'static {
    /// Asks for the end of the topic now and returns once everything before it is taken in.
    fn catch_up(&self) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Grows with every record taken in.
    fn version(&self) -> u64;

    /// Returns once the version is no longer `seen`. Cancel safe.
    fn changed(&self, seen: u64) -> impl Future<Output = ()> + Send;
}
