//! The contract of the log: what every backend promises, whatever holds the bytes.
//!
//! ```text
//!  shard   0 ......... trim ........................ tail        end (closed shards only)
//!          │ trimmed    │ readable                   │ next to be written
//!          └────────────┴────────────────────────────┘
//! ```
//!
//! Positions are dense indices from 0 within a shard. `trim` is inclusive, `tail` exclusive. A record is readable only
//! after it is durable, and an append is acknowledged only when all its records are readable.

use crate::Readership;
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::{Millis, Remedy, Scope, SequenceNumber, ShardId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A stream's name within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamKey {
    /// Account and region.
    pub scope: Scope,
    /// 1 to 128 of `[a-zA-Z0-9_.-]`.
    pub name: Arc<str>,
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// A closed range of 128-bit partition-key hashes, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRange {
    /// The lowest hash.
    pub start: u128,
    /// The highest hash.
    pub end: u128,
}

/// A shard as it is described to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its id.
    pub id: ShardId,
    /// The shard it was split or merged from.
    pub parent: Option<ShardId>,
    /// The second shard of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// The hashes it takes.
    pub range: HashRange,
    /// When it was created, seconds since 1970; part of its sequence numbers.
    pub created_secs: u64,
    /// Set when it was closed: its final tail, and the second in which that happened.
    pub closed: Option<Closed>,
}

impl Shard {
    /// The number of the record at `index`, which arrived at `arrival`: greater than [`Self::starting_number`], whatever the
    /// clock said.
    pub fn number(&self, index: u64, arrival: Millis) -> SequenceNumber {
        number(self.id, self.created_secs, index, arrival)
    }

    /// A number below those of all records of the shard.
    pub fn starting_number(&self) -> SequenceNumber {
        SequenceNumber { arrival_secs: self.created_secs.saturating_sub(1), ..self.number(0, 0) }
    }

    /// A number above those of all records of a closed shard.
    pub fn ending_number(&self) -> Option<SequenceNumber> {
        self.closed.map(|closed| self.number(SequenceNumber::INDEX_END, closed.at_secs as Millis * 1000))
    }
}

pub(crate) fn number(shard: ShardId, created_secs: u64, index: u64, arrival: Millis) -> SequenceNumber {
    let arrival_secs = u64::try_from(arrival.div_euclid(1000)).unwrap_or(0).max(created_secs);
    SequenceNumber { shard_created_secs: created_secs, shard, index, arrival_secs }
}

/// How a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The index after its last record.
    pub tail: u64,
    /// When, seconds since 1970.
    pub at_secs: u64,
}

/// How a stream is provisioned. Millrace throttles neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamMode {
    /// A number of shards that the owner sets.
    Provisioned,
    /// Shards are the service's affair; begins with 4.
    OnDemand,
}

/// What a new stream is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// 1 or more; later the number of open shards.
    pub shard_count: u32,
    /// Provisioned or on demand.
    pub mode: StreamMode,
    /// 24 to 8760.
    pub retention_hours: u32,
    /// The largest record (data plus partition key) in KiB, 1024 to 10240.
    pub record_kib_max: u32,
}

/// A stream as it is now. A snapshot: cheap to hold, never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Its name and owner.
    pub key: StreamKey,
    /// Distinguishes streams of one name that were deleted and created again.
    pub incarnation: u64,
    /// When it was created.
    pub created: Millis,
    /// What it was asked to be, at first or later.
    pub spec: StreamSpec,
    /// Every shard that is open, or closed within the retention, in order of id. The last one is open.
    pub shards: Vec<Shard>,
}

/// A record to be written.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// 1 to 256 characters.
    pub partition_key: Bytes,
    /// The hash to route by instead of the key's MD5.
    pub explicit_hash: Option<u128>,
    /// The payload.
    pub data: Bytes,
}

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// In this shard,
    pub shard: ShardId,
    /// under this number.
    pub sequence: SequenceNumber,
}

