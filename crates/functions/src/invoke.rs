//! The contract of an invocation: what every caller of a function relies on, whatever runs the function.

use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::{Arn, Remedy, Scope};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A function's name within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionKey {
    /// Account and region.
    pub scope: Scope,
    /// 1 to 64 of `[a-zA-Z0-9-_]`.
    pub name: Arc<str>,
}

impl FunctionKey {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    pub fn arn(&self) -> Arn {
        self.scope.arn("lambda", &format!("function:{}", self.name))
    }
}

impl fmt::Display for FunctionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Which function.
    pub function: FunctionKey,
    /// A version (`7`, `$LATEST`) or an alias; `$LATEST` when there is none.
    pub qualifier: Option<Arc<str>>,
    /// Made by the caller, a UUID: what the function sees as its request id and its logs are found by.
    pub request_id: Arc<str>,
    /// The event, JSON.
    pub payload: Bytes,
    /// The mobile SDKs' client context, JSON.
    pub client_context: Option<Bytes>,
}

/// What a function answered. The call itself went well, the function may have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionResponse {
    /// `$LATEST` or the number of the version that ran.
    pub executed_version: Arc<str>,
    /// True when the function failed: raised, crashed, ran out of time or of memory. AWS's `FunctionError: Unhandled`.
    pub failed: bool,
    /// The answer, or `{"errorMessage": …, "errorType": …}` when `failed`.
    pub payload: Bytes,
    /// The last 4 KiB of what it logged.
    pub log_tail: Bytes,
}

/// Why a function was not called. Nothing of it ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function, version or alias.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// All concurrent executions that it may have are busy.
    #[error("Rate Exceeded.")]
    Throttled {
        /// AWS's reason, for example `ReservedFunctionConcurrentInvocationLimitExceeded`.
        reason: &'static str,
    },
    /// The payload is larger than Lambda takes.
    #[error("{bytes} byte payload is too large for the {kind} invocation type (limit {bytes_max} bytes)")]
    TooLarge {
        /// The payload's size.
        bytes: usize,
        /// `RequestResponse` or `Event`.
        kind: &'static str,
        /// The ceiling.
        bytes_max: usize,
    },
    /// It is not `Active` yet, or its last update failed.
    #[error("{0}")]
    NotReady(String),
    /// The machine or Millrace failed.
    #[error("{0}")]
    Failed(String),
}

impl InvokeError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NotFound(_) | Self::TooLarge { .. } => Remedy::FixRequest,
            Self::Throttled { .. } | Self::NotReady(_) => Remedy::Retry,
            Self::Failed(_) => Remedy::Report,
        }
    }
}

/// Calls functions and waits for their answers.
///
/// Dropping the future gives the answer up; the function runs to its end. Calls are not retried: the caller knows best.
#[async_trait]
pub trait Invoke: Send + Sync + 'static {
    /// Runs the function once.
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError>;
}
