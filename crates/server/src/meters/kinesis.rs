//! AWS/Kinesis: what comes in and goes out of streams, by stream, by shard when enhanced monitoring is on, and by consumer.

use super::hot_keys::{self, HotKeys};
use super::sheet::{Sheet, Shelf, measures};
use crate::trace::notes::Notes;
use millrace_api::kinesis::{Got, KinesisObserver, Pushed, Put, Subscribed, Unlike};
use millrace_base::{Clock, Millis, Scope, ShardId};
use millrace_log::{Monitoring, ShardMetric, StreamKey};
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

measures! {
    /// Metrics of a stream.
    StreamMeasure in "AWS/Kinesis" {
        IncomingBytes "IncomingBytes" BYTES,
        IncomingRecords "IncomingRecords" COUNT,
        WriteThrottled "WriteProvisionedThroughputExceeded" COUNT,
        ReadThrottled "ReadProvisionedThroughputExceeded" COUNT,
        PutRecordBytes "PutRecord.Bytes" BYTES,
        PutRecordLatency "PutRecord.Latency" MILLISECONDS,
        PutRecordSuccess "PutRecord.Success" COUNT,
        PutRecordsBytes "PutRecords.Bytes" BYTES,
        PutRecordsLatency "PutRecords.Latency" MILLISECONDS,
        PutRecordsRecords "PutRecords.Records" COUNT,
        PutRecordsSuccess "PutRecords.Success" COUNT,
        PutRecordsTotal "PutRecords.TotalRecords" COUNT,
        PutRecordsSuccessful "PutRecords.SuccessfulRecords" COUNT,
        PutRecordsFailed "PutRecords.FailedRecords" COUNT,
        PutRecordsThrottled "PutRecords.ThrottledRecords" COUNT,
        GetRecordsBytes "GetRecords.Bytes" BYTES,
        GetRecordsRecords "GetRecords.Records" COUNT,
        GetRecordsLatency "GetRecords.Latency" MILLISECONDS,
        GetRecordsSuccess "GetRecords.Success" COUNT,
        IteratorAge "GetRecords.IteratorAgeMilliseconds" MILLISECONDS,
    }
}

measures! {
    /// Metrics of a shard (enhanced monitoring), in the order of [`ShardMetric::ALL`].
    ShardMeasure in "AWS/Kinesis" {
        IncomingBytes "IncomingBytes" BYTES,
        IncomingRecords "IncomingRecords" COUNT,
        OutgoingBytes "OutgoingBytes" BYTES,
        OutgoingRecords "OutgoingRecords" COUNT,
        WriteThrottled "WriteProvisionedThroughputExceeded" COUNT,
        ReadThrottled "ReadProvisionedThroughputExceeded" COUNT,
        IteratorAge "IteratorAgeMilliseconds" MILLISECONDS,
    }
}

measures! {
    /// Metrics of a registered consumer (enhanced fan-out).
    ConsumerMeasure in "AWS/Kinesis" {
        SubscribeSuccess "SubscribeToShard.Success" COUNT,
        SubscribeRateExceeded "SubscribeToShard.RateExceeded" COUNT,
        EventSuccess "SubscribeToShardEvent.Success" COUNT,
        EventBytes "SubscribeToShardEvent.Bytes" BYTES,
        EventRecords "SubscribeToShardEvent.Records" COUNT,
        MillisBehindLatest "SubscribeToShardEvent.MillisBehindLatest" MILLISECONDS,
    }
}

measures! {
    /// What came of records that are not what their stream's schema says: AWS has no such check, and so no such metric.
    SchemaMeasure in "Millrace/Kinesis" {
        Refused "SchemaRefusedRecords" COUNT,
        Warned "SchemaWarnedRecords" COUNT,
    }
}

/// So much of a reason is kept.
const REASON_CHARS_MAX: usize = 300;

/// Counts what streams do. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    monitoring: Monitoring,
    streams: Shelf<StreamKey, StreamMeasure>,
    shards: Shelf<(StreamKey, ShardId), ShardMeasure>,
    consumers: Shelf<(StreamKey, String), ConsumerMeasure>,
    schemas: Shelf<StreamKey, SchemaMeasure>,
    /// By stream, and by whether records are refused: the schema that they do not conform to, and why the last one does not.
    unlike: Mutex<HashMap<(StreamKey, bool), (String, String)>>,
    hot: HotKeys,
    throttles: Mutex<HashMap<(StreamKey, ShardId), Recent>>,
    notes: Notes,
}

/// A count of the last one or two minutes.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    since: Millis,
    now: u64,
    before: u64,
}

impl Recent {
    const WINDOW_MS: Millis = 60_000;

    fn turn(&mut self, now: Millis) {
        let age = now - self.since;
        if !(0..Self::WINDOW_MS).contains(&age) {
            self.before = if (0..2 * Self::WINDOW_MS).contains(&age) { self.now } else { 0 };
            (self.since, self.now) = (now, 0);
        }
    }
}