/// A writer whose appends must not be repeated: an append whose `epoch` is not greater than the last one that this
/// producer wrote to this stream is dropped and acknowledged with no placements. All records of such an append become
/// durable together or not at all, also while shards are split and merged. This is what makes a sink's commit idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// Unique in the stream, for example `application/sink`.
    pub id: Arc<str>,
    /// Greater at each append.
    pub epoch: u64,
}

/// A durable record. `partition_key` and `data` share memory with the batch they were read in.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its dense position in the shard.
    pub index: u64,
    /// When it arrived. May go backwards between records.
    pub arrival: Millis,
    /// As given by its producer.
    pub partition_key: Bytes,
    /// The payload.
    pub data: Bytes,
}

/// What one read found.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In order of index, without holes.
    pub records: Vec<Record>,
    /// The index to read next.
    pub next: u64,
    /// True when the shard is closed and `next` is its end: there is nothing more, ever.
    pub ended: bool,
    /// When the record at `next` arrived, if there is one: how far behind the reader is.
    pub next_arrival: Option<Millis>,
}

/// What is readable of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first readable index.
    pub trim: u64,
    /// The index after the last durable record.
    pub tail: u64,
}

/// The future of an append: resolves when every record is durable and readable.
pub type Appended = Pin<Box<dyn Future<Output = Result<Vec<Placed>, LogError>> + Send>>;

/// A log of many streams.
pub trait Log: Send + Sync + 'static {
    /// Creates a stream with uniform hash ranges (`start_i = i·⌊2^128/n⌋`, the last shard takes the remainder).
    fn create_stream(&self, key: &StreamKey, spec: StreamSpec) -> Result<Arc<StreamInfo>, LogError>;
    /// Deletes a stream and its data.
    fn delete_stream(&self, key: &StreamKey) -> Result<(), LogError>;
    /// The stream as it is now.
    fn stream(&self, key: &StreamKey) -> Result<Arc<StreamInfo>, LogError>;
    /// The names of a scope's streams, sorted.
    fn streams(&self, scope: &Scope) -> Vec<Arc<str>>;
    /// Changes the retention; a decrease trims at once, an increase brings nothing back.
    fn set_retention(&self, key: &StreamKey, hours: u32) -> Result<(), LogError>;
    /// Changes who decides about the number of shards; the shards stay.
    fn set_mode(&self, key: &StreamKey, mode: StreamMode) -> Result<(), LogError>;
    /// Splits an open shard in two, the second of which begins at the hash `new_start`.
    ///
    /// A change of shards is durable and atomic: after a crash either list holds. An append that was acknowledged before it
    /// is in the parent, one that is called after it in a child; one that is in flight is in one or the other as a whole.
    /// The parent is closed: its readers are woken, and find its end ([`Batch::ended`]) no earlier than [`Log::stream`]
    /// shows its children. Every number of a child is greater than every number of its parents, and ids are never given
    /// again. A closed shard leaves the list when its records and its end are past the retention.
    fn split_shard(&self, key: &StreamKey, shard: ShardId, new_start: u128) -> Result<Arc<StreamInfo>, LogError>;
    /// Merges an open shard with the one whose range begins where its own ends.
    fn merge_shards(&self, key: &StreamKey, shard: ShardId, adjacent: ShardId) -> Result<Arc<StreamInfo>, LogError>;
    /// Splits and merges until there are `count` open shards with the ranges that a new stream has. Shards in between are
    /// created and closed without records. One change, whatever the count.
    fn set_shard_count(&self, key: &StreamKey, count: u32) -> Result<Arc<StreamInfo>, LogError>;
    /// Queues records for the next group commit and returns at once. Placements are in the order of `records`. Records
    /// are validated by the caller; an unknown stream is the only refusal that comes early. Dropping the future does not
    /// take the append back.
    fn append(&self, key: &StreamKey, records: Vec<NewRecord>, producer: Option<Producer>) -> Appended;
    /// Waits until there is room for another append. `append` itself never holds back: a door calls this before it takes a
    /// request apart, so that waiting appends stay within bounds.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
    /// A reader that stands before `index`. An index below `trim` is moved up to it; above `tail` it waits.
    fn reader(&self, key: &StreamKey, shard: ShardId, index: u64) -> Result<Box<dyn ShardReader>, LogError>;
    /// What is readable of a shard.
    fn bounds(&self, key: &StreamKey, shard: ShardId) -> Result<Bounds, LogError>;
    /// The index of the first record that arrived at `time` or later; the tail when there is none.
    fn index_at(&self, key: &StreamKey, shard: ShardId, time: Millis) -> Result<u64, LogError>;
    /// Where those who read inside this process leave their marks. A log that nobody watches gives one that is looked at by
    /// nobody.
    fn readership(&self) -> Readership {
        Readership::default()
    }
    /// What is appended from now on goes to a new file, so that what holds for new files holds for it: how it is sealed. A
    /// backend without files of its own has nothing to do.
    fn begin_segment(&self, key: &StreamKey) -> Result<(), LogError> {
        self.stream(key).map(|_| ())
    }
    /// Drops what has outlived its stream's retention. Called from time to time by the server.
    fn trim_expired(&self) -> Result<(), LogError>;
}

