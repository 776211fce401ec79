//! What the tests share: small logs and small records.

use bytes::Bytes;
use millrace_base::{Millis, Scope, ShardId};
use millrace_catalog::Catalog;
use millrace_log::{
    Commit, LocalLog, Log, LogError, LogOptions, LogParts, NewRecord, Placed, Producer, Record, StreamKey, StreamMode,
    StreamSpec,
};
use millrace_testkit::{SimClock, SimDisk};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// When simulations begin.
pub const START: Millis = 1_790_000_000_000;
/// Where a simulated log lies.
pub const DIR: &str = "/data/log";

/// A simulated disk and clock, on which logs are opened again and again.
pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub options: LogOptions,
}

impl World {
    /// An empty disk; segments are small, so that they roll often.
    pub fn new(seed: u64) -> Self {
        let options =
            LogOptions { commit: Commit::Inline, segment_bytes: 2 << 10, cache_bytes: 4 << 10, ..Default::default() };
        Self { disk: SimDisk::new(seed), clock: SimClock::at(START), options }
    }

    /// Opens the log as it is on the disk.
    pub fn open(&self) -> Result<Arc<LocalLog>, LogError> {
        let catalog = Catalog::open(&self.disk, Path::new("/data/catalog.redb"))?;
        let parts =
            LogParts { clock: Arc::new(self.clock.clone()), disk: crate::over(&self.disk), catalog, dir: DIR.into() };
        LocalLog::open(parts, self.options.clone())
    }
}

/// A stream of the default scope.
pub fn key(name: &str) -> StreamKey {
    StreamKey { scope: Scope::default(), name: name.into() }
}

/// A provisioned stream that keeps its records for a day.
pub fn spec(shard_count: u32) -> StreamSpec {
    StreamSpec { shard_count, mode: StreamMode::Provisioned, retention_hours: 24, record_kib_max: 1024 }
}

/// A record that goes where its key leads.
pub fn record(partition_key: &str, data: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        partition_key: Bytes::copy_from_slice(partition_key.as_bytes()),
        explicit_hash: None,
        data: data.into(),
    }
}

/// The result of a future that does not have to wait, as appends with inline commits do not.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future should have been ready"),
    }
}

/// Appends to an inline log.
pub fn append(
    log: &dyn Log,
    key: &StreamKey,
    records: Vec<NewRecord>,
    producer: Option<Producer>,
) -> Result<Vec<Placed>, LogError> {
    ready(log.append(key, records, producer))
}

/// Everything that is readable of a shard, from `index` on.
pub fn read_all(log: &dyn Log, key: &StreamKey, shard: ShardId, index: u64) -> Result<Vec<Record>, LogError> {
    let mut reader = log.reader(key, shard, index)?;
    let mut records = Vec::new();
    loop {
        let batch = reader.read(1000, 1 << 20)?;
        if batch.records.is_empty() {
            assert!(batch.next_arrival.is_none(), "a batch is empty only at the tail");
            return Ok(records);
        }
        records.extend(batch.records);
    }
}
