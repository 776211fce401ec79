//! AWS/Lambda: invocations, asynchronous events, and event source mappings.

#![allow(clippy::disallowed_methods, reason = "a driver measures how long a call takes")]

use super::sheet::{Sheet, Shelf, measures};
use crate::trace::notes::Notes;
use async_trait::async_trait;
use millrace_base::{Arn, Clock, Millis, Scope};
use millrace_functions::{
    BatchEvent, BatchOutcome, EventObserver, FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError, Meter,
    UNSTARTABLE,
};
use millrace_watch::{MetricKey, Metrics};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

const COUNT: &str = "Count";
/// So much of an error is kept.
const MESSAGE_CHARS_MAX: usize = 400;

measures! {
    /// Metrics of a function, and without dimensions of all functions of an account.
    FunctionMeasure in "AWS/Lambda" {
        Invocations "Invocations" COUNT,
        Errors "Errors" COUNT,
        Throttles "Throttles" COUNT,
        Duration "Duration" MILLISECONDS,
        ConcurrentExecutions "ConcurrentExecutions" COUNT,
        IteratorAge "IteratorAge" MILLISECONDS,
        DeadLetterErrors "DeadLetterErrors" COUNT,
        DestinationDeliveryFailures "DestinationDeliveryFailures" COUNT,
        AsyncEventsReceived "AsyncEventsReceived" COUNT,
        AsyncEventAge "AsyncEventAge" MILLISECONDS,
        AsyncEventsDropped "AsyncEventsDropped" COUNT,
    }
}

/// Counts what functions do. Cheap to clone.
#[derive(Clone)]
pub struct FunctionMeter {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    functions: Arc<Shelf<FunctionKey, FunctionMeasure>>,
    accounts: Arc<Shelf<Scope, FunctionMeasure>>,
    running: Arc<Mutex<HashMap<Scope, HashMap<FunctionKey, u64>>>>,
    stuck: Arc<Mutex<HashMap<(String, String), StuckBatch>>>,
    errors: Arc<Mutex<HashMap<FunctionKey, FunctionError>>>,
    notes: Notes,
}

/// What a call failed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// `errorType`.
    pub kind: String,
    /// The beginning of `errorMessage`.
    pub message: String,
}

impl FunctionError {
    /// Whether nothing of the function ran, because its runtime cannot be started.
    pub fn is_unstartable(&self) -> bool {
        self.kind == UNSTARTABLE
    }

    /// Reads the answer of a call that failed; functions may answer anything.
    fn read(payload: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = |member: &str| answer[member].as_str().unwrap_or_default();
        // Without the id of the one call, the same trouble is the same text.
        let message = text("errorMessage");
        let message =
            message.split_once(" Error: ").filter(|(id, _)| id.starts_with("RequestId: ")).map_or(message, |at| at.1);
        Self { kind: text("errorType").to_owned(), message: message.chars().take(MESSAGE_CHARS_MAX).collect() }
    }
}

/// A batch of a mapping that is tried again and again.
#[derive(Debug, Clone)]
pub struct StuckBatch {
    /// The mapping's id.
    pub mapping: String,
    /// Its function.
    pub function: FunctionKey,
    /// The shard's id.
    pub shard: String,
    /// The index of the first record, and the one after the last.
    pub range: (u64, u64),
    /// How many records.
    pub records: usize,
    /// Tries in vain since then.
    pub tries: u32,
    /// Since when.
    pub since: Millis,
    /// Whether the function failed; else it was not reached.
    pub failed: bool,
    /// Why.
    pub reason: String,
}

impl FunctionMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: &Metrics, clock: Arc<dyn Clock>, notes: Notes) -> Self {
        Self {
            metrics: metrics.clone(),
            clock,
            functions: Arc::new(Shelf::new(metrics)),
            accounts: Arc::new(Shelf::new(metrics)),
            running: Arc::default(),
            stuck: Arc::default(),
            errors: Arc::default(),
            notes,
        }
    }

    /// What a function's last call that failed since the start failed with.
    pub fn last_error(&self, function: &FunctionKey) -> Option<FunctionError> {
        self.errors.lock().get(function).cloned()
    }

    /// Batches that are tried again and again.
    pub fn stuck(&self) -> Vec<StuckBatch> {
        self.stuck.lock().values().cloned().collect()
    }

    /// A mapping is gone: nothing of it is stuck.
    pub fn keep_stuck(&self, is_there: impl Fn(&str) -> bool) {
        self.stuck.lock().retain(|(mapping, _), _| is_there(mapping));
    }

    fn account(&self, scope: &Scope) -> Arc<Sheet<FunctionMeasure>> {
        self.accounts.of(scope, || (scope.clone(), Vec::new()))
    }

    fn sheet(&self, function: &FunctionKey) -> Arc<Sheet<FunctionMeasure>> {
        let describe = || (function.scope.clone(), vec![("FunctionName", function.name.to_string())]);
        self.functions.of(function, describe)
    }

    /// Counts for a function and for all functions of its account together.
    fn count(&self, function: &FunctionKey, measure: FunctionMeasure, value: f64) {
        self.sheet(function).count(measure, value);
        self.account(&function.scope).count(measure, value);
    }

    fn begin(&self, function: &FunctionKey) -> Running {
        let (own, all) = {
            let mut running = self.running.lock();
            let account = running.entry(function.scope.clone()).or_default();
            let own = account.entry(function.clone()).or_default();
            *own += 1;
            (*own, account.values().sum::<u64>())
        };
        self.sheet(function).count(FunctionMeasure::ConcurrentExecutions, own as f64);
        self.account(&function.scope).count(FunctionMeasure::ConcurrentExecutions, all as f64);
        Running { function: function.clone(), meter: self.clone() }
    }
}