impl Streams {
    /// Counts into `metrics`; `monitoring` says of which shards.
    pub fn new(metrics: &Metrics, clock: Arc<dyn Clock>, monitoring: Monitoring, notes: Notes) -> Self {
        let inner = Inner {
            clock,
            monitoring,
            streams: Shelf::new(metrics),
            shards: Shelf::new(metrics),
            consumers: Shelf::new(metrics),
            schemas: Shelf::new(metrics),
            unlike: Mutex::default(),
            hot: HotKeys::default(),
            throttles: Mutex::default(),
            notes,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The hottest keys of shards.
    pub fn hot_keys(&self) -> &HotKeys {
        &self.inner.hot
    }

    /// Records that were refused for a quota in the last one or two minutes, by shard.
    pub fn throttled_lately(&self) -> Vec<(StreamKey, ShardId, u64)> {
        let now = self.now();
        let mut throttles = self.inner.throttles.lock();
        throttles.values_mut().for_each(|recent| recent.turn(now));
        throttles.retain(|_, recent| recent.now + recent.before > 0);
        throttles.iter().map(|((stream, shard), recent)| (stream.clone(), *shard, recent.now + recent.before)).collect()
    }

    /// The schema that a stream's records did not conform to, and why the last one did not; none when that was before the
    /// start. `is_refused`: of those that were refused, else of those that were taken with a warning.
    pub fn last_unlike(&self, stream: &StreamKey, is_refused: bool) -> Option<(String, String)> {
        self.inner.unlike.lock().get(&(stream.clone(), is_refused)).cloned()
    }

    /// Which metrics shards show.
    pub fn monitoring(&self) -> &Monitoring {
        &self.inner.monitoring
    }

    /// A stream's sheet.
    pub fn stream(&self, stream: &StreamKey) -> Arc<Sheet<StreamMeasure>> {
        let describe = || (stream.scope.clone(), vec![("StreamName", stream.name.to_string())]);
        self.inner.streams.of(stream, describe)
    }

    /// Counts for a shard, if its stream shows the metric.
    pub fn shard(&self, stream: &StreamKey, shard: ShardId, metric: ShardMetric, value: f64) {
        if self.inner.monitoring.shows(stream, metric) {
            let describe = || {
                let dimensions = vec![("StreamName", stream.name.to_string()), ("ShardId", shard.to_string())];
                (stream.scope.clone(), dimensions)
            };
            self.inner.shards.of(&(stream.clone(), shard), describe).count(measure_of(metric), value);
        }
    }

    /// A registered consumer's sheet.
    pub fn consumer(&self, stream: &StreamKey, consumer: &str) -> Arc<Sheet<ConsumerMeasure>> {
        let describe = || {
            let dimensions = vec![("StreamName", stream.name.to_string()), ("ConsumerName", consumer.to_owned())];
            (stream.scope.clone(), dimensions)
        };
        self.inner.consumers.of(&(stream.clone(), consumer.to_owned()), describe)
    }

    /// A reader of a stream is so far behind.
    pub fn age(&self, stream: &StreamKey, shard: ShardId, age_ms: Millis) {
        self.stream(stream).count(StreamMeasure::IteratorAge, age_ms as f64);
        self.shard(stream, shard, ShardMetric::IteratorAgeMilliseconds, age_ms as f64);
    }
}

fn measure_of(metric: ShardMetric) -> ShardMeasure {
    match metric {
        ShardMetric::IncomingBytes => ShardMeasure::IncomingBytes,
        ShardMetric::IncomingRecords => ShardMeasure::IncomingRecords,
        ShardMetric::OutgoingBytes => ShardMeasure::OutgoingBytes,
        ShardMetric::OutgoingRecords => ShardMeasure::OutgoingRecords,
        ShardMetric::WriteProvisionedThroughputExceeded => ShardMeasure::WriteThrottled,
        ShardMetric::ReadProvisionedThroughputExceeded => ShardMeasure::ReadThrottled,
        ShardMetric::IteratorAgeMilliseconds => ShardMeasure::IteratorAge,
    }
}

/// Streams and queues of the server's own are of accounts and regions that no caller can name: delivery streams and topics
/// buffer in them.
pub fn is_internal(scope: &Scope) -> bool {
    scope.region.contains('.') || !scope.account.bytes().all(|byte| byte.is_ascii_digit())
}

impl KinesisObserver for Streams {
    fn put(&self, put: &Put<'_>) {
        use StreamMeasure as M;
        self.inner.notes.put(put.stream, put.placed, put.correlation, put.took_ms);
        let sheet = self.stream(put.stream);
        let ok = put.failed == 0;
        sheet.count(M::WriteThrottled, put.throttled as f64);
        if put.is_batch {
            sheet.count(M::PutRecordsBytes, put.bytes as f64);
            sheet.count(M::PutRecordsLatency, put.took_ms);
            sheet.count(M::PutRecordsTotal, put.records as f64);
            sheet.count(M::PutRecordsSuccessful, put.placed.len() as f64);
            sheet.count(M::PutRecordsRecords, put.placed.len() as f64);
            sheet.count(M::PutRecordsFailed, put.failed as f64);
            sheet.count(M::PutRecordsThrottled, put.throttled as f64);
            // AWS counts a request as a success when at least one of its records was.
            sheet.count(M::PutRecordsSuccess, f64::from(u8::from(!put.placed.is_empty())));
        } else {
            sheet.count(M::PutRecordBytes, put.bytes as f64);
            sheet.count(M::PutRecordLatency, put.took_ms);
            sheet.count(M::PutRecordSuccess, f64::from(u8::from(ok && put.throttled == 0)));
        }
    }

    fn unconforming(&self, unlike: &Unlike<'_>) {
        let Unlike { stream, records, is_refused, schema, reason } = unlike;
        let describe = || (stream.scope.clone(), vec![("StreamName", stream.name.to_string())]);
        let measure = if *is_refused { SchemaMeasure::Refused } else { SchemaMeasure::Warned };
        self.inner.schemas.of(stream, describe).count(measure, *records as f64);
        let told = (schema.clone(), reason.chars().take(REASON_CHARS_MAX).collect());
        self.inner.unlike.lock().insert(((*stream).clone(), *is_refused), told);
    }

    fn throttled(&self, stream: &StreamKey, shard: ShardId, partition_key: &[u8], bytes: usize) {
        self.shard(stream, shard, ShardMetric::WriteProvisionedThroughputExceeded, 1.0);
        {
            let mut throttles = self.inner.throttles.lock();
            let recent = throttles.entry((stream.clone(), shard)).or_default();
            recent.turn(self.now());
            recent.now += 1;
        }
        // Those that are written are sampled: one that is not weighs as much as it would have.
        let weight = bytes.div_ceil(hot_keys::SAMPLED);
        self.inner.hot.add(stream, [(shard, hot_keys::sampled(partition_key), weight)], self.now());
    }

    fn got(&self, got: &Got<'_>) {
        use StreamMeasure as M;
        let sheet = self.stream(got.stream);
        sheet.count(M::GetRecordsSuccess, f64::from(u8::from(got.ok)));
        sheet.count(M::GetRecordsLatency, got.took_ms);
        sheet.count(M::ReadThrottled, 0.0);
        if got.ok {
            let records = (got.range.1 - got.range.0) as f64;
            sheet.count(M::GetRecordsBytes, got.bytes as f64);
            sheet.count(M::GetRecordsRecords, records);
            self.age(got.stream, got.shard, got.age_ms);
            self.went_out(got.stream, got.shard, got.bytes, records);
        }
    }

    fn read_throttled(&self, stream: &StreamKey, shard: ShardId) {
        self.stream(stream).count(StreamMeasure::ReadThrottled, 1.0);
        self.shard(stream, shard, ShardMetric::ReadProvisionedThroughputExceeded, 1.0);
    }

    fn subscribed(&self, stream: &StreamKey, consumer: &str, outcome: Subscribed) {
        let sheet = self.consumer(stream, consumer);
        sheet.count(ConsumerMeasure::SubscribeSuccess, f64::from(u8::from(outcome == Subscribed::Yes)));
        let exceeded = outcome == Subscribed::RateExceeded;
        sheet.count(ConsumerMeasure::SubscribeRateExceeded, f64::from(u8::from(exceeded)));
    }

    fn pushed(&self, pushed: &Pushed<'_>) {
        let sheet = self.consumer(pushed.stream, pushed.consumer);
        sheet.count(ConsumerMeasure::EventSuccess, f64::from(u8::from(pushed.ok)));
        if pushed.ok {
            let records = (pushed.range.1 - pushed.range.0) as f64;
            sheet.count(ConsumerMeasure::EventBytes, pushed.bytes as f64);
            sheet.count(ConsumerMeasure::EventRecords, records);
            sheet.count(ConsumerMeasure::MillisBehindLatest, pushed.behind_ms as f64);
            self.went_out(pushed.stream, pushed.shard, pushed.bytes, records);
        }
    }
}

impl Streams {
    fn now(&self) -> Millis {
        self.inner.clock.now()
    }

    fn went_out(&self, stream: &StreamKey, shard: ShardId, bytes: usize, records: f64) {
        if self.inner.monitoring.shows_any(stream) {
            self.shard(stream, shard, ShardMetric::OutgoingBytes, bytes as f64);
            self.shard(stream, shard, ShardMetric::OutgoingRecords, records);
        }
    }
}
