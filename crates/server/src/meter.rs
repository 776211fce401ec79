//! What is counted of functions, under AWS's metric names.

#![allow(clippy::disallowed_methods, reason = "a driver measures how long a call takes")]

use async_trait::async_trait;
use millrace_base::{Arn, Millis};
use millrace_functions::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError, Meter};
use millrace_watch::{MetricKey, Metrics};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

const NAMESPACE: &str = "AWS/Lambda";
const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";

/// Calls functions and counts `Invocations`, `Errors`, `Throttles`, `Duration` and `ConcurrentExecutions`.
pub struct Metered<I> {
    inner: I,
    metrics: Metrics,
    running: Arc<Mutex<HashMap<FunctionKey, u64>>>,
}

/// One execution, until it is dropped.
struct Running {
    function: FunctionKey,
    running: Arc<Mutex<HashMap<FunctionKey, u64>>>,
}

impl<I> Metered<I> {
    /// `inner`, counted in `metrics`.
    pub fn new(inner: I, metrics: Metrics) -> Self {
        Self { inner, metrics, running: Arc::default() }
    }

    fn begin(&self, function: &FunctionKey) -> Running {
        let concurrent = {
            let mut running = self.running.lock();
            let count = running.entry(function.clone()).or_default();
            *count += 1;
            *count
        };
        count(&self.metrics, function, "ConcurrentExecutions", COUNT, concurrent as f64);
        Running { function: function.clone(), running: self.running.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.function);
            }
        }
    }
}

#[async_trait]
impl<I: Invoke> Invoke for Metered<I> {
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        let function = invocation.function.clone();
        let running = self.begin(&function);
        let began = Instant::now();
        let answer = self.inner.invoke(invocation).await;
        drop(running);
        let note = |name, unit, value| count(&self.metrics, &function, name, unit, value);
        match &answer {
            Ok(response) => {
                note("Invocations", COUNT, 1.0);
                note("Errors", COUNT, f64::from(u8::from(response.failed)));
                let measured = began.elapsed().as_secs_f64() * 1000.0;
                note("Duration", MILLISECONDS, reported(&response.log_tail).unwrap_or(measured));
            }
            Err(InvokeError::Throttled { .. }) => note("Throttles", COUNT, 1.0),
            Err(_) => {}
        }
        answer
    }
}

/// The duration that the function's own report says, without the time that its process took to start.
fn reported(log_tail: &[u8]) -> Option<f64> {
    let tail = String::from_utf8_lossy(log_tail);
    let (_, report) = tail.rsplit_once("REPORT RequestId: ")?;
    let (_, duration) = report.split_once("Duration: ")?;
    duration.split_once(" ms")?.0.parse().ok()
}

fn count(metrics: &Metrics, function: &FunctionKey, name: &str, unit: &str, value: f64) {
    let mut key = MetricKey {
        scope: function.scope.clone(),
        namespace: NAMESPACE.into(),
        name: name.into(),
        dimensions: vec![("FunctionName".into(), function.name.clone())],
    };
    metrics.count(&key, unit, value);
    // All functions of the account together.
    key.dimensions.clear();
    metrics.count(&key, unit, value);
}

/// Counts what event source mappings do.
pub struct MappingMeter(pub Metrics);

impl Meter for MappingMeter {
    fn count(&self, mapping: &Arn, metric: &'static str, events: u64) {
        let key = MetricKey {
            scope: mapping.scope.clone(),
            namespace: NAMESPACE.into(),
            name: metric.into(),
            dimensions: vec![("EventSourceMappingUUID".into(), mapping.name().into())],
        };
        self.0.count(&key, COUNT, events as f64);
    }

    fn iterator_age(&self, function: &FunctionKey, age: Millis) {
        let key = MetricKey {
            scope: function.scope.clone(),
            namespace: NAMESPACE.into(),
            name: "IteratorAge".into(),
            dimensions: vec![("FunctionName".into(), function.name.clone())],
        };
        self.0.count(&key, MILLISECONDS, age as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_reports() {
        let tail = b"hello\nEND RequestId: x\nREPORT RequestId: x\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\n";
        assert_eq!(reported(tail), Some(12.34));
        assert_eq!(reported(b"{\"type\": \"platform.report\"}"), None);
    }
}