/// Reads one shard in order, at its own pace. Holds no lock and pins no memory between calls.
#[async_trait]
pub trait ShardReader: Send {
    /// The index that will be read next.
    fn position(&self) -> u64;
    /// Reads what is there now without waiting: at most `records_max` records and about `bytes_max` bytes, but at least
    /// one record when there is one.
    fn read(&mut self, records_max: usize, bytes_max: usize) -> Result<Batch, LogError>;
    /// Waits until `read` would find a record or the shard's end. Woken by the append itself; cancel-safe.
    async fn wait(&mut self) -> Result<(), LogError>;
}

/// A failed log operation.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// There is no such stream.
    #[error("stream {0} does not exist")]
    NoStream(StreamKey),
    /// The name is taken.
    #[error("stream {0} already exists")]
    StreamExists(StreamKey),
    /// The stream has no such shard (any more).
    #[error("stream {0} has no {1}")]
    NoShard(StreamKey, ShardId),
    /// The shard takes no records any more.
    #[error("{1} of stream {0} is closed: use the shards that followed it")]
    ShardClosed(StreamKey, ShardId),
    /// The shards cannot be split or merged as it was asked for.
    #[error("the shards of stream {stream} were not changed: {reason}")]
    BadReshard {
        /// Whose.
        stream: StreamKey,
        /// What must be otherwise.
        reason: &'static str,
    },
    /// An append, or one record of it, is larger than the log can write at once.
    #[error("{what} of {bytes} bytes is too large for the log: at most {bytes_max} are possible")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The ceiling.
        bytes_max: usize,
    },
    /// The disk is full: nothing of this append was kept, what was acknowledged before is safe.
    #[error("the disk that holds the log is full: free some space in {path}, then write again")]
    DiskFull {
        /// The log's folder.
        path: String,
    },
    /// The disk failed; after a failed sync the log stays shut for writing until the program starts again.
    #[error("the log at {path} failed: {reason}")]
    Disk {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Stored bytes are damaged before the tail.
    #[error("{path} is damaged at byte {offset}: {reason}")]
    Corrupt {
        /// The segment.
        path: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The catalog failed.
    #[error("{0}")]
    Catalog(Arc<millrace_catalog::CatalogError>),
}

impl LogError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NoStream(_)
            | Self::StreamExists(_)
            | Self::NoShard(..)
            | Self::ShardClosed(..)
            | Self::BadReshard { .. }
            | Self::TooLarge { .. } => Remedy::FixRequest,
            Self::DiskFull { .. } => Remedy::Retry,
            Self::Disk { .. } => Remedy::Report,
            Self::Corrupt { .. } => Remedy::FixData,
            Self::Catalog(error) => error.remedy(),
        }
    }
}
