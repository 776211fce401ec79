//! The log, counted: what is appended to streams, by whom ever, and where those who read in this process stand.

use super::hot_keys::{SAMPLED, SampledKey, sampled};
use super::kinesis::{StreamMeasure, Streams, is_internal};
use crate::trace::notes::Notes;
use millrace_base::{Clock, Millis, Scope, ShardId};
use millrace_log::{
    Appended, Bounds, Log, LogError, NewRecord, Placed, Producer, Readership, ShardMetric, ShardReader, StreamInfo,
    StreamKey, StreamMode, StreamSpec,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts `IncomingBytes` and `IncomingRecords` of another log, and samples partition keys.
pub struct MeteredLog {
    inner: Arc<dyn Log>,
    streams: Streams,
    clock: Arc<dyn Clock>,
    readership: Readership,
    /// Records seen, so that every sixteenth is looked at, however small the appends are.
    seen: AtomicUsize,
    notes: Notes,
}

/// What an append brings, noted before its records are handed on.
struct Incoming {
    bytes: usize,
    /// Place in the append, key, bytes.
    samples: Vec<(usize, SampledKey, usize)>,
    /// The bytes of each record, when shards are counted.
    sizes: Option<Vec<u32>>,
}

impl MeteredLog {
    /// `inner`, counted by `streams`.
    pub fn new(inner: Arc<dyn Log>, streams: Streams, clock: Arc<dyn Clock>, notes: Notes) -> Self {
        let readership = Readership::default();
        notes.watch(&readership);
        Self { inner, streams, clock, readership, seen: AtomicUsize::new(0), notes }
    }

    fn note(&self, key: &StreamKey, records: &[NewRecord]) -> Incoming {
        let size = |record: &NewRecord| record.data.len() + record.partition_key.len();
        let before = self.seen.fetch_add(records.len(), Ordering::Relaxed);
        let first = (SAMPLED - before % SAMPLED) % SAMPLED;
        let looked_at = records.iter().enumerate().skip(first).step_by(SAMPLED);
        let sizes = self.streams.monitoring().shows_any(key);
        Incoming {
            bytes: records.iter().map(size).sum(),
            samples: looked_at.map(|(at, record)| (at, sampled(&record.partition_key), size(record))).collect(),
            sizes: sizes.then(|| records.iter().map(|record| size(record) as u32).collect()),
        }
    }
}

impl Incoming {
    fn count(self, streams: &Streams, key: &StreamKey, placed: &[Placed], now: Millis) {
        let sheet = streams.stream(key);
        sheet.count(StreamMeasure::IncomingBytes, self.bytes as f64);
        sheet.count(StreamMeasure::IncomingRecords, placed.len() as f64);
        if !self.samples.is_empty() {
            let found = self.samples.into_iter().filter_map(|(at, key, size)| Some((placed.get(at)?.shard, key, size)));
            streams.hot_keys().add(key, found, now);
        }
        let Some(sizes) = &self.sizes else { return };
        let mut shards: BTreeMap<ShardId, (u64, u64)> = BTreeMap::new();
        for (placed, bytes) in placed.iter().zip(sizes) {
            let sum = shards.entry(placed.shard).or_default();
            *sum = (sum.0 + 1, sum.1 + u64::from(*bytes));
        }
        for (shard, (records, bytes)) in shards {
            streams.shard(key, shard, ShardMetric::IncomingRecords, records as f64);
            streams.shard(key, shard, ShardMetric::IncomingBytes, bytes as f64);
        }
    }
}

impl Log for MeteredLog {
    fn create_stream(&self, key: &StreamKey, spec: StreamSpec) -> Result<Arc<StreamInfo>, LogError> {
        self.inner.create_stream(key, spec)
    }

    fn delete_stream(&self, key: &StreamKey) -> Result<(), LogError> {
        self.inner.delete_stream(key)
    }

    fn stream(&self, key: &StreamKey) -> Result<Arc<StreamInfo>, LogError> {
        self.inner.stream(key)
    }

    fn streams(&self, scope: &Scope) -> Vec<Arc<str>> {
        self.inner.streams(scope)
    }

    fn set_retention(&self, key: &StreamKey, hours: u32) -> Result<(), LogError> {
        self.inner.set_retention(key, hours)
    }

    fn set_mode(&self, key: &StreamKey, mode: StreamMode) -> Result<(), LogError> {
        self.inner.set_mode(key, mode)
    }

    fn split_shard(&self, key: &StreamKey, shard: ShardId, new_start: u128) -> Result<Arc<StreamInfo>, LogError> {
        self.inner.split_shard(key, shard, new_start)
    }

    fn merge_shards(&self, key: &StreamKey, shard: ShardId, adjacent: ShardId) -> Result<Arc<StreamInfo>, LogError> {
        self.inner.merge_shards(key, shard, adjacent)
    }

    fn set_shard_count(&self, key: &StreamKey, count: u32) -> Result<Arc<StreamInfo>, LogError> {
        self.inner.set_shard_count(key, count)
    }

    fn append(&self, key: &StreamKey, records: Vec<NewRecord>, producer: Option<Producer>) -> Appended {
        if is_internal(&key.scope) {
            return self.inner.append(key, records, producer);
        }
        let incoming = self.note(key, &records);
        let (streams, clock, stream) = (self.streams.clone(), self.clock.clone(), key.clone());
        let notes = producer.clone().map(|producer| (self.notes.clone(), producer));
        let appended = self.inner.append(key, records, producer);
        Box::pin(async move {
            let placed = appended.await?;
            // A repeated append of a producer's is placed nowhere.
            if !placed.is_empty() {
                incoming.count(&streams, &stream, &placed, clock.now());
                if let Some((notes, producer)) = notes {
                    notes.written(&producer, &stream, &placed);
                }
            }
            Ok(placed)
        })
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.room()
    }

    fn reader(&self, key: &StreamKey, shard: ShardId, index: u64) -> Result<Box<dyn ShardReader>, LogError> {
        self.inner.reader(key, shard, index)
    }

    fn bounds(&self, key: &StreamKey, shard: ShardId) -> Result<Bounds, LogError> {
        self.inner.bounds(key, shard)
    }

    fn index_at(&self, key: &StreamKey, shard: ShardId, time: Millis) -> Result<u64, LogError> {
        self.inner.index_at(key, shard, time)
    }

    fn readership(&self) -> Readership {
        self.readership.clone()
    }

    fn begin_segment(&self, key: &StreamKey) -> Result<(), LogError> {
        self.inner.begin_segment(key)
    }

    fn trim_expired(&self) -> Result<(), LogError> {
        self.inner.trim_expired()
    }
}
