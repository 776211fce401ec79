//! Calling a function by its ARN and waiting for its answer, as every room does that has a function do its work.

use bytes::Bytes;
use millrace_base::{Arn, Dice};
use millrace_functions::{FunctionKey, Invocation, Invoke, InvokeError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Calls functions. Cheap to clone.
#[derive(Clone)]
pub struct Calling {
    /// What runs them.
    pub functions: Arc<dyn Invoke>,
    /// Request ids.
    pub dice: Arc<dyn Dice>,
}

/// Why there is no answer, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such function, version or alias.
    #[error("{0}")]
    NotFound(String),
    /// All its concurrent executions are busy.
    #[error("{0}")]
    Throttled(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// It ran and failed.
    #[error("{0}")]
    Failed(String),
    /// It was not run.
    #[error("{0}")]
    NotInvoked(String),
}

impl Calling {
    /// Calls the function once. Dropping the future gives the answer up.
    pub async fn call(&self, arn: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, CallError> {
        let (function, qualifier) = function(arn)?;
        let invocation =
            Invocation { function, qualifier, request_id: self.dice.uuid().into(), payload, client_context: None };
        let request_id = invocation.request_id.clone();
        let called = tokio::time::timeout(timeout, self.functions.invoke(invocation)).await;
        let response = match called {
            Err(_) => {
                let seconds = timeout.as_secs_f64();
                return Err(CallError::TimedOut(format!(
                    "{arn} did not answer within {seconds} s, request {request_id}"
                )));
            }
            Ok(response) => response.map_err(|error| not_invoked(arn, &error))?,
        };
        match response.failed {
            false => Ok(response.payload),
            true => Err(failed(arn, &request_id, &response.payload)),
        }
    }
}

/// The function and the qualifier that an ARN names.
pub fn function(arn: &str) -> Result<(FunctionKey, Option<Arc<str>>), CallError> {
    let parsed: Arn = arn.parse().map_err(|error| CallError::NotFound(format!("'{arn}': {error}")))?;
    let Some(rest) = parsed.resource.strip_prefix("function:").filter(|_| &*parsed.service == "lambda") else {
        return Err(CallError::NotFound(format!("'{arn}' is not the ARN of a function")));
    };
    let (name, qualifier) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.into())),
        None => (rest, None),
    };
    Ok((FunctionKey { scope: parsed.scope, name: name.into() }, qualifier))
}

fn not_invoked(arn: &str, error: &InvokeError) -> CallError {
    let reason = format!("{arn}: {error}");
    match error {
        InvokeError::NotFound(_) => CallError::NotFound(reason),
        InvokeError::Throttled { reason: why } => CallError::Throttled(format!("{reason} {why}")),
        _ => CallError::NotInvoked(reason),
    }
}

/// The function's own words, from the `errorMessage` and `errorType` that Lambda answers with.
fn failed(arn: &str, request_id: &str, payload: &[u8]) -> CallError {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = error["errorMessage"].as_str().unwrap_or("no message");
    let kind = error["errorType"].as_str().unwrap_or("Unhandled");
    let told = format!("{arn} failed with {kind}: {message}; request {request_id} is in its log");
    // A function that ran out of its own time is killed, and says so.
    match message.contains("Task timed out") {
        true => CallError::TimedOut(told),
        false => CallError::Failed(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use millrace_functions::FunctionResponse;
    use millrace_testkit::SimDice;

    struct Fake;

    #[async_trait]
    impl Invoke for Fake {
        async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
            let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
            let (failed, payload) = match &*invocation.function.name {
                "echo" => (false, invocation.payload),
                "qualifier" => (false, text(invocation.qualifier.as_deref().unwrap_or("none"))),
                "raises" => (true, text(r#"{"errorMessage":"division by zero","errorType":"ZeroDivisionError"}"#)),
                "slow" => (true, text(r#"{"errorMessage":"2026 7 Task timed out after 3.00 seconds"}"#)),
                "busy" => return Err(InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" }),
                "stuck" => std::future::pending().await,
                other => return Err(InvokeError::NotFound(other.to_owned())),
            };
            let executed_version = "$LATEST".into();
            Ok(FunctionResponse { executed_version, failed, payload, log_tail: Bytes::new() })
        }
    }

    #[tokio::test]
    async fn answers_and_failures_are_told_apart() {
        let calling = Calling { functions: Arc::new(Fake), dice: Arc::new(SimDice::new(1)) };
        let call = async |name: &str| {
            let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
            calling.call(&arn, Bytes::from_static(b"{}"), Duration::from_millis(20)).await
        };
        assert_eq!(call("echo").await.unwrap(), "{}");
        assert_eq!(call("qualifier:live").await.unwrap(), "live");
        assert_eq!(call("qualifier").await.unwrap(), "none");
        assert!(matches!(call("raises").await, Err(CallError::Failed(reason)) if reason.contains("division by zero")));
        assert!(matches!(call("slow").await, Err(CallError::TimedOut(_))));
        assert!(matches!(call("stuck").await, Err(CallError::TimedOut(reason)) if reason.contains("0.02 s")));
        assert!(matches!(call("busy").await, Err(CallError::Throttled(reason)) if reason.contains("LimitExceeded")));
        assert!(matches!(call("absent").await, Err(CallError::NotFound(_))));
        let wrong = calling.call("arn:aws:sqs:us-east-1:000000000000:q", Bytes::new(), Duration::from_secs(1)).await;
        assert!(matches!(wrong, Err(CallError::NotFound(_))));
    }
}
