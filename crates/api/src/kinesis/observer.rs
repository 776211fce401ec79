//! What the door of Kinesis tells whoever counts or follows records: one event a request, after it was answered.

use crate::http::Correlation;
use millrace_base::{Millis, ShardId};
use millrace_log::{Placed, StreamKey};

/// Is told what went through the door. Called on the request's own thread: it must be quick and never wait.
pub trait KinesisObserver: Send + Sync + 'static {
    /// A PutRecord or PutRecords was answered.
    fn put(&self, put: &Put<'_>);
    /// A record was refused because its shard's quota is used up.
    fn throttled(&self, stream: &StreamKey, shard: ShardId, partition_key: &[u8], bytes: usize);
    /// Records do not conform to their stream's schema; they were refused, or taken with a warning.
    fn unconforming(&self, _unlike: &Unlike<'_>) {}
    /// A GetRecords was answered.
    fn got(&self, got: &Got<'_>);
    /// A GetRecords was refused because its shard's quota is used up.
    fn read_throttled(&self, stream: &StreamKey, shard: ShardId);
    /// A SubscribeToShard was answered, well or not.
    fn subscribed(&self, stream: &StreamKey, consumer: &str, outcome: Subscribed);
    /// A subscription sent an event, or failed to.
    fn pushed(&self, pushed: &Pushed<'_>);
}

/// Records that do not conform to their stream's schema.
#[derive(Debug)]
pub struct Unlike<'a> {
    /// Whose.
    pub stream: &'a StreamKey,
    /// How many.
    pub records: usize,
    /// Whether they were refused; else they were taken with a warning.
    pub is_refused: bool,
    /// The schema: `REGISTRY/NAME`.
    pub schema: String,
    /// Why the last of them does not conform.
    pub reason: &'a str,
}

/// An answered PutRecord or PutRecords.
#[derive(Debug)]
pub struct Put<'a> {
    /// Where to.
    pub stream: &'a StreamKey,
    /// True for PutRecords.
    pub is_batch: bool,
    /// How many records it brought.
    pub records: usize,
    /// Their data and partition keys.
    pub bytes: usize,
    /// Where they were written; those that were refused are not among them.
    pub placed: &'a [Placed],
    /// How many were refused for a quota.
    pub throttled: usize,
    /// How many failed in another way.
    pub failed: usize,
    /// From the request to its answer.
    pub took_ms: f64,
    /// The trace that the request belongs to.
    pub correlation: Correlation,
}

/// An answered GetRecords.
#[derive(Debug)]
pub struct Got<'a> {
    /// Where from.
    pub stream: &'a StreamKey,
    /// Which shard.
    pub shard: ShardId,
    /// The index of the first record, and the one after the last.
    pub range: (u64, u64),
    /// Data and partition keys of the records.
    pub bytes: usize,
    /// The age of the last record; 0 when nothing is left to be read.
    pub age_ms: Millis,
    /// From the request to its answer.
    pub took_ms: f64,
    /// Whether it went well.
    pub ok: bool,
}

/// How a SubscribeToShard was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// It began.
    Yes,
    /// Another one began less than five seconds ago.
    RateExceeded,
    /// It failed in another way.
    Failed,
}

/// An event of a subscription.
#[derive(Debug)]
pub struct Pushed<'a> {
    /// Where from.
    pub stream: &'a StreamKey,
    /// To whom.
    pub consumer: &'a str,
    /// Which shard.
    pub shard: ShardId,
    /// The index of the first record, and the one after the last.
    pub range: (u64, u64),
    /// Data and partition keys of the records.
    pub bytes: usize,
    /// The age of the next record to be sent; 0 when there is none.
    pub behind_ms: Millis,
    /// False when the subscription ended with an error instead.
    pub ok: bool,
}

/// Watches nothing.
pub struct Unobserved;

impl KinesisObserver for Unobserved {
    fn put(&self, _: &Put<'_>) {}
    fn throttled(&self, _: &StreamKey, _: ShardId, _: &[u8], _: usize) {}
    fn got(&self, _: &Got<'_>) {}
    fn read_throttled(&self, _: &StreamKey, _: ShardId) {}
    fn subscribed(&self, _: &StreamKey, _: &str, _: Subscribed) {}
    fn pushed(&self, _: &Pushed<'_>) {}
}
