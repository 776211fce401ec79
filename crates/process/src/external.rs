//! Functions that live outside the engine, as a trait: the server implements it with the room of functions.

use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Scope;
use std::time::Duration;

/// Why a call gave no answer, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CallFailure(pub String);

/// Calls functions outside the engine.
#[async_trait]
pub trait ScalarCalls: Send + Sync {
    /// Calls a function once and gives back what it answered, unread. `lambda` is its name or ARN, perhaps with a version or
    /// an alias, as the query names it; a name is looked for in `scope`. Longer than `timeout` is a failure. Any thread may
    /// wait for it, with whatever executor. Dropping the future gives the answer up.
    async fn call(&self, scope: &Scope, lambda: &str, event: Bytes, timeout: Duration) -> Result<Bytes, CallFailure>;
    /// Waits between two tries.
    async fn pause(&self, time: Duration);
}
