//! What event source mappings need of the other rooms: queues to read, registered consumers, and the queues, topics and
//! buckets that take what was given up.

use async_trait::async_trait;
use millrace_base::Arn;
use millrace_deliver::{ObjectStore, StoreError};
use millrace_functions::{
    DestinationError, Destinations, FailureRecord, MessageAttribute, MessageQueues, QueueFacts, QueueFault,
    QueueMessage, StreamConsumers,
};
use millrace_log::{Consumers, Log};
use millrace_queue::sns::{NewNotification, TopicKey, Topics};
use millrace_queue::{AttributeValue, Delivered, NewMessage, QueueError, QueueKey, Queues, ReceiveOptions, hex};
use std::fmt::Display;
use std::sync::Arc;

/// The longest that one receive waits (AWS); the next one follows at once.
const WAIT_SECS: u32 = 20;
/// The order in which AWS shows a message's attributes to functions.
const ATTRIBUTES: [&str; 8] = [
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "SentTimestamp",
    "SequenceNumber",
    "MessageGroupId",
    "SenderId",
    "MessageDeduplicationId",
    "ApproximateFirstReceiveTimestamp",
];

/// Streams' registered consumers, as the log keeps them.
pub struct RegisteredConsumers {
    /// The register.
    pub consumers: Consumers,
    /// Their streams.
    pub log: Arc<dyn Log>,
}

impl StreamConsumers for RegisteredConsumers {
    fn exists(&self, consumer: &Arn) -> bool {
        // A catalog that cannot be read is the mapping's trouble at its next look, too.
        self.consumers.find(&*self.log, consumer).is_ok_and(|found| found.is_some())
    }
}

/// The queues that mappings read.
pub struct MappedQueues(pub Queues);

fn key(queue: &Arn) -> Result<QueueKey, QueueFault> {
    QueueKey::of_arn(queue).ok_or_else(|| QueueFault(format!("{queue} is no queue")))
}

fn fault(error: impl Display) -> QueueFault {
    QueueFault(error.to_string())
}

#[async_trait]
impl MessageQueues for MappedQueues {
    fn find(&self, queue: &Arn) -> Option<QueueFacts> {
        let info = self.0.queue(&QueueKey::of_arn(queue)?).ok()?;
        Some(QueueFacts { fifo: info.is_fifo(), visibility_secs: info.settings.visibility_secs })
    }

    async fn receive(&self, queue: &Arn, max: usize) -> Result<Vec<QueueMessage>, QueueFault> {
        let key = key(queue)?;
        loop {
            // The long wait takes nothing along when it is given up.
            self.0.arrival(&key).await.map_err(fault)?;
            let options = ReceiveOptions { max, wait: Some(WAIT_SECS), ..ReceiveOptions::default() };
            let found = self.0.receive(&key, options).await.map_err(fault)?;
            if !found.is_empty() {
                return Ok(found.into_iter().map(message).collect());
            }
        }
    }

    async fn delete(&self, queue: &Arn, receipt_handles: Vec<String>) -> Result<(), QueueFault> {
        let outcomes = self.0.delete(&key(queue)?, receipt_handles).await.map_err(fault)?;
        outcomes.into_iter().find_map(Result::err).filter(is_serious).map_or(Ok(()), |error| Err(fault(error)))
    }

    async fn change_visibility(
        &self,
        queue: &Arn,
        receipt_handles: Vec<String>,
        visibility_secs: u32,
    ) -> Result<(), QueueFault> {
        let changes = receipt_handles.into_iter().map(|handle| (handle, visibility_secs)).collect();
        self.0.change_visibility(&key(queue)?, changes).await.map(drop).map_err(fault)
    }
}

/// Whether it is worth another try: a message that was received anew meanwhile is not ours any more.
fn is_serious(error: &QueueError) -> bool {
    !matches!(error, QueueError::ReceiptExpired(_) | QueueError::InvalidReceipt(_))
}

fn message(delivered: Delivered) -> QueueMessage {
    let place = |name: &str| ATTRIBUTES.iter().position(|known| *known == name).unwrap_or(ATTRIBUTES.len());
    let mut attributes = delivered.system.list();
    attributes.sort_by_key(|(name, _)| place(name));
    let md5_of_message_attributes = millrace_queue::md5_of_attributes(&delivered.attributes).map(|digest| hex(&digest));
    let own = delivered.attributes.into_iter().map(|attribute| {
        let (text, binary) = match attribute.value {
            AttributeValue::Text(bytes) => (Some(String::from_utf8_lossy(&bytes).into_owned()), None),
            AttributeValue::Binary(bytes) => (None, Some(bytes)),
        };
        let shown = MessageAttribute { data_type: attribute.data_type, string_value: text, binary_value: binary };
        (attribute.name, shown)
    });
    QueueMessage {
        message_id: delivered.message_id,
        receipt_handle: delivered.receipt_handle,
        body: String::from_utf8_lossy(&delivered.body).into_owned(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        message_attributes: own.collect(),
        md5_of_body: delivered.md5_of_body,
        md5_of_message_attributes,
    }
}

/// Takes what was given up to queues, topics and buckets.
pub struct GivenUp {
    /// SQS.
    pub queues: Queues,
    /// SNS.
    pub topics: Topics,
    /// S3.
    pub store: Arc<dyn ObjectStore>,
}

impl GivenUp {
    async fn put(&self, destination: &Arn, record: &FailureRecord) -> Result<(), String> {
        let message = record.message.clone();
        match &*destination.service {
            "sqs" => {
                let key = QueueKey::of_arn(destination).ok_or("it is no queue's ARN")?;
                let new = NewMessage { sender_id: key.scope.account.to_string(), ..NewMessage::of(message) };
                self.queues.send(&key, vec![new]).await.map(drop).map_err(|error| error.to_string())
            }
            "sns" => {
                let key = TopicKey::of_arn(&destination.to_string()).ok_or("it is no topic's ARN")?;
                let message = String::from_utf8_lossy(&message).into_owned();
                let new = NewNotification { message, ..NewNotification::default() };
                self.topics.publish(&key, new).await.map(drop).map_err(|error| error.to_string())
            }
            "s3" => {
                let put = self.store.put(&destination.resource, &record.object_key, record.object.clone());
                put.await.map_err(object_reason)
            }
            other => Err(format!("records go to sqs, sns and s3, not to {other}")),
        }
    }
}

/// Why an object could not be put. Buckets come with templates: there is no S3 API that creates one.
fn object_reason(error: StoreError) -> String {
    match error {
        StoreError::NoSuchBucket(bucket) => format!(
            "there is no bucket {bucket}: deploy a template with an AWS::S3::Bucket of this name (millrace deploy \
             TEMPLATE), or create it in the S3 store if the server uses one, and the mapping goes on"
        ),
        error => error.to_string(),
    }
}

#[async_trait]
impl Destinations for GivenUp {
    async fn deliver(&self, destination: &Arn, record: &FailureRecord) -> Result<(), DestinationError> {
        self.put(destination, record)
            .await
            .map_err(|reason| DestinationError { destination: destination.to_string(), reason })
    }
}
