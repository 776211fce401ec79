//! What event source mappings need of other rooms: declared here, implemented where all rooms are in sight.

use super::permits::Permits;
use crate::{FunctionKey, Invoke};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::{Arn, Clock, Dice, Millis, Scope, ShardId};
use millrace_catalog::Catalog;
use millrace_log::Log;
use std::sync::Arc;

/// What mappings work with.
#[derive(Clone)]
pub struct MappingParts {
    /// Definitions and checkpoints.
    pub catalog: Catalog,
    /// The streams.
    pub log: Arc<dyn Log>,
    /// Calls functions.
    pub invoke: Arc<dyn Invoke>,
    /// Finds functions.
    pub functions: Arc<dyn FunctionFinder>,
    /// The streams' registered consumers.
    pub consumers: Arc<dyn StreamConsumers>,
    /// The queues.
    pub queues: Arc<dyn MessageQueues>,
    /// Where goes what was given up.
    pub destinations: Arc<dyn Destinations>,
    /// What functions' roles may do.
    pub permits: Arc<dyn Permits>,
    /// Counts.
    pub meter: Arc<dyn Meter>,
    /// Reads records of the schema registry.
    pub text: Arc<dyn RecordText>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Request ids and the jitter of pauses.
    pub dice: Arc<dyn Dice>,
}

/// What a mapping has to know of its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFacts {
    /// The ARN of its execution role: `invokeIdentityArn` of Kinesis events.
    pub role: String,
    /// 1 to 900.
    pub timeout_secs: u32,
}

/// Knows records that name their schema, and turns them into JSON for the mappings that ask for it.
pub trait RecordText: Send + Sync + 'static {
    /// The record as JSON text, or why it cannot be; `None` when it names no schema. `scope` is the mapping's.
    fn json(&self, scope: &Scope, record: &[u8]) -> Option<Result<Bytes, String>>;
}

/// Finds functions. Asked once a batch, so an answer is a look into memory.
pub trait FunctionFinder: Send + Sync + 'static {
    /// The function behind a name and a version or alias of it; `None` when one of the two does not exist.
    fn find(&self, function: &FunctionKey, qualifier: Option<&str>) -> Option<FunctionFacts>;
}

/// Knows the registered consumers of streams (enhanced fan-out).
pub trait StreamConsumers: Send + Sync + 'static {
    /// Whether a consumer ARN (`…:stream/NAME/consumer/CONSUMER:SECONDS`) is registered.
    fn exists(&self, consumer: &Arn) -> bool;
}

/// Counts what mappings do, under AWS's metric names.
pub trait Meter: Send + Sync + 'static {
    /// Adds to an event count of a mapping (`PolledEventCount`, `InvokedEventCount`, …). Called only for mappings whose
    /// `MetricsConfig` asks for `EventCount`.
    fn count(&self, mapping: &Arn, metric: &'static str, events: u64);
    /// A call of a stream mapping's function ended, or its batch was given up.
    fn batch(&self, _batch: &BatchEvent<'_>) {}
    /// `IteratorAge`: how old the last record of a batch was when the function was done with it.
    fn iterator_age(&self, function: &FunctionKey, age: Millis);
}

/// What became of a batch of a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchOutcome {
    /// The function did all of it.
    Succeeded,
    /// The function failed, or reported that some of it did; it will be called again.
    Failed,
    /// The function was not reached, or took no more calls; it will be called again.
    Refused,
    /// It was given up: its records went to the destination for failures, or nowhere.
    GivenUp,
}

/// A batch of a stream's records.
#[derive(Debug)]
pub struct BatchEvent<'a> {
    /// The mapping.
    pub mapping: &'a Arn,
    /// Its function.
    pub function: &'a FunctionKey,
    /// The stream.
    pub stream: &'a str,
    /// Which shard.
    pub shard: ShardId,
    /// The index of the first record, and the one after the last; lanes may interleave.
    pub range: (u64, u64),
    /// How many records.
    pub records: usize,
    /// Calls of the function that its first record failed in.
    pub failures: u32,
    /// When its last call began; 0 when there was none.
    pub began: Millis,
    /// The last call's request id.
    pub request_id: Option<&'a str>,
    /// What became of it.
    pub outcome: BatchOutcome,
    /// In words, when it is not well.
    pub reason: &'a str,
}

/// What is left of a batch, or of an asynchronous invocation, that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRecord {
    /// The record as SQS and SNS get it, JSON.
    pub message: Bytes,
    /// The key of the object for S3.
    pub object_key: String,
    /// The record as S3 gets it: with the payload.
    pub object: Bytes,
}

/// A record could not be delivered now; it will be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{destination} took no record: {reason}")]
pub struct DestinationError {
    /// Where it should have gone.
    pub destination: String,
    /// Why it did not.
    pub reason: String,
}

/// Takes what was given up: SQS queues, SNS topics, S3 buckets.
#[async_trait]
pub trait Destinations: Send + Sync + 'static {
    /// Delivers one record; it is durable there when this returns `Ok`. A repeated delivery of the same record may be there
    /// twice.
    async fn deliver(&self, destination: &Arn, record: &FailureRecord) -> Result<(), DestinationError>;
}

/// What a mapping has to know of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// A FIFO queue.
    pub fifo: bool,
    /// The queue's visibility timeout.
    pub visibility_secs: u32,
}

/// A message as SQS events show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// A UUID.
    pub message_id: String,
    /// What the message is deleted with.
    pub receipt_handle: String,
    /// The text.
    pub body: String,
    /// System attributes in the order in which they are to be shown: `ApproximateReceiveCount`, `SentTimestamp`, ….
    pub attributes: Vec<(String, String)>,
    /// The sender's attributes.
    pub message_attributes: Vec<(String, MessageAttribute)>,
    /// Of the body, 32 hexadecimal digits.
    pub md5_of_body: String,
    /// Of the sender's attributes, when there are any.
    pub md5_of_message_attributes: Option<String>,
}

/// One attribute that a sender gave a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with a custom suffix perhaps.
    pub data_type: String,
    /// The value of a string or number.
    pub string_value: Option<String>,
    /// The value of a binary.
    pub binary_value: Option<Bytes>,
}

/// A queue operation that failed and may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueueFault(pub String);

/// The queues that mappings read.
#[async_trait]
pub trait MessageQueues: Send + Sync + 'static {
    /// The queue's facts; `None` when it does not exist.
    fn find(&self, queue: &Arn) -> Option<QueueFacts>;
    /// Up to `max` messages, waiting for the first as long as it takes (the wait is woken by a send, and is given up by
    /// dropping the future, which takes no message along). Received messages are hidden for the queue's visibility timeout.
    async fn receive(&self, queue: &Arn, max: usize) -> Result<Vec<QueueMessage>, QueueFault>;
    /// Deletes messages; a handle that is not valid any more is no error.
    async fn delete(&self, queue: &Arn, receipt_handles: Vec<String>) -> Result<(), QueueFault>;
    /// Hides messages for so many seconds from now on; 0 shows them.
    async fn change_visibility(
        &self,
        queue: &Arn,
        receipt_handles: Vec<String>,
        visibility_secs: u32,
    ) -> Result<(), QueueFault>;
}