/// One execution, until it is dropped.
struct Running {
    function: FunctionKey,
    meter: FunctionMeter,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.meter.running.lock();
        let Some(account) = running.get_mut(&self.function.scope) else { return };
        if let Some(count) = account.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                account.remove(&self.function);
            }
        }
    }
}

/// Calls functions and counts it.
pub struct Metered<I> {
    inner: I,
    meter: FunctionMeter,
}

impl<I> Metered<I> {
    /// `inner`, counted by `meter`.
    pub fn new(inner: I, meter: FunctionMeter) -> Self {
        Self { inner, meter }
    }
}

#[async_trait]
impl<I: Invoke> Invoke for Metered<I> {
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        let function = invocation.function.clone();
        let running = self.meter.begin(&function);
        let began = Instant::now();
        let answer = self.inner.invoke(invocation).await;
        drop(running);
        let note = |measure, value| self.meter.count(&function, measure, value);
        match &answer {
            Ok(response) => {
                note(FunctionMeasure::Invocations, 1.0);
                note(FunctionMeasure::Errors, f64::from(u8::from(response.failed)));
                if response.failed {
                    self.meter.errors.lock().insert(function.clone(), FunctionError::read(&response.payload));
                }
                note(FunctionMeasure::Throttles, 0.0);
                let measured = began.elapsed().as_secs_f64() * 1000.0;
                note(FunctionMeasure::Duration, reported(&response.log_tail).unwrap_or(measured));
            }
            Err(InvokeError::Throttled { .. }) => note(FunctionMeasure::Throttles, 1.0),
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

impl Meter for FunctionMeter {
    fn count(&self, mapping: &Arn, metric: &'static str, events: u64) {
        let dimensions = [("EventSourceMappingUUID", mapping.name())];
        let key = MetricKey::new(&mapping.scope, "AWS/Lambda", metric, dimensions);
        self.metrics.count(&key, COUNT, events as f64);
    }

    fn batch(&self, batch: &BatchEvent<'_>) {
        self.notes.batch(batch);
        let mapping = batch.mapping.name();
        let key = (mapping.to_owned(), batch.shard.to_string());
        let mut stuck = self.stuck.lock();
        let before = stuck.get(&key);
        if matches!(batch.outcome, BatchOutcome::Succeeded | BatchOutcome::GivenUp) {
            // Another lane's success says nothing about the records that are stuck.
            if before.is_some_and(|before| batch.range.0 <= before.range.0 && before.range.0 < batch.range.1) {
                stuck.remove(&key);
            }
            return;
        }
        // Halves of a batch are the same trouble.
        let same = before.filter(|before| batch.range.0 < before.range.1 && before.range.0 < batch.range.1);
        let (tries, since) = same.map_or((0, self.clock.now()), |before| (before.tries, before.since));
        let entry = StuckBatch {
            mapping: mapping.to_owned(),
            function: batch.function.clone(),
            shard: batch.shard.to_string(),
            range: batch.range,
            records: batch.records,
            tries: tries + 1,
            since,
            failed: batch.outcome == BatchOutcome::Failed,
            reason: batch.reason.to_owned(),
        };
        stuck.insert(key, entry);
    }

    fn iterator_age(&self, function: &FunctionKey, age: Millis) {
        self.sheet(function).count(FunctionMeasure::IteratorAge, age as f64);
    }
}

impl EventObserver for FunctionMeter {
    fn accepted(&self, function: &FunctionKey) {
        self.count(function, FunctionMeasure::AsyncEventsReceived, 1.0);
    }

    fn attempted(&self, function: &FunctionKey, age: Millis) {
        self.count(function, FunctionMeasure::AsyncEventAge, age as f64);
    }

    fn dropped(&self, function: &FunctionKey) {
        self.count(function, FunctionMeasure::AsyncEventsDropped, 1.0);
    }

    fn undelivered(&self, function: &FunctionKey, to_dead_letters: bool, _: &str) {
        let measure = match to_dead_letters {
            true => FunctionMeasure::DeadLetterErrors,
            false => FunctionMeasure::DestinationDeliveryFailures,
        };
        self.count(function, measure, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_from_answers() {
        let read = |text: &str| FunctionError::read(text.as_bytes());
        let away = read(
            r#"{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: 1-2 Error: Runtime exited with error: exit status 127"}"#,
        );
        assert!(away.is_unstartable());
        assert_eq!(away.message, "Runtime exited with error: exit status 127");
        let own = read(r#"{"errorType":"KeyError","errorMessage":"'x' Error: y","stackTrace":[]}"#);
        assert_eq!((own.is_unstartable(), own.message.as_str()), (false, "'x' Error: y"));
        assert_eq!(read("no JSON"), FunctionError::default());
    }

    #[test]
    fn durations_are_those_of_reports() {
        let tail = b"hello\nEND RequestId: x\nREPORT RequestId: x\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\n";
        assert_eq!(reported(tail), Some(12.34));
        assert_eq!(reported(b"{\"type\": \"platform.report\"}"), None);
    }
}
