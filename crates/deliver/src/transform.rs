//! The functions that transform records, as a trait: the server implements it with the room of functions.

use async_trait::async_trait;
use bytes::Bytes;

/// Why a function gave no answer that can be used. Each is tried again as often as the processor's `NumberOfRetries`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// There is no such function, version or alias.
    #[error("The specified Lambda function does not exist. Use a different function that does exist. ({0})")]
    NotFound(String),
    /// All its concurrent executions are busy.
    #[error("The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit. ({0})")]
    Throttled(String),
    /// The role may not call it.
    #[error("Access was denied. Ensure that the access policy allows access to the Lambda function. ({0})")]
    Denied(String),
    /// It did not answer in time.
    #[error("The Lambda function invocation timed out. Increase the Timeout setting in the Lambda function. ({0})")]
    TimedOut(String),
    /// It ran and failed, or the machine could not run it.
    #[error("The Lambda function was successfully invoked but it returned an error result. ({0})")]
    Function(String),
    /// It could not be run.
    #[error("The Lambda function could not be invoked. ({0})")]
    NotInvoked(String),
}

impl TransformError {
    /// AWS's error code in the lines under `processing-failed/`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "Lambda.ResourceNotFound",
            Self::Throttled(_) => "Lambda.InvokeLimitExceeded",
            Self::Denied(_) => "Lambda.InvokeAccessDenied",
            Self::TimedOut(_) => "Lambda.FunctionTimedOut",
            Self::Function(_) | Self::NotInvoked(_) => "Lambda.FunctionError",
        }
    }
}

/// Calls the functions that transform records.
#[async_trait]
pub trait Transform: Send + Sync + 'static {
    /// Calls a function once, with an event of Firehose's shape, and gives back what it answered, unread. A call that takes
    /// longer than AWS's five minutes is given up as [`TransformError::TimedOut`]. Dropping the future gives the answer up.
    async fn transform(&self, lambda_arn: &str, event: Bytes) -> Result<Bytes, TransformError>;
}
