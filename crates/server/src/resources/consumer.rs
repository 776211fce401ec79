//! `AWS::Kinesis::StreamConsumer`.

use super::read;
use async_trait::async_trait;
use millrace_base::{Arn, Clock};
use millrace_log::{ConsumerError, Consumers, Log, StreamConsumer, StreamInfo, StreamKey};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::{Value, json};
use std::sync::Arc;

/// AWS's quota.
const CONSUMERS_MAX: usize = 20;

/// Registered consumers of streams.
pub(super) struct Consumer {
    pub(super) consumers: Consumers,
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Arc<dyn Clock>,
}

fn made(consumer: &StreamConsumer, stream: &StreamInfo) -> Created {
    let mut made = Created::new(
        consumer.arn().to_string(),
        [
            ("ConsumerARN", consumer.arn().to_string()),
            ("ConsumerName", consumer.name.to_string()),
            ("ConsumerStatus", "ACTIVE".to_owned()),
            ("StreamARN", stream.key.scope.arn("kinesis", &format!("stream/{}", stream.key.name)).to_string()),
        ],
    );
    made.attributes.insert("ConsumerCreationTimestamp".to_owned(), json!((consumer.created / 1000).to_string()));
    made
}

fn failed(error: impl std::fmt::Display) -> ResourceError {
    ResourceError::Failed(error.to_string())
}

impl Consumer {
    fn stream(&self, properties: &Value) -> Result<StreamInfo, ResourceError> {
        let given = read::text(properties, "StreamARN").unwrap_or_default();
        let wrong = |message: String| ResourceError::property("StreamARN", message);
        let arn: Arn = given.parse().map_err(|error| wrong(format!("{error}")))?;
        let key = StreamKey { scope: arn.scope.clone(), name: arn.name().into() };
        self.log.stream(&key).map(|stream| (*stream).clone()).map_err(|error| wrong(error.to_string()))
    }

    fn find(&self, arn: &str) -> Result<Option<StreamConsumer>, ResourceError> {
        let Ok(arn) = arn.parse::<Arn>() else { return Ok(None) };
        self.consumers.find(&*self.log, &arn).map_err(failed)
    }
}

#[async_trait]
impl ResourceType for Consumer {
    fn properties(&self) -> &'static [&'static str] {
        &["ConsumerName", "StreamARN"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let stream = self.stream(properties)?;
        let name = read::text(properties, "ConsumerName").unwrap_or_default();
        match self.consumers.register(&stream, name, self.clock.now(), CONSUMERS_MAX) {
            Err(ConsumerError::Exists(there)) if ctx.resuming => Ok(made(&there, &stream)),
            Err(ConsumerError::Exists(_)) => Err(read::taken("consumer", name, "ConsumerName")),
            other => other.map(|consumer| made(&consumer, &stream)).map_err(failed),
        }
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(Updated::NeedsReplacement("a consumer cannot be changed".to_owned()))
    }

    async fn delete(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match self.find(physical_id)? {
            Some(consumer) => self.consumers.deregister(&consumer).map(|_| ()).map_err(failed),
            None => Ok(()),
        }
    }

    async fn exists(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.find(physical_id)?.is_some())
    }
}
