//! The room of functions as delivery uses it: the functions of Firehose's Lambda processors.

use crate::calling::{CallError, Calling};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_deliver::{Transform, TransformError};
use std::time::Duration;

/// Firehose waits five minutes for a function.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Firehose's calls.
pub struct Transformation(pub Calling);

#[async_trait]
impl Transform for Transformation {
    async fn transform(&self, lambda_arn: &str, event: Bytes) -> Result<Bytes, TransformError> {
        self.0.call(lambda_arn, event, TIMEOUT).await.map_err(|error| match error {
            CallError::NotFound(reason) => TransformError::NotFound(reason),
            CallError::Throttled(reason) => TransformError::Throttled(reason),
            CallError::TimedOut(reason) => TransformError::TimedOut(reason),
            CallError::Failed(reason) => TransformError::Function(reason),
            CallError::NotInvoked(reason) => TransformError::NotInvoked(reason),
        })
    }
}
