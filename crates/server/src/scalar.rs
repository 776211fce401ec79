//! The room of functions as SQL uses it: external functions.

use crate::calling::Calling;
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Scope;
use millrace_process::{CallFailure, ScalarCalls};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// SQL's calls. Its threads are none of the runtime's, so that every call is a task there.
pub struct ExternalFunctions {
    /// What calls.
    pub calling: Calling,
    /// Where calls run.
    pub runtime: Handle,
}

/// A task that ends when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The ARN of a function that SQL names by its name (with a version or alias, perhaps) or by the ARN itself.
pub fn function_arn(scope: &Scope, lambda: &str) -> String {
    match lambda.starts_with("arn:") {
        true => lambda.to_owned(),
        false => scope.arn("lambda", &format!("function:{lambda}")).to_string(),
    }
}

#[async_trait]
impl ScalarCalls for ExternalFunctions {
    async fn call(&self, scope: &Scope, lambda: &str, event: Bytes, timeout: Duration) -> Result<Bytes, CallFailure> {
        let arn = function_arn(scope, lambda);
        let calling = self.calling.clone();
        let mut task = Task(self.runtime.spawn(async move { calling.call(&arn, event, timeout).await }));
        match (&mut task.0).await {
            Ok(called) => called.map_err(|error| CallFailure(error.to_string())),
            Err(gone) => Err(CallFailure(format!("the call was given up: {gone}"))),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a driver: the pause before another try is real time")]
    async fn pause(&self, time: Duration) {
        let mut task = Task(self.runtime.spawn(async move { tokio::time::sleep(time).await }));
        // A task that was given up has paused long enough.
        let _ = (&mut task.0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_functions::{FunctionResponse, Invocation, Invoke, InvokeError};
    use millrace_testkit::SimDice;
    use std::sync::Arc;

    struct Absent;

    #[async_trait]
    impl Invoke for Absent {
        async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
            Err(InvokeError::NotFound(invocation.function.arn().to_string()))
        }
    }

    #[tokio::test]
    async fn any_thread_may_wait_and_a_name_is_of_the_scope() {
        let calling = Calling { functions: Arc::new(Absent), dice: Arc::new(SimDice::new(1)) };
        let external = ExternalFunctions { calling, runtime: Handle::current() };
        let waiting = std::thread::spawn(move || {
            let scope = Scope::new("123456789012", "eu-west-1");
            futures::executor::block_on(async {
                external.pause(Duration::from_millis(1)).await;
                external.call(&scope, "score:live", Bytes::new(), Duration::from_secs(1)).await
            })
        });
        let failure = tokio::task::spawn_blocking(|| waiting.join().unwrap()).await.unwrap().unwrap_err();
        assert!(failure.0.contains("arn:aws:lambda:eu-west-1:123456789012:function:score"), "{failure}");
    }
}
